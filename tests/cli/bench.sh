#!/usr/bin/env bash
# bench: structure and consistency of what it prints, never how fast something is.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

run 0 bench --quick --backend cpu/ref --threads 1
is_empty "$err"
for text in "machine   " "build     ammeter" "ceilings  1 thread: fma" score score-kept sweep sweep-kept solve bound 'configs    gpt3-175b-4096' \
    "results equal those of cpu/ref"; do
    has "$out" "$text"
done
(($(grep -c ' cpu/ref ' "$out") == 8)) || fail "not eight cases of a backend: $(cat "$out")"
(($(grep -c ' host ' "$out") == 1)) || fail "not one case of the host: $(cat "$out")"

# All that is here; cpu/ref takes one thread, and that is said.
run 0 bench --quick --threads 1,2 --json -o all.json
is_empty "$out"
has all.json "cpu/ref runs on 1"
run 0 bench --quick --backend cpu/ref --threads 1 --json
cp "$out" ref.json

# The host's case is the host's, whatever is listed.
AMM_SIMD=bogus run 0 bench --quick --backend cpu/ref --threads 1
(($(grep -c ' host ' "$out") == 1)) || fail "no case of the host without cpu/simd: $(cat "$out")"
if "$AMMETER" doctor | grep -q ' cuda *ok'; then
    run 0 bench --quick --backend cuda --threads 1
    (($(grep -c ' host ' "$out") == 1)) || fail "no case of the host beside cuda: $(cat "$out")"
fi

mapfile -t kept < <(compgen -G "$SRC/benchmarks/results/*-bench.json")
if python3 -c 'import jsonschema' 2> /dev/null; then
    python3 - "$SRC/schemas/bench.schema.json" all.json ref.json "${kept[@]}" \
        << 'END' || fail "results and their schema"
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
names = {}
for path in sys.argv[2:]:
    result = json.load(open(path))
    jsonschema.Draft202012Validator(schema).validate(result)
    for r in result["results"]:
        # Every cost is formed, or none is counted: what is covered is what is said.
        assert r["covered_value"] == r["value"], r
        assert (r["problem"] is None) == (r["stages"] is not None), r
        assert (r["ceiling"] is None) == (r["fraction"] is None) == (r["ceiling_by"] is None)
        if r["fraction"] is not None:
            assert abs(r["fraction"] * r["ceiling"] / r["value"] - 1) < 1e-12
        # The same work has the same results, on every backend and in every quick run.
        key = (result["quick"] or path, r["name"], r["stages"], r["layers"], r["classes"])
        assert names.setdefault(key, r["checksum"]) == r["checksum"], (path, key)
for run in {key[0] for key in names}:
    assert len({key for key in names if key[0] == run}) == 9, run
END
else
    echo "python3 has no jsonschema: results are not compared with their schema"
fi

# Mistakes.
mistake() {
    local text=$1
    shift
    run 2 bench "$@"
    is_empty "$out"
    has "$err" "$text"
}
mistake "got 'gpu'" --backend gpu
mistake "threads: got 0, allowed 1 to 1024" --threads 0
mistake "threads: got 1025, allowed 1 to 1024" --threads 1..1025
mistake "threads" --threads many
mistake "threads: got 40000" --threads 40000
mistake "unexpected argument" amp-homogeneous
mistake "did you mean '--quick'" --quickly
run 3 bench --quick --backend cpu/ref --threads 2
is_empty "$out"
one_line_error "cpu/ref runs on 1"
for name in $("$AMMETER" doctor | sed -n 's/^\(backends\)\? *\([a-z]*[/a-z]*\) *no : .*/\2/p'); do
    run 3 bench --quick --backend "$name"
    one_line_error "backend $name"
done

finish
