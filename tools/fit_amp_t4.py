#!/usr/bin/env python3
"""Fits the five constants of models/devices/t4.json on the measured rows of AMP's homogeneous experiment,
and prints what the default cost model is worth there (docs/validation-amp.md is its output).

usage: tools/fit_amp_t4.py AMMETER [--write]     AMMETER: the built command; --write: update the device file
                                              and docs/validation-amp.md

Needs numpy and scipy. Every prediction comes from `ammeter explain`: nothing of the cost model is repeated here.
"""
import csv
import json
import pathlib
import subprocess
import sys

import numpy as np
from scipy.optimize import least_squares

ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVICE = ROOT / "models/devices/t4.json"
BORROWERS = [ROOT / "models/devices/v100-16.json"]
TPS = (1, 2, 4)
PRIOR_EFFICIENCY, PRIOR_LOG_SD = 0.8, 0.35  # of the two link efficiencies
LOG_ERROR_SCALE = 0.1  # where the loss turns from squares to absolute values


def read_rows():
    lines = [l for l in open(ROOT / "benchmarks/measured/amp_homogeneous.csv") if not l.startswith("#")]
    return list(csv.DictReader(lines))


def strategy(row, stages=True):
    text = f"tp={row['tp']},pp={row['pp']},dp={row['dp']},micro-batch={row['micro_batch']}"
    return text + (f",stage-layers={row['stage_layers']}" if stages else "")


def device_with(theta):
    device = json.loads(DEVICE.read_text())
    for point, value in zip(device["overhead_share"], theta[:3]):
        point["value"] = float(value)
    device["intra_efficiency"]["value"] = float(theta[3])
    device["inter_efficiency"]["value"] = float(theta[4])
    return device


def predict(command, rows, theta, stages=True):
    """Seconds and whether it fits, for each row."""
    node = {"count": 4, "devices": [{"device": device_with(theta), "count": 4}], "intra": "50gbit", "inter": "50gbit"}
    cluster = {"format": "ammeter-cluster", "version": 1, "name": "fit", "nodes": [node]}
    arguments = [command, "explain", "amp-homogeneous", "--json", "--cluster", json.dumps(cluster)]
    for row in rows:
        arguments += ["--strategy", strategy(row, stages)]
    out = subprocess.run(arguments, check=True, capture_output=True, text=True).stdout
    plans = json.loads(out)["plans"]
    return np.array([p["time_s"] for p in plans]), np.array([p["fits"] for p in plans])


def residuals(theta, command, rows, measured):
    times, _ = predict(command, rows, theta)
    prior = np.log(theta[3:5] / PRIOR_EFFICIENCY) / PRIOR_LOG_SD
    return np.concatenate([np.log(times / measured) / LOG_ERROR_SCALE, prior])


def fit(command, rows, start, fixed=()):
    """Constants with those at the indices `fixed` held."""
    measured = np.array([float(r["measured_s"]) for r in rows])
    free = [i for i in range(5) if i not in fixed]

    def of_free(x):
        theta = np.array(start, float)
        theta[free] = x
        return residuals(theta, command, rows, measured)

    low, high = [0, 0, 0, 0.05, 0.05], [0.95, 0.95, 0.95, 1.5, 1.5]
    found = least_squares(of_free, np.array(start)[free], bounds=([low[i] for i in free], [high[i] for i in free]), loss="soft_l1", diff_step=1e-4, x_scale=0.1)
    theta = np.array(start, float)
    theta[free] = found.x
    # Gauss-Newton covariance at the solution, scaled by the residual variance.
    jacobian = found.jac
    degrees = max(1, len(measured) - len(free))
    variance = np.sum(found.fun[: len(measured)] ** 2) / degrees
    sd = np.zeros(5)
    sd[free] = np.sqrt(np.diag(np.linalg.inv(jacobian.T @ jacobian)) * variance)
    return theta, sd


def block_times():
    """Mean forward seconds of a transformer block, by tp."""
    profile = json.loads((ROOT / "models/profiles/amp-gpt2.json").read_text())
    return {p["tp"]: float(np.mean(p["forward_s"][2:26])) for p in profile["points"] if p["device"] == "T4-16GB"}


def share_of(theta, tp):
    """The overhead share of a tp without rows of its own, from the others: the work that grows with the
    batch is a block's single-device work over tp, and two 16-bit all-reduces of the forward pass."""
    f = block_times()
    bytes_forward = 2 * 1024 * 1024 * 2

    def collective(t):
        return bytes_forward * 2 * (t - 1) / t / (theta[3] * 50e9 / 8)

    if tp != 1:
        return 1 - ((1 - theta[0]) * f[1] / tp + collective(tp)) / f[tp]
    work = [((1 - theta[TPS.index(t)]) * f[t] - collective(t)) * t / f[1] for t in (2, 4)]
    return 1 - float(np.mean(work))


def rank(values):
    order = np.argsort(values, kind="stable")
    ranks = np.empty(len(values))
    ranks[order] = np.arange(len(values))
    for v in set(values):
        ranks[values == v] = np.mean(ranks[values == v])
    return ranks


def spearman(a, b):
    return float(np.corrcoef(rank(np.asarray(a)), rank(np.asarray(b)))[0, 1])


def errors(predicted, measured):
    ape = np.abs(predicted / measured - 1)
    return f"{100 * ape.mean():.1f} % | {100 * np.median(ape):.1f} % | {spearman(predicted, measured):.3f}"


def pick(rows, predicted, fits):
    """The row picked (fastest predicted that fits; ties to the worst member) and its regret."""
    best = min(float(r["measured_s"]) for r in rows if r["measured_s"])
    candidates = [i for i in range(len(rows)) if fits[i]]
    low = min(predicted[i] for i in candidates) * (1 + 1e-9)
    tied = [i for i in candidates if predicted[i] <= low]
    worst = max(tied, key=lambda i: float(rows[i]["measured_s"] or "inf"))
    if not rows[worst]["measured_s"]:
        return rows[worst], "picked a run that failed"
    return rows[worst], f"{100 * (float(rows[worst]['measured_s']) / best - 1):.1f} %"


def label(row):
    return f"tp {row['tp']} pp {row['pp']} dp {row['dp']} micro-batch {row['micro_batch']}"


def left_out(command, rows, theta):
    out = []
    for k, tp in enumerate(TPS):
        rest = [r for r in rows if r["measured_s"] and int(r["tp"]) != tp]
        held = [r for r in rows if r["measured_s"] and int(r["tp"]) == tp]
        other, _ = fit(command, rest, theta, fixed=(k,))
        other[k] = share_of(other, tp)
        predicted, _ = predict(command, held, other)
        measured = np.array([float(r["measured_s"]) for r in held])
        out.append(f"| {tp} | {len(held)} | {other[k]:.3f} | {errors(predicted, measured)} |")
    return out


def report(command, rows, theta, sd):
    timed = [r for r in rows if r["measured_s"]]
    measured = np.array([float(r["measured_s"]) for r in timed])
    amp = np.array([float(r["amp_s"]) for r in rows])
    all_times, fits = predict(command, rows, theta)
    best_times, best_fits = predict(command, rows, theta, stages=False)
    keep = [i for i, r in enumerate(rows) if r["measured_s"]]
    failed = [i for i, r in enumerate(rows) if not r["measured_s"]]
    def line(name, times, fit):
        picked, regret = pick(rows, times, fit)
        hits, alarms = sum(not fit[i] for i in failed), sum(not fit[i] for i in keep)
        return f"| {name} | {errors(times[keep], measured)} | {label(picked)} | {regret} | {hits} of {len(failed)} | {alarms} |"

    names = ["overhead share, tp 1", "overhead share, tp 2", "overhead share, tp 4", "intra-node efficiency", "inter-node efficiency"]
    lines = [
        "# Validation of the profiled layers: AMP's T4 runs", "",
        "Predictions against measured runs. Written by `tools/fit_amp_t4.py AMMETER --write`; rows: `benchmarks/measured/`.", "",
        "## AMP's homogeneous experiment (16 T4, GPT-2 24 layers, batch 32; measured 2022, rounded to 10 ms)", "",
        f"{len(timed)} runs have a time, {len(failed)} failed (any failure; most likely out of memory). **The default cost model's five constants are fitted on these",
        "very rows**: the first table says how well the form can follow them, the second what it knows without rows of a tensor degree.", "",
        "| cost model | mean error | median | Spearman | pick | regret | failures seen | false alarms |", "|---|--:|--:|--:|---|--:|--:|--:|",
        line("amp-reference", amp, [True] * len(rows)),
        line("default, the partitions that were run", all_times, fits),
        line("default, its own best partitions", best_times, best_fits), "",
        "The pick is the fastest predicted row that is predicted to fit; regret compares its measured time with the best measured. amp-reference ties two rows for",
        "its first place, one of which failed.", "",
        "The last line is what `plan` ranks: a partition moves layers off a stage that is full, so fewer of the failed rows are seen as such, and rightly so",
        "if the default's partition is used.", "",
        "### Each tensor degree left out", "",
        "Constants fitted without the rows of one tp; its overhead share then follows from the others (`share_of` in the tool), errors on the rows left out.", "",
        "| tp left out | rows | share used | mean error | median | Spearman |", "|--:|--:|--:|--:|--:|--:|", *left_out(command, rows, theta), "",
        "### Constants", "", "| constant | value | sd |", "|---|--:|--:|",
        *[f"| {n} | {v:.3f} | {s:.3f} |" for n, v, s in zip(names, theta, sd)], "",
        f"Priors: both efficiencies log-normal around {PRIOR_EFFICIENCY} (log sd {PRIOR_LOG_SD}). The intra-node efficiency is hardly identified by these rows: what is printed is mostly",
        "the prior. The form of the overhead (paid once per micro-batch, not per pass) was chosen among a few on the same rows; it is a sixth, discrete choice.", "",
        "### Every row", "", "| strategy | measured s | amp-reference | default | fits |", "|---|--:|--:|--:|---|",
        *[f"| {label(r)} | {r['measured_s'] or 'failed'} | {amp[i]:.2f} | {all_times[i]:.2f} | {'yes' if fits[i] else 'no'} |" for i, r in enumerate(rows)], "",
        "AMP's two other experiments have no measured rows. Predictions without a profile are compared with other people's runs in [validation.md](validation.md).", "",
    ]
    return "\n".join(lines)


def write_devices(theta, sd):
    """The T4's constants, and the devices that borrow them for want of rows of their own."""
    for path in (DEVICE, *BORROWERS):
        device = json.loads(path.read_text())
        parts = [*device["overhead_share"], device["intra_efficiency"], device["inter_efficiency"]]
        for part, value, spread in zip(parts, theta, sd):
            part["value"] = round(float(value), 4)
            if path == DEVICE:
                part["sd"] = round(float(spread), 4)
        path.write_text(json.dumps(device, indent=2, ensure_ascii=False) + "\n")


def main():
    command = sys.argv[1]
    rows = read_rows()
    timed = [r for r in rows if r["measured_s"]]
    theta, sd = fit(command, timed, [0.25, 0.48, 0.58, 0.8, 0.8])
    theta = np.round(theta, 4)
    text = report(command, rows, theta, sd)
    print(text)
    if "--write" in sys.argv[2:]:
        write_devices(theta, sd)
        (ROOT / "docs/validation-amp.md").write_text(text)


if __name__ == "__main__":
    if len(sys.argv) < 2 or sys.argv[1] in ("-h", "--help"):
        sys.exit(__doc__)
    main()
