#!/usr/bin/env bash
# plan --draws: plans under draws of the constants, and what goes wrong with them.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

llama=(--model llama-3-70b --cluster 8xdgx-h100 --seq-length 8192 --global-batch-size 256)
small=("${llama[@]}" --vpp 10 --dp 4 --cp 1 --recompute none)

run 0 plan "${small[@]}" --draws 64 --seed 3 --top 2
is_empty "$err"
for text in "draws    64 of 64 of 11 constants of H100-80GB and 23 facts of megatron-core: seed 3, " \
    " outside the bounds and drawn again" "    #  best in   regret: mean   in 95 %   largest     s/step" \
    "plan (M: least largest regret, E: least mean regret)" "tp=4,pp=4,dp=4,micro-batch=1,vpp=10"; do
    has "$out" "$text"
done

# The same file for a seed, another one for another.
run 0 plan "${small[@]}" --draws 64 --seed 3 --json --no-run-info
cp "$out" first.json
run 0 plan "${small[@]}" --draws 64 --seed 3 --json --no-run-info
same "$out" first.json
run 0 plan "${small[@]}" --draws 64 --seed 4 --json --no-run-info
if cmp -s "$out" first.json; then fail "the seed is of no matter"; fi
if "$AMMETER" plan "${small[@]}" --draws 64 --seed 3 --threads 2 --json --no-run-info > two.json 2> "$err"; then
    same two.json first.json
else
    has "$err" "built without OpenMP"
fi

# Draws are shared out whatever backend searches each.
run 0 plan "${small[@]}" --draws 64 --seed 3 --json --no-run-info --backend cpu/ref
cp "$out" ref.json
if "$AMMETER" plan "${small[@]}" --draws 64 --seed 3 --threads 2 --json --no-run-info --backend cpu/ref \
    > two.json 2> "$err"; then
    same two.json ref.json
else
    has "$err" "built without OpenMP"
fi
run 3 plan "${small[@]}" --threads 2 --backend cpu/ref
one_line_error "threads: got 2, cpu/ref runs on 1"

python3 - first.json << 'END' || fail "the draws of a small space"
import json, sys
result = json.load(open(sys.argv[1]))
draws = result["draws"]
items = draws["candidates"]
assert draws["asked"] == draws["done"] == 64 and draws["without_plan"] == 0, draws
assert len(draws["constants"]) == 11 and "tp_overlap" in draws["facts"], draws
assert sum(one["wins"] for one in items) == 64
assert abs(sum(one["p_best"] for one in items) - 1) < 1e-12
ids = {plan["config"]: plan for plan in result["plans"]}
for one in items:
    plan = ids.get(one["config"])
    assert (one["rank"] is None) == (plan is None), one
    if plan is not None:
        assert one["time_s"] == plan["time_s"], one
        assert one["stage_layers"] == plan["strategy"]["stage_layers"], one
    assert 0 <= one["expected_regret"] <= one["largest_regret"], one
    assert one["regret_95"] <= one["largest_regret"], one
    assert (one["expected_regret"] == 0) == (one["wins"] == 64), one
by = {one["config"]: one for one in items}
assert by[draws["minimax"]]["largest_regret"] == min(one["largest_regret"] for one in items)
assert by[draws["least_expected"]]["expected_regret"] == min(one["expected_regret"] for one in items)
END

if python3 -c 'import jsonschema' 2> /dev/null; then
    python3 -c 'import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' \
        first.json "$SRC/schemas/result.schema.json" || fail "the result and its schema"
fi

# An interrupt keeps what there is. In a job of its own: a background process of a script ignores SIGINT.
set -m
"$AMMETER" plan "${llama[@]}" --draws 4096 --progress --json > stopped.json 2> "$err" &
pid=$!
for ((i = 0; i < 1200; i++)); do
    (($(grep -c "best" "$err") < 8)) || break
    sleep 0.05
done
kill -INT "$pid"
code=0
wait "$pid" || code=$?
set +m
((code == 130)) || fail "interrupted draws: exit code $code"
grep -qE "^ammeter: interrupted after [1-9][0-9]* of 4096 draws" "$err" ||
    fail "what was interrupted: $(tail -1 "$err")"
python3 - stopped.json << 'END' || fail "the result of interrupted draws"
import json, sys
result = json.load(open(sys.argv[1]))
draws = result["draws"]
assert result["search"]["status"] == "optimal-in-model" and result["search"]["proven"], result["search"]
assert 0 < draws["done"] < draws["asked"] == 4096, draws["done"]
assert sum(one["wins"] for one in draws["candidates"]) == draws["done"]
END

# What does not go together.
run 2 plan "${small[@]}" --draws 0
has "$err" "option --draws: got '0', allowed 1 or more"
run 2 plan "${small[@]}" --draws 4097
one_line_error "draws: got 4097, allowed 0 to 4096"
run 2 plan "${small[@]}" --cluster 8xmi300x-platform --draws 8
one_line_error "draws: device MI300X-192GB has no posterior"
run 2 plan amp-homogeneous --draws 8
one_line_error "draws: not with a profile"
run 2 plan amp-homogeneous --cost-model amp-reference --draws 8
one_line_error "draws: not with the cost model amp-reference"
run 2 plan "${small[@]}" --threads 1025 --draws 8
one_line_error "threads: got 1025, allowed 1 to 1024"

finish
