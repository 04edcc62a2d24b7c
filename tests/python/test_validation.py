"""The figures of `ammeter validate --json` against the predictions of the same command, worked out here a second
time: straight from their definitions in docs/formats.md, a row at a time, in exact fractions where sums are long."""

import collections
import csv
import re
import fractions
import io
import json
import math
import os
import pathlib
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

ROOT = pathlib.Path(os.environ.get("SRC", pathlib.Path(__file__).parents[2])).resolve()
AMMETER = os.environ["AMMETER"]
TABLES = [ROOT / "benchmarks/measured/train.csv", ROOT / "tests/data/runs_excerpt.csv"]
TIE = 1e-9  # predictions closer than this are one prediction
TERMS = "compute bubble tp cp ep pp dp optimizer other".split()
FEWEST = 5  # timed runs of a sweep that is judged
CLOSE = 1e-9  # two sums of the same doubles in another order
problems = []


def ammeter(*arguments):
    done = subprocess.run([AMMETER, *map(str, arguments)], capture_output=True, text=True, encoding="utf-8")
    if done.returncode != 0:
        sys.exit(f"ammeter {arguments}: {done.stderr}")
    return done.stdout


def average(values):
    values = [fractions.Fraction(v) for v in values]
    return float(sum(values) / len(values)) if values else None


def middle(values):
    values = sorted(values)
    half = len(values) // 2
    if not values:
        return None
    return values[half] if len(values) % 2 else average(values[half - 1 : half + 1])


class Run:
    """One scored row with its prediction, as numbers."""

    def __init__(self, row, number):
        self.row = row
        self.number = number
        self.measured = self.cell("measured_iter_s")
        self.predicted = self.cell("predicted_iter_s")
        self.memory = (self.cell("measured_mem_gb"), self.cell("predicted_mem_gb"))
        self.failed = row["oom"] == "1"
        self.fits = row["predicted_feasible"] == "1"
        self.family = row["gpu"].replace("(", "-").split("-")[0]
        note = row["notes"].partition("kernel=")[2].partition(";")[0]
        columns = "source_id model layers hidden heads gpu gpus seq_len global_batch precision"
        self.sweep = (*(row[c] for c in columns.split()), note)
        columns = (
            "framework cluster ffn_hidden kv_heads vocab moe_experts moe_topk gpus_per_node tp pp dp cp ep etp vpp "
            "micro_batch zero_stage_or_fsdp seq_parallel recompute recompute_modules flash_attention schedule "
            "stage_layers cuda_graph tp_comm_overlap moe_dispatcher"
        )
        self.configuration = self.sweep + tuple(row[c] for c in columns.split())
        self.judged = self.measured is not None and self.predicted is not None

    def cell(self, column):
        return float(self.row[column]) if self.row[column] else None


def ranks(values):
    """Rank of each value, counted twice so that shared ranks stay whole: those below and those not above."""
    return [sum(w < v for w in values) + sum(w <= v for w in values) for v in values]


def correlation(pairs):
    a, b = (ranks(column) for column in zip(*pairs))
    n = len(pairs)
    covariance = n * sum(x * y for x, y in zip(a, b)) - sum(a) * sum(b)
    spread = [n * sum(x * x for x in r) - sum(r) ** 2 for r in (a, b)]
    return covariance / math.sqrt(spread[0] * spread[1]) if all(spread) else None


def together(runs, key):
    groups = {}
    for run in runs:
        groups.setdefault(key(run), []).append(run)
    return list(groups.values())


def pick(runs):
    """The run that would have been chosen, and what that costs: (run, regret)."""
    possible = [r for r in runs if r.predicted is not None and r.fits]
    if not possible:
        return None, 1.0
    fastest = min(r.predicted for r in possible)
    tied = [r for r in possible if r.predicted <= fastest * (1 + TIE)]
    worst = sorted(tied, key=lambda r: (r.failed, r.measured or 0.0))[-1]
    if worst.failed:
        return worst, 1.0
    best = min(r.measured for r in runs if r.measured is not None)
    return worst, worst.measured / best - 1 if worst.measured else None


def choices(runs):
    regrets, orders, failed, none = [], [], 0, 0
    for sweep in together(runs, lambda r: r.sweep):
        if sum(r.measured is not None for r in sweep) < FEWEST:
            continue
        chosen, regret = pick(sweep)
        none += chosen is None
        failed += chosen is not None and chosen.failed
        regrets += [regret] if regret is not None else []
        pairs = [(r.predicted, r.measured) for r in sweep if r.judged]
        if chosen is not None and len(pairs) >= FEWEST:
            orders.append(correlation(pairs))
    return {
        "sweeps": len(regrets),
        "regret_mean": average(regrets),
        "regret_median": middle(regrets),
        "regret_max": max(regrets, default=None),
        "picked_oom": failed,
        "no_pick": none,
        "spearman": None if None in orders else average(orders),
    }


def configuration_errors(runs):
    for repeats in together([r for r in runs if r.judged], lambda r: r.configuration):
        measured = average([r.measured for r in repeats])
        yield abs(average([r.predicted for r in repeats]) - measured) / measured


def balanced(runs):
    known = [r for r in runs if r.row["oom"] in ("0", "1") and r.row["predicted_feasible"]]
    shares = [[r.fits != failed for r in known if r.failed == failed] for failed in (True, False)]
    return average([average(map(int, s)) for s in shares]) if all(shares) else None


def figures(runs):
    timed = [r for r in runs if r.measured is not None]
    judged = [r for r in timed if r.judged]
    errors = [(r.predicted - r.measured) / r.measured for r in judged]
    memory = [abs(p - m) / m for m, p in (r.memory for r in runs) if m and p]
    repeated = list(configuration_errors(runs))
    ranged = [r for r in judged if r.row["predicted_low_s"] and not r.row["assumed"]]
    assumed = [r for r in judged if r.row["predicted_low_s"] and r.row["assumed"]]
    inside, covered = (
        [r.cell("predicted_low_s") <= r.measured <= r.cell("predicted_high_s") for r in some]
        for some in (ranged, assumed)
    )
    return choices(runs) | {
        "rows": len(runs),
        "timed": len(timed),
        "predicted": len(judged),
        "coverage": len(judged) / len(timed) if timed else None,
        "error_mean": average(map(abs, errors)),
        "error_median": middle(map(abs, errors)),
        "bias": average(errors),
        "log_error": average(abs(math.log(r.predicted / r.measured)) for r in judged),
        "configurations": len(repeated),
        "configuration_error_mean": average(repeated),
        "configuration_error_median": middle(repeated),
        "ranged": len(ranged),
        "range_holds": average(map(int, inside)),
        "assumed": len(assumed),
        "assumed_held": sum(covered),
        "oom_balanced": balanced(runs),
        "memory_rows": len(memory),
        "memory_error": average(memory),
    }


def compare(where, wanted, got):
    for key, value in wanted.items():
        same = value == got[key]
        if isinstance(value, float) and isinstance(got[key], (int, float)):
            same = math.isclose(value, got[key], rel_tol=CLOSE, abs_tol=1e-12)
        if not same:
            problems.append(f"{where}: {key} is {got[key]}, expected {value}")


def check_rows_kept(path, predictions):
    original = list(csv.reader(open(path, encoding="utf-8", newline="")))
    for before, after in zip(original, predictions):
        if after[: len(before)] != before or len(after) != len(before) + 8 + len(TERMS):
            problems.append(f"{path}: a row changed: {before[:9]}")
    if len(original) != len(predictions):
        problems.append(f"{path}: {len(predictions)} of {len(original)} rows came back")


def check_never_a_guess(path, rows):
    for row in rows:
        numbers = [row[f"predicted_{k}"] for k in ("iter_s", "mem_gb", "feasible")]
        if bool(row["reason"]) == any(numbers) or any(numbers) != all(numbers):
            problems.append(f"{path}: prediction {numbers} with reason '{row['reason']}'")


def check_terms(path, rows):
    for row in rows:
        terms = [row[f"{term}_s"] for term in TERMS]
        if row["reason"]:
            wrong = any(terms)
        else:
            total = float(row["predicted_iter_s"])
            wrong = abs(sum(map(float, terms)) - total) > 1e-9 * total or min(map(float, terms)) < 0
        if wrong:
            problems.append(f"{path}: terms {terms} of {row['predicted_iter_s']}")


def check_table(path):
    text = ammeter("validate", path, "--predictions", "-", "-o", os.devnull)
    records = list(csv.reader(io.StringIO(text)))
    rows = [dict(zip(records[0], record)) for record in records[1:]]
    check_rows_kept(path, records)
    check_never_a_guess(path, rows)
    check_terms(path, rows)
    runs = [Run(row, number) for number, row in enumerate(rows, 2) if row["score"] == "1"]
    report = json.loads(ammeter("validate", path, "--json"))
    compare("total", figures(runs), report["total"])
    listed = {(s["source"], s["family"]): s for s in report["sources"]}
    wanted = {}
    for source in together(runs, lambda r: r.row["source_id"]):
        families = together(source, lambda r: r.family)
        name = source[0].row["source_id"]
        wanted[name, None] = source
        if len(families) > 1:
            wanted |= {(name, f[0].family): f for f in families}
    if listed.keys() != wanted.keys():
        problems.append(f"{path}: sources {sorted(map(str, listed.keys() ^ wanted.keys()))}")
    for key, group in wanted.items():
        compare(f"{path.name} {key}", figures(group), listed[key])
    check_configurations(path, runs)
    check_regimes(runs, report["regimes"])
    return report


def check_configurations(path, runs):
    report = json.loads(ammeter("validate", path, "--json", "--by", "configuration"))
    groups = together(runs, lambda r: r.configuration)
    wanted = {g[0].number: [r for r in g if r.judged] for g in groups if any(r.judged for r in g)}
    if {c["record"] for c in report["configurations"]} != wanted.keys():
        problems.append(f"{path}: other configurations")
        return
    for c in report["configurations"]:
        group = wanted[c["record"]]
        measured, predicted = (average([getattr(r, k) for r in group]) for k in ("measured", "predicted"))
        compare(
            f"record {c['record']}",
            {"rows": len(group), "measured_s": measured, "predicted_s": predicted, "error": predicted / measured - 1},
            c,
        )


def check_regimes(runs, regimes):
    """Every judged run is counted at least once; expert-parallel ones are told apart by their column."""
    if any((r["rows"] == 0) != (r["status"] == "unvalidated") for r in regimes):
        problems.append("a regime without rows is not called unvalidated")
    expert = sum(r.judged and (r.cell("ep") or 1) > 1 for r in runs)
    if sum(r["rows"] for r in regimes if r["technique"] == "ep") != expert:
        problems.append(f"{expert} expert-parallel runs are not those of the regimes")
    if sum(r["rows"] for r in regimes) < sum(r.judged for r in runs):
        problems.append("the regimes leave runs out")


def check_schema(reports):
    try:
        import jsonschema
    except ImportError:
        print("not checked: the Python package jsonschema is missing")
        return
    schema = json.loads((ROOT / "schemas/validation.schema.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    validator = jsonschema.Draft202012Validator(schema)
    for report in reports:
        problems.extend(e.message for e in validator.iter_errors(report))
    if validator.is_valid({k: v for k, v in reports[0].items() if k != "total"}):
        problems.append("the schema does not need a total")


def check_document():
    """tools/validation.py still writes a document and a well-formed plot."""
    with tempfile.TemporaryDirectory() as folder:
        tool = ROOT / "tools/validation.py"
        subprocess.run([sys.executable, tool, AMMETER, "--folder", folder], check=True)
        text = (pathlib.Path(folder) / "validation.md").read_text(encoding="utf-8")
        plot = xml.etree.ElementTree.parse(pathlib.Path(folder) / "validation.svg").getroot()
    for line in ("## Aims", "| time | aleph-alpha, mean error | ≤ 4.0 % |", "| source | facts | which |"):
        if line not in text:
            problems.append(f"tools/validation.py does not write {line!r}")
    if "unvalidated" not in text or "## Worst misses" not in text or not plot.tag.endswith("svg"):
        problems.append("tools/validation.py leaves something out")


def check_aims():
    """Verdicts by hand; every aim has a figure, and a why where it is missed."""
    sys.path.insert(0, str(ROOT / "tools"))
    import validation_aims as aims

    for wanted, arguments in ((0.0, (0.04, None, 0.04)), (0.01, (0.05, None, 0.04)), (0.0, (0.95, 0.95, None)), (0.05, (0.9, 0.95, None)),
                              (0.0, (0.8, 0.72, 0.88)), (0.02, (0.9, 0.72, 0.88)), (0.02, (0.7, 0.72, 0.88)), (None, (None, 0.0, None))):
        got = aims.missed_by(*arguments)
        if got != wanted and not (got and wanted and math.isclose(got, wanted, rel_tol=1e-9)):
            problems.append(f"aims: {arguments} is missed by {got}, expected {wanted}")
    text = "a   A100-80GB   156   3.6    2.4   -1.2    5.0    5.0   -5.0       89\nb   T4-16GB   1   1   1   1   9   1   1   9\n" \
        "c   A100-80GB   10   3.6    2.4   -1.2    7.0    5.0   -5.0       89\n"
    if not math.isclose(aims.left_out_figure(text, "dense A100 sources"), 0.06):
        problems.append("aims: mean of the sources left out")
    report = {"sources": [{"source": "s", "family": None, "regret_mean": 0.1,
                           "baselines": {"rule_of_thumb": {"regret_mean": 0.3}, "constant_mfu": {"regret_mean": 0.15}}}]}
    if not math.isclose(aims.baseline_figure(report, "s"), -0.05):
        problems.append("aims: the better baseline")
    several = [{"error": e, "source": s, "moe": m} for e, s, m in ((0.1, "s", True), (-0.3, "t", True), (0.9, "u", True), (0.9, "s", False))]
    if not math.isclose(aims.configuration_figure(several, True, ["s", "t"]), 0.2):
        problems.append("aims: configurations of experts")
    with tempfile.TemporaryDirectory() as folder:
        facts = {"a": {"source": "fitted on 9 rows of s; prior 1"}, "b": {"source": "fitted on 9 rows of s, t; prior 1"},
                 "c": {"source": "prior 1 (sd 2): s; not identified by 9 rows of s: the prior's value"}, "d": {"source": "datasheet"}}
        by_hand = {"e": {"source": "set so that its runs fit"}, "f": {"source": "fitted on the published peaks"}}
        for name, own in (("q", {"frameworks": ["internevo"], "facts": {**by_hand, "g": {"source": "fitted on 9 rows of t; prior 1"}}}),
                          ("r", {"facts": {**facts, "g": {"source": "fitted on 9 rows of t; prior 1"}}})):
            (pathlib.Path(folder) / f"{name}.json").write_text(json.dumps({"name": name, **own}), encoding="utf-8")
        if aims.own_facts(["s", "t", "internevo"], pathlib.Path(folder)) != {"s": ["r/a"], "t": ["g"], "internevo": ["q/e", "q/f"]}:
            problems.append("aims: facts that serve one source")
    report = json.loads(ammeter("validate", TABLES[0], "--json"))
    rows = [{"source_id": "s", "tp": tp, "error": e} for tp, e in (("8", -0.1), ("8", -0.2), ("4", 0.03))]
    if aims.why("tp 8: {source_id=s tp=8}; {tp=4}", rows) != "tp 8: 2 runs predicted 15.0 % too fast; 1 run predicted 3.0 % too slow":
        problems.append("aims: figures of a reason")
    rows = [{"error": 0.0, **dict(pair.split("=", 1) for pair in group.split())}
            for aim in aims.read() for group in re.findall(r"{([^}]*)}", aim["why"])]
    rows = [collections.defaultdict(str, row) for row in rows]
    for line in aims.lines(report, several, rows):
        if "configurations" not in line[1] and (line[4] == "no figure" or ("missed" in line[4] and not line[5])):
            problems.append(f"aims: no figure or no reason: {line}")


def main():
    reports = [check_table(path) for path in TABLES]
    reports.append(json.loads(ammeter("validate", TABLES[1], "--json", "--by", "configuration")))
    check_schema(reports)
    check_document()
    check_aims()
    if subprocess.run([sys.executable, ROOT / "tools/runs_excerpt.py", "--check"]).returncode != 0:
        problems.append("tests/data/runs_excerpt.csv is not what tools/runs_excerpt.py writes")
    print("\n".join(problems[:20]) or f"{len(TABLES)} tables agree")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
