#!/usr/bin/env bash
# plan --partitions, its checkpoints, and what goes wrong with them.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

small=(amp-homogeneous --pp 4 --backend cpu/ref --json --no-run-info)

# Every partition of the winner: C(29, 3); the first is the plan itself.
run 0 plan "${small[@]}" --partitions 3
cp "$out" whole.json
python3 - whole.json << 'END' || fail "the partitions of a small plan"
import json, math, sys
result = json.load(open(sys.argv[1]))
parts = result["partitions"]
plan = result["plans"][0]
best = parts["best"]
assert parts["complete"] and parts["all"] == parts["covered"] == str(math.comb(29, 3)), parts
assert len(best) == 3 and best[0]["stage_layers"] == plan["strategy"]["stage_layers"], best
assert best[0]["time_s"] == plan["time_s"], best
assert all(a["engine_s"] <= b["engine_s"] for a, b in zip(best, best[1:])), best
END
run 0 plan amp-homogeneous --pp 4 --partitions 3
has "$out" "3,654 partitions swept, all there are"

# A checkpoint at the end holds everything: going on from it gives the same file.
run 0 plan "${small[@]}" --partitions 3 --checkpoint done.json
same "$out" whole.json
run 0 plan "${small[@]}" --partitions 3 --resume done.json
same "$out" whole.json

if python3 -c 'import jsonschema' 2> /dev/null; then
    python3 -c 'import json, sys, jsonschema
jsonschema.validate(json.load(open(sys.argv[1])), json.load(open(sys.argv[2])))' \
        whole.json "$SRC/schemas/result.schema.json" || fail "the result and its schema"
fi

# Killed on its way, and taken up again: the same file as in one go.
long=(--model gpt3-175b --cluster 6xdgx-h100 --global-batch-size 48 --tp 8 --pp 6 --dp 1 --cp 1
    --micro-batch 1 --vpp 1 --recompute full --partitions 20 --backend cpu/ref --json --no-run-info)
"$AMMETER" plan "${long[@]}" --checkpoint kept.json > killed.json 2> "$err" &
child=$!
for ((i = 0; i < 600; i++)); do
    [[ ! -s kept.json ]] || break
    sleep 0.05
done
kill -9 "$child" 2> /dev/null
wait "$child" 2> /dev/null
is_empty killed.json
grep -q "\"next\": \"$(sed -n 's/.*"ranks": "\([0-9]*\)".*/\1/p' kept.json)\"" kept.json &&
    fail "the sweep was over before it was killed"
run 0 plan "${long[@]}" --resume kept.json
cp "$out" resumed.json
run 0 plan "${long[@]}"
same "$out" resumed.json

# An interrupt keeps what there is.
"$AMMETER" plan "${long[@]}" --checkpoint stopped.json > stopped.out 2> "$err" &
child=$!
for ((i = 0; i < 600; i++)); do
    [[ ! -s stopped.json ]] || break
    sleep 0.05
done
kill -INT "$child"
wait "$child"
code=$?
((code == 130)) || fail "interrupted sweep: exit code $code"
has stopped.out '"complete": false'
has "$err" "partitions"
run 0 plan "${long[@]}" --resume stopped.json
same "$out" resumed.json

# A checkpoint that cannot be written is no interrupt: the sweep of one slice is whole.
run 1 plan "${small[@]}" --partitions 3 --checkpoint /dev/full
same "$out" whole.json
one_line_error "/dev/full: cannot be written"

# What cannot be swept takes no plan with it.
run 2 plan --model gpt3-175b --cluster 32xdgx-h100 --global-batch-size 256 --pp 32 --vpp 1 --micro-batch 1 \
    --recompute full --tp 8 --partitions 3 --json
one_line_error "2^63 or more, which can be solved, not enumerated"
has "$out" '"status": "optimal-in-model"'
has "$out" '"all": null'

# What does not go together, or is not there.
run 2 plan "${small[@]}" --partitions 4 --resume done.json
one_line_error "done.json:keep: of another sweep, got 3, this one has 4"
run 2 plan "${small[@]}" --global-batch-size 64 --partitions 3 --resume done.json
one_line_error "done.json:problem: of another sweep"
run 2 plan "${small[@]}" --partitions 3 --resume absent.json
one_line_error 'resume: "absent.json" does not exist'
run 2 plan "${small[@]}" --partitions 3 --resume .
one_line_error "it is a directory"
sed 's/"next": "3654"/"next": "3655"/' done.json > beyond.json
run 2 plan "${small[@]}" --partitions 3 --resume beyond.json
one_line_error 'beyond.json:next: got "3655", allowed a number up to 3654'
sed 's/"rank": "/"rank": "-/' done.json > negative.json
run 2 plan "${small[@]}" --partitions 3 --resume negative.json
one_line_error 'negative.json:best[0].rank: got "-'
head -c 100 done.json > cut.json
run 2 plan "${small[@]}" --partitions 3 --resume cut.json
run 1 plan "${small[@]}" --partitions 3 --checkpoint absent/folder.json
one_line_error "absent/folder.json: cannot be written"
run 2 plan "${small[@]}" --checkpoint x.json
one_line_error "checkpoint and resume: only with partitions"
run 2 plan amp-homogeneous --partitions 1025
one_line_error "partitions: got 1025, allowed 0 to 1024"
run 2 plan amp-homogeneous --cost-model amp-reference --partitions 1
one_line_error "partitions: not with the cost model amp-reference"

finish
