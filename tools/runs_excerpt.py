#!/usr/bin/env python3
"""Writes tests/data/runs_excerpt.csv: a small part of benchmarks/measured/train.csv for tests.

usage: tools/runs_excerpt.py [--check]     --check: only compare; exit code 1 when the file differs

The rule: the first row of every source, and of every source that has one the smallest sweep (runs of one network
on the same devices with the same batch, precision and kernel) with five timed rows or more, unless it is longer
than sixteen rows. Among equally small sweeps the one that starts first. Rows keep their order and every column.
"""
import csv
import io
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
TABLE = ROOT / "benchmarks/measured/train.csv"
EXCERPT = ROOT / "tests/data/runs_excerpt.csv"
LONGEST = 16
FEWEST_TIMED = 5
SWEEP = ("source_id", "model", "layers", "hidden", "heads", "gpu", "gpus", "seq_len", "global_batch", "precision")


def kernel(row):
    notes = row["notes"]
    return notes.split("kernel=", 1)[1].split(";", 1)[0] if "kernel=" in notes else ""


def choose(rows):
    chosen = set()
    sweeps = {}
    for number, row in enumerate(rows):
        if all(rows[k]["source_id"] != row["source_id"] for k in chosen):
            chosen.add(number)
        if row["score"] == "1":
            sweeps.setdefault(tuple(row[k] for k in SWEEP) + (kernel(row),), []).append(number)
    smallest = {}
    for key, members in sweeps.items():
        timed = sum(rows[k]["measured_iter_s"] != "" for k in members)
        if timed >= FEWEST_TIMED and len(members) < len(smallest.get(key[0], range(LONGEST + 1))):
            smallest[key[0]] = members
    return sorted(chosen.union(*smallest.values()))


def main():
    with open(TABLE, encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        rows = list(reader)
    text = io.StringIO()
    writer = csv.DictWriter(text, reader.fieldnames, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows[k] for k in choose(rows))
    if "--check" in sys.argv[1:]:
        return 0 if EXCERPT.read_text(encoding="utf-8") == text.getvalue() else 1
    EXCERPT.write_text(text.getvalue(), encoding="utf-8")
    return 0


if __name__ == "__main__":
    if {"-h", "--help"} & set(sys.argv[1:]):
        sys.exit(__doc__)
    sys.exit(main())
