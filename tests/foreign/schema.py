"""Holds documents against our JSON Schemas with PyPI's jsonschema: schema.py PROGRAM DEMO FOLDER.

Every filled example and every document that the demo signed must be valid; each of some sixty broken
copies that the schema refuses, our program must refuse, too (it may refuse more, never less).
"""

import base64
import copy
import json
import pathlib
import subprocess
import sys

from jsonschema import Draft202012Validator

program, demo, folder = sys.argv[1], pathlib.Path(sys.argv[2]), pathlib.Path(sys.argv[3])
folder.mkdir(parents=True, exist_ok=True)


def run(*arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, check=False)


def validator(name):
    with open(f"deploy/{name}.schema.json") as file:
        schema = json.load(file)
    Draft202012Validator.check_schema(schema)
    return Draft202012Validator(schema)


protocol, policy = validator("protocol"), validator("root-policy")
validator("adherence"), validator("revocation")

whole = []
for kind in ("isp", "dda", "jca"):
    done = run("protocol", "new", "--template", kind, "--pair", "all", "--out", str(folder))
    assert done.returncode == 0, done.stderr
    whole += [json.loads(path.read_text()) for path in sorted(folder.glob(f"{kind}-*.json"))]
assert len(whole) == 18, len(whole)
for path in sorted((demo / "protocols").glob("*.json")):
    payload = json.loads(path.read_text())["payload"]
    document = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    (policy if "controllers" in document else protocol).validate(document)
    if "controllers" not in document:
        whole.append(document)
for document in whole:
    protocol.validate(document)


def places(value, at=()):
    yield at, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for step, inner in items:
        yield from places(inner, (*at, step))


def spoiled(document):
    """Copies that are wrong in one place; places of the same shape once."""
    seen = set()
    for at, value in places(document):
        shape = tuple("*" if isinstance(step, int) else step for step in at)
        if shape in seen or not at:
            continue
        seen.add(shape)
        for wrong in ("\u0430 look-alike", 1.5, None, [], {}, True, -1, 70_000_000):
            if wrong == value and type(wrong) is type(value):
                continue
            broken = copy.deepcopy(document)
            inner = broken
            for step in at[:-1]:
                inner = inner[step]
            inner[at[-1]] = wrong
            yield at, broken
        broken = copy.deepcopy(document)
        inner = broken
        for step in at[:-1]:
            inner = inner[step]
        if isinstance(inner, dict):
            inner["surprise"] = inner.pop(at[-1])
            yield at, broken


refused = accepted = 0
checked = set()
file = folder / "broken.json"
for at, broken in spoiled(whole[0]):
    if protocol.is_valid(broken):
        accepted += 1
        continue
    # One kind of fault at each place is enough to ask our program about.
    kind = (at, next(protocol.iter_errors(broken)).validator)
    if kind in checked:
        continue
    checked.add(kind)
    refused += 1
    file.write_text(json.dumps(broken))
    done = run("protocol", "diff", str(file), str(file))
    assert done.returncode == 2, f"{at}: the schema refuses it, and we took it: {done.stdout}"
assert refused > 60, refused
print(f"{len(whole)} documents are valid; of the broken ones {refused} refused by both")
