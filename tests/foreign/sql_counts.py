"""A quarter's close and DuckDB's exact counts of the same persons: every count equal, both timed.

`tallygate bench release --export` writes what its close sees; DuckDB loads it and counts each
table in SQL, on two threads and on one. The three quarters before are counted, too, untimed,
for the tables that are due once a year. Last the signed release is held against the exact counts:
what it adds must look like the noise that it declares.
"""

import base64
import csv
import json
import math
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from string import Template

import duckdb
from sql_people import TEMPORARY, load, quarter_days, setup
from sql_tables import QUERIES, count

PROGRAM, OUT, SIZE = sys.argv[1], Path(sys.argv[2]), sys.argv[3]
ROWS = OUT / "rows"
# A person of too many groups counts in some, and each release draws anew in which.
CHOSEN_ANEW = {"target_groups", "referral_partners"}


def rows(name):
    with (ROWS / f"{name}.csv").open(newline="") as file:
        yield from csv.DictReader(file)


def exact_counts():
    """The gateway's own, by quarter and table; the areas of a table that is not the authority's."""
    tables, areas = {}, {}
    reach = {row["area"] for row in rows("lsoas")}
    for row in rows("exact"):
        key = row["quarter"], row["table"]
        by_area = row["area"] in reach
        areas[key] = by_area
        cell = (row["area"] if by_area else None), row["cell"]
        tables.setdefault(key, Counter())[cell] += int(row["count"])
    return tables, areas


def count_quarter(database, quarter, tables, areas):
    days = quarter_days(quarter)
    for statement in setup():
        database.execute(Template(statement).substitute(days))
    found = {}
    for table in tables:
        cells = database.execute(count(table, days, areas[quarter, table])).fetchall()
        found[table] = Counter({(area, cell): number for area, cell, number in cells})
    for name in TEMPORARY:
        database.execute(f"DROP TABLE {name}")
    return found


def compare(quarter, found, exact):
    """Prints what differs, and says how many tables do."""
    wrong = 0
    for table, theirs in found.items():
        ours = exact[quarter, table]
        cells = {cell for cell in ours.keys() | theirs.keys() if ours[cell] != theirs[cell]}
        wrong += bool(cells)
        for cell in sorted(cells, key=str)[:5]:
            print(f"{quarter} {table} {cell}: ours {ours[cell]}, DuckDB {theirs[cell]}"
                  f" ({len(cells)} such cells)", file=sys.stderr)
    return wrong


def noise_of_release(exact):
    """How many standard errors the release's squared noise is off its variance, at most, and the
    tables looked at."""
    text = json.loads((ROWS / "release.json").read_text())["payload"]
    release = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
    areas = [area["code"] for area in release["geography"]["areas"]]
    worst, looked_at = 0.0, 0
    for table in release["tables"]:
        if table["id"] in CHOSEN_ANEW:
            continue
        ours, squares = exact[release["quarter"], table["id"]], []
        for row, counts in enumerate(table["counts"]):
            area = areas[row] if table["base"] == "reach_area" else None
            squares += [(n - ours[area, cell]) ** 2 for cell, n in zip(table["cells"], counts)]
        looked_at += 1
        if table["variance"] == 0:
            worst = max(worst, math.inf if any(squares) else 0.0)
            continue
        # A squared normal has variance 2.
        mean = sum(squares) / len(squares) / table["variance"]
        worst = max(worst, (mean - 1) * math.sqrt(len(squares) / 2))
    return worst, looked_at


def main():
    command = [PROGRAM, "bench", "release", "--size", SIZE, "--dir", OUT / "scratch",
               "--export", ROWS, "--format", "json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    times = {row["what"]: float(row["seconds"]) for row in rows("times")}
    exact, areas = exact_counts()
    quarters = sorted({quarter for quarter, _ in exact})
    due = {quarter: [table for q, table in exact if q == quarter] for quarter in quarters}
    covered = {quarter: [table for table in due[quarter] if table in QUERIES]
               for quarter in quarters}
    database = duckdb.connect(OUT / "counts.duckdb", config={"threads": 2})
    begun = time.perf_counter()
    load(database, ROWS)
    loaded = time.perf_counter() - begun
    persons = database.execute("SELECT count(*) FROM persons").fetchone()[0]
    wrong, took, last = 0, {}, quarters[-1]
    for threads in (2, 1):
        database.execute(f"SET threads = {threads}")
        begun = time.perf_counter()
        found = count_quarter(database, last, covered[last], areas)
        took[threads] = time.perf_counter() - begun
        wrong += compare(last, found, exact)
    database.execute("SET threads = 2")
    for quarter in quarters[:-1]:
        wrong += compare(quarter, count_quarter(database, quarter, covered[quarter], areas), exact)
    off, looked_at = noise_of_release(exact)

    counted = {table for tables in covered.values() for table in tables}
    all_due = {table for tables in due.values() for table in tables}
    tables = f"{len(covered[last])} of {len(due[last])}"
    print(f"| {persons} persons, {last} | Tables | Seconds | Persons/s |")
    print("|---|---|---|---|")
    every = f"all {len(due[last])}"
    for what, which, seconds in [
        ("tallygate: the close, with decrypting, consents, noise and signature", every,
         times["close"]),
        ("a bare scan of the same rows", "none", times["scan"]),
        ("DuckDB: loading the rows from CSV", "none", loaded),
        ("DuckDB: exact counts on two threads", tables, took[2]),
        ("DuckDB: exact counts on one thread", tables, took[1]),
    ]:
        print(f"| {what} | {which} | {seconds:.2f} | {persons / seconds:,.0f} |")
    cells = sum(len(exact[quarter, table]) for quarter in quarters for table in covered[quarter])
    somebody = {table for (_, table), counts in exact.items() if any(counts.values())}
    print(f"\n{len(counted)} of {len(all_due)} tables of four quarters counted, {cells} cells;"
          f" tables that differ: {wrong}; that count nobody in either:"
          f" {', '.join(sorted(counted - somebody)) or 'none'}")
    print(f"the signed release's {looked_at} tables: squared noise at most {off:.1f} standard"
          " errors above what is declared")
    # By chance alone 6 standard errors come in less than one run in a million.
    if wrong or off > 6 or counted != all_due:
        sys.exit("the counts are not what they should be")


if __name__ == "__main__":
    main()
