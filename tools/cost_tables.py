#!/usr/bin/env python3
"""Writes the tables of docs/cost-model.md and models/README.md that stand between markers, from
src/formula/cost/{rates,facts}.h and models/: cost_tables.py [--check]."""
import json
import pathlib
import re
import sys

from schema_constants import ROOT, rows

FITTED = re.compile(r"^fitted on (\d+) rows of (.*?); prior (.*)$")
KEPT = re.compile(r"^prior (.*?); not identified .*? by (\d+) rows of ")


def table(head, lines):
    rule = "|" + "---|" * len(head)
    return "\n".join(["| " + " | ".join(head) + " |", rule] + ["| " + " | ".join(x) + " |" for x in lines])


def number(text):
    return f"{float(text):g}"


def constants(header, macro):
    return table(
        ["name", "default", "allowed", "what"],
        [[f"`{n}`", number(value) if value else "needed", f"{number(low)} to {number(high)}", what]
         for n, low, high, value, what in rows(header, macro)],
    )


def read(kind):
    return [json.loads(p.read_text()) for p in sorted((ROOT / "models" / kind).glob("*.json"))]


def device_constants(x):
    if "constants_of" in x:
        return f"those of `{x['constants_of']}`"
    fitted = [FITTED.match(c["source"]) for c in x.get("constants", {}).values()]
    count = [m.group(1) for m in fitted if m]
    if not count:
        return "defaults"
    return f"{len(count)} of {len(fitted)} fitted on {count[0]} rows, the others at their priors"


def devices():
    return table(
        ["device", "constants", "peaks and memory"],
        [[f"`{x['name']}`", device_constants(x), x["source"]] for x in read("devices")],
    )


def runtimes():
    return table(["runtime", "what it is"], [[f"`{x['name']}`", x["source"]] for x in read("runtimes")])


def fact_source(text):
    fitted, kept = FITTED.match(text), KEPT.match(text)
    if fitted:
        return f"fitted on {fitted.group(1)} rows; prior {fitted.group(3)}"
    return f"prior {kept.group(1)}; {kept.group(2)} rows do not identify it" if kept else text


def facts():
    """One line per fact and value, with the runtimes that share it."""
    found = {}
    for runtime in read("runtimes"):
        for name, fact in runtime.get("facts", {}).items():
            key = (name, number(fact["value"]), fact_source(fact["source"]))
            found.setdefault(key, []).append(runtime["name"])
    count = len([x for x in read("runtimes") if "facts" in x])
    return table(
        ["fact", "value", "runtimes", "source"],
        [[f"`{name}`", value, "all" if len(names) == count else ", ".join(names), source]
         for (name, value, source), names in sorted(found.items())],
    )


TABLES = {
    "docs/cost-model.md": {
        "peaks": lambda: constants("rates.h", "AMM_PEAK_LIST"),
        "rates": lambda: constants("rates.h", "AMM_RATE_LIST"),
        "facts": lambda: constants("facts.h", "AMM_FACT_LIST"),
    },
    "models/README.md": {"devices": devices, "runtimes": runtimes, "facts": facts},
}


def main():
    for name, tables in TABLES.items():
        path = ROOT / name
        text = old = path.read_text()
        for key, make in tables.items():
            begin, end = f"<!-- {key}: tools/cost_tables.py -->\n", f"\n<!-- end {key} -->"
            before, _, rest = text.partition(begin)
            assert end in rest, f"{name}: no place for {key}"
            text = before + begin + make() + end + rest.partition(end)[2]
        if "--check" in sys.argv:
            assert text == old, f"{name}: run tools/cost_tables.py"
        else:
            path.write_text(text)


if __name__ == "__main__":
    main()
