"""The aims of benchmarks/measured/aims.csv beside what was reached, and what of a runtime's facts serves one source alone.

A figure is named KIND:NAME[:KEY]:
  source:SOURCE[@FAMILY]:KEY          a key of `ammeter validate --json`
  configurations:dense|moe:SOURCES    mean error of configurations, repeats averaged; sources joined by +
  baselines:SOURCE                    mean regret less that of the better of rule of thumb and one MFU
  profile:ROW                         mean error of a row of docs/validation-amp.md
  left-out:NAME, expert-gap:NAME      from the outputs kept in benchmarks/results
An aim is kept where low <= figure <= high; empty: no bound. Reasons name groups of runs, {source_id=… tp=8}.
"""
import csv
import functools
import json
import pathlib
import re
import statistics

ROOT = pathlib.Path(__file__).resolve().parent.parent
AIMS = ROOT / "benchmarks/measured/aims.csv"
WORDS = {"error_mean": "mean error", "memory_error": "memory error", "oom_balanced": "OOM balanced accuracy",
         "regret_median": "median regret"}


def read(path=AIMS):
    with open(path, encoding="utf-8", newline="") as file:
        return [{**row, **{k: float(row[k]) if row[k] else None for k in ("low", "high")}} for row in csv.DictReader(file)]


# ---- figures -------------------------------------------------------------------------------------

def source_figure(report, name, key):
    source, _, family = name.partition("@")
    found = [s for s in report["sources"] if s["source"] == source and (s["family"] or "") == family]
    return found[0][key] if found else None


def baseline_figure(report, source):
    found = [s for s in report["sources"] if s["source"] == source and s["family"] is None]
    if not found:
        return None
    own, *others = (x["regret_mean"] for x in (found[0], found[0]["baselines"]["rule_of_thumb"], found[0]["baselines"]["constant_mfu"]))
    return own - min(others)


def configuration_figure(configurations, moe, sources):
    errors = [abs(c["error"]) for c in configurations if c["source"] in sources and c["moe"] == moe]
    return statistics.fmean(errors) if errors else None


def left_out_figure(text, name):
    if name == "in 80 %":
        found = re.search(r"^inside the 80 % range: (\d+) % of configurations", text, re.M)
        return int(found[1]) / 100 if found else None
    rows = re.findall(r"^\S+ +A100-80GB +\d+ +\S+ +\S+ +\S+ +(\S+) +\S+ +\S+ +\d+$", text, re.M)
    return statistics.fmean(float(mean) / 100 for mean in rows) if rows else None


def expert_figure(text, name):
    pattern = {"median": r"gap median ([\d.]+) %", "feasible": r"^feasible .*\(([\d.]+) %\)", "above 8 %": r"above 8 %: (\d+)"}[name]
    found = re.search(pattern, text, re.M)
    return None if not found else float(found[1]) / (1 if name == "above 8 %" else 100)


def kept(name):
    path = ROOT / "benchmarks/results" / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


def figure(name, report, configurations):
    kind, _, rest = name.partition(":")
    if kind == "source":
        return source_figure(report, *rest.rsplit(":", 1))
    if kind == "configurations":
        network, _, sources = rest.partition(":")
        return configuration_figure(configurations, network == "moe", sources.split("+"))
    if kind == "baselines":
        return baseline_figure(report, rest)
    if kind == "left-out":
        return left_out_figure(kept("left-out.txt"), rest)
    if kind == "profile":
        found = re.search(rf"^\| {re.escape(rest)} \| ([\d.]+) %", (ROOT / "docs/validation-amp.md").read_text(encoding="utf-8"), re.M)
        return float(found[1]) / 100 if found else None
    if kind == "expert-gap":
        return expert_figure(kept("expert-gap.txt"), rest)
    raise ValueError(f"{AIMS}: unknown figure, got {name}")


# ---- verdicts ------------------------------------------------------------------------------------

def missed_by(value, low, high):
    """0: kept. None: there is no figure."""
    if value is None:
        return None
    return max(0.0, (low - value) if low is not None else 0.0, (value - high) if high is not None else 0.0)


def label(name):
    kind, _, rest = name.partition(":")
    if kind == "source":
        source, key = rest.rsplit(":", 1)
        return f"{source}, {WORDS[key]}"
    if kind == "configurations":
        network, _, sources = rest.partition(":")
        return f"{sources.replace('+', ', ')}, {'MoE' if network == 'moe' else network}, mean error of configurations"
    if kind == "profile":
        return "amp-homogeneous from AMP's profile, mean error"
    if kind == "baselines":
        return f"{rest}, mean regret less that of the better baseline"
    return f"left out, {'share in range' if rest == 'in 80 %' else rest + ', mean error'}" if kind == "left-out" else \
        {"median": "published recipes, median gap", "feasible": "published recipes that fit", "above 8 %": "published recipes, gaps above 8 % (count)"}[rest]


def written(value, count):
    return "–" if value is None else f"{value:.0f}" if count else f"{100 * value:.1f} %"


def bounds(low, high, count):
    if low is not None and high is not None:
        return f"{written(low, count)} to {written(high, count)}"
    return f"≥ {written(low, count)}" if low is not None else f"≤ {written(high, count)}"


def why(text, rows):
    """A reason with its figures: {column=value …}, of scored rows with a time and a prediction, becomes how far these are off."""
    def group(match):
        wanted = [pair.split("=", 1) for pair in match[1].split()]
        errors = [row["error"] for row in rows if all(row[column] == value for column, value in wanted)]
        if not errors:
            raise ValueError(f"{AIMS}: no runs, got {match[0]}")
        mean = statistics.fmean(errors)
        return f"{len(errors)} run{'s' if len(errors) > 1 else ''} predicted {100 * abs(mean):.1f} % too {'slow' if mean > 0 else 'fast'}"
    return re.sub(r"\{([^}]*)\}", group, text)


def lines(report, configurations, rows):
    """One a row of aims.csv: what, aim, reached, verdict, why."""
    out = []
    for aim in read():
        value = figure(aim["figure"], report, configurations)
        short = missed_by(value, aim["low"], aim["high"])
        count = aim["figure"].endswith("above 8 %")
        by = "" if short is None else written(short, count) if count or short >= 0.001 else "less than 0.1 %"
        verdict = "no figure" if short is None else "kept" if short == 0 else f"**missed by {by}**"
        out.append([aim["about"], label(aim["figure"]), bounds(aim["low"], aim["high"], count), written(value, count), verdict,
                    why(aim["why"], rows) if short else ""])
    return out


# ---- facts ---------------------------------------------------------------------------------------

def own_facts(sources, folder=ROOT / "models/runtimes"):
    """Per source: the facts of runtimes that rows of it alone inform, fitted or set by hand so that they match; a fact
    that runtimes share is named without them."""
    owners = {}
    for path in sorted(folder.glob("*.json")):
        runtime = json.loads(path.read_text(encoding="utf-8"))
        for fact, entry in runtime.get("facts", {}).items():
            found = re.match(r"fitted on \d+ rows of ([^;]+);", entry.get("source", ""))
            served = sources_of(runtime.get("frameworks", [])) if re.match(r"fitted on the|set so that", entry.get("source", "")) else []
            source = found[1] if found else served[0] if len(served) == 1 else None
            if source in sources:
                owners.setdefault((source, fact), []).append(runtime["name"])
    out = {source: [] for source in sources}
    for (source, fact), runtimes in owners.items():
        out[source].append(f"{runtimes[0]}/{fact}" if len(runtimes) == 1 else fact)
    return out


@functools.cache
def frameworks():
    """Of every scored source of the table of measured runs."""
    out = {}
    with open(ROOT / "benchmarks/measured/train.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            if row["score"] == "1":
                out.setdefault(row["source_id"], set()).add(row["framework"])
    return out


def sources_of(names):
    return [source for source, used in frameworks().items() if used & set(names)]
