"""`ammeter plan --cost-model amp-reference` against amp_oracle.py, on settings that the published
experiments do not have: other batches, node counts, node sizes, bandwidths, devices.

Compared for each setting: the strategies and their order, the stages with their layers and devices,
the total (float32) and its four parts, and how many strategies are rejected for which reason.

usage: AMMETER=command SRC=sources test_amp_oracle.py [-v]       -v: one line per setting
"""
import json
import os
import subprocess
import sys

try:
    import numpy as np
except ImportError as error:
    print(f"skipped: {error}")
    sys.exit(77)
import amp_oracle as oracle

TOTAL_TOLERANCE = 2e-6  # float32 sums whose order may differ; two totals this close are a tie
PART_TOLERANCE = 1e-6  # of the total: the parts are written in double precision

T4, V100 = "T4", "V100-16"
PROBLEMS = {  # name: (model, profile, weights of devices or None: those of the cluster)
    "amp-homogeneous": (oracle.gpt2(), "amp-gpt2", None),
    "amp-het-cluster": (oracle.gpt2(), "amp-gpt2", {"V100-16GB": 0.75, "T4-16GB": 0.25}),
    "amp-het-model": (oracle.transgan(), "amp-transgan", None),
}
PROFILE_NAME = {T4: "T4-16GB", V100: "V100-16GB"}


def g4(nodes, devices=4, device=T4):
    return [(nodes, devices, device, 50, 50)]


def p3(nodes, devices=4, device=V100):
    return [(nodes, devices, device, 170, 10)]


THREE_KINDS = [(1, 4, T4, 170, 10), (2, 4, T4, 50, 25), (1, 4, T4, 100, 100)]
SLOW_MIDDLE = [(1, 4, T4, 170, 100), (1, 4, T4, 50, 5), (2, 4, T4, 50, 50)]
SLOW_PAIRS = [(1, 2, T4, 50, 50), (3, 2, T4, 170, 1), (4, 2, T4, 50, 25)]
SLOW_INSIDE = [(2, 4, T4, 10, 50), (2, 4, T4, 50, 10)]
FIVE_NODES = [(2, 2, T4, 50, 50), (1, 2, T4, 50, 3), (2, 2, T4, 170, 10)]
FEW_P3 = [(2, 4, V100, 170, 10), (1, 4, V100, 100, 25), (1, 4, V100, 170, 40)]
MIXED = [(3, 4, V100, 170, 10), (1, 4, T4, 50, 50)]  # the cluster of amp-het-cluster
MIXED_FIRST_T4 = [(1, 4, T4, 50, 50), (3, 4, V100, 170, 10)]
MIXED_PAIRS = [(3, 2, V100, 170, 10), (2, 2, T4, 50, 50)]

SETTINGS = [("amp-homogeneous", g4(4), batch) for batch in (1, 2, 6, 7, 12, 24, 48, 60, 96)]
SETTINGS += [
    ("amp-homogeneous", g4(8, 2), 32),
    ("amp-homogeneous", g4(8, 2), 24),
    ("amp-homogeneous", g4(2, 8), 32),
    ("amp-homogeneous", g4(2, 8), 12),
    ("amp-homogeneous", g4(3), 12),
    ("amp-homogeneous", g4(3), 36),
    ("amp-homogeneous", g4(1), 8),
    ("amp-homogeneous", g4(1), 7),
    ("amp-homogeneous", g4(1, 1), 6),
    ("amp-homogeneous", g4(1, 3), 6),
    ("amp-homogeneous", g4(16, 1), 16),
    ("amp-homogeneous", g4(5, 2), 10),
    ("amp-homogeneous", g4(5, 2), 20),
    ("amp-homogeneous", g4(2, 6), 12),
    ("amp-homogeneous", g4(6), 24),
    ("amp-homogeneous", g4(6), 1),
    ("amp-homogeneous", g4(8), 32),  # pipelines of 32 stages: longer than the model
    ("amp-homogeneous", g4(8), 1),  # the same with empty stages
    ("amp-homogeneous", g4(7), 14),
    ("amp-homogeneous", g4(15, 2), 30),  # pipelines of 30 stages: one layer each
    ("amp-homogeneous", THREE_KINDS, 32),
    ("amp-homogeneous", THREE_KINDS, 24),
    ("amp-homogeneous", SLOW_MIDDLE, 32),
    ("amp-homogeneous", SLOW_MIDDLE, 6),
    ("amp-homogeneous", SLOW_PAIRS, 16),
    ("amp-homogeneous", SLOW_INSIDE, 32),
    ("amp-homogeneous", FIVE_NODES, 20),
    ("amp-homogeneous", p3(4), 32),
    ("amp-homogeneous", p3(2), 12),
    ("amp-homogeneous", FEW_P3, 48),
    ("amp-het-cluster", MIXED, 24),
    ("amp-het-cluster", MIXED, 48),
    ("amp-het-cluster", MIXED, 7),
    ("amp-het-cluster", MIXED_FIRST_T4, 32),
    ("amp-het-cluster", MIXED_PAIRS, 20),
    ("amp-het-cluster", [(5, 4, V100, 170, 10), (3, 4, T4, 50, 50)], 32),
    ("amp-het-cluster", g4(4), 32),
    ("amp-het-cluster", p3(2), 12),
    ("amp-het-model", p3(4), 32),
    ("amp-het-model", p3(4), 48),
    ("amp-het-model", p3(4), 7),
    ("amp-het-model", p3(4), 1),
    ("amp-het-model", p3(8, 2), 64),
    ("amp-het-model", p3(3), 24),
    ("amp-het-model", p3(7), 28),  # 28 stages: longer than the model
    ("amp-het-model", p3(7), 1),
    ("amp-het-model", p3(5, 5), 50),  # 25 stages: one layer each, also at one micro-batch
    ("amp-het-model", FEW_P3, 64),
    ("amp-het-model", FEW_P3, 24),
]


def cluster_line(nodes):
    return "+".join(f"{count}xnode:{devices}x{device},intra={intra}gbit,inter={inter}gbit"
                    for count, devices, device, intra, inter in nodes)


def run_oracle(problem, nodes, batch):
    model, profile, mix = PROBLEMS[problem]
    path = os.path.join(os.environ["SRC"], "models", "profiles", profile + ".json")
    mix = mix or {PROFILE_NAME[nodes[0][2]]: 1.0}
    cluster = oracle.make_cluster([(count, devices, intra * 1e9, inter * 1e9)
                                   for count, devices, _, intra, inter in nodes])
    return oracle.plan(model, cluster, oracle.load_profile(path, mix), batch)


def run_command(problem, nodes, batch):
    command = [os.environ["AMMETER"], "plan", problem, "--cost-model", "amp-reference", "--top",
               "all", "--json", "--cluster", cluster_line(nodes), "--global-batch-size", str(batch)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"exit {done.returncode}: {done.stderr.strip()}")
    return json.loads(done.stdout)


def read_strategy(plan):
    s = plan["strategy"]
    return oracle.Strategy(s["tp"], s["dp"], s["pp"], s["micro_batch"])


def close(a, b, tolerance):
    return abs(a - b) <= tolerance * max(abs(a), abs(b))


def compare_plan(got, want):
    """What differs between a plan of the command and the same one of the oracle."""
    total = float(want.total)
    if not close(got["time_s"], total, TOTAL_TOLERANCE):
        yield f"time_s {got['time_s']!r}, expected {total!r}"
    if got["strategy"]["stage_layers"] != want.stage_layers:
        yield f"stage_layers {got['strategy']['stage_layers']}, expected {want.stage_layers}"
    stages = got["strategy"]["stages"]
    layers = [list(pair) for pair in zip(want.boundaries, want.boundaries[1:])]
    if [stage["layers"] for stage in stages] != layers:
        yield f"layers {[stage['layers'] for stage in stages]}, expected {layers}"
    ranks = [device for stage in stages for replica in stage["replicas"]
             for device in replica["devices"]]
    shape = {(len(stage["replicas"]), len(replica["devices"]))
             for stage in stages for replica in stage["replicas"]}
    s = want.strategy
    if ranks != list(range(s.tp * s.dp * s.pp)) or shape != {(s.dp, s.tp)}:
        yield f"devices {ranks} as (replicas, devices) {shape}, expected rank order"
    for part in ("compute_s", "bubble_s", "pp_s", "dp_s"):
        value, expected = got["time"][part], getattr(want, part)
        if abs(value - expected) > PART_TOLERANCE * total:
            yield f"{part} {value!r}, expected {expected!r}"


def compare_order(got, want):
    """Wrong ranks. Where all totals are the same bits, the order has to be the same; elsewhere two
    plans may change places when their totals are a tie."""
    totals = {p.strategy: p.total for p in want}
    same_bits = all(np.float32(p["time_s"]) == totals[read_strategy(p)] for p in got)
    for rank, (g, w) in enumerate(zip(got, want)):
        s = read_strategy(g)
        tie = close(float(totals[s]), float(w.total), TOTAL_TOLERANCE)
        if s != w.strategy and (same_bits or not tie):
            yield f"rank {rank} is {tuple(s)}, expected {tuple(w.strategy)}"


def compare(setting):
    """(number of plans, number with the same bits, list of differences) of one setting."""
    want, want_rejected = run_oracle(*setting)
    result = run_command(*setting)
    got = result["plans"]
    by_strategy = {p.strategy: p for p in want}
    found = [read_strategy(p) for p in got]
    errors = [f"extra {tuple(s)}" for s in found if s not in by_strategy]
    errors += [f"missing {tuple(s)}" for s in by_strategy if s not in set(found)]
    errors += [f"twice {tuple(s)}" for s in set(found) if found.count(s) > 1]
    same = 0
    for plan, s in zip(got, found):
        if s in by_strategy:
            same += plan["time_s"] == float(by_strategy[s].total)
            errors += [f"{tuple(s)}: {e}" for e in compare_plan(plan, by_strategy[s])]
    if set(found) == set(by_strategy) and len(found) == len(want):
        errors += compare_order(got, want)
    rejected = {r["reason"]: int(r["count"]) for r in result["rejected"] if int(r["count"])}
    if rejected != want_rejected:
        errors.append(f"rejected {rejected}, expected {want_rejected}")
    configs = len(want) + sum(want_rejected.values())
    if result["search"]["configs"] != configs:
        errors.append(f"configs {result['search']['configs']}, expected {configs}")
    return len(want), same, errors


def main():
    plans = bits = failures = 0
    for setting in SETTINGS:
        name = f"{setting[0]}, {cluster_line(setting[1])}, batch {setting[2]}"
        try:
            count, same, errors = compare(setting)
        except (RuntimeError, ValueError, KeyError) as error:
            count, same, errors = 0, 0, [f"{type(error).__name__}: {error}"]
        plans, bits, failures = plans + count, bits + same, failures + bool(errors)
        if errors or "-v" in sys.argv[1:]:
            print(f"{'FAIL' if errors else 'ok'}  {name}: {same} of {count} totals same bits")
        for error in errors[:10]:
            print(f"      {error}")
        if len(errors) > 10:
            print(f"      and {len(errors) - 10} more")
    print(f"{len(SETTINGS)} settings, {failures} failed; {plans} plans, {bits} totals same bits")
    return 1 if failures else 0


if __name__ == "__main__":
    sys.exit(main())
