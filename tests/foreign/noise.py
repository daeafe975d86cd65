"""The noise and the ledger against OpenDP, and against exact arithmetic.

noise.py PROGRAM [CONTROL]

What the program draws is held against OpenDP's discrete Gaussian and the exact probabilities by
chi-square, its table against exact probabilities in both tails, and what the catalogue costs
against OpenDP's composition and conversion. With CONTROL a fault is planted that must be found:
half (of the variance), rounded (a continuous Gaussian), truncated (tails cut at six deviations),
ledger (one table's noise is less than it was charged for).
"""

import csv
import decimal
import io
import json
import math
import random
import subprocess
import sys

import opendp.prelude as dp

dp.enable_features("contrib")
decimal.getcontext().prec = 120
DRAWS = 40_000
UNIT = 2**128


def said(program, *arguments):
    return subprocess.run([program, *arguments], check=True, capture_output=True, text=True).stdout


def noise(program, variance):
    """Values with their probabilities in 2^-128 and how often they were drawn."""
    text = said(program, "bench", "noise", "--variance", str(variance), "--draws", str(DRAWS), "--format", "csv")
    rows = csv.DictReader(io.StringIO(text))
    return {int(row["value"]): (int(row["probability"], 16), int(row["drawn"])) for row in rows}


def exact(variance):
    """Probabilities of 0, 1, 2 ... to 120 digits."""
    weights, value = [], 0
    while not weights or weights[-1] > decimal.Decimal(10) ** -60:
        weights.append((-decimal.Decimal(value * value) / (2 * variance)).exp())
        value += 1
    total = 2 * sum(weights) - 1
    return [weight / total for weight in weights]


def check_table(variance, table):
    wanted = exact(variance)
    reach = max(table)
    if sum(units for units, _ in table.values()) != UNIT:
        sys.exit("the table does not add up to one")
    for value in range(-reach - 3, reach + 4):
        units = table.get(value, (0, 0))[0]
        ideal = int(wanted[abs(value)] * UNIT)
        # What flooring and the cut-off leave over goes to the middle.
        least, most = (ideal, ideal + 2 * reach + 3) if value == 0 else (ideal, ideal)
        if not least <= units <= most:
            sys.exit(f"the table's tail: {value} has {units} and should have {ideal}")


def excess(pairs):
    """Deviations of chi-square above its mean, for (seen, expected) with expected >= 20."""
    statistic = sum((seen - expected) ** 2 / expected for seen, expected in pairs)
    freedom = len(pairs) - 1
    return (statistic - freedom) / math.sqrt(2 * freedom)


def binned(counts, edge):
    bins = [0] * (2 * edge + 1)
    for value, count in counts.items():
        bins[max(-edge, min(edge, value)) + edge] += count
    return bins


def check_draws(variance, drawn):
    wanted = exact(variance)
    edge = max(k for k in range(len(wanted)) if float(wanted[k]) * DRAWS >= 20)
    ideal = {k: float(wanted[abs(k)]) * DRAWS for k in range(1 - len(wanted), len(wanted))}
    ours = binned(drawn, edge)
    off = excess(list(zip(ours, binned(ideal, edge))))
    sampler = dp.m.make_gaussian(
        dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float), scale=math.sqrt(variance)
    )
    theirs = {}
    for value in sampler([0] * DRAWS):
        theirs[value] = theirs.get(value, 0) + 1
    # Of two samples of one size: (a - b)^2 / (a + b).
    two = [(a, b) for a, b in zip(ours, binned(theirs, edge)) if a + b > 0]
    statistic = sum((a - b) ** 2 / (a + b) for a, b in two)
    apart = (statistic - (len(two) - 1)) / math.sqrt(2 * (len(two) - 1))
    print(f"variance {variance}: {off:+.2f} deviations from the exact probabilities, {apart:+.2f} from OpenDP's draws")
    # At six degrees of freedom a true sample exceeds eight once in a hundred thousand runs.
    if off > 8 or apart > 8:
        sys.exit("the draws are of another distribution")


def check_ledger(numbers):
    for period in ["quarter", "childhood"]:
        parts = []
        for table in numbers[period]["tables"]:
            # A change of one person: it leaves cap cells and enters cap others, sqrt(2 cap) away.
            scale = math.sqrt(table["variance"] / table["cap"])
            one = dp.m.make_gaussian(
                dp.vector_domain(dp.atom_domain(T=int)), dp.l2_distance(T=float), scale=scale
            )
            parts += [one] * table["times"]
        together = dp.c.make_composition(parts)
        rho = together.map(math.sqrt(2))
        epsilon = dp.c.make_zCDP_to_approxDP(together).map(math.sqrt(2)).epsilon(numbers[period]["delta"])
        ours = float(numbers[period]["rho"]), numbers[period]["epsilon"]
        print(f"{period}: rho {ours[0]} and epsilon {ours[1]:.6f}; OpenDP: {rho:.9f} and {epsilon:.6f}")
        if not (rho - 1e-12 <= ours[0] <= rho + 1e-6 and abs(ours[1] / epsilon - 1) < 1e-5):
            sys.exit("the ledger disagrees with OpenDP")


def main(program, control=None):
    numbers = json.loads(said(program, "catalogue", "dpia", "--format", "json"))
    variances = sorted({table["variance"] for table in numbers["childhood"]["tables"]})
    chosen = {1, 9, variances[0], variances[-1]}
    for variance in sorted(chosen):
        table = noise(program, variance // 2 if control == "half" and variance > 1 else variance)
        drawn = {value: count for value, (_, count) in table.items()}
        if control == "rounded":
            drawn = {}
            for _ in range(DRAWS):
                value = round(random.gauss(0, math.sqrt(variance)))
                drawn[value] = drawn.get(value, 0) + 1
        if control == "truncated":
            edge = int(6 * math.sqrt(variance))
            cut = sum(units for value, (units, _) in table.items() if abs(value) > edge)
            table = {value: pair for value, pair in table.items() if abs(value) <= edge}
            table[0] = (table[0][0] + cut, table[0][1])
        check_draws(variance, drawn)
        check_table(variance, table)
    if control == "ledger":
        numbers["quarter"]["tables"][0]["variance"] -= 1
    check_ledger(numbers)


main(*sys.argv[1:])
