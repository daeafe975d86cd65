"""Our schemas and workbooks, by stock tools: tables.py TALLYGATE PROFILE FOLDER.

Frictionless takes every record type's Table Schema as it is, our properties included, finds the
template's row good and a bad one bad, and accepts the mapping that `push --suggest-map` proposes
for a file. jsonschema does the same with the JSON Schemas. A workbook of openpyxl's, with real
dates and numbers, goes through `push --dry-run` against the gateway.
"""

import csv
import datetime
import io
import json
import pathlib
import subprocess
import sys

import jsonschema
import openpyxl
from frictionless import Resource, Schema, system

program, profile, folder = sys.argv[1:4]
folder = pathlib.Path(folder)
folder.mkdir(exist_ok=True)


def tallygate(*arguments, code=0):
    done = subprocess.run([program, *arguments], capture_output=True, text=True)
    assert done.returncode == code, (arguments, done.returncode, done.stderr)
    return done.stdout


def errors(path, schema):
    """Codes of what frictionless finds."""
    with system.use_context(trusted=True):
        report = Resource(path=str(path), schema=Schema.from_descriptor(schema)).validate()
    return {code for (code,) in report.flatten(["type"])}


types = [row["record_type"] for row in json.loads(tallygate("record", "list", "--format", "json"))]
assert len(types) >= 22, types
for name in types:
    schema = json.loads(tallygate("record", "schema", name))
    template = folder / f"{name}.csv"
    template.write_text(tallygate("record", "template", name))
    assert errors(template, schema) == set(), name
    headings, row = csv.reader(io.StringIO(template.read_text()))
    record = dict(zip(headings, row))
    strict = jsonschema.Draft202012Validator(json.loads(tallygate("record", "schema", name, "--form", "json")))
    assert not list(strict.iter_errors(record)), name
    assert list(strict.iter_errors(record | {"shoe_size": "9"})), name
    bad = folder / "bad.csv"
    with bad.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(headings)
        writer.writerow(["" if h == "record_id" else "31/03/2026" if h == "event_date" else v for h, v in record.items()])
    assert errors(bad, schema) == {"constraint-error", "type-error"}, (name, errors(bad, schema))

today = datetime.date.today()
day = datetime.datetime.combine(today - datetime.timedelta(30), datetime.time())
born = datetime.datetime(today.year - 2, 2, 15)
workbook = openpyxl.Workbook()
sheet = workbook.active
sheet.append(["Ref", "NHS No", "DOB", "Date of contact", "Extracted", "Review", "Outcome", "Notes"])
for number, (nhs, outcome) in enumerate([(9990000018, "Completed"), (9990000026, "declined"), (9990000019, "completed")]):
    sheet.append([number, nhs, born, day, day, "Twelve month", outcome, "never sent"])
workbook.save(folder / "reviews.xlsx")
proposed = json.loads(tallygate("push", "--suggest-map", str(folder / "reviews.xlsx"), "--type", "health_review"))
found = {f["name"]: f.get("tallygate:target") for f in proposed["fields"]}
assert (found["NHS No"], found["DOB"], found["Notes"]) == ("nhs_number", "date_of_birth", None), found
proposed["fields"][3]["tallygate:target"] = "event_date"
mapping = folder / "map.json"
mapping.write_text(json.dumps(proposed))
Schema.from_descriptor(proposed)
rejects = folder / "rejects.csv"
arguments = ["push", str(folder / "reviews.xlsx"), "--type", "health_review", "--map", str(mapping)]
arguments += ["--protocol", "isp-health", "--profile", profile, "--dry-run", "--rejects", str(rejects), "--format", "json"]
(report,) = json.loads(tallygate(*arguments, code=1))
assert (report["rows"], report["well_formed"], report["rejected"]) == (3, 2, 1), report
(bad,) = csv.DictReader(rejects.open())
assert (bad["_row"], bad["_field"], bad["_code"]) == ("4", "nhs_number", "nhs-check-digit"), bad
# Corrected, it is pushed as it is, by the same mapping.
rejects.write_text(rejects.read_text().replace("9990000019", "9990000034"))
arguments[1] = str(rejects)
arguments[arguments.index("--rejects") + 1] = str(folder / "again.csv")
(report,) = json.loads(tallygate(*arguments))
assert (report["rows"], report["well_formed"]) == (1, 1), report
