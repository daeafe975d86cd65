"""Puts the tables of the attacks and of utility into the README, from what the program printed.

readme_tables.py README.md ATTACKS.json UTILITY.json

    tallygate bench attacks --format json > ATTACKS.json
    tallygate bench utility --format json > UTILITY.json

What stands between `<!-- attacks -->` and `<!-- end of attacks -->`, and the same for `utility`, is replaced.
"""

import json
import re
import sys

RULES = ["threshold", "hes", "ons_10_5", "cell_keys_1", "cell_keys_9_5"]
HEAD = ["Attack", "Threshold of 10", "HES", "ONS 10-5", "Cell keys, variance 1", "9, to 5", "Ours", "Nobody can beat", "The ledger allows"]
BESIDE = {"hes": "HES rounding", "cell_keys_9_5": "ONS cell keys, variance 9, to 5", "tallygate": "ours"}
PROMISED = {"balances": "0.945 or more", "gaps": "0.945 or more", "shown with an interval that misses": "0.05 or less"}


def table(head, rows):
    lines = [head, ["---"] * len(head)] + rows
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def attacks(rows):
    found = {(row["attack"], row["mechanism"]): row for row in rows}
    names = list(dict.fromkeys(row["attack"] for row in rows))
    lines = []
    for name in names:
        ours = found[name, "tallygate"]
        rules = [f"{found[name, rule]['accuracy']:.2f}" for rule in RULES]
        lines.append([name, *rules, *(f"{ours[column]:.3f}" for column in ["accuracy", "bound", "ledger"])])
    wide = max((row["high"] - row["low"]) / 2 for row in rows)
    text = f"({rows[0]['trials']:,} trials each, seed 7; at most {wide:.3f} on either side, all attacks together at 99%)"
    return f"{text}\n\n{table(HEAD, lines)}"


def utility(rows):
    lines = []
    add = lambda what, row, shown, promised: lines.append(
        [what, f"{row['values']:,}", shown, f"{row['low']:.4f} to {row['high']:.4f}", promised]
    )
    for row in rows:
        share, name = f"{row['share']:.4f}", row["name"]
        level = row["level"].replace("_", " ")
        if row["what"] == "prints":
            add(f"errors within what is printed, {level}: {name}", row, share, "0.95")
        elif row["what"] == "errors":
            add(f"errors within what is expected on the counts, {level}: {name}", row, share, "0.95")
        elif row["what"] == "coverage":
            what = name if name.startswith("shown") else f"intervals that cover: {name}"
            add(what, row, share, PROMISED.get(name, "0.945 to 0.955"))
        elif row["what"] == "totals" and name.startswith("within"):
            add("the authority's totals within three deviations of the ledger's", row, share, "0.997 or more")
        elif row["what"] == "beside":
            shown = f"{row['measured']:.0f} persons, {row['share']:.2f}"
            add(f"95% error of a shown base cell, worst attack: {BESIDE[name]}", row, shown, "")
    unmet = sum(not row["met"] for row in rows)
    verdict = "all are met" if unmet == 0 else f"{unmet} ARE NOT MET"
    return f"Of {len(rows)} rows {verdict}:\n\n" + table(["What", "Values", "Share", "Exact interval", "Promised"], lines)


def main(readme, of_attacks, of_utility):
    text = open(readme, encoding="utf-8").read()
    for name, made in [("attacks", attacks(json.load(open(of_attacks)))), ("utility", utility(json.load(open(of_utility))))]:
        pattern = re.compile(f"(<!-- {name} -->\n).*?(<!-- end of {name} -->)", re.S)
        text, count = pattern.subn(lambda found: f"{found[1]}{made}\n\n{found[2]}", text)
        if count != 1:
            sys.exit(f"{readme} has no place for {name}")
    open(readme, "w", encoding="utf-8").write(text)


main(*sys.argv[1:])
