#!/usr/bin/env bash
# tools/gpu_check.sh [FOLDER]
# On a machine with an NVIDIA GPU: builds, checks and measures the backend cuda, in under ten minutes, with
# nothing from a network. FOLDER (or $OUT, or benchmarks/results/gpu) takes all results and the builds.
# Needs: nvcc (12.4 or later), gcc, cmake, cJSON's development files, a driver. Without cmocka the tests are
# left out and `verify` stands in for them; without compute-sanitizer its steps are, which counts as failed.
# $BUDGET_S (540): steps that would begin after so many seconds are left out and count as failed.
# Exit code 0: all passed, 1: something failed or was left out, 3: no GPU.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit 1

folder=${1:-${OUT:-benchmarks/results/gpu}}
mkdir -p "$folder" && folder=$(cd "$folder" && pwd) || exit 1
results=$folder/gpu_check.txt
budget_s=${BUDGET_S:-540}
failed=0
: > "$results"

say() { echo "$*" | tee -a "$results"; }

# step SECONDS NAME COMMAND...: the output into FOLDER/NAME.txt, its end and the outcome into the results.
step() {
    local limit=$1 name=$2 status=0
    shift 2
    if ((SECONDS > budget_s)); then
        say "== $name: left out, $SECONDS s have passed"
        failed=1
        return 1
    fi
    say "== $name: $*"
    timeout "$limit" "$@" > "$folder/$name.txt" 2>&1 || status=$?
    tail -n 15 "$folder/$name.txt" | tee -a "$results"
    say "== $name: exit code $status, at $SECONDS s"
    ((status == 0)) || failed=1
    return "$status"
}

nvidia-smi -L > /dev/null 2>&1 || {
    echo "tools/gpu_check.sh: nvidia-smi finds no GPU" >&2
    exit 3
}
{
    date -u
    git rev-parse HEAD && git status --short
    nvidia-smi --query-gpu=name,driver_version,memory.total,clocks.sm,clocks.mem,clocks.max.sm --format=csv
    lscpu | grep 'Model name'
    gcc --version | head -1
    cmake --version | head -1
    "${CUDACXX:-nvcc}" --version || /usr/local/cuda/bin/nvcc --version
} >> "$results" 2>&1

capability=$(nvidia-smi --query-gpu=compute_cap --format=csv,noheader | head -1 | tr -d '. ')
build=$folder/build
configure=(cmake -S . -B "$build" -D CMAKE_BUILD_TYPE=Release -D AMM_CUDA=ON
    -D "AMM_CUDA_ARCHITECTURES=$capability")
tests=ON
if ! step 60 configure "${configure[@]}" -D AMM_TESTS=ON; then
    say "== without the tests: what they need is not here"
    tests=OFF
    rm -rf "$build"
    step 60 configure-plain "${configure[@]}" -D AMM_TESTS=OFF || exit 1
fi
step 240 build cmake --build "$build" -j "$(nproc)" || exit 1

ammeter=$build/ammeter
export AMM_CUDA_MODULE=$build/libammeter_cuda.so
step 30 doctor "$ammeter" doctor
# First what the visit is for, then what takes long.
step 150 bench "$ammeter" bench --backend cuda,cpu/simd --json -o "$folder/bench.json"
step 120 verify "$ammeter" verify --backend cuda --candidates 10000000
if [[ $tests == ON ]]; then
    # A skipped test passes for ctest: the program itself says 77.
    step 100 conformance "$build/tests/test_conformance_cuda"
    if command -v compute-sanitizer > /dev/null; then
        for tool in memcheck racecheck synccheck; do
            step 100 "$tool" env AMM_CUDA_SMALL=1 compute-sanitizer --tool "$tool" \
                --error-exitcode 1 "$build/tests/test_conformance_cuda"
        done
    else
        say "== compute-sanitizer not found: not run"
        failed=1
    fi
else
    failed=1
fi
step 60 clocks nvidia-smi -q -d CLOCK,PERFORMANCE
say "results: $folder"
exit "$failed"
