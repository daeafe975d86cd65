"""Reads /metrics as Prometheus does, by the strict parser of Prometheus's own client library.

scraped.py URL
"""

import sys
from urllib.request import urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families

with urlopen(sys.argv[1], timeout=10) as answer:
    assert answer.headers["content-type"].startswith("application/openmetrics-text"), answer.headers
    text = answer.read().decode()
families = {family.name: family for family in text_string_to_metric_families(text)}
assert len(families) >= 20, sorted(families)
assert families["tallygate_rpc_calls"].type == "counter"
assert families["tallygate_rpc_seconds"].type == "histogram"
calls = {sample.labels["rpc_method"] for sample in families["tallygate_rpc_calls"].samples}
assert "tallygate.v1.FigureService/GetCard" in calls, calls
print(f"{len(families)} families")
