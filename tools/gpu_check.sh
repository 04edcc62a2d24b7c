#!/usr/bin/env bash
# tools/gpu_check.sh [RESULTS_FOLDER]
# On a machine with an NVIDIA GPU: builds, runs the tests of the backend cuda, again under
# compute-sanitizer where it is found, then the benchmark; writes RESULTS_FOLDER/gpu_check_DATE.txt
# (benchmarks/results by default). Exit code 1 when a check failed, 3 without a GPU.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

folder=${1:-benchmarks/results}
mkdir -p "$folder"
results=$folder/gpu_check_$(date -u +%Y-%m-%dT%H%MZ).txt
failed=0

# step NAME COMMAND...: output and outcome go into the results.
step() {
    local name=$1 status=0
    shift
    echo "== $name: $*" | tee -a "$results"
    "$@" >> "$results" 2>&1 || status=$?
    echo "== $name: exit code $status" | tee -a "$results"
    ((status == 0)) || failed=1
}

if ! nvidia-smi -L > /dev/null 2>&1; then
    echo "tools/gpu_check.sh: nvidia-smi finds no GPU" >&2
    exit 3
fi

{
    date -u
    git rev-parse HEAD
    git status --short
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem --format=csv
    lscpu | grep 'Model name'
} >> "$results"

step configure cmake --preset ci -D AMM_CUDA=ON -D AMM_CUDA_ARCHITECTURES=
step build cmake --build --preset ci -j
step doctor build/ci/ammeter doctor
# A skipped test passes for ctest: the program itself says 77.
export AMM_CUDA_MODULE=$PWD/build/ci/libammeter_cuda.so
step conformance build/ci/tests/test_conformance_cuda
step counts python3 tools/sass_counts.py

if command -v compute-sanitizer > /dev/null; then
    for tool in memcheck racecheck synccheck; do
        step "$tool" env AMM_CUDA_SMALL=1 compute-sanitizer --tool "$tool" --error-exitcode 1 \
            build/ci/tests/test_conformance_cuda
    done
else
    echo "== compute-sanitizer not found: not run" | tee -a "$results"
    failed=1
fi

if build/ci/ammeter bench --help > /dev/null 2>&1; then
    step bench build/ci/ammeter bench --backend cuda
else
    echo "== this version has no command bench: not run" | tee -a "$results"
fi

echo "results: $results"
exit $failed
