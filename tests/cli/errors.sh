#!/usr/bin/env bash
# Every mistake has its exit code and one line that says what was wrong.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

# Usage: 2, nothing on standard output.
mistake() {
    local text=$1
    shift
    run 2 "$@"
    is_empty "$out"
    has "$err" "$text"
}
mistake "did you mean 'plan'" pln
mistake "unknown command 'frobnicate'" frobnicate
mistake "unknown command" help frobnicate
mistake "unknown option '--json'" --json plan
mistake "did you mean '--top'" plan amp-homogeneous --topp 3
mistake "unknown option '--frobnicate'" plan amp-homogeneous --frobnicate
mistake "requires an argument" plan amp-homogeneous --tp
mistake "invalid option" plan amp-homogeneous -x
mistake "unexpected argument 'b'" plan a b
mistake "--top: got '0'" plan amp-homogeneous --top 0
mistake "--top: got 'few'" plan amp-homogeneous --top few
mistake "--seed: got '-1'" plan amp-homogeneous --seed -1
mistake "--search: got 'luck'" plan amp-homogeneous --search luck
mistake "'--top'" explain amp-homogeneous --top 3
mistake "--strategy is missing" explain amp-homogeneous
mistake "results are not kept" explain @1
mistake "KIND and NAME" show model
mistake "got 'thing'" show thing gpt2-amp
mistake "exclude each other" show cluster g4dn.12xlarge --json --line
mistake "got 'things'" list things

# Input: 2, one line that names the place.
invalid() {
    mistake "$@"
    one_line_error "$1"
}
invalid amp-homogeneous plan amp-homogeneus
invalid /none/such.json plan /none/such.json
invalid gpt2-amp plan amp-homogeneous --model gpt2-apm
invalid global_batch plan amp-homogeneous --global-batch-size 0
invalid global_batch plan amp-homogeneous --global-batch-size 1e3
invalid "global_batch" plan amp-homogeneous --global-batch-size 99999999999999999999
invalid memory_margin plan amp-homogeneous --memory-margin 1
invalid memory_margin plan amp-homogeneous --memory-margin nan
invalid cost_model plan amp-homogeneous --cost-model guess
invalid tp plan amp-homogeneous --tp 0..4
invalid amp-reference plan amp-homogeneous --search anneal
invalid "strategy 'tp=3'" explain amp-homogeneous --strategy tp=3
invalid "a device nobody has" plan amp-homogeneous \
    --cluster '2xnode:4xa device nobody has,intra=1gbit,inter=1gbit'
invalid line show model gpt2-amp --line
# What is missing is asked for by its option, all at once, and not before what cannot be mended.
invalid 'problem:global_batch: missing, allowed samples per step; give --global-batch-size N' \
    plan --model llama-3-70b --cluster 8xdgx-h100
invalid 'intra=50gbit,inter=50gbit; give --cluster NAME --global-batch-size N' plan --model llama-3-70b
invalid 'give --runtime NAME --profile NAME --global-batch-size N' plan --model gpt2-amp \
    --cluster 8xdgx-h100 --cost-model amp-reference
invalid 'cost_model: amp-reference needs a model with "amp_reference", "llama-3-70b" has none' \
    plan --model llama-3-70b --cluster 8xdgx-h100 --cost-model amp-reference

# Degrees that cannot make the devices are a mistake, whether one or their product is it.
h100=(--model llama-3-70b --cluster 8xdgx-h100 --seq-length 8192 --global-batch-size 256)
invalid 'space.tp: does not divide the number of devices, got 3' plan "${h100[@]}" --tp 3
invalid 'space: tp x pp x dp: got 4 x 4 x 8 = 128, allowed a divisor of the 64 devices' \
    plan "${h100[@]}" --tp 4 --pp 4 --dp 8
invalid 'space: tp x pp x cp x dp: got 8 x 2 x 1 x 2 = 32, allowed a product of 64 devices' \
    plan "${h100[@]}" --tp 8 --pp 2 --cp 1 --dp 2
invalid 'tp x pp: got 16 x 8 = 128 at least and no better product, allowed a divisor of the 64' \
    plan "${h100[@]}" --tp 16,32 --pp 8,16
run 0 plan "${h100[@]}" --tp 8,16 --pp 8,16 --top 1
run 0 plan "${h100[@]}" --tp 8 --pp 2 --cp 1 --dp 1 --min-nodes --top 1
invalid 'space: tp x pp x dp: got 2 x 2 x 2 = 8, allowed a product of 16 devices' \
    plan amp-homogeneous --tp 2 --pp 2 --dp 2
# A mixed cluster needs measured times: where that is said, too.
invalid 'how to write one: docs/formats.md, ammeter-profile' plan --model gpt2 --global-batch-size 8 \
    --cluster 1xdgx-h100+1xdgx-a100

# Layers of the stages with and without those around the blocks; blanks and the table's word for micro-batch.
invalid 'allowed 4 stages with 83 (1 before the blocks, 80 blocks, 2 after them), did you mean stage-layers=21-20-20-22?' \
    explain "${h100[@]}" --strategy tp=8,pp=4,dp=2,stage-layers=20-20-20-20
run 0 explain "${h100[@]}" --strategy tp=8,pp=4,dp=2,stage-layers=21-20-20-22
run 2 explain "${h100[@]}" --strategy tp=8,pp=4,dp=2,stage-layers=20-20-20-10
if grep -q "did you mean" "$err"; then fail "a guess without ground"; fi
run 0 explain "${h100[@]}" --strategy ' tp=8, pp = 4,dp=2 ,mb=2'
has "$out" "#1 tp=8,pp=4,dp=2,micro-batch=2,"
invalid 'micro-batch: given twice' explain "${h100[@]}" --strategy mb=1,micro-batch=2

# What was meant is named, in lines too; a name is the same in either case.
invalid 'no device preset and no file is called "Tensor"; presets: ammeter list devices' plan \
    amp-homogeneous --cluster 2xn:4xTensor,intra=1GB,inter=1GB
invalid 'no node preset "dgxh100", close presets: dgx-a100, dgx-h100, dgx-h200; or describe' plan \
    --model gpt2 --cluster 8xdgxh100 --global-batch-size 8
invalid 'close presets: pytorch-fsdp' plan --model gpt2 --cluster dgx-h100 --runtime torchtitan
invalid 'close presets: deepspeed-megatron-1.1.5, megatron-deepspeed, megatron-deepspeed-2022' \
    plan --model gpt2 --cluster dgx-h100 --runtime deepspeed
invalid 'no node preset "H100", close presets: dgx-h100' plan --model gpt2 --cluster 8xH100 \
    --global-batch-size 8
invalid 'a line starts with N x: 1xnode:8xH100,intra=450GB,inter=400GB' plan --model gpt2 \
    --cluster node:8xH100,intra=450GB,inter=400GB --global-batch-size 8
run 0 show model LLaMA-3-70b
has "$out" "model         llama-3-70b"
run 0 show device h100
has "$out" "device        H100-80GB"
run 0 show cluster '2xnode:8xh100-80gb,intra=450GB/s,inter=3200 gbit/s' --line
[[ $(< "$out") == 2xnode:8xH100-80GB,intra=3600gbit,inter=3200gbit ]] || fail "the line is $(< "$out")"
echo '{"format": "ammeter-problem", "version": 1, "model": 3}' > bad.json
invalid bad.json plan bad.json
# A file of another kind is called that, whatever its keys are.
run 0 show cluster dgx-h100 --json -o cluster.json
invalid 'cluster.json:format: wrong format, got "ammeter-cluster", allowed "ammeter-model"' \
    plan --model cluster.json --cluster dgx-h100 --global-batch-size 8
invalid 'allowed "ammeter-runtime"' show runtime cluster.json
invalid 'allowed "ammeter-problem"' plan cluster.json
echo '{"hidden_size": 64, "num_hidden_layers": 2}' > bare.json
invalid 'bare.json:format: missing, allowed "ammeter-model"; a Hugging Face config has model_type or' \
    show model bare.json
printf '{"a\0b": 1}' > nul.json
invalid nul.json plan nul.json
: > empty.json
invalid empty.json plan empty.json
mkdir folder
run 2 plan ./folder
one_line_error folder

# Not here: 3.
run 3 plan amp-homogeneous --backend cuda
one_line_error "backend cuda"
run 2 plan amp-homogeneous --backend gpu
run 3 plan amp-homogeneous --backend cpu/ref --threads 2
one_line_error "threads: got 2, cpu/ref runs on 1"
run 2 plan amp-homogeneous --threads 5000
one_line_error "threads: got 5000, allowed 1 to 1024"
run 3 plan amp-homogeneous --cost-model amp-reference --backend cpu/simd
one_line_error "amp-reference runs on cpu/ref alone"
run 3 plan amp-homogeneous --cost-model amp-reference --threads 2

# Nothing feasible: 4, with the reasons.
run 4 plan amp-homogeneous --memory-margin 0.9
one_line_error "no feasible plan"
has "$out" "no feasible plan"
has "$out" "memory: no partition fits in memory; nearest"
run 4 plan amp-homogeneous --memory-margin 0.9 --json
has "$out" '"plans": []'
has "$out" '"status": "optimal-in-model"' # proven that nothing fits

finish
