#!/usr/bin/env bash
# validate: tables, predictions, JSON; every mistake with its place.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"
runs=$SRC/tests/data/runs_excerpt.csv

run 0 validate "$runs"
is_empty "$err"
for text in "66 rows, 63 scored" "modelled 63 rows" "aleph-alpha" "all rows" "in range" "picked OOM" \
    "one MFU" "nearest" "tp·pp·dp only" "unvalidated"; do
    has "$out" "$text"
done
wide=$(sed 1d "$out" | LC_ALL=C awk '{ gsub(/[\200-\277]/, "") } length($0) > 110')
[[ -z $wide ]] || fail "lines of more than 110 columns: $wide"
cp "$out" all
run 0 validate "$runs" -o report.txt
is_empty "$out"
same report.txt "$scratch/all"
"$AMMETER" validate - < "$runs" > "$out" 2> "$err" || fail "validate from standard input"
same <(sed 1d "$out") <(sed 1d all)
has "$out" "runs     standard input"

# Parts of it.
run 0 validate "$runs" --by source
has "$out" "one MFU"
grep -q unvalidated "$out" && fail "--by source tells regimes"
run 0 validate "$runs" --by regime
has "$out" unvalidated
grep -q "one MFU" "$out" && fail "--by regime tells sources"
run 0 validate "$runs" --by configuration --source internevo
has "$out" "6 scored of internevo"
(($(grep -c '^internevo ' "$out") == 5)) || fail "not five configurations: $(cat "$out")"
run 0 validate "$runs" --source vtrain-single
grep -q aleph "$out" && fail "--source tells other sources"

# Every row comes back, in order, with seven more columns.
run 0 validate "$runs" --predictions predicted.csv -o /dev/null
is_empty "$out"
(($(wc -l < predicted.csv) == $(wc -l < "$runs"))) || fail "other rows"
[[ $(head -1 predicted.csv) == "$(head -1 "$runs"),predicted_iter_s,predicted_low_s,predicted_high_s,"* ]] ||
    fail "header: $(head -1 predicted.csv)"
run 0 validate "$runs" --predictions - -o report.txt
same "$out" "$scratch/predicted.csv"
run 0 validate predicted.csv --by source
same <(sed 1d "$out") <(sed -n '2,/^rule/p;/^to these rows/p' all)

# The same bytes every time.
run 0 validate "$runs" --json
cp "$out" first.json
has first.json '"format": "ammeter-validation"'
run 0 validate "$runs" --json
same "$out" "$scratch/first.json"

# A row that cannot be modelled is no error.
sed 's/A100-80GB/Abacus/' "$runs" > unknown.csv
run 0 validate unknown.csv --predictions predicted.csv
has "$out" 'gpu: unknown device, got "Abacus"'
has predicted.csv ',,,,,,,"gpu: unknown device, got ""Abacus"""'

mistake() {
    local text=$1
    shift
    run 2 validate "$@"
    is_empty "$out"
    has "$err" "$text"
}
mistake "RUNS.csv is needed"
mistake "unexpected argument" a b
mistake "option --by: got 'colour', allowed source, regime, configuration" "$runs" --by colour
mistake "did you mean '--predictions'" "$runs" --prediction s --predicitons x
mistake "both go to standard output" "$runs" --predictions -
one_line_error "--predictions and --output"
mistake "no scored row has it, got 'nobody'" "$runs" --source nobody
one_line_error "source_id"
mistake "no such file" nowhere.csv
one_line_error nowhere.csv
printf 'layers,hidden\n1,2,3\n' > ragged.csv
mistake "ragged.csv:record 2: wrong number of cells, got 3, allowed 2" ragged.csv
one_line_error ragged.csv
printf 'layers,hidden\n1,2\n' > columns.csv
mistake "columns.csv:record 1: missing column" columns.csv
printf 'layers,hidden\n1,"2\n' > quote.csv
mistake "quote.csv:record 2" quote.csv
: > empty.csv
mistake "empty.csv: no header" empty.csv
mkdir folder
mistake "it is a directory" folder
run 1 validate "$runs" -o /dev/full
run 1 validate "$runs" --predictions /none/such/folder/p.csv
is_empty "$out"

finish
