"""What the constants are worth on runs that they were not fitted on, and the residual model."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import numpy as np

from ammeter.plan import Free, Plan, Prior
from ammeter.posterior import Configurations, Fit, Problem, fit, weighted_quantile
from ammeter.runs import Runs

COVERAGE = 0.8
QUANTILE = 1.2816  # of the normal distribution at 90 %
UNVALIDATED = 1.5  # residual of a regime without runs, over that of all (src/formula/cost/range.h)
PARTS = 4  # of a source that is the only one of its device
LEAST_SD = 0.01  # of a residual
MOST_ALIKE = 0.99  # correlation of residuals


@dataclasses.dataclass
class LeftOut:
    """Predictions of configurations without their source. Parallel to `data`.

    error: ln(predicted / measured); factor: its row times itself is the variance of ln time from
    constants and facts, that of two rows' difference the variance of ln of their ratio; alone: the
    device had no other source, so `part_error` and `part_factor` come from a fit without a quarter of
    the source (else they equal the others); fitted: the error that the full fit makes."""

    data: Configurations
    error: np.ndarray
    factor: np.ndarray
    alone: np.ndarray
    part_error: np.ndarray
    part_factor: np.ndarray
    fitted: np.ndarray

    @property
    def variance(self) -> np.ndarray:
        return (self.factor**2).sum(axis=1)

    @property
    def part_variance(self) -> np.ndarray:
        return (self.part_factor**2).sum(axis=1)


def factors(problem: Problem, found: Fit) -> np.ndarray:
    """Configurations x free constants F: F F' is the covariance of their ln times as the files of
    models/ have it, constants of a device with their covariance, facts as independent."""
    g = problem.gradient(found.z)
    out = g * np.sqrt(np.diag(found.covariance))
    for device in {f.owners[0] for f in found.free if not f.fact}:
        members = [k for k, f in enumerate(found.free) if not f.fact and f.owners[0] == device]
        out[:, members] = g[:, members] @ np.linalg.cholesky(found.covariance[np.ix_(members, members)])
    return out


def unknown_spread(prior: Prior, default: float) -> float:
    """Root mean square of z around the default, for software of which nothing is known."""
    return float(np.sqrt(1.0 + prior.z(default) ** 2))


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


@dataclasses.dataclass
class Refit:
    """A fit without some runs: `keep` of the full fit's free constants; facts of runtimes that no run
    informs now are not free, they stand at the defaults."""

    found: Fit
    keep: list[int]
    full: Fit

    def predict(self, runs: Runs, held: Configurations) -> tuple[np.ndarray, np.ndarray]:
        """ln(predicted / measured) and factors, the latter over the full fit's free constants."""
        base, plan = self.found.problem.base, self.found.problem.plan
        problem = Problem(runs, plan, held, self.found.free, base)
        out = np.zeros((len(held), len(self.full.free)))
        out[:, self.keep] = factors(problem, self.found)
        gone = [k for k in range(len(self.full.free)) if k not in self.keep]
        if gone:
            free = [self.full.free[k] for k in gone]
            z = np.array([f.prior.z(base[f.indices[0]]) for f in free])
            unknown = Problem(runs, plan, held, free, base)
            out[:, gone] = unknown.gradient(z) * [unknown_spread(f.prior, base[f.indices[0]]) for f in free]
        return problem.error(self.found.z), out


def _refit(runs: Runs, full: Fit, rest: Configurations, gone: set[str]) -> Refit:
    plan = full.problem.plan
    left = {runs.runtimes[i] for i in rest.row}
    keep = [k for k, f in enumerate(full.free) if not (f.fact and not f.everywhere and set(f.owners) <= gone - left)]
    free: list[Free] = [full.free[k] for k in keep]
    problem = Problem(runs, plan, rest, free, without_runtimes(runs, plan, gone))
    scale = dict(zip(full.problem.device, full.problem.scale))
    problem.scale = np.array([scale[d] for d in problem.device])
    fixed = {keep.index(k): why for k, why in full.fixed.items() if k in keep}
    return Refit(fit(problem, Fit(problem, full.z[keep], np.eye(len(keep)), fixed)), keep, full)


def _parts(runs: Runs, data: Configurations, mine: np.ndarray) -> np.ndarray:
    """Quarter of each configuration (-1 outside `mine`): whole groups of one model, size and layout."""
    columns = [runs.cells(c) for c in ("model", "gpus", "tp", "pp", "cp", "ep")]
    key = [tuple(c[i] for c in columns) for i in data.row]
    groups = sorted({k for k, m in zip(key, mine) if m})
    return np.array([groups.index(k) % PARTS if m else -1 for k, m in zip(key, mine)])


def leave_source_out(runs: Runs, full: Fit, say: Callable[[str], None] = lambda text: None) -> LeftOut:
    data = full.problem.data
    device = full.problem.device
    shape = (len(data), len(full.free))
    error, factor, alone = np.full(len(data), np.nan), np.zeros(shape), np.zeros(len(data), bool)
    for source in sorted(set(data.source)):
        mine = data.source == source
        say(f"without {source}")
        gone = {runs.runtimes[i] for i in data.row[mine]}
        error[mine], factor[mine] = _refit(runs, full, data.where(~mine), gone).predict(runs, data.where(mine))
        alone |= mine & ~np.isin(device, device[~mine])
    part_error, part_factor = error.copy(), factor.copy()
    for source in sorted(set(data.source[alone])):
        parts = _parts(runs, data, (data.source == source) & alone)
        for part in sorted(set(parts) - {-1}):
            held = parts == part
            say(f"without part {part + 1} of {source}")
            part_error[held], part_factor[held] = _refit(runs, full, data.where(~held), set()).predict(runs, data.where(held))
    return LeftOut(data, error, factor, alone, part_error, part_factor, full.problem.error(full.z))


# ---- residuals ---------------------------------------------------------------------------------


def needed_sd(left: LeftOut) -> np.ndarray:
    """The least residual sd for which the range of 80 % holds a configuration. Without its source, what
    constants and facts may err by is granted; at the fit it is not, as what is left there is nobody's
    fault but the model's."""
    granted = (left.part_error / QUANTILE) ** 2 - left.part_variance
    return np.sqrt(np.maximum(granted, (left.fitted / QUANTILE) ** 2))


def residual_sd(needed: np.ndarray, weight: np.ndarray) -> float:
    """The least that is enough for 80 % of the weight."""
    return max(weighted_quantile(needed, weight, COVERAGE), LEAST_SD)


class Residuals:
    """sd of ln(predicted / measured) beyond constants and facts, of the runs `used`: for all of them,
    for each kind of device (`kind` in the plan) and for each regime of a kind. Each is drawn towards the
    one before as if `regime_strength` sources had shown that; n sources of its own count n. Runs of one
    source err together, so their number says little."""

    def __init__(self, runs: Runs, left: LeftOut, plan: Plan, used: np.ndarray) -> None:
        self.regime = np.array([runs.regimes[i] for i in left.data.row])[used]
        self.kind = np.array([plan.kind(runs.devices[i]) for i in left.data.row])[used]
        self.source, self.weight = left.data.source[used], left.data.weight[used]
        self.needed = needed_sd(left)[used]
        self.strength = plan.regime_strength
        everything = np.ones(len(self.needed), bool)
        self.all = residual_sd(self.needed, self.weight) if used.any() else float(plan.log_error["high"])
        self.of_kind = {k: self._drawn(everything & (self.kind == k), self.all) for k in sorted(set(self.kind))}
        pairs = sorted(set(zip(self.kind.tolist(), self.regime.tolist())))
        self.of_regime = {r: self._drawn((self.kind == k) & (self.regime == r), self.of_kind[k]) for k, r in pairs}

    def _drawn(self, here: np.ndarray, wider: float) -> float:
        n = len(set(self.source[here]))
        own = residual_sd(self.needed[here], self.weight[here])
        return float(np.sqrt((n * own**2 + self.strength * wider**2) / (n + self.strength)))

    def generic(self, kind: str) -> float:
        """Of a regime of this kind without runs, before UNVALIDATED widens it."""
        return self.of_kind.get(kind, self.all)

    def of(self, kind: str, regime: str) -> float:
        return self.of_regime.get(regime, UNVALIDATED * self.generic(kind))


def regimes_of(runs: Runs, data: Configurations) -> np.ndarray:
    return np.array([runs.regimes[i] for i in data.row])


def shipped_residuals(runs: Runs, left: LeftOut, plan: Plan) -> Residuals:
    """Of all runs, each predicted without its source."""
    return Residuals(runs, left, plan, np.ones(len(left.data), bool))


def device_residuals(runs: Runs, left: LeftOut, plan: Plan, device: str) -> dict[str, float]:
    """The residual table of one device file."""
    found = shipped_residuals(runs, left, plan)
    mine = sorted({runs.regimes[i] for i in left.data.row if runs.devices[i] == device})
    return {"generic": found.generic(plan.kind(device)), **{r: found.of(plan.kind(device), r) for r in mine}}


def _each(runs: Runs, plan: Plan, found: Residuals, data: Configurations) -> np.ndarray:
    return np.array([found.of(plan.kind(runs.devices[i]), runs.regimes[i]) for i in data.row])


def nested_residuals(runs: Runs, left: LeftOut, plan: Plan) -> np.ndarray:
    """The residual of each configuration, estimated on the other sources."""
    out = np.zeros(len(left.data))
    for source in sorted(set(left.data.source)):
        mine = left.data.source == source
        out[mine] = _each(runs, plan, Residuals(runs, left, plan, ~mine), left.data.where(mine))
    return out


def inside(runs: Runs, left: LeftOut, plan: Plan) -> np.ndarray:
    """Whether each configuration lies in its predicted range, everything about its source unknown:
    constants and residuals without it."""
    sd = np.sqrt(left.variance + nested_residuals(runs, left, plan) ** 2)
    return np.abs(left.error) <= QUANTILE * sd


# ---- pairs -------------------------------------------------------------------------------------

SWEEP = "source_id gpu model layers hidden heads gpus seq_len global_batch precision".split()  # as src/calibrate/scores.c


@dataclasses.dataclass
class Pairs:
    """Two configurations of one sweep: `first`, `second` index `data`. Parallel arrays.

    error: of ln of the ratio of their times; variance: what constants and facts leave of it; a, b: their
    residual sd; weight: a source with n pairs weighs as one with n configurations."""

    first: np.ndarray
    second: np.ndarray
    source: np.ndarray
    error: np.ndarray
    variance: np.ndarray
    a: np.ndarray
    b: np.ndarray
    weight: np.ndarray

    def correlation(self, used: np.ndarray) -> float:
        """The largest one of residuals for which ranges of 80 % hold 80 % of the weight of the pairs
        `used`; 0 where there are none."""
        if not used.any():
            return 0.0
        room = np.maximum((self.error / QUANTILE) ** 2 - self.variance, 0.0)
        lacks = 1.0 - (self.a**2 + self.b**2 - room) / (2.0 * self.a * self.b)
        return float(np.clip(1.0 - weighted_quantile(lacks[used], self.weight[used], COVERAGE), 0.0, MOST_ALIKE))

    def holds(self, correlation: np.ndarray | float) -> np.ndarray:
        """Whether each ratio lies in its range (amm_range_pair_sd)."""
        residuals = self.a**2 + self.b**2 - 2.0 * correlation * self.a * self.b
        return np.abs(self.error) <= QUANTILE * np.sqrt(self.variance + np.maximum(residuals, 0.0))

    def nested(self) -> np.ndarray:
        """`holds` with the correlation of the other sources' pairs."""
        out = np.zeros(len(self.error), bool)
        for source in sorted(set(self.source)):
            mine = self.source == source
            out[mine] = self.holds(self.correlation(~mine))[mine]
        return out


def pairs(runs: Runs, left: LeftOut, plan: Plan, residual: np.ndarray) -> Pairs:
    """All pairs of every sweep: one source, network, devices and batch, other layouts or options.
    `residual`: sd of each configuration."""
    columns = [runs.cells(c) for c in SWEEP]
    groups: dict[tuple[str, ...], list[int]] = {}
    for i, row in enumerate(left.data.row):
        groups.setdefault(tuple(c[row] for c in columns), []).append(i)
    both = [(i, k) for group in groups.values() for n, i in enumerate(group) for k in group[:n]]
    first, second = np.array(both, int).reshape(-1, 2).T
    source = left.data.source[first]
    count = {s: int((source == s).sum()) for s in set(source)}
    return Pairs(
        first,
        second,
        source,
        left.part_error[first] - left.part_error[second],
        ((left.part_factor[first] - left.part_factor[second]) ** 2).sum(axis=1),
        residual[first],
        residual[second],
        np.array([plan.weight(s, count[s]) for s in source]),
    )


def shipped_correlation(runs: Runs, left: LeftOut, plan: Plan) -> float:
    """Of the residuals of two layouts of one job: one number for all devices."""
    found = pairs(runs, left, plan, _each(runs, plan, shipped_residuals(runs, left, plan), left.data))
    return found.correlation(np.ones(len(found.error), bool))
