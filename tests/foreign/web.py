"""Asks the web listener for a file of the log: web.py PROFILE PATH OUT [--token].

Python's own TLS and HTTP, a client certificate, and, for entries, a token made here. Prints
status and content type, and writes the body to OUT.
"""

import http.client
import pathlib
import ssl
import sys
import tomllib
import urllib.parse

from gateway import DEADLINE_SECONDS, Gateway

profile, path, out, *token = sys.argv[1:]
folder = pathlib.Path(profile).parent
entries = tomllib.loads(pathlib.Path(profile).read_text())
context = ssl.create_default_context(cafile=folder / entries["ca"])
context.load_cert_chain(folder / entries["certificate"], folder / entries["key"])
web = urllib.parse.urlsplit(entries["web"])
connection = http.client.HTTPSConnection(web.hostname, web.port, timeout=DEADLINE_SECONDS, context=context)
headers = {"authorization": f"Bearer {Gateway(profile).token()}"} if token else {}
connection.request("GET", path, headers=headers)
answer = connection.getresponse()
pathlib.Path(out).write_bytes(answer.read())
print(answer.status, answer.headers["content-type"])
