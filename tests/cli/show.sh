#!/usr/bin/env bash
# show: every preset, as text and as a file that reads back to itself.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

for kind in model device cluster runtime profile problem; do
    run 0 list "$kind"
    cp "$out" names
    while read -r name; do
        run 0 show "$kind" "$name"
        has "$out" "$kind"
        is_empty "$err"
        run 0 show "$kind" "$name" --json
        cp "$out" once.json
        run 0 show "${kind}s" ./once.json --json
        same "$out" "$scratch/once.json"
    done < names
done

run 0 show runtime megatron-core
has "$out" "with a profile of measured layer times, and nowhere else"
has "$out" "gradient      4 bytes per parameter"
has "$out" "without one: the analytic model"
has "$out" "  gradient_bytes_bf16 2 · the performance recipes set grad_reduce_in_fp32 to false"
has "$out" "  step_host_s 0.005 · default  (seconds per step outside everything else)"
[[ $(sed '1,/without one/d' "$out" | grep -c ' ± ') -gt 5 ]] || fail "no sd of facts"

run 0 show model gpt2-amp
has "$out" "356,870,144"
has "$out" "2-25       block"
run 0 show model deepseek-v3
has "$out" "671,026,419,200, active per token 37,552,297,472"
has "$out" "latent, 128 heads of 192 (64 rotary), values of 128, query rank 1,536"
has "$out" "8 of 256 experts of 2,048, 2,048 shared, gated"
run 0 show model "$SRC/tests/fuzz/corpus/hf/llama.json"
has "$out" "70,553,706,496"
has "$out" "64 heads of 128, 8 of keys and values"
run 0 show cluster aws-g4dn.12xlarge-x4
has "$out" "4 nodes × 4 T4-16GB = 16 devices"
run 0 show problem amp-homogeneous
has "$out" "32,768 tokens per step"

# What times a device without a profile, and what only counts with one.
run 0 show device H100-80GB
for text in "constants     calibrated" "without a profile" "  flops_16bit               9.894e+14" \
    "  gemm_efficiency           0." " ± " "  fitted on " "with a profile" "  intra node  1 · not measured"; do
    has "$out" "$text"
done
run 0 show device A800-80GB
has "$out" "those of A100-80GB"

# The device of the documentation: planned, shown, and named whole where something is missing.
run 0 plan --model llama-3-8b --cluster "$SRC/docs/examples/a10g.json" --global-batch-size 64 \
    --seq-length 2048
has "$out" "4 nodes × 8 A10G = 32 devices"
has "$out" "sure?    unvalidated"
sed '/flops_tf32/d; /flops_4bit/d' "$SRC/docs/examples/a10g.json" > short.json
run 2 show cluster short.json
one_line_error 'nodes[0].devices[0].device.peaks: missing: flops_tf32, flops_4bit'

line=3xnode:4xV100-16GB,intra=170gbit,inter=10gbit+1xnode:4xT4-16GB,intra=50gbit,inter=50gbit
run 0 show cluster "$line"
has "$out" "3 nodes × 4 V100-16GB + 1 node × 4 T4-16GB = 16 devices"
run 0 show cluster "$line" --line
[[ $(< "$out") == "$line" ]] || fail "the line became $(< "$out")"
run 0 show cluster aws-p3.8xlarge-x3+g4dn.12xlarge-x1 --line
[[ $(< "$out") == "$line" ]] || fail "the preset's line is $(< "$out")"

finish
