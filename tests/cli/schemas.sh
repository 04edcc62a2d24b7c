#!/usr/bin/env bash
# What the command writes against its schemas, where no test of a command does so: map, checkpoint, list, doctor.
source "$(dirname "${BASH_SOURCE[0]}")/support.bash"
if ! python3 -c 'import jsonschema' 2> /dev/null; then
    echo "skipped: python3 has no jsonschema"
    exit 77
fi

small=(--model llama-3-8b --cluster 2xdgx-h100 --global-batch-size 64)
run 0 map "${small[@]}" --tp 1,2 --pp 1,2 --x nic=25..800 --y nodes=1,2,3 --points 9 --json -o map-grid.json
run 0 map "${small[@]}" --tp 1 --pp 1 --dp 16 --x nodes=2,3 --json -o map-invalid.json
run 0 map --model llama-3-70b --cluster dgx-h100 --global-batch-size 8 --x nodes=1,4 --json -o map-unfit.json
run 0 plan amp-homogeneous --pp 4 --backend cpu/ref --partitions 3 --checkpoint checkpoint.json
run 0 list --json -o list-all.json
run 0 list models --json -o list-models.json
run 0 doctor --json -o doctor.json

python3 - "$SRC/schemas" << 'END' || fail "results and their schemas"
import copy, glob, json, sys
import jsonschema

def validator(kind):
    with open(f"{sys.argv[1]}/{kind}.schema.json", encoding="utf-8") as file:
        schema = json.load(file)
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)

def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)

seen = set()
for kind in ("map", "checkpoint", "list", "doctor"):
    check = validator(kind)
    paths = glob.glob(f"{kind}*.json")
    assert paths, kind
    for path in paths:
        result = load(path)
        check.validate(result)
        seen |= {point["status"] for point in result.get("points", [])}
        for key in result:  # every key is needed, and none may be anything
            assert not check.is_valid({k: v for k, v in result.items() if k != key}), (path, key)
            assert not check.is_valid({**result, key: -1.5}), (path, key)
assert seen == {"plan", "no-plan", "invalid"}, seen

# Each makes a valid result invalid.
for path, where, value in (
        ("map-grid.json", ["points", 0, "time_s"], None),
        ("map-grid.json", ["points", 0, "strategy"], None),
        ("map-grid.json", ["points", 0, "reason"], "none"),
        ("map-unfit.json", ["points", 0, "status"], "plan"),
        ("map-unfit.json", ["points", 0, "status"], "lost"),
        ("map-grid.json", ["x", "axis"], "speed"),
        ("map-grid.json", ["break_even", 0, "x"], 0),
        ("checkpoint.json", ["next"], 7),
        ("checkpoint.json", ["keep"], 0),
        ("checkpoint.json", ["best", 0, "cost"], "-1"),
        ("list-all.json", ["presets", "model"], [1]),
        ("list-all.json", ["presets", "planet"], []),
        ("doctor.json", ["backends", 0, "name"], "gpu"),
        ("doctor.json", ["processors"], 0)):
    result = load(path)
    place = result
    for key in where[:-1]:
        place = place[key]
    place[where[-1]] = value
    assert not validator(path.split("-")[0].removesuffix(".json")).is_valid(result), (path, where, value)
END

finish
