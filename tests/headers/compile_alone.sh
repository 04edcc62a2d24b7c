#!/usr/bin/env bash
# compile_alone.sh ROOT FOLDER SUFFIX COMPILER [FLAG...]
# Compiles each header below ROOT/FOLDER in a file .SUFFIX that includes it, twice, and nothing
# else; the compiler gets -I ROOT and the flags. Skipped (77) where there is no header.
set -euo pipefail

root=$1 folder=$2 suffix=$3
shift 3

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

total=0 failed=0
while IFS= read -r header; do
    # The last line keeps the file from being empty, which ISO C forbids.
    printf '#include "%s"\n' "$header" "$header" > "$scratch/alone.$suffix"
    echo 'extern int alone;' >> "$scratch/alone.$suffix"
    total=$((total + 1))
    if ! (cd "$scratch" && "$@" -I "$root" "alone.$suffix"); then
        echo "does not compile alone: $header"
        failed=$((failed + 1))
    fi
done < <(cd "$root" && find "$folder" -name '*.h' 2> /dev/null | LC_ALL=C sort)

echo "$total headers, $failed failed"
if ((total == 0)); then
    exit 77
fi
((failed == 0))
