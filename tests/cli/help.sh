#!/usr/bin/env bash
# What there is can be found out: usage, help, version, list, doctor.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

# Without anything to do: a short usage with examples that work.
for arguments in "" plan explain; do
    # shellcheck disable=SC2086 # "" is no argument
    run 2 $arguments
    is_empty "$out"
    [[ $arguments == explain ]] || has "$err" "usage: ammeter plan PROBLEM [options]"
    (($(wc -l < "$err") <= 6)) || fail "the usage of 'ammeter $arguments' is longer than six lines"
done
has "$err" "usage: ammeter explain PROBLEM --strategy TEXT [options]    (all options: ammeter explain --help)"
examples=$(grep '^  ammeter' "$err")
[[ $(wc -l <<< "$examples") == 3 ]] || fail "not three examples: $examples"
while read -r -a words; do
    run 0 "${words[@]:1}"
done <<< "$examples"

run 0 --help
is_empty "$err"
for command in plan explain map validate verify bench show list doctor help; do
    has "$out" "  $command"
done
cp "$out" all
run 0 help
same "$out" "$scratch/all"

for command in plan explain cost map validate verify bench show list doctor; do
    run 0 "$command" --help
    is_empty "$err"
    has "$out" "Exit codes"
    has "$out" "--json"
    cp "$out" one
    run 0 help "$command"
    same "$out" "$scratch/one"
done
run 0 plan --help
for option in --model --cluster --runtime --profile --precision --global-batch-size --seq-length \
    --cost-model --memory-margin --tp --tensor-model-parallel-size --pp \
    --pipeline-model-parallel-size --dp --data-parallel-size --micro-batch --micro-batch-size \
    --backend --top --threads --seed --search --progress --no-run-info --output --quiet \
    --verbose; do
    has "$out" "$option"
    has "$SRC/docs/cli.md" "\`$option"
done

has "$out" "mxfp8"
run 0 validate --help
cp "$out" "$out.help"
# Every column that --predictions adds is told.
printf 'gpu,gpus,layers,hidden,heads,seq_len,micro_batch,global_batch\n' > runs.csv
run 0 validate runs.csv --predictions columns.csv -o report
for column in $(head -1 columns.csv | tr -d '\r' | cut -d, -f9- | tr ',' ' '); do
    has "$out.help" "$column"
done

run 0 --version
has "$out" "ammeter "
has "$out" "commit "
has "$out" "cpu/ref"
cp "$out" version
run 0 plan --version
same "$out" "$scratch/version"

run 0 list
for kind in model device cluster runtime profile problem; do
    has "$out" "${kind}s"
done
run 0 list problems
has "$out" amp-homogeneous
cp "$out" problems
run 0 list problem
same "$out" "$scratch/problems"
run 0 list --json
has "$out" '"amp-homogeneous"'
is_empty "$err"

run 0 doctor
for word in ammeter compiler cpu/ref cpu/simd cuda presets threads; do
    has "$out" "$word"
done
run 0 doctor --json
has "$out" '"ammeter-doctor"'

# All processors are those that the process may run on.
if one=$(taskset -pc $$ | sed 's/.*[ ,-]//') && [[ -n $one ]]; then
    taskset -c "$one" "$AMMETER" doctor --json > pinned.json
    has pinned.json '"processors": 1'
    taskset -c "$one" "$AMMETER" doctor > pinned
    has pinned "1 thread possible"
    has pinned "threads   1 available"
fi

# A table of the documentation is whole: what begins after an empty line is a header, with its rule below.
for page in "$SRC"/docs/*.md "$SRC"/README.md; do
    cut=$(awk '/^```/ { code = !code } code { next }
        header != "" { if ($0 !~ /^\|[-:| ]+\|$/) print header; header = "" }
        /^\|/ && !row { header = FILENAME ":" FNR } { row = /^\|/ }' "$page")
    [[ -z $cut ]] || fail "rows without a header: $cut"
done

# Help on help is the help.
run 0 --help
cp "$out" help.txt
for word in help --help; do
    run 0 help "$word"
    same "$out" help.txt
done

finish
