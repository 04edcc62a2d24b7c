"""Robust maximum a posteriori of the free constants, and its covariance.

Everything free is counted in sd of its prior from the prior's mean (`z`), so the priors are the unit
matrix. Minimised: sum of w softL1(ln(predicted / measured) / s) + sum of z^2 / 2, w the weight of a
configuration, s the size of error expected on its device.
"""

from __future__ import annotations

import dataclasses
import functools
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from scipy.optimize import least_squares

from ammeter.plan import Free, Plan
from ammeter.runs import Runs

STEP = 0.05  # of z, for differences
AT_BOUND = 2e-3  # share of the bounds' distance that counts as being at one
MOVES = 1e-6  # least change of ln time, per sd of the prior, that counts as one
BLIND = 0.95  # posterior sd over prior sd
MAX_EVALUATIONS = 60
MAD_TO_SD = 1.4826


@dataclasses.dataclass(frozen=True)
class Configurations:
    """Scored runs with a time, repeats averaged. Parallel arrays over configurations.

    row: one of their rows; log_measured: mean of ln seconds; repeats: how many; weight: in the sum of
    squares; source: its source_id."""

    row: np.ndarray
    log_measured: np.ndarray
    repeats: np.ndarray
    weight: np.ndarray
    source: np.ndarray

    def __len__(self) -> int:
        return len(self.row)

    def where(self, keep: np.ndarray) -> Configurations:
        return Configurations(*(getattr(self, f.name)[keep] for f in dataclasses.fields(self)))


def configurations(runs: Runs, plan: Plan, device: str | None = None) -> Configurations:
    """Rows with score 1, a time and a prediction; those of one source that the model cannot tell
    apart (same time at the shipped constants and at the priors) are repeats."""
    score, sources = runs.cells("score"), runs.cells("source_id")
    scored = np.array([s in ("", "1") for s in score])
    measured = runs.numbers("measured_iter_s")
    there = np.array([not r for r in runs.reasons])
    wanted = np.array([device in (None, d) for d in runs.devices])
    shipped = runs.predict()
    moved = runs.predict(at(runs, plan.free(runs), None))
    groups: dict[tuple[str, float, float], list[int]] = {}
    for i in np.flatnonzero(scored & there & wanted & (measured > 0)):
        groups.setdefault((sources[i], shipped[i], moved[i]), []).append(int(i))
    names = [key[0] for key in groups]
    count = {s: names.count(s) for s in set(names)}
    return Configurations(
        row=np.array([g[0] for g in groups.values()], int),
        log_measured=np.array([np.log(measured[g]).mean() for g in groups.values()]),
        repeats=np.array([len(g) for g in groups.values()], int),
        weight=np.array([plan.weight(s, count[s]) for s in names]),
        source=np.array(names),
    )


def at(runs: Runs, free: list[Free], z: np.ndarray | None, base: np.ndarray | None = None) -> np.ndarray:
    """All constants with the free ones at z (None: at their priors)."""
    values = (runs.values if base is None else base).copy()
    for k, f in enumerate(free):
        value = float(f.prior.value(0.0 if z is None else z[k]))
        values[list(f.indices)] = min(max(value, f.low), f.high)
    return values


def weighted_quantile(values: np.ndarray, weight: np.ndarray, share: float) -> float:
    """Least value with `share` of the weight at or below it."""
    order = np.argsort(values, kind="stable")
    total = np.cumsum(weight[order])
    return float(values[order][np.searchsorted(total, share * total[-1] * (1 - 1e-12))])


class Problem:
    """The residuals of some configurations as functions of z."""

    def __init__(self, runs: Runs, plan: Plan, data: Configurations, free: list[Free], base: np.ndarray | None = None) -> None:
        self.runs, self.plan, self.data, self.free = runs, plan, data, free
        self.base = runs.values if base is None else base
        self.device = np.array([runs.devices[i] for i in data.row])
        self.scale = np.full(len(data), float(plan.log_error["start"]))
        self.z_low = np.array([f.prior.z(f.low) for f in free])
        self.z_high = np.array([f.prior.z(f.high) for f in free])
        self.colours = self._colours()

    def _colours(self) -> list[tuple[list[int], np.ndarray]]:
        """Free constants of one name belong to disjoint rows, so they are moved at once: which they
        are, and which of them each configuration depends on (-1: none)."""
        owners = {False: self.runs.devices, True: self.runs.runtimes}
        out = []
        for name, fact in dict.fromkeys((f.name, f.fact) for f in self.free):
            members = [k for k, f in enumerate(self.free) if f.name == name and f.fact == fact]
            of = {owner: k for k in members for owner in self.free[k].owners}
            out.append((members, np.array([of.get(owners[fact][i], -1) for i in self.data.row], int)))
        return out

    def log_time(self, z: np.ndarray) -> np.ndarray:
        times = self.runs.predict(at(self.runs, self.free, z, self.base))
        return np.log(times[self.data.row])

    def error(self, z: np.ndarray) -> np.ndarray:
        """ln(predicted / measured)."""
        return self.log_time(z) - self.data.log_measured

    def gradient(self, z: np.ndarray, active: np.ndarray | None = None) -> np.ndarray:
        """d ln time / dz, configurations x free constants; columns that are not active stay 0."""
        out = np.zeros((len(self.data), len(self.free)))

        def column(colour: tuple[list[int], np.ndarray]) -> None:
            moving = [k for k in colour[0] if active is None or active[k]]
            if not moving:
                return
            up, down = z.copy(), z.copy()
            up[moving] = np.minimum(z[moving] + STEP, self.z_high[moving])
            down[moving] = np.maximum(z[moving] - STEP, self.z_low[moving])
            change = self.log_time(up) - self.log_time(down)
            for k in moving:
                mine = colour[1] == k
                out[mine, k] = change[mine] / (up[k] - down[k])

        with ThreadPoolExecutor(os.cpu_count()) as pool:  # predictions release the lock
            list(pool.map(column, self.colours))
        return out

    def solve(self, start: np.ndarray, active: np.ndarray) -> np.ndarray:
        """z of the optimum; what is not active stays at 0, its prior."""
        moving = np.flatnonzero(active)
        if len(moving) == 0 or len(self.data) == 0:
            return np.zeros(len(self.free))
        root = np.sqrt(self.data.weight)

        def full(x: np.ndarray) -> np.ndarray:
            z = np.zeros(len(self.free))
            z[moving] = np.clip(x, self.z_low[moving], self.z_high[moving])
            return z

        def residuals(x: np.ndarray) -> np.ndarray:
            a = self.error(full(x)) / self.scale
            return np.concatenate([root * np.sign(a) * np.sqrt(2 * (np.sqrt(1 + a * a) - 1)), x])

        def jacobian(x: np.ndarray) -> np.ndarray:
            z = full(x)
            a = self.error(z) / self.scale
            h = np.sqrt(1 + a * a)
            slope = np.sqrt((h + 1) / 2) / h  # of sign(a) sqrt(2 (h - 1))
            data = (root * slope / self.scale)[:, None] * self.gradient(z, active)[:, moving]
            return np.vstack([data, np.eye(len(moving))])

        edge = 1e-9
        low, high = self.z_low[moving], self.z_high[moving]
        x0 = np.clip(start[moving], low + edge, high - edge)
        found = least_squares(residuals, x0, jac=jacobian, bounds=(low, high), ftol=1e-7, xtol=1e-6, gtol=1e-7, max_nfev=MAX_EVALUATIONS)
        return full(found.x)

    def covariance(self, z: np.ndarray, active: np.ndarray) -> np.ndarray:
        """Of z: inverse of the information of the data, its errors scaled by their robust variance,
        and of the priors. What is not active keeps its prior's spread, uncorrelated."""
        out = np.eye(len(self.free))
        moving = np.flatnonzero(active)
        if len(moving) == 0:
            return out
        a = self.error(z) / self.scale
        weight = self.data.weight / np.sqrt(1 + a * a) / self.scale**2
        g = self.gradient(z, active)[:, moving]
        inverse = np.linalg.inv(g.T @ (weight[:, None] * g) + np.eye(len(moving)))
        out[np.ix_(moving, moving)] = (inverse + inverse.T) / 2
        return out

    def rescale(self, z: np.ndarray) -> None:
        """The expected size of errors becomes the robust sd of those at z, device by device."""
        error = np.abs(self.error(z))
        for device in set(self.device):
            here = self.device == device
            sd = MAD_TO_SD * weighted_quantile(error[here], self.data.weight[here], 0.5)
            self.scale[here] = np.clip(sd, self.plan.log_error["low"], self.plan.log_error["high"])

    def at_bound(self, z: np.ndarray) -> np.ndarray:
        values = np.array([f.prior.value(z[k]) for k, f in enumerate(self.free)])
        low, high = np.array([f.low for f in self.free]), np.array([f.high for f in self.free])
        return np.minimum(values - low, high - values) < AT_BOUND * (high - low)


@dataclasses.dataclass
class Fit:
    """`fixed`: why a free constant is back at its prior; covariance of z."""

    problem: Problem
    z: np.ndarray
    covariance: np.ndarray
    fixed: dict[int, str]

    @property
    def free(self) -> list[Free]:
        return self.problem.free

    def values(self) -> np.ndarray:
        """All constants of the table."""
        return at(self.problem.runs, self.free, self.z, self.problem.base)

    def value(self, k: int) -> float:
        return float(self.free[k].prior.value(self.z[k]))

    def sd(self, k: int) -> float:
        return float(self.free[k].prior.spread(self.value(k), np.sqrt(self.covariance[k, k])))

    @functools.cached_property
    def moved(self) -> np.ndarray:
        """Configurations x free constants: whether the prediction depends on it."""
        return np.abs(self.problem.gradient(self.z)) > MOVES


def _group(f: Free) -> str:
    return "facts" if f.fact else f.owners[0]


def fit(problem: Problem, start: Fit | None = None, say: Callable[[str], None] = lambda text: None) -> Fit:
    """Constants that the runs do not identify, or would drive to a bound, are fixed at their prior,
    one per device and round, and the rest is fitted again. `start`: a fit of the same free constants,
    whose fixed ones stay so and whose error sizes are kept."""
    active = np.ones(len(problem.free), bool)
    fixed: dict[int, str] = {}
    z = np.zeros(len(problem.free))
    if start is None:
        for _ in range(2):
            z = problem.solve(z, active)
            problem.rescale(z)
    else:
        z, fixed = start.z.copy(), dict(start.fixed)
        active[list(fixed)] = False
    while True:
        z = problem.solve(z, active)
        covariance = problem.covariance(z, active)
        drop = _to_fix(problem, z, covariance, active)
        if not drop:
            return Fit(problem, z, covariance, fixed)
        for k, why in drop.items():
            say(f"{problem.free[k].label}: {why}, fixed at its prior")
            fixed[k] = why
            active[k] = False
            z[k] = 0.0


def _to_fix(problem: Problem, z: np.ndarray, covariance: np.ndarray, active: np.ndarray) -> dict[int, str]:
    """The least identified of each group; where all are identified, those at a bound."""
    ratio = np.sqrt(np.diag(covariance))
    worst: dict[str, int] = {}
    for k in np.flatnonzero(active & (ratio > problem.plan.unidentified)):
        group = _group(problem.free[k])
        if group not in worst or ratio[k] > ratio[worst[group]]:
            worst[group] = int(k)
    # Where the rows say next to nothing the order does not matter: all at once.
    blind = [int(k) for k in np.flatnonzero(active & (ratio > BLIND))]
    out = {k: f"not identified (posterior sd / prior sd {ratio[k]:.2f})" for k in [*worst.values(), *blind]}
    if not out:
        for k in np.flatnonzero(active & problem.at_bound(z)):
            out[int(k)] = f"at a bound ({problem.free[k].prior.value(z[k]):.4g} of {problem.free[k].low:g} to {problem.free[k].high:g})"
    return out
