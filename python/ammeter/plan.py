"""What a fit may move: plan.json, checked and bound to the constants of a table of runs."""

from __future__ import annotations

import dataclasses
import json
import math
import pathlib
from typing import Any

import numpy as np

from ammeter.runs import Runs

SHIPPED = pathlib.Path(__file__).resolve().parent / "plan.json"
MAX_FREE = 13  # constants of one device type


class PlanError(ValueError):
    """The plan is not one, or asks for what the library does not have."""


@dataclasses.dataclass(frozen=True)
class Prior:
    """Gaussian on the constant, or on its logarithm (`log`: sd is then that of ln)."""

    mean: float
    sd: float
    log: bool
    source: str

    def value(self, z: np.ndarray | float) -> np.ndarray | float:
        """The constant that lies z sd from the mean."""
        return self.mean * np.exp(self.sd * z) if self.log else self.mean + self.sd * z

    def z(self, value: float) -> float:
        """Distance from the mean, in sd; a constant of 0 is far below any logarithm."""
        if not self.log:
            return (value - self.mean) / self.sd
        return math.log(max(value, self.mean * 1e-9) / self.mean) / self.sd

    def spread(self, value: float, z_sd: float = 1.0) -> float:
        """sd of the constant at `value` for an sd of z, to first order."""
        return z_sd * self.sd * (value if self.log else 1.0)

    def text(self) -> str:
        kind = "ln sd" if self.log else "sd"
        return f"prior {self.mean:g} ({kind} {self.sd:g}): {self.source}"


@dataclasses.dataclass(frozen=True)
class Free:
    """One free number: a device's constant, or a fact that the runtimes in `owners` share."""

    name: str
    owners: tuple[str, ...]
    fact: bool
    everywhere: bool  # a fact of every runtime, also of those without rows
    prior: Prior
    indices: tuple[int, ...]  # into Runs.names
    low: float
    high: float

    @property
    def label(self) -> str:
        return f"{'*' if self.everywhere else self.owners[0] if len(self.owners) == 1 else '+'.join(self.owners)}/{self.name}"


def _prior(entry: dict[str, Any], where: str) -> Prior:
    try:
        prior = Prior(float(entry["mean"]), float(entry["sd"]), bool(entry.get("log", False)), str(entry["source"]))
    except (KeyError, TypeError, ValueError) as error:
        raise PlanError(f"plan: {where}: a prior has mean, sd and source, got {entry!r}") from error
    if not (prior.sd > 0 and math.isfinite(prior.mean) and (prior.mean > 0 or not prior.log) and prior.source):
        raise PlanError(f"plan: {where}: a prior has a positive sd (and mean, on a logarithm) and a source, got {entry!r}")
    return prior


class Plan:
    """plan.json: `weights` by property of a source, priors, free constants by device, free facts by
    runtime. docs/calibration.md says what each key means."""

    def __init__(self, path: pathlib.Path | str = SHIPPED, data: dict[str, Any] | None = None) -> None:
        self.data = json.loads(pathlib.Path(path).read_text()) if data is None else data
        if self.data.get("format") != "ammeter-fit-plan" or self.data.get("version") != 1:
            raise PlanError("plan: format or version unknown, allowed ammeter-fit-plan 1")
        self.log_error: dict[str, float] = self.data["log_error"]
        self.unidentified = float(self.data["unidentified"])
        self.regime_strength = float(self.data["regime_strength"])
        self.weights: list[dict[str, Any]] = self.data["weights"]
        self.enumerated = frozenset(self.data["enumerated_facts"])
        for device, entry in self.data["devices"].items():
            if len(entry["free"]) > MAX_FREE or len(set(entry["free"])) < len(entry["free"]):
                raise PlanError(f"plan: devices.{device}.free: twice the same or too many, allowed {MAX_FREE}")

    def weight(self, source: str, configurations: int) -> float:
        """Weight of one configuration in the sum of squares; the last property that fits counts."""
        row = [w for w in self.weights if w["sources"] == "*" or source in w["sources"]][-1]
        return float(row["factor"]) * configurations ** float(row["exponent"])

    def kind(self, device: str) -> str:
        """What its matrix units compute in: devices of a kind ran software of one time."""
        return str(self.data["devices"].get(device, {}).get("kind", ""))

    def property_of(self, source: str) -> str:
        return [w for w in self.weights if w["sources"] == "*" or source in w["sources"]][-1]["property"]

    def free(self, runs: Runs, device: str | None = None) -> list[Free]:
        """Everything free that the table has a device or runtime for. With `device`: its constants
        alone, and the facts that no run of another device depends on."""
        everything = self._free(runs)
        if device is None:
            return everything
        shared = {r for r, d in zip(runs.runtimes, runs.devices) if d != device}
        return [f for f in everything if (f.owners == (device,) if not f.fact else not shared & set(f.owners))]

    def _free(self, runs: Runs) -> list[Free]:
        index = {name: i for i, name in enumerate(runs.names)}
        devices = {d for d in runs.devices if d}
        runtimes = sorted({r for r in runs.runtimes if r})
        out: list[Free] = []
        for device, entry in self.data["devices"].items():
            for name in entry["free"] if device in devices else []:
                given = entry.get("priors", {}).get(name) or self.data["priors"].get(name)
                out.append(_bind(runs, index, name, (device,), False, False, given, f"devices.{device}.{name}"))
        own = {(r, f["name"]) for f in self.data["facts"] if f["runtimes"] != "*" for r in f["runtimes"]}
        for fact in self.data["facts"]:
            everywhere = fact["runtimes"] == "*"
            wanted = [r for r in runtimes if (r, fact["name"]) not in own] if everywhere else fact["runtimes"]
            owners = tuple(r for r in wanted if r in runtimes)
            if owners:
                out.append(_bind(runs, index, fact["name"], owners, True, everywhere, fact, f"facts.{fact['name']}"))
        return out


def _bind(
    runs: Runs, index: dict[str, int], name: str, owners: tuple[str, ...], fact: bool, everywhere: bool, given: dict[str, Any] | None, where: str
) -> Free:
    if given is None:
        raise PlanError(f"plan: {where}: has no prior")
    indices = [index.get(f"{owner}/{name}", -1) for owner in owners]
    if min(indices) < 0:
        raise PlanError(f"plan: {where}: the library has no such constant")
    prior, low, high = _prior(given, where), float(runs.low[indices[0]]), float(runs.high[indices[0]])
    if not low < prior.mean < high:
        raise PlanError(f"plan: {where}: prior mean out of range, got {prior.mean:g}, allowed between {low:g} and {high:g}")
    return Free(name, owners, fact, everywhere, prior, tuple(indices), low, high)
