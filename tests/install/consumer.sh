#!/usr/bin/env bash
# Installs the build tree $BUILD, then builds and runs a tiny consumer against the result, through
# the CMake package (shared and static) and through pkg-config.
set -euo pipefail

work=$BUILD/tests/install/work
prefix=$work/moved
rm -rf "$work"
"$CMAKE" --install "$BUILD" --prefix "$work/prefix" > /dev/null
mv "$work/prefix" "$prefix" # an installed tree can be moved

library=$(find "$prefix" -name libammeter.so)
libdir=$(dirname "$library")

strangers=$(nm -D --defined-only "$library" | grep -v ' amm_' || true)
if [[ -n $strangers ]]; then
    echo "exported without the prefix amm_:"
    echo "$strangers"
    exit 1
fi

if [[ -n ${AMMETER:-} ]]; then
    "$prefix/bin/ammeter" --version
fi

"$CMAKE" -S "$SRC/tests/install/consumer" -B "$work/build" \
    -D "CMAKE_C_COMPILER=$CC" -D "CMAKE_PREFIX_PATH=$prefix"
"$CMAKE" --build "$work/build"
"$work/build/consumer_shared"
"$work/build/consumer_static"

if ! command -v pkg-config > /dev/null; then
    echo "no pkg-config: that half was not run"
    exit 0
fi
export PKG_CONFIG_PATH=$libdir/pkgconfig
read -ra flags < <(pkg-config --cflags --libs ammeter)
"$CC" -o "$work/consumer_pc" "$SRC/tests/install/consumer/main.c" "${flags[@]}"
LD_LIBRARY_PATH=$libdir "$work/consumer_pc"
