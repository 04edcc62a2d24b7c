"""Fits the analytic model's constants on measured runs.

python3 -m ammeter.fit RUNS.csv                      fit and print
python3 -m ammeter.fit RUNS.csv --leave-source-out   also predict each source without it
python3 -m ammeter.fit RUNS.csv --write              also into models/ (implies --leave-source-out)

docs/calibration.md explains the plan, the posterior and how to add runs. Exit codes: 0 done, 2 wrong
use, 3 SciPy or the library is missing, 4 the runs or the plan cannot be used.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import pathlib
import sys
from typing import TYPE_CHECKING

import numpy as np

from ammeter._library import AmmeterError, LibraryNotFound

if TYPE_CHECKING:
    from ammeter.left_out import LeftOut
    from ammeter.posterior import Fit


def _arguments(given: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python3 -m ammeter.fit", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", metavar="RUNS.csv", help="measured runs (docs/formats.md)")
    parser.add_argument("--device", help="only runs on this device's constants; facts that other devices' runs share stay as shipped")
    parser.add_argument("--plan", type=pathlib.Path, help="another plan than the package's plan.json")
    parser.add_argument("--leave-source-out", action="store_true", help="predict each source by a fit without it; coverage of the ranges")
    parser.add_argument("--write", action="store_true", help="update the device and runtime files")
    parser.add_argument("--models", type=pathlib.Path, help="folder to update (default: models/ of the checkout)")
    parser.add_argument("--predictions", metavar="OUT.csv", type=pathlib.Path, help="the runs with predictions (without their source, where that was asked for)")
    parser.add_argument("--json", action="store_true", help="the report as JSON")
    return parser.parse_args(given)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def write_predictions(path: pathlib.Path, found: Fit, left: LeftOut | None) -> None:
    """The table as the library writes it, with the times of this fit: predicted_iter_s and, with
    `left`, times of its configurations without their source, and ranges. Repeats share a prediction."""
    from ammeter.left_out import QUANTILE, shipped_residuals

    runs, data = found.problem.runs, found.problem.data
    rows = list(csv.DictReader(io.StringIO(runs.csv())))
    for row, time_s in zip(rows, runs.predict(found.values())):
        row["predicted_iter_s"] = "" if np.isnan(time_s) else f"{time_s:.6g}"
        row["predicted_low_s"] = row["predicted_high_s"] = ""
    if left is not None:
        plan, residuals = found.problem.plan, shipped_residuals(runs, left, found.problem.plan)
        variance, sources = left.variance, runs.cells("source_id")
        base = {(data.source[i], found.problem.device[i], float(rows[data.row[i]]["predicted_iter_s"])): i for i in range(len(data))}
        for j, row in enumerate(rows):
            i = base.get((sources[j], runs.devices[j], float(row["predicted_iter_s"] or "nan")))
            if i is not None:
                time_s = float(np.exp(data.log_measured[i] + left.error[i]))
                sd = np.sqrt(variance[i] + residuals.of(plan.kind(runs.devices[j]), runs.regimes[j]) ** 2)
                row["predicted_iter_s"] = f"{time_s:.6g}"
                row["predicted_low_s"] = f"{time_s * np.exp(-QUANTILE * sd):.6g}"
                row["predicted_high_s"] = f"{time_s * np.exp(QUANTILE * sd):.6g}"
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]) if rows else [], lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _run(options: argparse.Namespace) -> int:
    from ammeter import left_out, posterior, report, write_models
    from ammeter.plan import SHIPPED, Plan
    from ammeter.runs import Runs

    runs, plan = Runs(options.runs), Plan(options.plan or SHIPPED)
    if options.device is not None and options.device not in runs.devices:
        _say(f"ammeter.fit: --device: no run has the constants of {options.device!r}, allowed {', '.join(sorted({d for d in runs.devices if d}))}")
        return 2
    data = posterior.configurations(runs, plan, options.device)
    if len(data) == 0:
        _say(f"ammeter.fit: {options.runs}: no scored run with a time and a prediction")
        return 4
    problem = posterior.Problem(runs, plan, data, plan.free(runs, options.device))
    found = posterior.fit(problem, say=_say)
    left = left_out.leave_source_out(runs, found, _say) if options.leave_source_out or options.write else None
    result = report.summary(runs, plan, found, left)
    print(json.dumps(result, indent=2) if options.json else report.table(result))
    if options.predictions is not None:
        write_predictions(options.predictions, found, left)
    if options.write and left is not None:
        for path in write_models.write(found, left, options.models or write_models.MODELS):
            _say(f"wrote {path}")
        _say("build the library again: the files are embedded in it")
    return 0


def main(given: list[str] | None = None) -> int:
    options = _arguments(given)
    try:
        return _run(options)
    except ModuleNotFoundError as error:
        if (error.name or "").split(".")[0] != "scipy":
            raise
        _say("ammeter.fit: SciPy is missing: install python3-scipy, or pip install scipy")
        return 3
    except LibraryNotFound as error:
        _say(f"ammeter.fit: {error}")
        return 3
    except (AmmeterError, ValueError, OSError) as error:
        _say(f"ammeter.fit: {error}")
        return 4


if __name__ == "__main__":
    sys.exit(main())
