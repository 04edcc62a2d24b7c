# What the tests of the command share; sourced. Every check that fails is printed and counted; the
# script ends with `finish`.
set -uo pipefail
: "${AMMETER:?path of the command}" "${SRC:?the source directory}"

failed=0
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
out=$scratch/stdout err=$scratch/stderr
cd "$scratch" || exit 1

fail() {
    echo "FAILED: $*"
    failed=$((failed + 1))
}

# run CODE ARG...: runs the command, keeps its output in $out and $err, checks its exit code.
run() {
    local wanted=$1 code=0
    shift
    "$AMMETER" "$@" > "$out" 2> "$err" < /dev/null || code=$?
    if ((code != wanted)); then
        fail "ammeter $*: exit code $code, expected $wanted; stderr: $(head -3 "$err")"
    fi
}

# has FILE TEXT: the file contains the text literally.
has() { grep -qF -e "$2" "$1" || fail "no '$2' in $(basename "$1"): $(head -5 "$1")"; }
is_empty() { [[ ! -s $1 ]] || fail "$(basename "$1") is not empty: $(head -3 "$1")"; }
same() { cmp -s "$1" "$2" || fail "$1 and $2 differ: $(diff "$1" "$2" | head -5)"; }

# one_line_error TEXT: standard error is one line that says "ammeter: " and contains the text.
one_line_error() {
    [[ $(wc -l < "$err") == 1 ]] || fail "not one line: $(cat "$err")"
    [[ $(head -c 9 "$err") == "ammeter: " ]] || fail "no 'ammeter: ' first: $(cat "$err")"
    has "$err" "$1"
}

finish() {
    echo "$failed failed"
    ((failed == 0))
    exit
}

# run_next FILE: the command that the line `next` of a table gives, as a shell reads it.
run_next() {
    local words=()
    eval "words=($(sed -n 's/^next *ammeter //p' "$1"))"
    run 0 "${words[@]}"
}
