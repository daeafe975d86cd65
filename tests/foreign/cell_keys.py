"""Our cell keys beside the ONS's package cell-key-perturbation.

cell_keys.py PROGRAM

A table of many areas is perturbed by the package, with a table of perturbations that depends on the
key (the one that it ships does not): once with a child more in every second area, by a coin, and
once after the child's records were withdrawn. An attacker who knows everyone else guesses; its
accuracy must be that of `bench attacks` on our own cell keys.
"""

import json
import math
import random
import subprocess
import sys

import pandas
from cell_key_perturbation.create_perturbed_table import create_perturbed_table

KEYS = 4096
AREAS = 10_000


def perturbations(variance):
    """The quantiles of a discrete Gaussian, for each count and key."""
    weights = {k: math.exp(-k * k / (2 * variance)) for k in range(-60, 61)}
    total, below, value, table = sum(weights.values()), 0.0, -60, []
    for key in range(KEYS):
        while below + weights[value] / total <= (key + 0.5) / KEYS:
            below += weights[value] / total
            value += 1
        table.append(value)
    rows = [(count, key, table[key]) for count in range(1, 50) for key in range(KEYS)]
    return table, pandas.DataFrame(rows, columns=["pcv", "ckey", "pvalue"])


def published(people, ptable):
    data = pandas.DataFrame(people, columns=["area", "kind", "record_key"])
    table = create_perturbed_table(data, ptable, ["area"], ["kind"], "record_key", threshold=0)
    counts = dict(zip(table["area"], table["count"]))
    return {area: max(0, int(count)) if count == count else 0 for area, count in counts.items()}


def rounded(count, base):
    return base * ((count + base // 2) // base)


def accuracy(guesses):
    """Of (likelihood without, likelihood with, whether it is there)."""
    right = 0.0
    for without, there, truth in guesses:
        right += 0.5 if without == there else float((there > without) == truth)
    return right / len(guesses)


def attack(variance, base):
    table, ptable = perturbations(variance)
    shares = {}
    for value in table:
        shares[value] = shares.get(value, 0) + 1 / KEYS
    likely = lambda count, shown: sum(p for e, p in shares.items() if rounded(max(0, count + e), base) == shown)
    others = {area: [random.randrange(KEYS) for _ in range(random.randrange(15, 35))] for area in range(AREAS)}
    child = {area: random.randrange(KEYS) for area in range(AREAS)}
    coin = {area: random.random() < 0.5 for area in range(AREAS)}
    rows = lambda there: [
        (area, 1, key) for area in others for key in others[area] + ([child[area]] if there(area) else [])
    ]
    # Presence: with the child or without. Erasure: with it first, then by the coin.
    seen, all_there = published(rows(lambda area: coin[area]), ptable), published(rows(lambda area: True), ptable)
    presence, erasure = [], []
    for area in range(AREAS):
        n, shown = len(others[area]), rounded(seen[area], base)
        presence.append((likely(n, shown), likely(n + 1, shown), coin[area]))
        before = rounded(all_there[area], base)
        same = likely(n + 1, before) if before == shown else 0.0
        erasure.append((likely(n, shown) * likely(n + 1, before), same, coin[area]))
    return accuracy(presence), accuracy(erasure)


def main(program):
    command = [program, "bench", "attacks", "--trials", "20000", "--format", "json"]
    rows = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ours = {(row["attack"].split(" ")[0], row["mechanism"]): row["accuracy"] for row in rows}
    failed = False
    for name, variance, base in [("cell_keys_1", 1, 1), ("cell_keys_9_5", 9, 5)]:
        theirs = attack(variance, base)
        for number, what, measured in [("0", "presence", theirs[0]), ("10", "erasure", theirs[1])]:
            own = ours[number, name]
            # Four deviations of either sample.
            off = 4 * math.sqrt(0.25 / AREAS + 0.25 / 20_000)
            failed |= abs(own - measured) > off
            print(f"{name} {what}: {own:.3f} on ours, {measured:.3f} on the ONS's package (at most {off:.3f} apart)")
    if failed:
        sys.exit("the baseline is not what the package does")


main(sys.argv[1])
