"""Fits as tables and as JSON-ready values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ammeter.left_out import LeftOut, device_residuals, inside, nested_residuals, pairs, regimes_of, shipped_correlation
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


def _cases(runs: Runs, left: LeftOut) -> dict[str, np.ndarray]:
    """Groups of configurations by what is known of their kind, then by regime."""
    regime, row = regimes_of(runs, left.data), left.data.row
    runtime, source = np.array([runs.runtimes[i] for i in row]), left.data.source
    known = np.array([bool((runtime[source != s] == r).any()) for s, r in zip(source, runtime)])
    narrow, experts = np.char.find(regime, "16bit") < 0, np.char.find(regime, "/moe/") >= 0
    out = {
        "software of other sources": known,
        "software of no other source": ~known,
        "device of other sources": ~left.alone,
        "device of no other source": left.alone,
        "dense": ~experts,
        "experts": experts,
        "16 bit": ~narrow,
        "8 or 4 bit": narrow,
    }
    return {**out, **{str(r): regime == r for r in sorted(set(regime))}}


def regimes(runs: Runs, plan: Plan, left: LeftOut) -> list[dict[str, Any]]:
    """Errors and coverage without the source, by kind of case."""
    held = inside(runs, left, plan)
    sd = np.sqrt(left.variance + nested_residuals(runs, left, plan) ** 2)
    out = []
    for name, mine in _cases(runs, left).items():
        if mine.any():
            sources = sorted(set(left.data.source[mine]))
            shares = [held[mine & (left.data.source == s)].mean() for s in sources]
            row = {"case": name, "configurations": int(mine.sum()), "sources": len(sources), "left_out": _errors(left.error[mine])}
            out.append({**row, "log_sd": float(np.median(sd[mine])), "inside_range": float(held[mine].mean()), "by_source": float(np.mean(shares))})
    return out


def paired(runs: Runs, plan: Plan, left: LeftOut) -> dict[str, Any]:
    """Ratios of two runs of one sweep: their errors beside those of the runs, and how many lie in the
    paired range whose correlation the other sources gave."""
    found = pairs(runs, left, plan, nested_residuals(runs, left, plan))
    held, rms = found.nested(), lambda x: float(np.sqrt(np.mean(x**2)))
    rows = []
    for source in sorted(set(found.source)):
        mine, runs_of = found.source == source, left.data.source == source
        rows.append(
            {
                "source": source,
                "pairs": int(mine.sum()),
                "rms_of_runs": rms(left.part_error[runs_of]),
                "rms_of_ratios": rms(found.error[mine]),
                "inside_range": float(held[mine].mean()),
            }
        )
    shares = [r["inside_range"] for r in rows]
    return {
        "correlation": shipped_correlation(runs, left, plan),
        "sources": rows,
        "inside_range": {"pairs": float(held.mean()) if rows else None, "mean_over_sources": float(np.mean(shares)) if rows else None},
    }


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
        out["regimes"] = regimes(runs, plan, left)
        out["pairs"] = paired(runs, plan, left)
        out["residuals"] = {d: device_residuals(runs, left, plan, d) for d in sorted(names)}
    return out


def _percent(errors: dict[str, float]) -> str:
    return f"{100 * errors['mean_absolute']:7.1f}{100 * errors['median_absolute']:7.1f}{100 * errors['bias']:+7.1f}"


def _regime_table(rows: list[dict[str, Any]]) -> list[str]:
    lines = ["", f"{'left out, by kind of case':30}{'configs':>8}{'sources':>8}{'mean':>8}{'median':>7}{'bias':>7}{'sd of ln':>10}{'in 80 %':>9}{'by source':>10}"]
    for r in rows:
        line = f"{r['case']:30}{r['configurations']:8}{r['sources']:8} {_percent(r['left_out'])}{r['log_sd']:10.3f}"
        lines.append(f"{line}{100 * r['inside_range']:9.0f}{100 * r['by_source']:10.0f}")
    return lines


def _pair_table(result: dict[str, Any]) -> list[str]:
    lines = ["", f"{'two runs of a sweep':26}{'pairs':>8}{'rms of runs':>14}{'rms of ratios':>15}{'in 80 %':>9}"]
    for r in result["sources"]:
        errors = f"{100 * r['rms_of_runs']:14.1f}{100 * r['rms_of_ratios']:15.1f}"
        lines.append(f"{r['source']:26}{r['pairs']:8}{errors}{100 * r['inside_range']:9.0f}")
    share = result["inside_range"]
    if result["sources"]:
        lines.append(f"inside the paired range: {100 * share['pairs']:.0f} % of pairs, {100 * share['mean_over_sources']:.0f} % mean over sources")
    return [*lines, f"correlation of the residuals of two runs of a sweep: {result['correlation']:.2f}"]


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
        lines += _regime_table(result["regimes"]) + _pair_table(result["pairs"])
        for device, entries in result["residuals"].items():
            lines.append(f"residual sd of ln time, {device}: " + ", ".join(f"{k} {v:.3f}" for k, v in entries.items()))
    return "\n".join(lines)
