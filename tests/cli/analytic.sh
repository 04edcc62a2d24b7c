#!/usr/bin/env bash
# plan and explain without a profile: shapes, peaks and facts of the software alone.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

llama=(--model llama-3-70b --cluster 8xdgx-h100 --seq-length 8192 --global-batch-size 256)
run 0 plan "${llama[@]}"
is_empty "$err"
for text in "model    llama-3-70b · 70,553,706,496 parameters · 80 blocks" \
    "PFLOP per step (causal attention counted half)" "256 sequences of 8,192 tokens" \
    "cluster  8 nodes × 8 H100-80GB = 64 devices" "runtime  megatron-core · bf16 · AdamW, " \
    "flash attention" "layouts: " "tok/s/GPU" "MFU" "peak GiB" "P(OOM)" " ▶  1" "why #1   tp " \
    "recompute none→full" "does not fit: short" "sure?    " "interleaved-uneven: " "nearest tp="; do
    has "$out" "$text"
done
(($(grep -cE '^ +(▶ +)?[0-9]+ +[0-9]+ +[0-9]+ ' "$out") == 10)) ||
    fail "not ten plans: $(cat "$out")"

# What all plans share stands above the table; the word follows P(OOM), and a risky #1 is told.
has "$out" "in all   sharding zero1 · recompute none · "
if grep -qE '^ +# .*(shard|recompute)' "$out"; then fail "a column that says the same in all rows"; fi
rows() { grep -E '^ +(▶ +)?[0-9]+ +[0-9]+ +[0-9]+ .* %$' "$1"; }
# words_follow FILE: "yes" below 5 %, "tight" from there on (none is shown as 5.0 %).
words_follow() {
    rows "$1" | awk '{ want = $(NF - 1) < 5 ? "yes" : "tight"; bad += $(NF - 2) != want }
        END { exit bad || NR < 3 }' || fail "fits and P(OOM): $(cat "$1")"
}
words_follow "$out"
share=$(rows "$out" | head -1 | awk '{ printf "%.0f", $(NF - 1) }')
first_safe=$(rows "$out" | sed 's/▶/ /' | awk '$(NF - 1) < 5 { print $1; exit }')
seconds=$(rows "$out" | sed -n "${first_safe}p" | grep -oE '[0-9]+\.[0-9]{4} ' | head -1)
has "$out" "memory   #1 runs out of memory in about $share % of cases; #$first_safe is the fastest below 5 %: ${seconds% } s"
run 0 plan "${llama[@]}" --top 3
has "$out" "of cases; none listed is below 5 %: --memory-margin 0.1 finds those"
run 0 plan "${llama[@]}" --top 3 --memory-margin 0.1
words_follow "$out"
if grep -qE 'runs out of memory|tight' "$out"; then fail "risky in spite of the margin"; fi
run 0 explain "${llama[@]}" --strategy pp=16,tp=4,micro-batch=1 --memory-margin 0.7
has "$out" "  no  "
if grep -q "of cases" "$out"; then fail "a share of cases of what does not fit"; fi
run 0 plan "${llama[@]}" --runtime pytorch-fsdp --top 3
has "$out" "in all   vpp 1 · sharding zero3"
run 0 plan "${llama[@]}"

# The hint works, and finds the same time.
best=$(grep '▶' "$out" | grep -oE '[0-9]+\.[0-9]{4} ' | head -1)
run_next "$out"
has "$out" "$best"

# Every term, the ledger, the room that is left.
run 0 explain "${llama[@]}" --strategy tp=8,pp=4,dp=2,micro-batch=1,recompute=full
for text in "recompute=full" "compute " "tp " "optimizer " "100.0 %" "weights" "optim." "working" \
    "of GiB   P(OOM)" "largest micro-batch that fits" "gemm_efficiency" "megatron-core: the software" \
    "megatron-core: step_host_s 0.005 · default · moves seconds" \
    "megatron-core: gradient_bytes_bf16 2 · the performance recipes" " · moves bytes"; do
    has "$out" "$text"
done
has "$out" " s  (closed form "

# The simulated schedule as a file; without a pipeline there is a trace, but nothing to compare.
run 0 explain "${llama[@]}" --strategy tp=8,pp=4,dp=2,micro-batch=1 --trace step.json
has "$out" "simulated "
for text in '"schedule": "1f1b"' '"name": "F mb127"' '"cat": "p2p"'; do
    has step.json "$text"
done
run 0 explain "${llama[@]}" --strategy tp=8,pp=2,vpp=2,dp=4,micro-batch=1 --trace step.json -q -o text
has text "simulated "
has step.json '"schedule": "interleaved"'
run 0 explain "${llama[@]}" --strategy tp=8,dp=8,micro-batch=1 --trace - -o text
has "$out" '"traceEvents"'
if grep -q "simulated " text; then fail "one stage is simulated"; fi

run 0 explain "${llama[@]}" --strategy pp=64,micro-batch=4,stage-layers="$(printf '1-%.0s' {1..63})20"
has "$out" "does not fit: short"

# Both spellings.
run 0 plan "${llama[@]}" --tp 4 --cp 2 --vpp 1,5 --recompute none,full --sharding zero1 --ep 1 \
    --etp 1 --json --no-run-info
cp "$out" short.json
run 0 plan "${llama[@]}" --tensor-model-parallel-size 4 --context-parallel-size 2 \
    --num-virtual-stages-per-pipeline-rank 1,5 --recompute-granularity none,full \
    --data-parallel-sharding-strategy zero1 --expert-model-parallel-size 1 \
    --expert-tensor-parallel-size 1 --json --no-run-info
same "$out" "$scratch/short.json"

run 0 plan "${llama[@]}" --sharding no_shard,optim --top 3
has "$out" "sharding zero1"
run 0 explain "${llama[@]}" --strategy tp=8,pp=8,sharding=none --strategy tp=8,pp=8,sharding=optim
has "$out" "  shard  "
has "$out" "  zero1  "

# The choices of a run: options in both spellings, the column of the unusual ones, what explain says.
run 0 plan "${llama[@]}" --pp 4 --tp-overlap off,on --cp-comm a2a,p2p --schedule 1f1b,gpipe \
    --space full --top 4 --json --no-run-info
cp "$out" choices.json
run 0 plan "${llama[@]}" --pp 4 --tp-comm-overlap off,on --cp-comm-type a2a,p2p --schedule gpipe,1f1b \
    --space full --top 4 --json --no-run-info
cp "$out" spelled.json
for text in '"schedule": "' '"tp_overlap": true' '"launchable": ["megatron-core"' '"no-effect": '; do
    has choices.json "$text"
done
python3 - choices.json spelled.json << 'END' || fail "spellings"
import json, sys
a, b = (json.load(open(name)) for name in sys.argv[1:])
sys.exit(a["plans"] != b["plans"] or a["search"] != b["search"] or not a["plans"])
END
run 0 plan "${llama[@]}" --global-batch-size 64 --pp 4 --schedule gpipe --graphs partial --space full --top 3
for text in "  choices" "schedule=gpipe graphs=partial" "launch   megatron-core cannot start #1, #2, #3"; do
    has "$out" "$text"
done
run 0 explain "${llama[@]}" --strategy tp=8,pp=4,dp=2,schedule=zb-h1,tp-overlap=off --json
cp "$out" zb.json
has zb.json '"schedule": "zb-h1"'
has zb.json '"launchable": ["generic"]'
run 0 explain "${llama[@]}" --strategy tp=8,pp=4,dp=2,schedule=zb-h1,tp_overlap=0,dp-overlap=on
has "$out" "schedule=zb-h1,tp-overlap=off"
if grep -q "dp-overlap" "$out"; then fail "the usual is told"; fi

# Experts, everything that can be timed, fewest nodes.
run 0 plan --model mixtral-8x7b --cluster 4xdgx-h100 --seq-length 4096 --global-batch-size 256 --json
cp "$out" experts.json
run 0 plan "${llama[@]}" --space full --top 3 --json
cp "$out" full.json
run 0 plan "${llama[@]}" --min-nodes
has "$out" "of the 8 given: fewer hold no plan · P(OOM) of #1 $(rows "$out" | head -1 | grep -oE '[0-9.]+ %$')"
# The hint is about the nodes that are left, also where a device is the user's own.
best=$(grep '▶' "$out" | grep -oE '[0-9]+\.[0-9]{4} ' | head -1)
run_next "$out"
has "$out" "cluster  2 nodes"
has "$out" "$best"
"$AMMETER" show device H100-80GB --json > own.json
printf '{"format": "ammeter-cluster", "version": 1, "name": "own", "nodes": [{"count": 8, "intra": "450GB",
    "inter": "400GB", "devices": [{"device": %s, "count": 8}]}]}' "$(sed 's/"H100-80GB"/"Mine"/' own.json)" > own-cluster.json
run 0 plan "${llama[@]}" --cluster own-cluster.json --min-nodes
has "$out" "cluster  2 nodes × 8 Mine"
best=$(grep '▶' "$out" | grep -oE '[0-9]+\.[0-9]{4} ' | head -1)
run_next "$out"
has "$out" "cluster  2 nodes × 8 Mine"
has "$out" "$best"
run 0 plan "${llama[@]}" --min-nodes --json
cp "$out" fewest.json
has fewest.json '"nodes_given": 8'
run 0 explain "${llama[@]}" --strategy tp=8,pp=8,micro-batch=1 --json
cp "$out" explained.json
has explained.json '"largest_micro_batch"'
# Stages that recompute different sets; the hint works under a full space too.
tight=(--model llama-3-70b --cluster 4xdgx-h100 --seq-length 8192 --global-batch-size 256)
run 0 plan "${tight[@]}" --runtime generic --recompute auto
sets=$(grep '▶' "$out" | grep -oE ' [0-9a-z_+]+(/[0-9a-z_+]+)+ ' | tr -d ' ')
[[ $sets == */* ]] || fail "one set for all stages: $(cat "$out")"
has "$out" "recompute $sets→full loses "
best=$(grep '▶' "$out" | grep -oE '[0-9]+\.[0-9]{4} ' | head -1)
run_next "$out"
has "$out" "recompute=$sets,"
has "$out" "$best"
run 0 explain "${tight[@]}" --space full --strategy tp=4,pp=8,recompute=2xfull/6xnone
run 0 plan "${tight[@]}" --runtime generic --json
cp "$out" mixed.json
has mixed.json '"recompute": null'
run 4 plan --model megatron-1t --cluster 1xdgx-a100 --global-batch-size 16 --json
cp "$out" none.json
run 0 plan --model gpt2-xl --cluster 2xdgx-a100 --global-batch-size 64 --runtime megatron-lm-2021 \
    --precision fp16
has "$out" "megatron-lm-2021 · fp16"
# Facts that play no part in the step are not listed: a fused norm, no groups, no experts.
run 0 explain --model gpt2-xl --cluster 2xdgx-a100 --global-batch-size 64 --strategy tp=1,dp=16
has "$out" "megatron-core: dp_overlap "
for fact in tp_overlap ep_overlap unfused_norm_bytes runs_tp p2p_exposed; do
    ! grep -q "megatron-core: $fact " "$out" || fail "a fact of no effect is listed: $fact"
done

# Sizes beyond those that the device's constants were fitted on are said, those within are not.
t4=(--model gpt2-medium --precision fp16 --global-batch-size 64 --vpp 1 --micro-batch 1,2,4
    --runtime megatron-lm-2021)
run 0 plan "${t4[@]}" --cluster 4x4xT4-16GB,intra=10GB,inter=6GB
has "$out" "sure?    calibrated: "
! grep -q outside "$out" || fail "measured sizes are called outside: $(cat "$out")"
run 0 plan "${t4[@]}" --cluster 2x4xT4-16GB,intra=10GB,inter=6GB
has "$out" "sure?    extrapolated: "
has "$out" "outside: devices 8, measured 16 on T4-16GB; #1"
# Names of one format.
small=(--model llama-3-8b --cluster dgx-b200 --global-batch-size 64)
run 0 plan "${small[@]}" --precision nvfp4
grep -E '^ +[0-9]+ ' "$out" > named.txt
run 0 plan "${small[@]}" --precision fp4
has "$out" " · fp4"
grep -E '^ +[0-9]+ ' "$out" | diff named.txt - || fail "fp4 is not nvfp4"
[[ $(wc -l < named.txt) -gt 2 ]] || fail "no plans to compare: $(cat "$out")"

# What a problem says reads back.
run 0 show problem '{"format":"ammeter-problem","version":1,"name":"p","model":"llama-3-8b",
    "cluster":"dgx-h100","global_batch":64,"seq_len":4096,
    "space":{"recompute":["none","core_attn+mlp"],"sharding":"zero1,zero3","full":true}}' --json
cp "$out" problem.json
run 0 plan problem.json
has "$out" "zero"
run 0 show problem problem.json --json
same "$out" "$scratch/problem.json"

# Mistakes are named.
mistake() {
    local text=$1
    shift
    run 2 "$@"
    one_line_error "$text"
}
mistake 'only language models (embedding, blocks, head) can be timed, and "transgan-amp" is none' \
    plan --model transgan-amp --cluster dgx-h100 --global-batch-size 64
mistake "seq_len: out of range, got 4096, allowed 1 to 1024" \
    plan --model gpt2 --cluster dgx-h100 --global-batch-size 64 --seq-length 4096
mistake 'unknown, got "fp12", allowed without a profile fp32, tf32, fp16, bf16' \
    plan "${llama[@]}" --precision fp12
mistake "space.tp: does not divide the attention heads, got 8, allowed divisors of 25" \
    plan --model gpt2-xl --cluster dgx-h100 --global-batch-size 64 --tp 8
mistake "space.ep: does not divide the experts, got 16, allowed divisors of 8" \
    plan --model mixtral-8x7b --cluster 4xdgx-h100 --seq-length 4096 --global-batch-size 64 --ep 16
mistake "space.cp: 2 cp does not divide the sequence, got 4, allowed divisors of 2049" \
    plan --model llama-3-8b --cluster dgx-h100 --seq-length 4098 --global-batch-size 64 --cp 4
mistake 'recompute: unknown, got "some", allowed auto, or none, selective, full' plan "${llama[@]}" \
    --recompute some
mistake 'sharding: unknown, got "zero4", allowed none, zero1' plan "${llama[@]}" --sharding zero4
mistake "space: got 'all', allowed launchable, full" plan "${llama[@]}" --space all
mistake "recompute: unknown, got 'half'" explain "${llama[@]}" --strategy tp=8,pp=8,recompute=half
mistake "recompute: got sets of 3 stages, allowed one set or 8" explain "${llama[@]}" \
    --strategy tp=8,pp=8,recompute=2xfull/none
run 0 explain "${llama[@]}" --strategy tp=8,pp=8,recompute=2xfull/6xnone
has "$out" "megatron-core cannot start #1"
mistake "allowed a product of 64 devices" explain "${llama[@]}" --strategy tp=8,pp=8,cp=2
mistake "explain: --trace takes one --strategy, got 2" explain "${llama[@]}" --trace step.json \
    --strategy tp=8,pp=8 --strategy tp=8,dp=8
mistake "would both go to standard output" explain "${llama[@]}" --strategy tp=8,pp=8 --trace -
mistake "trace: only without a profile" explain amp-homogeneous \
    --strategy tp=2,pp=4,dp=2,micro-batch=1 --trace step.json
mistake "ep x etp does not divide" explain --model mixtral-8x7b --cluster dgx-h100 \
    --seq-length 4096 --global-batch-size 64 --strategy tp=1,pp=4,dp=2,ep=8
mistake "equal nodes of one device type" plan --model gpt2 --global-batch-size 64 \
    --cluster '1xdgx-h100+1xdgx-a100'
mistake 'not with measured layer times, allowed 1' plan amp-homogeneous --cp 2
mistake 'graphs: unknown, got "some", allowed none, partial, full_iteration' plan "${llama[@]}" \
    --graphs some
mistake "schedule: unknown, got 'zb', allowed 1f1b, gpipe, zb-h1, zb-h2" explain "${llama[@]}" \
    --strategy tp=8,pp=8,schedule=zb
mistake "one chunk per stage" explain "${llama[@]}" --strategy tp=8,pp=4,vpp=2,dp=2,schedule=gpipe
mistake 'not with measured layer times, allowed what was measured' plan amp-homogeneous \
    --schedule 1f1b
mistake 'not with measured layer times, allowed none' plan amp-homogeneous --recompute full
cat > device.json << 'END'
{"format": "ammeter-cluster", "version": 1, "name": "c", "nodes": [{"intra": "1GB", "inter": "1GB",
 "devices": [{"device": {"name": "D", "memory_bytes": 1e10, "hbm_bytes_per_s": 1e12}, "count": 4}]}]}
END
mistake 'device "D" has no peaks' plan --model gpt2 --cluster device.json --global-batch-size 64
cat > vocab.json << 'END'
{"format": "ammeter-model", "version": 1, "name": "m", "seq_len": 64, "layers": [
 {"kind": "embedding", "hidden": 64, "vocab": 0}, {"kind": "block", "hidden": 64, "heads": 4},
 {"kind": "head", "hidden": 64, "vocab": 0}]}
END
mistake "vocab: out of range, got 0" plan --model vocab.json --cluster dgx-h100 --global-batch-size 64
sed 's/"vocab": 0/"vocab": 68719476736/g; s/"hidden": 64/"hidden": 16777216/g' vocab.json > huge.json
mistake "huge.json" plan --model huge.json --cluster dgx-h100 --global-batch-size 64

# Sizes beyond the measured ones are told.
run 0 plan --model llama-3-8b --cluster 8xdgx-h100 --seq-length 262144 --global-batch-size 8
has "$out" "outside: sequence 262144, measured 1024 to 65536 on H100-80GB; "

if python3 -c 'import jsonschema' 2> /dev/null; then
    python3 - "$SRC/schemas/result.schema.json" short.json experts.json full.json fewest.json \
        explained.json mixed.json none.json choices.json zb.json << 'END' || fail "results and their schema"
import json, math, sys
import jsonschema
schema = json.load(open(sys.argv[1]))
validator = jsonschema.Draft202012Validator(schema)
bad = 0
for name in sys.argv[2:]:
    result = json.load(open(name))
    errors = [error.message for error in validator.iter_errors(result)]
    for plan in result["plans"]:
        strategy = plan["strategy"]
        devices = [d for s in strategy["stages"] for r in s["replicas"] for d in r["devices"]]
        if sorted(devices) != list(range(result["problem"]["devices"])):
            errors.append("devices are not used once each")
        if not math.isclose(sum(plan["time"].values()), plan["time_s"], rel_tol=1e-12):
            errors.append("the parts of the time do not add up")
        for stage in plan["stages"]:
            for parts in ("memory", "ledger"):
                if not math.isclose(sum(stage[parts].values()), stage["memory_bytes"],
                                    rel_tol=1e-12):
                    errors.append(f"the parts of {parts} do not add up")
        if (plan["simulated_s"] is None) != (strategy["pp"] == 1):
            errors.append("simulated where it should not be, or not")
        elif strategy["pp"] > 1 and not 0.9 < plan["simulated_s"] / plan["time_s"] < 1.02:
            errors.append("simulation and closed form are far apart")
        full = max(stage["memory_bytes"] for stage in plan["stages"])
        room = plan["stages"][0]["capacity_bytes"] # no margin
        z = (math.log(full) - math.log(room)) / 0.06
        if not math.isclose(plan["oom_probability"], math.erfc(-z / math.sqrt(2)) / 2,
                            rel_tol=1e-9, abs_tol=1e-300):
            errors.append("oom_probability is another one")
        flops = plan["tflops_per_device"]
        if not 0 < plan["mfu"] < 1 or flops <= 0:
            errors.append("mfu is no share")
    for error in errors[:5]:
        print(f"{name}: {error}")
    bad += len(errors)
sys.exit(bad > 0)
END
else
    echo "python3 has no jsonschema: results are not compared with their schema"
fi

finish
