"""What the constants are worth on runs that they were not fitted on, and the residual model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ammeter.plan import Free, Plan
from ammeter.posterior import Configurations, Fit, Problem, fit, weighted_quantile
from ammeter.runs import Runs

COVERAGE = 0.8
QUANTILE = 1.2816  # of the normal distribution at 90 %
UNVALIDATED = 1.5  # residual of a regime without runs, over that of all (src/formula/cost/range.h)
PARTS = 4  # of a source that is the only one of its device
LEAST_SD = 0.01  # of a residual


@dataclasses.dataclass
class LeftOut:
    """Predictions of configurations without their source. Parallel to `data`.

    error: ln(predicted / measured); variance: of ln time from the device's constants; alone: the
    device had no other source, so `part_error` and `part_variance` come from a fit without a
    quarter of the source (else they equal the others)."""

    data: Configurations
    error: np.ndarray
    variance: np.ndarray
    alone: np.ndarray
    part_error: np.ndarray
    part_variance: np.ndarray


def device_variance(problem: Problem, found: Fit) -> np.ndarray:
    """g' C g over the constants of devices: what a device file can say of its own spread."""
    rates = np.array([k for k, f in enumerate(found.free) if not f.fact], int)
    if len(rates) == 0:
        return np.zeros(len(problem.data))
    mask = np.zeros(len(found.free), bool)
    mask[rates] = True
    g = problem.gradient(found.z, mask)[:, rates]
    return np.einsum("ij,jk,ik->i", g, found.covariance[np.ix_(rates, rates)], g)


def without_runtimes(runs: Runs, plan: Plan, names: set[str]) -> np.ndarray:
    """The shipped constants with every fact of these runtimes that is not enumerated (a switch at 0
    or 1, or listed in the plan) at the generic default."""
    values = runs.values.copy()
    for i, name in enumerate(runs.names):
        owner, fact = name.split("/")
        switch = runs.low[i] == 0 and runs.high[i] == 1 and runs.values[i] in (0.0, 1.0)
        if runs.is_fact[i] and owner in names and fact not in plan.enumerated and not switch:
            values[i] = runs.defaults[i]
    return values


def _refit(runs: Runs, full: Fit, rest: Configurations, gone: set[str]) -> Fit:
    """Fit of `rest`. Facts of runtimes in `gone` alone, that no run informs now, are not free."""
    plan = full.problem.plan
    left = {runs.runtimes[i] for i in rest.row}
    keep = [k for k, f in enumerate(full.free) if not (f.fact and not f.everywhere and set(f.owners) <= gone - left)]
    free: list[Free] = [full.free[k] for k in keep]
    problem = Problem(runs, plan, rest, free, without_runtimes(runs, plan, gone))
    scale = dict(zip(full.problem.device, full.problem.scale))
    problem.scale = np.array([scale[d] for d in problem.device])
    fixed = {keep.index(k): why for k, why in full.fixed.items() if k in keep}
    return fit(problem, Fit(problem, full.z[keep], np.eye(len(keep)), fixed))


def _predict(runs: Runs, found: Fit, held: Configurations) -> tuple[np.ndarray, np.ndarray]:
    problem = Problem(runs, found.problem.plan, held, found.free, found.problem.base)
    return problem.error(found.z), device_variance(problem, found)


def _parts(runs: Runs, data: Configurations, mine: np.ndarray) -> np.ndarray:
    """Quarter of each configuration (-1 outside `mine`): whole groups of one model, size and layout."""
    columns = [runs.cells(c) for c in ("model", "gpus", "tp", "pp", "cp", "ep")]
    key = [tuple(c[i] for c in columns) for i in data.row]
    groups = sorted({k for k, m in zip(key, mine) if m})
    return np.array([groups.index(k) % PARTS if m else -1 for k, m in zip(key, mine)])


def leave_source_out(runs: Runs, full: Fit, say: Callable[[str], None] = lambda text: None) -> LeftOut:
    data = full.problem.data
    device = full.problem.device
    error, variance, part_error, part_variance = (np.full(len(data), np.nan) for _ in range(4))
    alone = np.zeros(len(data), bool)
    for source in sorted(set(data.source)):
        mine = data.source == source
        say(f"without {source}")
        gone = {runs.runtimes[i] for i in data.row[mine]}
        found = _refit(runs, full, data.where(~mine), gone)
        error[mine], variance[mine] = _predict(runs, found, data.where(mine))
        alone |= mine & ~np.isin(device, device[~mine])
    part_error[:], part_variance[:] = error, variance
    for source in sorted(set(data.source[alone])):
        parts = _parts(runs, data, (data.source == source) & alone)
        for part in sorted(set(parts) - {-1}):
            held = parts == part
            say(f"without part {part + 1} of {source}")
            found = _refit(runs, full, data.where(~held), set())
            part_error[held], part_variance[held] = _predict(runs, found, data.where(held))
    return LeftOut(data, error, variance, alone, part_error, part_variance)


# ---- residuals ---------------------------------------------------------------------------------


def residual_sd(error: np.ndarray, variance: np.ndarray, weight: np.ndarray) -> float:
    """The least residual sd for which ranges of 80 % hold 80 % of the weight."""
    needed = np.sqrt(np.maximum((error / QUANTILE) ** 2 - variance, 0.0))
    return max(weighted_quantile(needed, weight, COVERAGE), LEAST_SD)


def residuals(regime: np.ndarray, error: np.ndarray, variance: np.ndarray, weight: np.ndarray, plan: Plan) -> dict[str, float]:
    """sd of ln(predicted / measured) beyond the constants' own spread, by regime; "generic" for all.
    A regime of little weight is drawn towards the generic one."""
    if len(error) == 0:
        return {"generic": float(plan.log_error["high"])}
    out = {"generic": residual_sd(error, variance, weight)}
    for name in sorted(set(regime)):
        here = regime == name
        n = weight[here].sum()
        own = residual_sd(error[here], variance[here], weight[here])
        mixed = (n * own**2 + plan.regime_strength * out["generic"] ** 2) / (n + plan.regime_strength)
        out[name] = float(np.sqrt(mixed))
    return out


def residual_of(table: dict[str, float], regime: str) -> float:
    return table.get(regime, UNVALIDATED * table["generic"])


def regimes_of(runs: Runs, data: Configurations) -> np.ndarray:
    return np.array([runs.regimes[i] for i in data.row])


def device_residuals(runs: Runs, left: LeftOut, plan: Plan, device: str) -> dict[str, float]:
    """The residual table of one device file: its own runs, each predicted without its source."""
    here = np.array([runs.devices[i] == device for i in left.data.row])
    return residuals(regimes_of(runs, left.data)[here], left.part_error[here], left.part_variance[here], left.data.weight[here], plan)


def inside(runs: Runs, left: LeftOut, plan: Plan) -> np.ndarray:
    """Whether each configuration lies in its predicted range, everything about its source unknown:
    constants without it, residuals from the other sources of the device (of all devices where
    there is none)."""
    regime = regimes_of(runs, left.data)
    device = np.array([runs.devices[i] for i in left.data.row])
    out = np.zeros(len(left.data), bool)
    for source, name in sorted(set(zip(left.data.source, device))):
        mine = (left.data.source == source) & (device == name)
        others = (left.data.source != source) & (device == name)
        others = others if others.any() else left.data.source != source
        table = residuals(regime[others], left.part_error[others], left.part_variance[others], left.data.weight[others], plan)
        sd = np.array([residual_of(table, r) for r in regime[mine]])
        out[mine] = np.abs(left.error[mine]) <= QUANTILE * np.sqrt(left.variance[mine] + sd**2)
    return out
