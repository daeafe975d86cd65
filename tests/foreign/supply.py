"""What the program is built of, from Cargo's own metadata, held against deploy/deny.toml; and a bill of
materials (CycloneDX 1.6) of it.

    supply.py check [--plant NAME=LICENCE=SOURCE]
    supply.py bill OUT

`check` reads the same lists as `cargo deny check licenses bans sources`, which not everybody has. A
planted package shows that a violation is found. `bill` writes OUT and validates it by CycloneDX's own
schema.
"""

import hashlib
import json
import pathlib
import subprocess
import sys
import tomllib
import uuid

import jsonschema
from cyclonedx import schema as cyclonedx_schemas
from license_expression import get_spdx_licensing
from packageurl import PackageURL
from referencing import Registry, Resource

TARGET = "x86_64-unknown-linux-gnu"
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def metadata():
    command = ["cargo", "metadata", "--locked", "--format-version", "1", "--filter-platform", TARGET]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def built(data, kinds):
    """The packages that the program is made with, as the resolver found them for these kinds."""
    nodes = {node["id"]: node for node in data["resolve"]["nodes"]}
    # What `cargo tree` sees: optional dependencies that no feature asks for are left out of it.
    command = ["cargo", "tree", "--locked", "--target", TARGET, "--prefix", "none", "--edges", kinds]
    command += ["--format", "{p}", "--no-dedupe"]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    seen = {tuple(line.split()[:2]) for line in text.splitlines() if line}
    packages = [p for p in data["packages"] if (p["name"], "v" + p["version"]) in seen]
    assert len(packages) == len(seen), "Cargo's two answers differ"
    return packages, nodes


SPDX = get_spdx_licensing()


def allowed(expression, licences):
    """Whether a licence expression can be met by the licences of the list."""
    # Cargo's older spelling of a choice.
    parsed = SPDX.parse(expression.replace(" / ", " OR ").replace("/", " OR "), validate=True)

    def met(node):
        if node.isliteral:
            return str(node) in licences
        words = [met(part) for part in node.args]
        return all(words) if isinstance(node, SPDX.AND) else any(words)

    return met(parsed)


def check(planted):
    rules = tomllib.loads(pathlib.Path("deploy/deny.toml").read_text(encoding="utf-8"))
    packages, _ = built(metadata(), "normal,build")
    packages += planted
    licences = set(rules["licenses"]["allow"])
    denied = {entry["name"] for entry in rules["bans"]["deny"]}
    sources = {"registry+" + url for url in rules["sources"]["allow-registry"]}
    used, wrong = set(), []
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"]
        if not licence:
            wrong.append(f"{name}: no licence is named")
        elif not allowed(licence, licences):
            wrong.append(f"{name}: {licence} is not allowed")
        else:
            used |= {one for one in licences if one in licence}
        if package["name"] in denied:
            wrong.append(f"{name}: banned")
        # The crate itself has no source.
        if package["source"] not in sources and package["name"] != "tallygate":
            wrong.append(f"{name}: from {package['source']}")
    wrong += [f"{one}: allowed, and nobody has it" for one in sorted(licences - used)]
    print(f"{len(packages)} packages, {len(licences)} licences")
    if wrong:
        raise SystemExit("\n".join(wrong))


def component(package, checksums):
    name, version = package["name"], package["version"]
    url = PackageURL("cargo", name=name, version=version).to_string()
    found = {
        "type": "application" if name == "tallygate" else "library",
        "bom-ref": url,
        "name": name,
        "version": version,
        "purl": url,
        "licenses": [{"expression": package["license"].replace(" / ", " OR ").replace("/", " OR ")}],
    }
    if (name, version) in checksums:
        found["hashes"] = [{"alg": "SHA-256", "content": checksums[name, version]}]
    if package["repository"]:
        found["externalReferences"] = [{"type": "vcs", "url": package["repository"]}]
    return found


def bill(out):
    data = metadata()
    packages, nodes = built(data, "normal,build")
    lock = tomllib.loads(pathlib.Path("Cargo.lock").read_text(encoding="utf-8"))
    checksums = {(p["name"], p["version"]): p["checksum"] for p in lock["package"] if "checksum" in p}
    names = {p["id"]: component(p, checksums) for p in packages}
    ours = next(one for one in names.values() if one["name"] == "tallygate")
    depends = [
        {
            "ref": names[key]["bom-ref"],
            "dependsOn": sorted(
                {names[d["pkg"]]["bom-ref"] for d in nodes[key]["deps"] if d["pkg"] in names}
            ),
        }
        for key in names
    ]
    # The same packages give the same bill: its number is made of them.
    digest = hashlib.sha256(json.dumps(sorted(one["bom-ref"] for one in names.values())).encode())
    whole = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.UUID(bytes=digest.digest()[:16], version=4)}",
        "version": 1,
        "metadata": {"component": ours},
        "components": sorted(
            (one for one in names.values() if one is not ours), key=lambda one: one["bom-ref"]
        ),
        "dependencies": sorted(depends, key=lambda one: one["ref"]),
    }
    validate(whole)
    missing = [one["name"] for one in whole["components"] if "hashes" not in one]
    if missing:
        raise SystemExit(f"without a checksum: {missing}")
    pathlib.Path(out).write_text(json.dumps(whole, indent=1) + "\n", encoding="utf-8")
    print(f"{len(whole['components'])} components")


def validate(whole):
    folder = pathlib.Path(cyclonedx_schemas.__file__).parent / "_res"
    read = lambda name: json.loads((folder / name).read_text(encoding="utf-8"))
    resources = []
    for name in ("spdx.SNAPSHOT.schema.json", "jsf-0.82.SNAPSHOT.schema.json"):
        text = read(name)
        resources += [(text["$id"], Resource.from_contents(text))]
    main = read("bom-1.6.SNAPSHOT.schema.json")
    registry = Registry().with_resources(resources)
    validator = jsonschema.Draft7Validator(main, registry=registry)
    errors = [f"{error.json_path}: {error.message}" for error in validator.iter_errors(whole)]
    if errors:
        raise SystemExit("\n".join(errors[:10]))
    # The schema is looked at, too: it refuses what is no bill.
    if validator.is_valid({**whole, "specVersion": 7}):
        raise SystemExit("the schema accepts anything")


def main():
    if sys.argv[1] == "bill":
        bill(sys.argv[2])
        return
    planted = []
    if "--plant" in sys.argv:
        name, licence, source = sys.argv[sys.argv.index("--plant") + 1].split("=")
        planted = [{"name": name, "version": "0.0.0", "license": licence, "source": source or REGISTRY}]
    check(planted)


main()
