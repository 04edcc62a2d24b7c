#!/usr/bin/env bash
# Compiles each header of src/formula/ alone as CUDA; needs nvcc ($NVCC), but no GPU.
set -euo pipefail

if [[ -z ${NVCC:-} ]]; then
    echo "no nvcc"
    exit 77
fi

# sm_90 where this toolkit knows it, else the newest it has.
arch=sm_90
known=$("$NVCC" --list-gpu-code)
if ! grep -qx "$arch" <<< "$known"; then
    arch=$(tail -n 1 <<< "$known")
fi

exec bash "$SRC/tests/headers/compile_alone.sh" "$SRC/src" formula cu "$NVCC" -c -o alone.o \
    -std=c++17 "-arch=$arch" --fmad=false -Werror all-warnings -I "$SRC/include"
