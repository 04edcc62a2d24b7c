"""Kernels neither spill nor grow: tools/sass_counts.py against its table. Needs nvcc, no device."""
import os
import pathlib
import subprocess
import sys

TOOLS = pathlib.Path(os.environ.get("SRC", pathlib.Path(__file__).parents[2])) / "tools"
sys.path.insert(0, str(TOOLS))
import sass_counts  # noqa: E402


def run(**environment):
    return subprocess.run([sys.executable, TOOLS / "sass_counts.py"],
                          env={**os.environ, **environment}, check=False).returncode


# What counts as a fault: more than 5 % above, and rows that only one side has.
score, sweep = ("sm_90", "score", "registers"), ("sm_90", "sweep", "registers")
known = {score: 80.0, sweep: 64.0}
assert sass_counts.compare([[*score, 84], [*sweep, 60]], known) == []
assert sass_counts.compare([[*score, 85], [*sweep, 64]], known) == [
    "sm_90 score registers: 85, allowed up to 84"]
assert sass_counts.compare([[*score, 80]], known) == ["sm_90 sweep registers: in the table only"]
assert sass_counts.compare([[*score, 80], [*sweep, 64], ["sm_90", "new", "registers", 8]], known) == [
    "sm_90 new registers: not in the table, got 8"]

# A tool that is missing is said, never a success.
assert run(NVCC="/absent/nvcc") == 77
if sass_counts.find("NVDISASM", "nvdisasm"):
    assert run(NVDISASM="/absent/nvdisasm") == 77
sys.exit(run())
