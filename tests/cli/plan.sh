#!/usr/bin/env bash
# plan and explain: the table, the JSON against its schema, the same bytes every time.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

run 0 plan amp-homogeneous
is_empty "$err"
for text in "model    gpt2-amp · " "cluster  4 nodes × 4 T4-16GB = 16 devices" "runtime  " \
    "search   " "optimal in the model" "s/step" "vs #1" "samples/s" " ▶  1" "why #1" "sure?" \
    "rejected" "next     ammeter explain amp-homogeneous --strategy "; do
    has "$out" "$text"
done
(($(grep -cE '^ +(▶ +)?[0-9]+ +[0-9]+ +[0-9]+ ' "$out") == 10)) ||
    fail "not ten plans: $(cat "$out")"

# The hint works, and finds the same time.
best=$(grep '▶' "$out" | grep -oE '[0-9]+\.[0-9]{4} ')
has "$out" "         ammeter plan amp-homogeneous --top all --json -o plans.json"
run_next "$out"
has "$out" "$best"
has "$out" "100.0 %"
has "$out" "search   none: 1 given strategy evaluated"

# The example of the documentation; a value that divides no devices is counted, not dropped.
run 0 plan "$SRC/docs/examples/tiny.json"
has "$out" "tiny-transformer"
has "$out" "sure?    extrapolated"
run 0 plan amp-homogeneous --tp 1,3
has "$out" "1 devices: a tp or dp"
run 0 plan "$SRC/docs/examples/tiny.json" --tp 1,2,4
has "$out" "no-profile"

# Both spellings, and parts replaced.
run 0 plan amp-homogeneous --tp 2 --dp 1..8 --pp 2,4 --micro-batch 1 --no-run-info --json
cp "$out" short.json
run 0 plan amp-homogeneous --tensor-model-parallel-size=2 --data-parallel-size 1..8 \
    --pipeline-model-parallel-size 2,4 --micro-batch-size 1 --no-run-info --json
same "$out" "$scratch/short.json"
run 0 plan --model gpt2-amp --cluster 4xnode:4xT4,intra=50gbit,inter=50gbit --profile amp-gpt2 \
    --runtime deepspeed-megatron-1.1.5 --precision fp16 --global-batch-size 32 --top 2
has "$out" "$best"
has "$out" "next     ammeter explain --model gpt2-amp --cluster 4xnode:4xT4,intra=50gbit,inter=50gbit "
run_next "$out"
has "$out" "$best"
# Blanks, semicolons and quotes are quoted; options of plan alone are not given to explain.
cp "$SRC/docs/examples/tiny.json" "it's.json"
run 0 plan "it's.json"
has "$out" "next     ammeter explain 'it'\\''s.json' --strategy "
run_next "$out"
line='4 x node:4xT4,intra=50gbit,inter=50gbit ; link:0-1=50gbit'
run 0 plan amp-homogeneous --cluster "$line" --tp 2 --top 2 --memory-margin 0.01
has "$out" "next     ammeter explain amp-homogeneous --cluster '$line' --memory-margin 0.01 --strategy tp=2,"
found=$(grep '▶' "$out" | grep -oE '[0-9]+\.[0-9]{4} ')
run_next "$out"
has "$out" "$found"
run 0 plan amp-homogeneous --top 1 -v
has "$out" "ring all-reduce"

# From standard input, and what `show` prints reads back.
run 0 show problem amp-homogeneous --json
cp "$out" problem.json
"$AMMETER" plan - < problem.json > "$out" 2> "$err" || fail "plan from standard input"
has "$out" "$best"
run 0 plan problem.json
has "$out" "$best"

# The same bytes every time.
for problem in amp-homogeneous amp-het-cluster amp-het-model; do
    run 0 plan "$problem" --json --no-run-info --top all
    cp "$out" "$problem.json"
    run 0 plan "$problem" --json --no-run-info --top all
    same "$out" "$scratch/$problem.json"
    run 0 plan "$problem" --json --cost-model amp-reference
    cp "$out" "$problem-reference.json"
done
grep -q '"run"' amp-homogeneous.json && fail "--no-run-info left the run in"
run 0 plan amp-homogeneous --json
cp "$out" run.json
has run.json '"wall_s"'

# Explained strategies, also one that does not fit.
run 0 explain amp-homogeneous --strategy tp=2,pp=4,dp=2,micro-batch=1 --strategy tp=4,dp=4 --json
cp "$out" explained.json
has explained.json '"status": "evaluated"'
run 0 explain amp-homogeneous --strategy pp=16,micro-batch=32 --json
cp "$out" large.json
has large.json '"fits": false'
has large.json '"short_bytes"'
run 0 explain amp-homogeneous --strategy pp=16,micro-batch=32
has "$out" "does not fit: short"
run 0 explain amp-homogeneous --cost-model amp-reference --amp-tp-term explicit --json \
    --strategy 'tp=2,dp=2,pp=4,micro-batch=1,placement=[[1,2,3,4],[1,2,3,4],[1,2,3,4],[1,2,3,4]]'
cp "$out" placed.json
run 4 plan amp-homogeneous --json --memory-margin 0.9
cp "$out" none.json
run 0 plan amp-homogeneous --json --cost-model amp-reference --search anneal --seed 7
cp "$out" annealed.json

if python3 -c 'import jsonschema' 2> /dev/null; then
    python3 - "$SRC/schemas/result.schema.json" amp-*.json run.json explained.json large.json \
        placed.json none.json annealed.json << 'END' || fail "results and their schema"
import json, math, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
jsonschema.Draft202012Validator.check_schema(schema)
validator = jsonschema.Draft202012Validator(schema)
bad = 0
for name in sys.argv[2:]:
    result = json.load(open(name))
    errors = [error.message for error in validator.iter_errors(result)]
    reference = result["problem"]["cost_model"] == "amp-reference"
    for plan in result["plans"]:
        strategy = plan["strategy"]
        devices = [d for s in strategy["stages"] for r in s["replicas"] for d in r["devices"]]
        if sorted(devices) != list(range(result["problem"]["devices"])):
            errors.append("devices are not used once each")
        ends = [end for s in strategy["stages"] for end in s["layers"]]
        if ends[0] != 0 or ends[1:-1:2] != ends[2::2]:
            errors.append(f"layers are not contiguous: {ends}")
        # amp-reference: the total is a float32, its parts are not
        close = math.isclose(sum(plan["time"].values()), plan["time_s"],
                             rel_tol=1e-6 if reference else 1e-12)
        if not close:
            errors.append("the parts of the time do not add up")
        for stage in plan["stages"]:
            if not reference and not math.isclose(sum(stage["memory"].values()),
                                                  stage["memory_bytes"], rel_tol=1e-12):
                errors.append("the parts of the memory do not add up")
    for error in errors[:5]:
        print(f"{name}: {error}")
    bad += len(errors)
sys.exit(bad > 0)
END
else
    echo "python3 has no jsonschema: results are not compared with their schema"
fi

finish
