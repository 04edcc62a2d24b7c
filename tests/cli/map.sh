#!/usr/bin/env bash
# map: grids, break-even lines, and what goes wrong.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"
problem=(--model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64 --tp 1,2 --pp 1,2)

run 0 map "${problem[@]}" --x nic=50..800 --y nodes=1,2,4 --points 9 --csv grid.csv --break-even lines.csv
is_empty "$err"
has "$out" "9 x 3 points"
run 0 map "${problem[@]}" --x nic=50..800 --y nodes=1,2,4 --points 9 --json
cp "$out" map.json
python3 - grid.csv lines.csv map.json "$AMMETER" "${problem[@]}" << 'END' || fail "the map's points and lines"
import csv, json, subprocess, sys
points = list(csv.DictReader(open(sys.argv[1])))
lines = list(csv.DictReader(open(sys.argv[2])))
whole = json.load(open(sys.argv[3]))
command, problem = sys.argv[4], sys.argv[5:]
assert len(points) == 27 and len(whole["points"]) == 27
values = whole["x"]["values"]
assert values[0] == 50 and values[-1] == 800 and len(values) == 9
ratios = [b / a for a, b in zip(values, values[1:])]
assert max(ratios) - min(ratios) < 1e-9, ratios
for row, point in zip(points, whole["points"]):
    assert float(row["time_s"]) == point["time_s"]
    assert row["strategy"] == whole["strategies"][point["strategy"]]
    assert abs(float(row["tokens_per_s"]) * point["time_s"] / (64 * 8192) - 1) < 1e-9, row
# A faster network is never slower, more nodes neither.
for y in range(3):
    times = [whole["points"][9 * y + x]["time_s"] for x in range(9)]
    assert all(b <= a * (1 + 1e-12) for a, b in zip(times, times[1:])), times
# A point is what plan says of the same cluster: 400 Gb/s are the preset's own.
plan = subprocess.run([command, "plan", *problem, "--json"], capture_output=True, check=True)
best = json.loads(plan.stdout)["plans"][0]["time_s"]
one = subprocess.run([command, "map", *problem, "--x", "nic=400", "--y", "nodes=2", "--json"],
                     capture_output=True, check=True)
assert json.loads(one.stdout)["points"][0]["time_s"] == best
# Every change of the best along a row is one line, between the points where it happens.
changes = []
for y in range(3):
    row = whole["points"][9 * y:9 * y + 9]
    for a, b in zip(row, row[1:]):
        if a["strategy"] != b["strategy"]:
            changes.append((y, values[a["x"]], values[b["x"]]))
assert len(changes) == len(lines) == len(whole["break_even"]) > 0, changes
for (y, low, high), line, entry in zip(changes, lines, whole["break_even"]):
    assert low <= float(line["nic"]) <= high and entry["y"] == y, line
END

# A line is where both take equally long.
python3 - lines.csv "$AMMETER" << 'END' || fail "the strategies on both sides of a line"
import csv, json, re, subprocess, sys
command = sys.argv[2]
show = subprocess.run([command, "show", "cluster", "2xdgx-h100", "--line"], capture_output=True, text=True)
for row in csv.DictReader(open(sys.argv[1])):
    line = re.sub("inter=[^,+ ]*", f"inter={8 * float(row['nic'])}gbit", show.stdout.strip())
    line = re.sub("^2x", row["nodes"] + "x", line)
    explain = subprocess.run(
        [command, "explain", "--model", "llama-3-8b", "--cluster", line, "--global-batch-size", "64",
         "--strategy", row["from"], "--strategy", row["to"], "--json"], capture_output=True, check=True)
    a, b = (plan["time_s"] for plan in json.loads(explain.stdout)["plans"])
    assert abs(a / b - 1) < 0.01, (row, a, b)
END

# A point that has no plan says why; whole numbers come once each.
run 0 map --model llama-3-70b --cluster 1xdgx-h100 --global-batch-size 8 --x nodes=1..4 --csv few.csv
has few.csv "no feasible plan"
(($(wc -l < few.csv) == 5)) || fail "not four points: $(cat few.csv)"

# What an axis gives the problem need not have. What is no problem is told from what does not fit.
run 0 map --model llama-3-8b --cluster dgx-h100 --x nodes=1,2 --y batch=16..64 --points 3 --tp 1,2 --pp 1
for text in "model    llama-3-8b" "tokens per sample" "batch by point" "cluster  1 node" "nodes by point" \
    "2 x 3 points, nodes along, batch up" "batch       64  " "nodes: 1 to 2 nodes" " s/step  tp="; do
    has "$out" "$text"
done
run 0 map "${problem[@]}" --x nodes=2,3 --tp 1 --pp 1 --dp 16 --csv two.csv
for text in "A!" "1 strategy wins somewhere, 0 changes" "!       1 point   invalid, the first: nodes 3: "; do
    has "$out" "$text"
done
has two.csv "problem:space.dp"
has two.csv ",invalid"
run 2 map "${problem[@]}" --x nodes=3,5 --tp 1 --pp 1 --dp 16
is_empty "$out"
one_line_error "space.dp"

# The same with any number of threads.
for threads in 1 2 5; do
    run 0 map "${problem[@]}" --x nic=50..800 --y nodes=1,2,3 --points 7 --threads "$threads" --csv "$threads.csv" \
        --break-even "lines$threads.csv"
done
for threads in 2 5; do
    same 1.csv "$threads.csv"
    same lines1.csv "lines$threads.csv"
done
run 3 map "${problem[@]}" --x nic=50..800 --threads 2 --backend cpu/ref
run 2 map "${problem[@]}" --x nic=50..800 --threads 5000
one_line_error "threads: got 5000, allowed 1 to 1024"

# Interrupted: what is done is written, lines too; also inside a point.
"$AMMETER" map --model llama-3-70b --cluster 8xdgx-h100 --global-batch-size 1024 --x nic=25..1600 --y nodes=4,8,16,32 \
    --points 1000 --csv some.csv --break-even some-lines.csv > "$out" 2> "$err" &
sleep 2
kill -INT $!
code=0
wait $! || code=$?
((code == 130)) || fail "interrupted map: exit code $code"
one_line_error "interrupted after"
has "$out" "done"
(($(wc -l < some.csv) > 1)) || fail "no points: $(cat some.csv)"

# Examples of the help are whole lines; its threads are points.
run 0 map --help
has "$out" "Points at a time; a single one has all"
has "$out" '  ammeter map --model llama-3-8b --cluster 2xdgx-h100 \'
has "$out" '      --global-batch-size 64 --x nic=50..800'

# Without a problem it is the usage of map that is shown.
run 2 map
has "$err" "usage: ammeter map PROBLEM --x AXIS [options]    (all options: ammeter map --help)"
# shellcheck disable=SC2046 # words
run 0 $(sed -n 's/^  ammeter \(map .*\)/\1/p' "$err")

mistake() {
    local text=$1
    shift
    run 2 map "${problem[@]}" "$@"
    one_line_error "$text"
}
mistake "x: an axis is needed"
mistake "x: unknown axis, got 'speed=1..2'" --x speed=1..2
mistake "x: no such values, got 'nic=5..1'" --x nic=5..1
mistake "x: no such values, got 'nodes=1.5'" --x nodes=1.5
mistake "x: no such values, got 'nic=2,1'" --x nic=2,1
mistake "x: no such values, got 'nic='" --x nic=
mistake "x and y: both are nic" --x nic=1,2 --y nic=3,4
mistake "points: got 1001, allowed 1 to 1000" --x nic=1..2 --points 1001
run 2 map "${problem[@]}" --x nic=1..2 --points 0
has "$err" "option --points: got '0'"
run 2 map --model llama-3-8b --cluster "1xdgx-h100 + 1xdgx-a100" --global-batch-size 64 --x nic=1,2
mistake "x: out of range, got batch=1e+19, allowed 1 to 16777216" --x batch=1e19
mistake "x: out of range, got nodes=2000000000, allowed 1 to 65536" --x nodes=2,4,2000000000 --csv never.csv
mistake "points: got 3 for y, but there is no y" --x nic=1..2 --points 2,3
mistake "points: x is a list" --x nic=1,2 --points 2
mistake "points: y is a list" --x nic=1..2 --y nodes=1,2 --points 2,3

# Outputs: tried before any work, each to a place of its own, and one that fails takes none of the others along.
mistake "--csv and --output would both go to standard output" --x nic=400 --csv - --json
mistake "would both go to same.csv" --x nic=400 --csv same.csv --break-even ./same.csv
[[ ! -e same.csv && ! -e never.csv ]] || fail "a refused call wrote files"
run 1 map "${problem[@]}" --x nic=25..1600 --points 1000 --y nodes=1..64 --csv absent/folder.csv
one_line_error "absent/folder.csv: cannot be written"
run 1 map "${problem[@]}" --x nic=400 --csv . --break-even lines.csv
run 0 map "${problem[@]}" --x nic=400 --csv - -o table
has "$out" "nic,y,time_s"
has table "1 point, nic along"
run 1 map "${problem[@]}" --x nic=400 --csv /dev/full --break-even after.csv
has after.csv "from,to"
has "$out" "1 point, nic along"

finish
