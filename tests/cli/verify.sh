#!/usr/bin/env bash
# verify: what was compared, what was not, JSON against its schema; every mistake with its place.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

# cpu/ref by name is compared with itself: there is always that.
run 0 verify --backend cpu/ref --candidates 20000
is_empty "$err"
for text in "cpu/ref   1 thread:" bounds solves "random candidates" "partitions swept" "seed 0" ": 0 mismatches"; do
    has "$out" "$text"
done
number() { sed -n "s/.* \([0-9]*\) $1.*/\1/p" "$out" | head -1; }
(($(number "random candidates") >= 20000)) || fail "too few random candidates: $(cat "$out")"
(($(number "partitions swept") >= 20000)) || fail "too few partitions: $(cat "$out")"

# A backend that takes one thread gets it, and that is said.
run 0 verify --backend cpu/ref --candidates 1000 --threads 3
has "$out" "cpu/ref   1 thread:"

# The same seed, the same run; another one, another.
plain() { grep -v wall_s "$1"; }
run 0 verify --backend cpu/ref --candidates 1000 --seed 5 --json
cp "$out" one.json
run 0 verify --backend cpu/ref --candidates 1000 --seed 5 --json -o two.json
is_empty "$out"
same <(plain one.json) <(plain two.json)
run 0 verify --backend cpu/ref --candidates 1000 --seed 6 --json
cmp -s <(plain one.json) <(plain "$out") && fail "another seed is the same run"

# The layouts of a problem, with and without a profile.
run 0 verify amp-het-cluster --backend cpu/ref --candidates 5000
has "$out" "problem   amp-het-cluster: 53 layouts, 0 of one partition only, all others compared"
run 0 verify --model llama-2-7b --cluster 2xdgx-a100 --seq-length 4096 --global-batch-size 64 \
    --tp 1,2 --backend cpu/ref --candidates 5000 --json
cp "$out" analytic.json
has "$out" '"direct": '

# Nothing to compare with is not a success: the other backends, or 3.
code=0
"$AMMETER" verify --candidates 1000 > "$out" 2> "$err" || code=$?
if "$AMMETER" doctor | grep -Eq '(cpu/simd|cuda) +ok :'; then
    ((code == 0)) || fail "verify with another backend: $code, $(cat "$out" "$err")"
else
    ((code == 3)) || fail "verify without another backend: $code"
    has "$out" "nothing was compared"
    one_line_error "nothing was compared"
fi
"$AMMETER" verify --candidates 1000 --json > default.json 2> "$err"
for name in $("$AMMETER" doctor | sed -n 's/^\(backends\)\? *\([a-z]*[/a-z]*\) *no : .*/\2/p'); do
    has default.json "\"name\": \"$name\""
    run 3 verify --backend "$name"
    is_empty "$out"
    one_line_error "backend $name"
done

if python3 -c 'import jsonschema' 2> /dev/null; then
    python3 - "$SRC/schemas/verification.schema.json" one.json two.json analytic.json default.json \
        << 'END' || fail "results and their schema"
import json, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
for path in sys.argv[2:]:
    result = json.load(open(path))
    jsonschema.Draft202012Validator(schema).validate(result)
    assert result["checked"] == sum(b["checked"] for b in result["backends"])
    for b in result["backends"]:
        assert b["checked"] == b["bounds"] + b["solves"] + b["scores"] + b["swept"]
END
else
    echo "python3 has no jsonschema: results are not compared with their schema"
fi

# Mistakes.
mistake() {
    local text=$1
    shift
    run 2 verify "$@"
    is_empty "$out"
    has "$err" "$text"
}
mistake "got 'gpu'" --backend gpu
mistake "cpu/ref is given twice" --backend cpu/ref,cpu/ref
mistake "--threads: got '0', allowed 1 to 1024" --threads 0
mistake "threads: got 5000, allowed 1 to 1024" --threads 5000
mistake "threads: got 5000, allowed 1 to 1024" --threads 5000 --backend cpu/ref
mistake "--candidates: got '0'" --candidates 0
mistake "--candidates: got '-1'" --candidates -1
mistake "candidates: got 9000000000000" --candidates 9000000000000
mistake "--seed: got 'x'" --seed x
mistake "unexpected argument" a b
mistake "cost_model: amp-reference" amp-homogeneous --backend cpu/ref --cost-model amp-reference
mistake "did you mean '--candidates'" --candidate5 1
mistake amp-homogeneous amp-homogeneus
run 1 verify --backend cpu/ref --candidates 1 -o /dev/full

finish
