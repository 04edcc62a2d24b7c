"""Fits as tables and as JSON-ready values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ammeter.left_out import LeftOut, device_residuals, inside
from ammeter.plan import Plan
from ammeter.posterior import Fit
from ammeter.runs import Runs


def _errors(error: np.ndarray) -> dict[str, float]:
    relative = np.exp(error) - 1
    return {
        "mean_absolute": float(np.mean(np.abs(relative))),
        "median_absolute": float(np.median(np.abs(relative))),
        "bias": float(np.mean(relative)),
    }


def constants(found: Fit) -> list[dict[str, Any]]:
    """Every free constant: value, sd, its prior, posterior sd over prior sd, why it is fixed."""
    out = []
    for k, f in enumerate(found.free):
        out.append(
            {
                "constant": f.label,
                "value": found.value(k),
                "sd": found.sd(k),
                "prior": f.prior.text(),
                "posterior_over_prior_sd": float(np.sqrt(found.covariance[k, k])),
                "fixed": found.fixed.get(k, ""),
            }
        )
    return out


def sources(runs: Runs, plan: Plan, found: Fit, left: LeftOut | None) -> list[dict[str, Any]]:
    """Errors by source and device: of the fit, and without the source."""
    data, device = found.problem.data, found.problem.device
    error = found.problem.error(found.z)
    held = inside(runs, left, plan) if left is not None else None
    out = []
    for source, name in sorted(set(zip(data.source.tolist(), device.tolist()))):
        mine = (data.source == source) & (device == name)
        row: dict[str, Any] = {
            "source": source,
            "device": name,
            "property": plan.property_of(source),
            "configurations": int(mine.sum()),
            "runs": int(data.repeats[mine].sum()),
            "fitted": _errors(error[mine]),
        }
        if left is not None and held is not None:
            row["left_out"] = _errors(left.error[mine])
            row["inside_range"] = float(held[mine].mean())
            row["only_source"] = bool(left.alone[mine].any())
            if row["only_source"]:
                row["parts_left_out"] = _errors(left.part_error[mine])
        out.append(row)
    return out


def summary(runs: Runs, plan: Plan, found: Fit, left: LeftOut | None) -> dict[str, Any]:
    rows = sources(runs, plan, found, left)
    out: dict[str, Any] = {"format": "ammeter-fit", "version": 1, "constants": constants(found), "sources": rows}
    out["mean_over_sources"] = {"fitted": float(np.mean([r["fitted"]["mean_absolute"] for r in rows]))}
    if left is not None:
        out["mean_over_sources"]["left_out"] = float(np.mean([r["left_out"]["mean_absolute"] for r in rows]))
        out["inside_range"] = {
            "configurations": float(inside(runs, left, plan).mean()),
            "mean_over_sources": float(np.mean([r["inside_range"] for r in rows])),
        }
        names = list(dict.fromkeys(found.problem.device.tolist()))
        out["residuals"] = {d: device_residuals(runs, left, plan, d) for d in sorted(names)}
    return out


def _percent(errors: dict[str, float]) -> str:
    return f"{100 * errors['mean_absolute']:7.1f}{100 * errors['median_absolute']:7.1f}{100 * errors['bias']:+7.1f}"


def table(result: dict[str, Any]) -> str:
    """`summary` for people; errors in percent."""
    lines = [f"{'constant':44}{'value':>11}{'sd':>10}{'sd/prior':>9}"]
    for c in result["constants"]:
        lines.append(f"{c['constant']:44}{c['value']:11.4g}{c['sd']:10.3g}{c['posterior_over_prior_sd']:9.2f}  {c['fixed']}".rstrip())
    head = f"{'source':26}{'device':13}{'configs':>8}{'fitted: mean':>14}{'median':>7}{'bias':>7}"
    with_left = "inside_range" in result
    lines += ["", head + (f"{'left out: mean':>16}{'median':>7}{'bias':>7}{'in 80 %':>9}" if with_left else "")]
    for r in result["sources"]:
        line = f"{r['source']:26}{r['device']:13}{r['configurations']:8}       {_percent(r['fitted'])}"
        if with_left:
            line += f"         {_percent(r['left_out'])}{100 * r['inside_range']:9.0f}"
        lines.append(line)
        if r.get("only_source"):
            lines.append(f"{'':26}{'  its only source; in parts':42}{'':21}{_percent(r['parts_left_out'])}")
    mean = result["mean_over_sources"]
    lines += ["", f"mean over sources: fitted {100 * mean['fitted']:.1f} %" + (f", left out {100 * mean['left_out']:.1f} %" if with_left else "")]
    if with_left:
        share = result["inside_range"]
        lines.append(f"inside the 80 % range: {100 * share['configurations']:.0f} % of configurations, {100 * share['mean_over_sources']:.0f} % mean over sources")
        for device, entries in result["residuals"].items():
            lines.append(f"residual sd of ln time, {device}: " + ", ".join(f"{k} {v:.3f}" for k, v in entries.items()))
    return "\n".join(lines)
