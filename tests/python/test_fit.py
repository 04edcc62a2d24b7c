"""Fits of synthetic runs: the library's own times at known constants, with noise."""

import csv
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import threading

ROOT = pathlib.Path(os.environ.get("SRC", pathlib.Path(__file__).parents[2])).resolve()
sys.path.insert(0, str(ROOT / "python"))
sys.dont_write_bytecode = True

try:
    import numpy as np
    import scipy  # noqa: F401
except ImportError:
    print("skipped: NumPy or SciPy is missing")
    sys.exit(77)

if "AMMETER" in os.environ and "AMMETER_LIBRARY" not in os.environ:
    built = pathlib.Path(os.environ["AMMETER"]).resolve().parent / "libammeter.so"
    if not built.is_file() or b"__asan_init" in built.read_bytes() or b"__tsan_init" in built.read_bytes():
        print("skipped: no shared library that Python can load")
        sys.exit(77)
    os.environ["AMMETER_LIBRARY"] = str(built)

from ammeter import AmmeterError, LibraryNotFound, Runs, _library  # noqa: E402
from ammeter import fit as command  # noqa: E402
from ammeter import left_out, plan, posterior, write_models  # noqa: E402

FIELDS = (
    "source_id framework model layers hidden heads kv_heads ffn_hidden vocab seq_len gated_mlp gpu gpus gpus_per_node "
    "nic_gbit_per_node precision tp pp dp zero_stage_or_fsdp recompute flash_attention micro_batch global_batch "
    "measured_iter_s score notes"
).split()
NOISE = 0.02
TRUTH = {"gemm_efficiency": 0.7, "attention_efficiency": 0.45, "network_efficiency": 0.7, "launch_s": 1.4e-5}


def rows(sources=("lab-a", "lab-b")):
    """Layouts of three networks on 8 to 64 devices."""
    shapes = [(24, 2048, 16, 2048), (32, 4096, 32, 2048), (40, 5120, 40, 8192), (24, 1024, 16, 512)]
    for source in sources:
        for layers, hidden, heads, seq in shapes:
            for tp, pp, dp in ((1, 1, 8), (2, 1, 4), (8, 1, 1), (2, 2, 8), (4, 2, 8), (1, 2, 16)):
                for micro_batch in (1, 2):
                    yield {
                        "source_id": source, "framework": "a-lab", "model": f"m{hidden}", "layers": layers, "hidden": hidden,
                        "heads": heads, "kv_heads": heads, "ffn_hidden": 4 * hidden, "vocab": 51200, "seq_len": seq,
                        "gated_mlp": 0, "gpu": "A100-80GB", "gpus": tp * pp * dp, "gpus_per_node": 8, "nic_gbit_per_node": 800,
                        "precision": "bf16", "tp": tp, "pp": pp, "dp": dp, "zero_stage_or_fsdp": "zero0", "recompute": "none",
                        "flash_attention": 1, "micro_batch": micro_batch, "global_batch": 8 * dp * micro_batch, "score": 1,
                    }  # fmt: skip


def write_rows(path, table):
    with open(path, "w", newline="") as out:
        writer = csv.DictWriter(out, FIELDS, restval="")
        writer.writeheader()
        writer.writerows(table)


def a_plan(free, facts=(), **changes):
    priors = {
        "gemm_efficiency": {"mean": 0.8, "sd": 0.15, "source": "test"},
        "attention_efficiency": {"mean": 0.6, "sd": 0.2, "source": "test"},
        "network_efficiency": {"mean": 0.8, "sd": 0.2, "source": "test"},
        "launch_s": {"mean": 1e-5, "sd": 0.8, "log": True, "source": "test"},
        "low_precision_share": {"mean": 0.8, "sd": 0.1, "source": "test"},
    }
    priors.update(changes)
    data = json.loads(plan.SHIPPED.read_text())
    data.update(priors=priors, devices={"A100-80GB": {"free": list(free)}}, facts=list(facts))
    return plan.Plan(data=data)


class Synthetic:
    """Runs whose times are the library's at TRUTH, times noise."""

    def __init__(self, folder, truth=TRUTH, noise=NOISE, seed=1):
        table = list(rows())
        for row in table:
            row["measured_iter_s"] = 1
        self.path = pathlib.Path(folder) / "runs.csv"
        write_rows(self.path, table)
        blank = Runs(self.path)
        assert not any(blank.reasons), set(blank.reasons)
        values = blank.values.copy()
        for name, value in truth.items():
            values[blank.names.index(f"A100-80GB/{name}")] = value
        times = blank.predict(values) * np.exp(noise * np.random.default_rng(seed).standard_normal(len(blank)))
        for row, time_s in zip(table, times):
            row["measured_iter_s"] = repr(float(time_s))
        write_rows(self.path, table)
        self.runs = Runs(self.path)

    def fit(self, chosen):
        data = posterior.configurations(self.runs, chosen)
        return posterior.fit(posterior.Problem(self.runs, chosen, data, chosen.free(self.runs)))


def by_name(found):
    return {f.name: k for k, f in enumerate(found.free)}


def test_recovers(folder):
    found = Synthetic(folder).fit(a_plan(TRUTH))
    index = by_name(found)
    assert not found.fixed, found.fixed
    for name, value in TRUTH.items():
        k = index[name]
        assert abs(found.value(k) - value) < 4 * found.sd(k) + 0.01 * value, (name, found.value(k), found.sd(k), value)
        assert found.sd(k) < 0.25 * value, (name, found.sd(k))


def test_outliers(folder):
    """A few wild runs do not carry the fit away."""
    synthetic = Synthetic(folder)
    table = list(csv.DictReader(open(synthetic.path, newline="")))
    for row in table[::12]:
        row["measured_iter_s"] = repr(3 * float(row["measured_iter_s"]))
    write_rows(synthetic.path, table)
    synthetic.runs = Runs(synthetic.path)
    found = synthetic.fit(a_plan(["gemm_efficiency"]))
    assert abs(found.value(0) / TRUTH["gemm_efficiency"] - 1) < 0.08, found.value(0)


def test_covariance(folder):
    found = Synthetic(folder).fit(a_plan([*TRUTH, "low_precision_share"]))
    c = found.covariance
    assert np.array_equal(c, c.T)
    assert np.linalg.eigvalsh(c).min() > 0
    assert np.all(np.diag(c) <= 1 + 1e-9)  # runs never make a prior wider
    written = np.array(write_models.posterior(found, "A100-80GB", left_out.leave_source_out(found.problem.runs, found))["covariance"])
    assert np.array_equal(written, written.T)
    scale = np.sqrt(np.diag(written))
    assert np.linalg.eigvalsh(written / np.outer(scale, scale)).min() > -1e-4


def test_unidentified(folder):
    """No run is in 8 bit: the constant stays at its prior, and says so."""
    found = Synthetic(folder).fit(a_plan(["gemm_efficiency", "low_precision_share"]))
    k = by_name(found)["low_precision_share"]
    assert found.value(k) == 0.8 and abs(found.sd(k) - 0.1) < 1e-12
    assert "not identified" in found.fixed[k] and list(found.fixed) == [k]


def test_bound(folder):
    """Runs faster than any GEMM may be: the constant is not left at its bound."""
    synthetic = Synthetic(folder, {"gemm_efficiency": 0.95})
    table = list(csv.DictReader(open(synthetic.path, newline="")))
    for row in table:
        row["measured_iter_s"] = repr(0.9 * float(row["measured_iter_s"]))
    write_rows(synthetic.path, table)
    synthetic.runs = Runs(synthetic.path)
    found = synthetic.fit(a_plan(["gemm_efficiency"]))
    assert found.value(0) == 0.8 and "at a bound" in found.fixed[0], (found.value(0), found.fixed)
    source = write_models._entry(found, 0)["source"]
    assert "at a bound" in source and "prior" in source, source


def test_gradient(folder):
    """Constants moved together give the derivatives of constants moved alone."""
    synthetic = Synthetic(folder)
    chosen = a_plan(TRUTH)
    problem = posterior.Problem(synthetic.runs, chosen, posterior.configurations(synthetic.runs, chosen), chosen.free(synthetic.runs))
    z = np.array([0.1, -0.2, 0.3, 0.2])
    together = problem.gradient(z)
    for k in range(4):
        step = np.zeros(4)
        step[k] = posterior.STEP
        alone = (problem.log_time(z + step) - problem.log_time(z - step)) / (2 * posterior.STEP)
        assert np.allclose(together[:, k], alone, rtol=1e-9, atol=1e-12)


def test_left_out(folder):
    """Two sources of the same truth: each is predicted by the other, inside the ranges."""
    synthetic = Synthetic(folder)
    chosen = a_plan(TRUTH)
    found = synthetic.fit(chosen)
    left = left_out.leave_source_out(synthetic.runs, found)
    assert not left.alone.any() and np.array_equal(left.error, left.part_error)
    assert np.mean(np.abs(left.error)) < 1.5 * NOISE
    share = left_out.inside(synthetic.runs, left, chosen).mean()
    assert 0.6 < share <= 1, share
    table = left_out.device_residuals(synthetic.runs, left, chosen, "A100-80GB")
    assert set(table) == {"generic", "A100/dense/tp-pp/16bit"}
    assert left_out.residual_of(table, "A100/moe/ep/8bit") == 1.5 * table["generic"]


def test_residual_sd():
    error = np.random.default_rng(3).standard_normal(20000) * 0.1
    one = np.ones(len(error))
    assert abs(left_out.residual_sd(error, 0 * one, one) - 0.1) < 0.003
    assert abs(left_out.residual_sd(error, 0.0064 * one, one) - 0.06) < 0.006
    assert left_out.residual_sd(0 * error, one, one) == left_out.LEAST_SD


def test_reset(folder):
    """Without a runtime's source its floats are generic again, its switches stay."""
    runs = Runs(Synthetic(folder).path)
    values, owner = runs.values, runs.runtimes[0]
    moved = runs.names.index(f"{owner}/loss_traffic_bytes")
    kept = runs.names.index(f"{owner}/vocabulary_parallel_loss")
    values[moved], values[kept] = 77.0, 0.0
    reset = left_out.without_runtimes(runs, plan.Plan(), {owner})
    assert reset[moved] == runs.defaults[moved] and reset[kept] == 0.0
    assert left_out.without_runtimes(runs, plan.Plan(), set())[moved] == 77.0


def test_threads(folder):
    """Two threads predict with constants of their own, again and again, as one alone does."""
    runs = Synthetic(folder).runs
    sets = [runs.values, runs.values * np.where(np.char.endswith(runs.names, "gemm_efficiency"), 0.9, 1.0)]
    alone = [runs.predict(s, memory=True) for s in sets]
    assert not np.array_equal(alone[0][0], alone[1][0])
    wrong = []

    def work(which):
        for _ in range(100):
            times, memory = runs.predict(sets[which], memory=True)
            if not (np.array_equal(times, alone[which][0]) and np.array_equal(memory, alone[which][1])):
                wrong.append(which)

    threads = [threading.Thread(target=work, args=(k,)) for k in (0, 1)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not wrong, wrong


def test_errors(folder):
    runs = Synthetic(folder).runs
    for wrong, kind in ((runs.high + 1, AmmeterError), (runs.values[:-1], ValueError)):
        try:
            runs.predict(wrong)
        except kind as error:
            assert "allowed" in str(error), error
        else:
            raise AssertionError("accepted")
    try:
        Runs(pathlib.Path(folder) / "missing.csv")
    except AmmeterError as error:
        assert "missing.csv" in str(error)
    else:
        raise AssertionError("accepted")
    for change in ({"mean": 0.99, "sd": 0.1, "source": "at the bound"}, {"mean": 0.8, "sd": 0, "source": "x"}, {"mean": 0.8, "sd": 0.1}):
        try:
            a_plan(["gemm_efficiency"], gemm_efficiency=change).free(runs)
        except plan.PlanError as error:
            assert "gemm_efficiency" in str(error)
        else:
            raise AssertionError(change)


def test_library_missing(folder):
    environment = {**os.environ, "AMMETER_LIBRARY": str(pathlib.Path(folder) / "none.so"), "PYTHONPATH": str(ROOT / "python")}
    got = subprocess.run([sys.executable, "-m", "ammeter.fit", "x.csv"], env=environment, capture_output=True, text=True)
    assert got.returncode == 3 and "none.so" in got.stderr and "cmake" in got.stderr, got
    assert issubclass(LibraryNotFound, ImportError) and _library.candidates()


def test_shipped_plan():
    """Every device and fact of the shipped plan has a prior with a source."""
    shipped = plan.Plan()
    for device, entry in shipped.data["devices"].items():
        assert (ROOT / "models/devices").is_dir() and len(entry["free"]) <= plan.MAX_FREE, device
        for name in entry["free"]:
            assert plan._prior(entry.get("priors", {}).get(name) or shipped.data["priors"][name], f"{device}.{name}")


def test_command(folder):
    """Writes what it fitted, the same when run twice; predictions carry ranges."""
    folder = pathlib.Path(folder)
    synthetic = Synthetic(folder)
    chosen, models, out = folder / "plan.json", folder / "models", folder / "out.csv"
    chosen.write_text(json.dumps(a_plan(TRUTH).data))
    shutil.copytree(ROOT / "models", models)
    unfitted = json.loads((models / "devices/a100-80.json").read_text())
    for key in ("constants", "posterior"):
        unfitted.pop(key, None)
    (models / "devices/a100-80.json").write_text(json.dumps(unfitted))
    before = {p: p.read_text() for p in models.rglob("*.json")}
    arguments = [str(synthetic.path), "--plan", str(chosen), "--models", str(models), "--write", "--predictions", str(out), "--json"]
    real, sys.stdout = sys.stdout, open(folder / "report.json", "w")
    try:
        assert command.main(arguments) == 0
        first = {p: p.read_text() for p in models.rglob("*.json")}
        assert command.main(arguments) == 0
    finally:
        sys.stdout.close()
        sys.stdout = real
    assert first == {p: p.read_text() for p in models.rglob("*.json")}
    assert [p.name for p in first if first[p] != before[p]] == ["a100-80.json"]
    device = json.loads((models / "devices/a100-80.json").read_text())
    assert set(device["constants"]) == set(TRUTH) and device["regime"] == "calibrated"
    assert device["posterior"]["names"] and "generic" in device["posterior"]["residual"]
    for name, entry in device["constants"].items():
        assert entry["sd"] > 0 and "96 rows of lab-a, lab-b" in entry["source"] and "prior" in entry["source"], name
    predicted = list(csv.DictReader(open(out, newline="")))
    assert len(predicted) == len(synthetic.runs)
    assert all(float(r["predicted_low_s"]) < float(r["predicted_iter_s"]) < float(r["predicted_high_s"]) for r in predicted)
    assert command.main([str(synthetic.path), "--device", "T4-16GB"]) == 2


def main():
    tests = [(n, f) for n, f in globals().items() if n.startswith("test_")]
    for name, test in tests:
        with tempfile.TemporaryDirectory() as folder:
            test(folder) if test.__code__.co_argcount else test()
        print(f"ok {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
