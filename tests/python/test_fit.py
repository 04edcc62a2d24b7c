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
    """Two sources of the same truth: each is predicted by the other, inside the ranges. Of a network, source and size, 8 devices with batch 64 and
    32 with 128 have two layouts each: 2 * 4 * 2 pairs."""
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
    residuals = left_out.shipped_residuals(synthetic.runs, left, chosen)
    assert residuals.of(chosen.kind("A100-80GB"), "A100/moe/ep/8bit") == 1.5 * table["generic"]
    assert residuals.of(chosen.kind("A100-80GB"), "A100/dense/tp-pp/16bit") == table["A100/dense/tp-pp/16bit"]
    # Two layouts of a job: noise is all that their ratios have, and it is independent.
    found = left_out.pairs(synthetic.runs, left, chosen, left_out.nested_residuals(synthetic.runs, left, chosen))
    assert len(found.error) == 16 and set(found.source) == {"lab-a", "lab-b"}, len(found.error)
    cells = [synthetic.runs.cells(c) for c in left_out.SWEEP]
    for i, k in zip(left.data.row[found.first], left.data.row[found.second]):
        assert i != k and [c[i] for c in cells] == [c[k] for c in cells]
    assert 0.5 < found.nested().mean() <= 1


def test_range_is_the_librarys(folder):
    """Factors times themselves, and the residual, are the sd of the range that the library writes from the
    files: an independent sum over the same constants and facts."""
    runs, chosen = Runs(Synthetic(folder).path), plan.Plan()
    data = posterior.configurations(runs, chosen)
    device = json.loads((ROOT / "models/devices/a100-80.json").read_text())
    runtime = json.loads((ROOT / "models/runtimes/generic.json").read_text())
    assert set(runs.runtimes) == {"generic"}
    names = device["posterior"]["names"]
    variance = np.zeros(len(data))
    slopes = {}
    spread = {f"A100-80GB/{n}": device["constants"][n]["sd"] for n in names}
    spread |= {f"generic/{n}": e["sd"] for n, e in runtime["facts"].items() if e.get("sd", 0) > 0}
    for name, sd in spread.items():
        i = runs.names.index(name)
        up, down = runs.values.copy(), runs.values.copy()
        up[i], down[i] = min(up[i] + 0.1 * sd, runs.high[i]), max(down[i] - 0.1 * sd, runs.low[i])
        slopes[name] = (np.log(runs.predict(up)) - np.log(runs.predict(down)))[data.row] / (up[i] - down[i])
        variance += (slopes[name] * sd) ** 2 if name.startswith("generic") else 0
    g = np.array([slopes[f"A100-80GB/{n}"] for n in names]).T
    variance += np.einsum("ij,jk,ik->i", g, np.array(device["posterior"]["covariance"]), g)
    written = list(csv.DictReader(runs.csv().splitlines()))
    sizes, beyond = runs.sizes(), 0
    for k, row in enumerate(written[i] for i in data.row):
        sd = np.log(float(row["predicted_high_s"]) / float(row["predicted_low_s"])) / (2 * left_out.QUANTILE)
        residual = device["posterior"]["residual"]["A100/dense/tp-pp/16bit"]
        measured = device["posterior"]["measured"]
        if not all(low <= sizes[key][data.row[k]] <= high for key, (low, high) in measured.items()):
            residual = max(residual, left_out.UNVALIDATED * device["posterior"]["residual"]["generic"])
            beyond += 1
        assert abs(sd / np.sqrt(variance[k] + residual**2) - 1) < 2e-3, (row, sd, variance[k])
    assert 0 < beyond < len(data)


def test_factors(folder):
    """Their products are g' C g over the constants of a device, and slopes times sd of facts."""
    fact = {"name": "loss_traffic_bytes", "runtimes": "*", "mean": 36, "sd": 10, "source": "test"}
    found = Synthetic(folder).fit(a_plan(TRUTH, [fact]))
    problem, c = found.problem, found.covariance
    g, f = problem.gradient(found.z), left_out.factors(problem, found)
    rates = [k for k, x in enumerate(found.free) if not x.fact]
    (k,) = (k for k, x in enumerate(found.free) if x.fact)
    wanted = g[:, rates] @ c[np.ix_(rates, rates)] @ g[:, rates].T + np.outer(g[:, k], g[:, k]) * c[k, k]
    assert np.allclose(f @ f.T, wanted, rtol=1e-9, atol=1e-15) and wanted.max() > 0


def test_unknown_spread():
    prior = plan.Prior(0.5, 0.2, False, "test")
    assert left_out.unknown_spread(prior, 0.5) == 1.0
    assert abs(prior.sd * left_out.unknown_spread(prior, 0.1) - np.hypot(0.2, 0.4)) < 1e-12


def test_unknown_software(folder):
    """Software without runs: an sd where others have a fact of their own, not where one alone has it, nor
    where the file states it."""
    facts = [
        {"name": "dp_overlap", "runtimes": ["generic"], "mean": 0.3, "sd": 0.4, "source": "test"},
        {"name": "zero_rank_s", "runtimes": ["generic"], "mean": 1e-3, "sd": 1e-3, "source": "test", "peculiar": True},
    ]
    found = Synthetic(folder).fit(a_plan(["gemm_efficiency"], facts))
    default = found.problem.runs.defaults[found.problem.runs.names.index("generic/dp_overlap")]
    assert default == 0
    got = write_models._unknown(found, {"name": "new"})
    assert list(got) == ["dp_overlap"] and got["dp_overlap"]["value"] == 0 and abs(got["dp_overlap"]["sd"] - 0.5) < 1e-9
    assert write_models._unknown(found, {"name": "new", "facts": got}) == got  # again
    assert write_models._unknown(found, {"name": "new", "facts": {"dp_overlap": {"value": 1, "source": "its manual"}}}) == {}


def some_residuals(errors, kinds, sources):
    """Residuals of made-up runs, one weight each, no variance of constants."""
    n = len(errors)
    data = posterior.Configurations(np.arange(n), np.zeros(n), np.ones(n, int), np.ones(n), np.array(sources))
    e = np.array(errors) * left_out.QUANTILE
    left = left_out.LeftOut(data, e, np.zeros((n, 1)), np.zeros(n, bool), e, np.zeros((n, 1)), 0 * e)
    runs = type("R", (), {"regimes": [f"{k}/r" for k in kinds], "devices": kinds})
    chosen = type("P", (), {"regime_strength": 10, "kind": staticmethod(lambda device: device[0]), "log_error": {"high": 0.2}})
    return left_out.Residuals(runs, left, chosen, np.ones(n, bool))


def test_residuals_are_drawn_by_sources():
    """80 % of five equal runs need the fourth least; a regime weighs by its sources, not its runs."""
    r = some_residuals([0.1] * 4 + [0.9] + [0.3] * 5, ["a1"] * 5 + ["b1"] * 5, ["s"] * 5 + ["t", "u", "t", "u", "t"])
    assert abs(r.all - 0.3) < 1e-12
    a = np.sqrt((1 * 0.1**2 + 10 * 0.3**2) / 11)
    assert abs(r.of_kind["a"] - a) < 1e-12 and abs(r.of_kind["b"] - 0.3) < 1e-12
    assert abs(r.of("a", "a1/r") - np.sqrt((0.1**2 + 10 * a**2) / 11)) < 1e-12
    assert r.of("a", "a2/r") == 1.5 * r.of_kind["a"] and r.of("c", "c/r") == 1.5 * r.all


def test_pair_correlation():
    """Residuals made with a known correlation give it back; ranges then hold 80 % of the ratios."""
    rng, n = np.random.default_rng(4), 40000
    for rho in (0.0, 0.6, 0.9):
        common, own = rng.standard_normal(n), rng.standard_normal((2, n))
        e = 0.07 * (np.sqrt(rho) * common + np.sqrt(1 - rho) * own) + 0.02 * np.array([rng.standard_normal(n), np.zeros(n)])
        one = np.ones(n)
        source = np.array(["s", "t"])[np.arange(n) % 2]
        found = left_out.Pairs(np.arange(n), np.arange(n), source, e[0] - e[1], 0.0004 * one, 0.07 * one, 0.07 * one, one)
        got = found.correlation(one > 0)
        assert abs(got - rho) < 0.03, (rho, got)
        assert abs(found.holds(got).mean() - 0.8) < 0.01 and abs(found.nested().mean() - 0.8) < 0.02
    assert found.correlation(one < 0) == 0.0


def test_residual_sd():
    error = np.random.default_rng(3).standard_normal(20000) * 0.1
    one = np.ones(len(error))

    def sd(left_out_error, variance, fitted):
        factor = np.sqrt(variance * one)[:, None]
        left = left_out.LeftOut(None, left_out_error, factor, one < 0, left_out_error, factor, fitted)
        return left_out.residual_sd(left_out.needed_sd(left), one)

    assert abs(sd(error, 0, 0 * error) - 0.1) < 0.003
    assert abs(sd(error, 0.0064, 0 * error) - 0.06) < 0.006
    assert abs(sd(0 * error, 1, error) - 0.1) < 0.003  # nothing is granted at the fit
    assert sd(0 * error, 1, 0 * error) == left_out.LEAST_SD


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
    assert 0 <= device["posterior"]["residual_correlation"] <= left_out.MOST_ALIKE
    for key, name in (("hidden", "hidden"), ("seq_len", "seq_len"), ("devices", "gpus")):
        sizes = synthetic.runs.numbers(name)
        assert device["posterior"]["measured"][key] == [sizes.min(), sizes.max()], key
    report = json.loads((folder / "report.json").read_text().split("}\n{")[0] + "}")
    shares = {r["case"]: r["configurations"] for r in report["regimes"]}
    assert shares["dense"] == shares["A100/dense/tp-pp/16bit"] and "experts" not in shares
    counts = set()
    for name, entry in device["constants"].items():  # a row counts where its prediction depends on the constant
        values = synthetic.runs.values.copy()
        values[synthetic.runs.names.index(f"A100-80GB/{name}")] *= 0.97
        count = int((synthetic.runs.predict(values) != synthetic.runs.predict()).sum())
        counts.add(count)
        assert entry["sd"] > 0 and f"{count} rows of lab-a, lab-b" in entry["source"] and "prior" in entry["source"], (name, count)
    assert 96 in counts and len(counts) > 1, counts
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
