#!/usr/bin/env python3
"""Writes docs/validation.md and docs/validation.svg: what the predictions are worth on benchmarks/measured/train.csv.

usage: tools/validation.py AMMETER [--folder FOLDER]     AMMETER: the built command; FOLDER: default docs/

Every figure comes from `ammeter validate --json`; the tables of residuals and of the worst misses and the plot are made from
its `--predictions`.
"""
import collections
import csv
import json
import math
import pathlib
import statistics
import subprocess
import sys
import tempfile

import validation_aims

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = "benchmarks/measured/train.csv"
WORST = 25
WORST_PER_SOURCE = 4  # one source must not fill the list
COLOURS = ["#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
           "#003f5c", "#ffa600", "#00a36c", "#7a0019", "#5d3fd3", "#b8860b", "#4b5320", "#f08080"]


# ---- data ----------------------------------------------------------------------------------------

def run(command):
    """The report, and the scored rows that have a time and a prediction."""
    with tempfile.TemporaryDirectory() as folder:
        predictions = pathlib.Path(folder) / "predictions.csv"
        done = subprocess.run([command, "validate", TABLE, "--json", "--predictions", str(predictions)],
                              cwd=ROOT, check=True, capture_output=True, text=True, encoding="utf-8")
        with open(predictions, encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    kept = []
    for number, row in enumerate(rows, 2):
        if row["score"] == "1" and row["measured_iter_s"] and row["predicted_iter_s"]:
            row["record"] = number
            row["measured"], row["predicted"] = float(row["measured_iter_s"]), float(row["predicted_iter_s"])
            row["error"] = row["predicted"] / row["measured"] - 1
            kept.append(row)
    return json.loads(done.stdout), kept


def configurations(command, rows):
    """Configurations with their source and whether they are of experts."""
    done = subprocess.run([command, "validate", TABLE, "--json", "--by", "configuration"], cwd=ROOT, check=True,
                          capture_output=True, text=True, encoding="utf-8")
    of = {row["record"]: row for row in rows}
    return [c | {"source": of[c["record"]]["source_id"], "moe": of[c["record"]]["moe_experts"] not in ("", "0")}
            for c in json.loads(done.stdout)["configurations"]]


# ---- tables --------------------------------------------------------------------------------------

def percent(value, sign=False):
    return "–" if value is None else f"{100 * value:{'+' if sign else ''}.1f}"


def number(value):
    return "–" if value is None else f"{value:.3f}"


def table(header, lines, texts=1):
    """The first columns are text."""
    head = "| " + " | ".join(header) + " |"
    return [head, "|" + "---|" * texts + "--:|" * (len(header) - texts)] + ["| " + " | ".join(map(str, line)) + " |" for line in lines] + [""]


def name(source):
    return source["source"] if source["family"] is None else f"– on {source['family']}"


def error_table(sources):
    header = ["source", "rows", "timed", "covered %", "mean %", "median %", "bias %", "mean abs ln", "configurations", "mean % of these", "in range %"]
    return table(header, [[name(s), s["rows"], s["timed"], percent(s["coverage"]), percent(s["error_mean"]), percent(s["error_median"]),
                           percent(s["bias"], True), number(s["log_error"]), s["configurations"], percent(s["configuration_error_mean"]),
                           percent(s["range_holds"])] for s in sources])


def choice_table(sources):
    header = ["source", "sweeps", "Spearman", "mean regret %", "median %", "max %", "picked OOM", "no pick", "OOM balanced %",
              "rows with memory", "memory error %"]
    return table(header, [[name(s), s["sweeps"], number(s["spearman"]), percent(s["regret_mean"]), percent(s["regret_median"]),
                           percent(s["regret_max"]), s["picked_oom"], s["no_pick"], percent(s["oom_balanced"]), s["memory_rows"],
                           percent(s["memory_error"])]
                          for s in sources if s["sweeps"] or s["memory_rows"] or s["oom_balanced"] is not None])


def baseline_table(sources):
    lines = []
    for s in sources:
        rule, mfu, nearest = (s["baselines"][k] for k in ("rule_of_thumb", "constant_mfu", "nearest_run"))
        lines.append([name(s)] + [percent(x["error_mean"]) for x in (s, mfu, nearest)] +
                     [percent(x["regret_mean"]) for x in (s, rule, mfu, nearest)])
    return table(["source", "error %: ammeter", "one MFU", "nearest run", "regret %: ammeter", "rule of thumb", "one MFU", "nearest run"], lines)


def regime_table(regimes):
    techniques = {"tp-pp": "tp·pp·dp only", "sharded": "FSDP / ZeRO-3", "vpp": "vpp", "cp": "cp", "ep": "expert parallel"}
    cells = collections.defaultdict(dict)
    for r in regimes:
        text = "unvalidated" if r["status"] == "unvalidated" else f"{percent(r['error_mean'])} % of {r['rows']}"
        cells[r["family"], r["network"], r["precision"]][r["technique"]] = text
    lines = [[f"{family}, {'MoE' if network == 'moe' else network}, {precision}"] + [row[t] for t in techniques]
             for (family, network, precision), row in cells.items()]
    measured = [line for line in lines if any(cell != "unvalidated" for cell in line[1:])]
    rest = [line[0].replace(",", "") for line in lines if line not in measured]
    return table(["device, network, products", *techniques.values()], measured) + \
        [f"**unvalidated**, for want of a single row: {', '.join(rest)}.", ""]


def residual_table(rows, title, key):
    groups = collections.defaultdict(list)
    for row in rows:
        groups[key(row)].append(row)
    lines = []
    for value, group in sorted(groups.items()):
        sources = collections.defaultdict(list)
        for row in group:
            sources[row["source_id"]].append(row["error"])
        alike = statistics.fmean(statistics.fmean(errors) for errors in sources.values())
        lines.append([value[1], len(group), len(sources),
                      percent(statistics.fmean(r["error"] for r in group), True),
                      percent(statistics.fmean(abs(r["error"]) for r in group)), percent(alike, True)])
    return table([title, "rows", "sources", "bias %", "mean error %", "bias %, sources weighted alike"], lines)


def doublings(column, first, last):
    """Groups by factors of two, as (order, label); what lies outside joins the ends."""
    def key(row):
        low = min(max(2 ** int(math.log2(float(row[column] or 1))), first), last)
        label = f"{low} to {2 * low - 1}" if low > 1 else "1"
        return (low, f"{low} and more" if low == last else f"below {2 * low}" if low == first and low > 1 else label)
    return key


def settings(row):
    parts = [f"{k} {row[c]}" for k, c in (("tp", "tp"), ("pp", "pp"), ("dp", "dp"), ("cp", "cp"), ("ep", "ep"), ("vpp", "vpp"))
             if row[c] not in ("", "1")]
    parts += [f"mb {row['micro_batch']}", f"batch {row['global_batch']}", f"seq {row['seq_len']}", row["precision"]]
    parts += [f"recompute {row['recompute']}"] if row["recompute"] not in ("", "none") else []
    parts += [row["zero_stage_or_fsdp"]] if row["zero_stage_or_fsdp"] else []
    parts += [p.strip() for p in row["notes"].split(";") if p.strip().startswith("kernel=")]
    return " ".join(parts)


def worst_table(rows):
    taken, lines = collections.Counter(), []
    for row in sorted(rows, key=lambda r: -abs(math.log(1 + r["error"]))):
        if len(lines) < WORST and taken[row["source_id"]] < WORST_PER_SOURCE:
            taken[row["source_id"]] += 1
            lines.append([row["source_id"], row["record"], row["model"], f"{row['gpus']} {row['gpu']}", settings(row),
                          f"{row['measured']:.4g}", f"{row['predicted']:.4g}", percent(row["error"], True)])
    return table(["source", "record", "model", "devices", "settings", "measured s", "predicted s", "error %"], lines, texts=5)


# ---- plot ----------------------------------------------------------------------------------------

SIZE, LEFT, TOP, LEGEND = 560, 60, 20, 210


def svg(rows):
    values = [v for r in rows for v in (r["measured"], r["predicted"])]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    scale = SIZE / (high - low)
    x = lambda v: LEFT + (math.log10(v) - low) * scale
    y = lambda v: TOP + SIZE - (math.log10(v) - low) * scale
    out = [f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {LEFT + SIZE + LEGEND} {TOP + SIZE + 50}" font-family="sans-serif" font-size="12">',
           "<title>Predicted and measured seconds per step</title>",
           f'<rect width="100%" height="100%" fill="#fff"/><rect x="{LEFT}" y="{TOP}" width="{SIZE}" height="{SIZE}" fill="none" stroke="#444"/>']
    for power in range(low, high + 1):
        v = 10.0 ** power
        label = f"{v:g}"
        out.append(f'<path d="M{x(v):.1f} {TOP}v{SIZE}M{LEFT} {y(v):.1f}h{SIZE}" stroke="#ddd"/>'
                   f'<text x="{x(v):.1f}" y="{TOP + SIZE + 16}" text-anchor="middle">{label}</text>'
                   f'<text x="{LEFT - 6}" y="{y(v) + 4:.1f}" text-anchor="end">{label}</text>')
    a, b = 10.0 ** low, 10.0 ** high
    out.append(f'<path d="M{x(a):.1f} {y(a):.1f}L{x(b):.1f} {y(b):.1f}" stroke="#444"/>')
    for factor in (1.2, 1 / 1.2):
        start, end = max(a, a / factor), min(b, b / factor)
        out.append(f'<path d="M{x(start):.1f} {y(start * factor):.1f}L{x(end):.1f} {y(end * factor):.1f}" stroke="#444" stroke-dasharray="4 4"/>')
    sources = sorted({r["source_id"] for r in rows}, key=lambda s: -sum(r["source_id"] == s for r in rows))
    for k, source in enumerate(sources):
        points = dict.fromkeys(f"M{x(r['measured']):.1f} {y(r['predicted']):.1f}h0" for r in rows if r["source_id"] == source)
        colour = COLOURS[k % len(COLOURS)]
        out.append(f'<path d="{"".join(points)}" stroke="{colour}" stroke-width="5" stroke-linecap="round" stroke-opacity="0.7"/>'
                   f'<circle cx="{LEFT + SIZE + 16}" cy="{TOP + 10 + 18 * k}" r="4" fill="{colour}"/>'
                   f'<text x="{LEFT + SIZE + 26}" y="{TOP + 14 + 18 * k}">{source}</text>')
    out.append(f'<text x="{LEFT + SIZE / 2}" y="{TOP + SIZE + 38}" text-anchor="middle">measured s/step (dashed: ±20 %)</text>'
               f'<text transform="translate(14 {TOP + SIZE / 2}) rotate(-90)" text-anchor="middle">predicted s/step</text></svg>')
    return "\n".join(out) + "\n"


NOT_SETTINGS = ("source", "notes", "predicted", "error", "record", "regime", "assumed", "reason", "oom", "score")


def configuration_errors(rows):
    """Of every configuration |mean predicted / mean measured - 1|: repeats are averaged first."""
    repeats = collections.defaultdict(list)
    for row in rows:
        settings = [(k, v) for k, v in row.items()
                    if k not in NOT_SETTINGS and not k.startswith(("measured", "predicted")) and not k.endswith("_s")]
        repeats[tuple(settings)].append(row)
    return [abs(sum(r["predicted"] for r in some) / sum(r["measured"] for r in some) - 1) for some in repeats.values()]


def split_table(rows):
    """Dense networks and networks with experts apart, of the sources that have both."""
    lines = ["| source | networks | rows | mean % | configurations | mean % of these |", "|---|---|--:|--:|--:|--:|"]
    for source in sorted({r["source_id"] for r in rows}):
        kinds = {word: [r for r in rows if r["source_id"] == source and bool(r["moe_experts"]) == moe]
                 for word, moe in (("dense", False), ("experts", True))}
        for word, some in kinds.items() if all(kinds.values()) else ():
            errors = configuration_errors(some)
            lines.append(f"| {source} | {word} | {len(some)} | {100 * statistics.mean(abs(r['error']) for r in some):.1f} "
                         f"| {len(errors)} | {100 * statistics.mean(errors):.1f} |")
    return [*lines, ""]


# ---- document ------------------------------------------------------------------------------------

def kept_output(title, words, name, keep):
    """A section around the output of a longer command, kept under benchmarks/results/."""
    path = ROOT / "benchmarks" / "results" / name
    if not path.exists():
        return []
    lines = [line for line in path.read_text(encoding="utf-8").splitlines() if keep(line)]
    return [f"## {title}", "", *words, "", "```", *lines, "```", ""]


def left_out():
    return kept_output(
        "Left out: every source predicted without it",
        ["The figure to judge by. Constants are fitted again without the source, and the fitted facts of its runtime are reset to the",
         "defaults; *in 80 %* is the share of its configurations inside the predicted range then, whose residual is estimated without the",
         "source as well; *by source* averages the shares of the sources. The last table holds the times of two runs of a sweep (same source,",
         "network, devices, batch) against each other: the error of their ratio beside that of each, and the share of ratios in the paired",
         "range. [calibration.md](calibration.md#what-a-posterior-is) has the model and what is not out of sample. Written by",
         "`PYTHONPATH=python python3 -m ammeter.fit benchmarks/measured/train.csv --leave-source-out`",
         "(kept in [left-out.txt](../benchmarks/results/left-out.txt))."],
        "left-out.txt", lambda line: not line.startswith(("without", "residual sd")) and "fixed at its prior" not in line)


def expert_gap():
    return kept_output(
        "Published recipes in the ranking",
        ["`PYTHONPATH=python python3 tools/expert_gap.py`: NVIDIA's published recipes",
         "([recipes.csv](../benchmarks/measured/recipes.csv)) against every layout of a grid, predicted with the recipe's own options.",
         "Every gap above 8 % is listed with the terms that it consists of in [expert-gap.txt](../benchmarks/results/expert-gap.txt). Nearly",
         "all found layouts need more memory than the recipe (many recipes take a third of the device or more less than they could: one for",
         "several devices) and spend it on larger micro-batches or fewer stages; on H100 they keep experts on fewer nodes. No measured run here",
         "confirms or refutes these."],
        "expert-gap.txt", lambda line: line.startswith("  with") or not line.startswith((" ", "not ", "gap %")))


def aims(report, found, rows):
    own = validation_aims.own_facts([s["source"] for s in report["sources"] if s["family"] is None])
    facts = table(["source", "facts", "which"], [[s, len(names), ", ".join(names)] for s, names in own.items()])
    return ["## Aims", "", "What the project wants to reach ([aims.csv](../benchmarks/measured/aims.csv)) and what it reaches.", "",
            *table(["about", "figure", "aim", "reached", "verdict", "why missed"], validation_aims.lines(report, found, rows), texts=6),
            "How much of a source's error was fitted away by numbers that serve it alone: facts of runtimes on which only predictions of",
            "that source depend, or which were set by hand to match its records. Constants of devices are shared by the sources of the device.", "", *facts]


def document(report, rows, found):
    total = report["total"] | {"source": "all rows", "family": None}
    sources = report["sources"] + [total]
    missing = sum(r["rows"] for r in report["not_modelled"])
    lines = [
        "# Validation", "",
        "Predictions of the analytic model against training runs that other people measured and published",
        f"([benchmarks/measured](../benchmarks/measured/README.md): {report['file_rows']:,} rows, {total['rows']:,} of them scored, "
        f"{total['timed']:,} with a time).", "",
        "This file and its plot are written by `tools/validation.py build/release/ammeter`; the command itself prints the same figures:", "",
        "```", f"ammeter validate {TABLE}", "```", "",
        "What the figures mean is in [formats.md](formats.md#ammeter-validation). Constants that the files in `models/` call fitted",
        "were fitted on rows of this table: where they were, the errors below are errors on known rows. Predictions from measured",
        "layer times are another matter: [validation-amp.md](validation-amp.md).", "",
        f"Scored rows that cannot be modelled: {missing}." +
        "".join(f" {r['rows']}: {r['reason']}." for r in report["not_modelled"]), "",
        "![Predicted and measured seconds per step](validation.svg)", "",
        *aims(report, found, rows),
        *left_out(),
        "## Step time, by source", "", *error_table(sources),
        "*mean % of these*: repeated measurements of a configuration averaged first. `vtrain-single` is more than half of all rows, and its",
        "times are sums of the times of a few layers in one node: the lines of the sources say more than the last one.", "",
        f"Rows with unknown settings: {total['assumed']}, inside the range over their plausible values: {total['assumed_held']} "
        "([which](formats.md#measured-runs)). They count in", "the errors, with the usual values, and not in *in range*.", "",
        "Dense networks and networks with experts apart, of the sources that have both:", "", *split_table(rows),
        "## Choice and memory, by source", "", *choice_table(sources),
        "## Beside what one would do without", "",
        "All of them use this program's memory estimate, so that only the times differ.", "",
        *[f"- **{words}**: {report['predictors'][key]}." for key, words in
          (("rule_of_thumb", "rule of thumb"), ("constant_mfu", "one MFU"), ("nearest_run", "nearest run"))], "",
        *baseline_table(sources),
        *expert_gap(),
        "## By regime", "",
        "Mean error and number of rows. A run counts once: in the last of the columns that it uses (FSDP, vpp, cp, expert parallel).", "", *regime_table(report["regimes"]),
        "## Residuals", "", "Bias is the mean of (predicted - measured) / measured.", ""]
    for title, column, first, last in (("tp", "tp", 1, 16), ("pp", "pp", 1, 32), ("dp", "dp", 1, 512), ("hidden size", "hidden", 512, 16384)):
        lines += residual_table(rows, title, doublings(column, first, last))
    lines += ["## Worst misses", "",
              f"By |ln|, at most {WORST_PER_SOURCE} of a source; `record` is the line of the table, the header being 1.", "", *worst_table(rows)]
    return "\n".join(lines).rstrip("\n") + "\n"


def main():
    folder = ROOT / "docs"
    if "--folder" in sys.argv[2:]:
        folder = pathlib.Path(sys.argv[sys.argv.index("--folder") + 1])
    command = str(pathlib.Path(sys.argv[1]).resolve())
    report, rows = run(command)
    (folder / "validation.md").write_text(document(report, rows, configurations(command, rows)), encoding="utf-8")
    (folder / "validation.svg").write_text(svg(rows), encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    main()
