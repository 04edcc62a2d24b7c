#!/usr/bin/env bash
# Output that cannot be written is a failure (1), and files appear whole or not at all.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"

run 0 list models -o names
is_empty "$out"
cp names before
run 0 list models
same "$out" "$scratch/names"
run 0 list models -o -
same "$out" "$scratch/names"
run 0 list models --output=names
same names before

# Replacing keeps the permissions, follows links, leaves nothing behind.
chmod 640 names
ln -s names link
run 0 list devices -o link
[[ -L link ]] || fail "the link was replaced"
[[ $(stat -c %a names) == 640 ]] || fail "permissions changed to $(stat -c %a names)"
run 0 list devices
same "$out" "$scratch/names"
leftover=$(find . -name 'names.*' -o -name 'link.*')
[[ -z $leftover ]] || fail "left behind: $leftover"

# A mistake leaves the file alone.
run 2 plan nothing-of-that-name -o names
same "$out" /dev/null
run 0 list devices
same "$out" "$scratch/names"

# What standard output or standard error is redirected to is open: it is continued, never replaced.
run 0 list models
cp "$out" models
for stream in /dev/stdout /dev/fd/1 log; do
    echo before > log
    "$AMMETER" list models -o "$stream" >> log 2> "$err" || fail "list -o $stream >> log"
    same log <(echo before; cat models)
done
echo before > log
"$AMMETER" list models -o /dev/stderr 2>> log || fail "list -o /dev/stderr 2>> log"
same log <(echo before; cat models)
{ echo before; "$AMMETER" list models -o /dev/stdout; echo after; } > log
same log <(echo before; cat models; echo after)

# Every command tries its outputs before it starts, and each goes to a place of its own.
run 1 list -o nowhere/names
one_line_error nowhere/names
for arguments in "plan nothing" "explain nothing --strategy tp=1" "map nothing --x nic=1" "validate nothing.csv" \
    "verify nothing" "bench --backend nothing" "show model nothing" "list nothing"; do
    # shellcheck disable=SC2086 # words
    run 1 $arguments -o nowhere/result
    one_line_error "nowhere/result: cannot be written"
done
run 1 plan amp-homogeneous --progress -o nowhere/result
one_line_error "nowhere/result: cannot be written"
run 1 explain amp-homogeneous --strategy tp=2,pp=4,dp=2 --trace nowhere/trace
one_line_error "nowhere/trace: cannot be written"
twice() {
    local options=$1
    shift
    run 2 "$@"
    one_line_error "$options would both go to "
    [[ ! -e twice ]] || fail "ammeter $*: the file was written"
}
twice "--checkpoint and --output" plan amp-homogeneous --partitions 3 --checkpoint twice -o ./twice
twice "--predictions and --output" validate "$SRC/tests/data/runs_excerpt.csv" --predictions twice -o twice
twice "--trace and --output" explain amp-homogeneous --strategy tp=1 --trace twice -o twice
twice "--predictions and --output" validate "$SRC/tests/data/runs_excerpt.csv" --predictions /dev/stdout
run 0 validate "$SRC/tests/data/runs_excerpt.csv" --predictions /dev/null -o /dev/null
is_empty "$out"
"$AMMETER" validate "$SRC/tests/data/runs_excerpt.csv" --predictions /dev/null > /dev/null 2> "$err" ||
    fail "predictions and report, both to /dev/null: $(< "$err")"

# unwritable ARG...: standard output is full, then closed, then a pipe nobody reads.
unwritable() {
    local code=0
    if [[ -c /dev/full ]]; then
        "$AMMETER" "$@" > /dev/full 2> "$err" || code=$?
        [[ $code == 1 ]] || fail "ammeter $* > /dev/full: exit code $code"
        has "$err" "cannot be written"
    fi
    code=0
    "$AMMETER" "$@" >&- 2> "$err" || code=$?
    [[ $code == 1 ]] || fail "ammeter $* >&-: exit code $code"
}
unwritable list
unwritable plan amp-homogeneous
unwritable plan amp-homogeneous --json
unwritable --help
unwritable plan --help
unwritable --version
# Somebody who has read enough, as head: no complaint, and the end that SIGPIPE makes (128 + 13).
for arguments in "plan amp-homogeneous --top all --json" "plan --help" list; do
    # shellcheck disable=SC2086 # words
    code=$({ sleep 0.3; "$AMMETER" $arguments 2> "$err" && echo 0 >&3 || echo $? >&3; } 3>&1 > >(:))
    [[ $code == 141 ]] || fail "ammeter $arguments into a closed pipe: exit code $code"
    is_empty "$err"
done
if [[ -c /dev/full ]]; then
    run 1 list -o /dev/full
    one_line_error /dev/full
    [[ -c /dev/full ]] || fail "/dev/full was replaced"
fi

# What is said goes to standard error; -q says less.
run 0 plan amp-homogeneous --progress
has "$err" "%"
run 0 plan amp-homogeneous -q
is_empty "$err"

# An interrupted search writes the best so far. A cluster and a batch that take a while.
huge=(plan amp-homogeneous --cluster 2520xnode:4xT4,intra=50gbit,inter=50gbit
    --global-batch-size 7207200 --top all --json)
# In a job of its own: a background process of a script ignores SIGINT.
set -m
"$AMMETER" "${huge[@]}" > interrupted.json 2> "$err" &
pid=$!
sleep 0.5
kill -INT "$pid"
code=0
wait "$pid" || code=$?
set +m
[[ $code == 130 ]] || fail "interrupted: exit code $code"
has interrupted.json '"status": "interrupted"'
has interrupted.json '"rank": 0'
one_line_error interrupted

# A checkpoint is replaced at every save: no stream takes one, by any name. No path is no file.
run 2 plan amp-homogeneous --pp 4 --partitions 3 --checkpoint /dev/stderr
one_line_error 'checkpoint: got "/dev/stderr", allowed the name of a file'
code=0
"$AMMETER" plan amp-homogeneous --pp 4 --partitions 3 --checkpoint ck -o out 2>> ck || code=$?
[[ $code == 2 ]] || fail "checkpoint to standard error's file: exit code $code"
run 1 list models -o ""
one_line_error ": cannot be written: No such file or directory"
code=0
"$AMMETER" map --model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --x nic=50..800 --points 200 >&- 2> "$err" || code=$?
[[ $code == 1 ]] || fail "closed standard output: exit code $code"

# Why a search ended is said even where its result cannot be written.
if [[ -c /dev/full ]]; then
    code=0
    "$AMMETER" plan amp-homogeneous --memory-margin 0.9 > /dev/full 2> "$err" || code=$?
    [[ $code == 1 ]] || fail "no plan, full disk: exit code $code"
    has "$err" "no feasible plan"
    has "$err" "standard output: cannot be written"
    (($(wc -l < "$err") == 2)) || fail "not two lines: $(cat "$err")"
fi

# Memory.
if [[ -x /usr/bin/time ]] && /usr/bin/time -f %M true 2> /dev/null; then
    /usr/bin/time -f %M -o memory "$AMMETER" plan amp-homogeneous --top all --json > /dev/null
    kib=$(tail -1 memory)
    # Sanitizers need far more than the program itself.
    if ! nm -D "$AMMETER" 2> /dev/null | grep -qE '__[at]san_init'; then
        ((kib <= 51200)) || fail "$kib KiB of memory, expected at most 51200"
    fi
fi

finish
