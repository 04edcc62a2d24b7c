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

# The same notation as in the table of plans, ties, and the plan's own marked wherever it is.
has "$out" "1 of the 3 shown tie with the optimum; ▶ is the one of plan #1"
python3 - "$out" << 'END' || fail "the marked partition of a profile"
import re, sys
lines = open(sys.argv[1]).read().split("\n")
rows = [l for l in lines if l.lstrip().startswith("▶")]
assert len(rows) == 2, rows # of the plans, of the partitions
assert rows[0].split()[6] == rows[1].split()[3], rows
gib = r"([0-9.]+) of +([0-9.]+)  (\w+)"
assert re.search(gib, rows[0]).groups() == re.search(gib, rows[1]).groups(), rows
END
run 0 plan --model llama-3-70b --cluster 8xdgx-h100 --seq-length 8192 --global-batch-size 256 --vpp 1 --pp 16 \
    --partitions 10 --top 1
has "$out" "10 of the 10 shown tie with the optimum, and more may"
python3 - "$out" << 'END' || fail "the marked partition of equal ones"
import sys
rows = [l.split() for l in open(sys.argv[1]) if l.lstrip().startswith("▶")]
assert len(rows) == 2 and rows[1][1] == "-", rows
assert rows[1][3] in rows[0], rows # the cut
assert abs(float(rows[1][2]) - float(rows[0][rows[0].index(rows[1][3]) + 1])) < 1e-4, rows # the time
END
run 0 plan --model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --vpp 1 --pp 8 --partitions 200 --json
python3 - "$out" << 'END' || fail "ties and the plan's own"
import json, sys
r = json.load(open(sys.argv[1]))
parts, plan = r["partitions"], r["plans"][0]
best = parts["best"]
assert parts["ties"] == sum(p["engine_s"] == best[0]["engine_s"] for p in best) > 5, parts["ties"]
own = [p for p in best if p["of_plan"]]
assert len(own) == 1 and own[0]["stage_layers"] == plan["strategy"]["stage_layers"], own
full = max(plan["stages"], key=lambda s: s["memory_bytes"] / s["capacity_bytes"])
assert own[0]["memory_bytes"] == full["memory_bytes"] and own[0]["fits"], own
END

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

# Layouts of one partition: the plan's, a finished checkpoint, and a word on what has more.
one=(--model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --partitions 5 --json --no-run-info)
run 0 plan "${one[@]}" --pp 4 --vpp 2 --checkpoint one-only.json
cp "$out" only.json
python3 - only.json one-only.json << 'END' || fail "the one partition of an interleaved plan"
import json, sys
result, kept = (json.load(open(f)) for f in sys.argv[1:])
parts, plan = result["partitions"], result["plans"][0]
assert parts["complete"] and parts["all"] == parts["covered"] == "1" and len(parts["best"]) == 1, parts
assert parts["best"][0]["stage_layers"] == plan["strategy"]["stage_layers"], parts
assert parts["best"][0]["time_s"] == plan["time_s"], parts
assert kept["ranks"] == kept["next"] == kept["covered"] == "1" and kept["best"] == [], kept
END
run 0 plan "${one[@]}" --pp 4 --vpp 2 --resume one-only.json
same "$out" only.json
run 2 plan "${one[@]}" --pp 4 --vpp 1,2 --resume one-only.json
one_line_error "one-only.json:problem: of another sweep"
hint() { # hint TEXT OPTION...
    run 0 plan --model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --partitions 5 "${@:2}"
    has "$out" "one partition only $1"
}
hint "at vpp 2, the even one; --vpp 1 has more" --pp 4 --vpp 2
hint "at pp 1; more stages have more" --pp 1
hint "by schedule zb-h1, the even one; --schedule 1f1b has more" --pp 4 --vpp 1 --schedule zb-h1 --space full

# A file to go on from is looked at before the search: no plan is there yet.
run 2 plan --model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --pp 4 --vpp 2 --partitions 5 --resume absent.json
one_line_error 'resume: "absent.json" does not exist'
is_empty "$out"
run 2 plan "${small[@]}" --partitions 4 --resume done.json
is_empty "$out"
echo '{}' > other.json
run 2 plan "${small[@]}" --partitions 3 --resume other.json
is_empty "$out"

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
# Nothing of it is believed: what was changed is named, and a new checksum does not help.
kept=done.json same=("${small[@]}")
forge() { # forge NAME CODE MESSAGE: changes c with the code; in NAME the checksum is the old one, in new-NAME it fits
    python3 - "$1" "$2" "$kept" << 'END'
import json, sys
c = json.load(open(sys.argv[3]))
exec(sys.argv[2])
json.dump(c, open(sys.argv[1], "w"))
h = 14695981039346656037
numbers = [int(c["problem"], 16)] + [int(c[k]) for k in "config scale items stages ranks next covered scored keep".split()]
for key in c["best"]:
    numbers += [int(key["cost"]), int(key["rank"])]
for n in numbers:
    for byte in n.to_bytes(8, "little"):
        h = (h ^ byte) * 1099511628211 % 2**64
fits = "%016x" % h
c["checksum"] = fits
json.dump(c, open("new-" + sys.argv[1], "w"))
END
    run 2 plan "${same[@]}" --partitions 3 --resume "new-$1"
    one_line_error "new-$1:$3"
    is_empty_of_plans
    run 2 plan "${same[@]}" --partitions 3 --resume "$1"
    one_line_error "$1:"
}
# The plan stays, of the partitions nothing is shown.
is_empty_of_plans() {
    python3 -c 'import json, sys
r = json.load(open(sys.argv[1]))
assert r["plans"] and not r["partitions"]["complete"] and r["partitions"]["best"] == [], r["partitions"]' "$out" ||
        fail "partitions of a refused checkpoint"
}
# How it is written does not matter.
python3 -c 'import json; json.dump(json.load(open("done.json")), open("written.json", "w"))'
run 0 plan "${small[@]}" --partitions 3 --resume written.json
same "$out" whole.json
forge rank.json 'c["best"][1]["rank"] = "1234"' "best[1].cost: got"
forge cost.json 'c["best"][0]["cost"] = str(int(c["best"][0]["cost"]) - 65536)' "best[0].cost: got"
forge order.json 'c["best"].reverse()' "best[1].cost: not after the one before it"
forge twice.json 'c["best"][1] = c["best"][0]' "best[1].cost: not after the one before it"
forge covered.json 'c["covered"] = "0"' "covered: got 0, all 3654 before next are"
forge scored.json 'c["scored"] = "3655"' 'scored: got "3655", allowed a number up to 3654'
forge unscored.json 'c["scored"] = "1"' "best: "
forge first.json 'del c["best"][0]' "best: all are swept, and the optimum is not there"
forge none.json 'c["best"] = []' "best: all are swept, and the optimum is not there"
kept=tight.json same=("${small[@]}" --memory-margin 0.5)
run 0 plan "${same[@]}" --partitions 3 --checkpoint tight.json
forge unfit.json 'c["best"][2]["rank"] = "0"' "best[2].rank: partition 0 does not fit"
# Fewer than there were: only the checksum can tell.
python3 -c 'import json
c = json.load(open("done.json"))
c["best"] = c["best"][:1]
json.dump(c, open("one.json", "w"))'
run 2 plan "${small[@]}" --partitions 3 --resume one.json
one_line_error 'one.json:checksum: got "'
head -c 100 done.json > cut.json
run 2 plan "${small[@]}" --partitions 3 --resume cut.json
run 1 plan "${small[@]}" --partitions 3 --checkpoint absent/folder.json
one_line_error "absent/folder.json: cannot be written"
is_empty "$out"
run 1 plan "${small[@]}" --partitions 3 --checkpoint .
one_line_error ".: cannot be written"
is_empty "$out"
run 2 plan "${small[@]}" --partitions 3 --checkpoint -
one_line_error 'checkpoint: got "-", allowed the name of a file'
mkdir room
run 0 plan "${small[@]}" --partitions 3 --checkpoint room/done.json
[[ $(ls -A room) == done.json ]] || fail "left behind: $(ls -A room)"
run 2 plan "${small[@]}" --checkpoint x.json
one_line_error "checkpoint and resume: only with partitions"
run 2 plan amp-homogeneous --partitions 1025
one_line_error "partitions: got 1025, allowed 0 to 1024"
run 2 plan amp-homogeneous --cost-model amp-reference --partitions 1
one_line_error "partitions: not with the cost model amp-reference"

finish
