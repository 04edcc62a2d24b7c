"""Fitted constants, their covariance and the residual model into the device and runtime files."""

from __future__ import annotations

import json
import pathlib
import re
from typing import Any

import numpy as np

from ammeter.left_out import LeftOut, device_residuals, shipped_correlation, unknown_spread
from ammeter.plan import Free
from ammeter.posterior import Fit
from ammeter.runs import Runs

MODELS = pathlib.Path(__file__).resolve().parents[2] / "models"
DIGITS = 5  # of values and spreads
COVARIANCE_DIGITS = 6


def rounded(value: float, digits: int = DIGITS) -> float:
    return float(f"{value:.{digits}g}")


def _text(document: dict[str, Any]) -> str:
    """As every file of models/ is written, but each row of numbers on one line."""
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    return re.sub(r"\[[-+.\deE,\s]+\]", lambda row: "[" + ", ".join(row[0][1:-1].replace(",", " ").split()) + "]", text)


def _source(found: Fit, k: int) -> str:
    f, problem = found.free[k], found.problem
    mine = found.moved[:, k]  # a row of an owner may not depend on it
    names = ", ".join(sorted(set(problem.data.source[mine].tolist())))
    rows = f"{int(problem.data.repeats[mine].sum())} rows of {names}"
    if k in found.fixed:
        return f"{f.prior.text()}; {found.fixed[k]} by {rows}: the prior's value"
    return f"fitted on {rows}; {f.prior.text()}"


def _entry(found: Fit, k: int) -> dict[str, Any]:
    return {"value": rounded(found.value(k)), "sd": rounded(found.sd(k)), "source": _source(found, k)}


def _merge(document: dict[str, Any], key: str, entries: dict[str, Any], order: list[str]) -> None:
    """Entries into the object `key`, known names first in the library's order."""
    old = document.get(key, {})
    merged = {**old, **entries}
    known = [name for name in order if name in merged]
    document[key] = {name: merged[name] for name in [*known, *(n for n in merged if n not in known)]}


def measured(runs: Runs, rows: np.ndarray, device: str) -> dict[str, list[float]]:
    """Least and largest sizes of the rows that inform the device's constants."""
    mine = [i for i in rows if runs.devices[i] == device]
    return {key: [float(sizes[mine].min()), float(sizes[mine].max())] for key, sizes in runs.sizes().items()}


def posterior(found: Fit, device: str, left: LeftOut) -> dict[str, Any]:
    """The device file's "posterior": covariance of its free constants as they stand in the file (a
    prior on a logarithm to first order), and the residual sd of ln time by regime."""
    members = [k for k, f in enumerate(found.free) if not f.fact and f.owners == (device,)]
    slope = np.array([found.free[k].prior.spread(found.value(k)) for k in members])
    covariance = found.covariance[np.ix_(members, members)] * np.outer(slope, slope)
    table = device_residuals(found.problem.runs, left, found.problem.plan, device)
    return {
        "names": [found.free[k].name for k in members],
        "covariance": [[rounded(c, COVARIANCE_DIGITS) for c in row] for row in covariance.tolist()],
        "residual": {name: rounded(table[name], 4) for name in sorted(table)},
        "residual_correlation": rounded(shipped_correlation(found.problem.runs, left, found.problem.plan), 3),
        "measured": measured(found.problem.runs, found.problem.data.row, device),
    }


def _order(found: Fit, fact: bool) -> list[str]:
    runs = found.problem.runs
    return list(dict.fromkeys(n.split("/")[1] for n, f in zip(runs.names, runs.is_fact) if f == fact))


def _takes(f: Free, runtime: str, own: set[tuple[str, str]]) -> bool:
    return f.fact and (runtime in f.owners or (f.everywhere and (runtime, f.name) not in own))


def _stated(document: dict[str, Any], name: str) -> bool:
    """Whether the runtime states the fact itself: its source is no fit of ours."""
    source = document.get("facts", {}).get(name, {}).get("source", "prior")
    return "prior" not in source


def _unknown(found: Fit, document: dict[str, Any]) -> dict[str, Any]:
    """Facts of software without measured runs: the default, and how far the priors of the software whose
    fact it is lie around it. What the file states itself, or one runtime alone does (`peculiar`), is
    left alone."""
    runs, out = found.problem.runs, {}
    everywhere = {f.name for f in found.free if f.everywhere}
    peculiar = {f["name"] for f in found.problem.plan.data["facts"] if f.get("peculiar")}
    for name in sorted({f.name for f in found.free if f.fact} - everywhere - peculiar):
        entry = document.get("facts", {}).get(name, {})
        if entry and _stated(document, name):
            continue
        priors = [f.prior for f in found.free if f.fact and f.name == name]
        default = float(next(v for n, v in zip(runs.names, runs.defaults) if n.endswith(f"/{name}")))
        spread = np.sqrt(np.mean([(p.spread(p.mean) * unknown_spread(p, default)) ** 2 for p in priors]))
        owners = ", ".join(sorted({o for f in found.free if f.fact and f.name == name for o in f.owners}))
        out[name] = {"value": default, "sd": rounded(float(spread)), "source": f"default; sd: priors of {owners} around it"}
    return out


def write(found: Fit, left: LeftOut, models: pathlib.Path = MODELS) -> list[pathlib.Path]:
    """Updates the files below `models` and says which. Values of constants fixed at their prior are
    written too, with that as their source; none is at a bound."""
    changed = []
    rates, facts = _order(found, False), _order(found, True)
    devices = {f.owners[0] for f in found.free if not f.fact}
    own = {(r, f.name) for f in found.free if f.fact and not f.everywhere for r in f.owners}
    for path in sorted(models.glob("devices/*.json")):
        document = json.loads(path.read_text())
        if document["name"] in devices:
            mine = {f.name: _entry(found, k) for k, f in enumerate(found.free) if not f.fact and f.owners[0] == document["name"]}
            _merge(document, "constants", mine, rates)
            document["posterior"] = posterior(found, document["name"], left)
            document["regime"] = "calibrated"
            changed.append((path, document))
    for path in sorted(models.glob("runtimes/*.json")):
        document = json.loads(path.read_text())
        mine = {
            f.name: _entry(found, k)
            for k, f in enumerate(found.free)
            if _takes(f, document["name"], own) and not (f.everywhere and _stated(document, f.name))
        }
        if document["name"] not in found.problem.runs.runtimes:
            mine = {**mine, **_unknown(found, document)}
        if mine:
            _merge(document, "facts", mine, facts)
            changed.append((path, document))
    for path, document in changed:
        path.write_text(_text(document))
    return [path for path, _ in changed]
