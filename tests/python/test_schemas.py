"""Every preset validates against its schema; unknown keys and wrong values do not."""

import copy
import json
import os
import pathlib
import subprocess
import sys
import warnings

try:
    import jsonschema
except ImportError:
    print("skipped: the Python package jsonschema is missing")
    sys.exit(77)

# RefResolver is what version 4.10 has; later ones keep it, with a warning.
warnings.filterwarnings("ignore", category=DeprecationWarning)

ROOT = pathlib.Path(os.environ.get("SRC", pathlib.Path(__file__).parents[2])).resolve()
SCHEMAS = ROOT / "schemas"
FOLDERS = {
    "networks": "model",
    "devices": "device",
    "clusters": "cluster",
    "runtimes": "runtime",
    "profiles": "profile",
    "problems": "problem",
}

# kind, where, value (None: remove): each makes a valid preset invalid.
MUTATIONS = [
    ("model", ["layers"], []),
    ("model", ["layers", 0, "hidden"], -1),
    ("model", ["layers", 0, "kind"], "magic"),
    ("model", ["layers", 0, "heads"], 4),
    ("model", ["seq_len"], 1.5),
    ("model", ["prediction_layers"], -1),
    ("model", ["layers", 1, "norm"], "batch"),
    ("model", ["layers", 1, "experts"], 8),
    ("model", ["layers", 1, "rope_size"], 8),
    ("model", ["layers", 1, "gated"], 1),
    ("model", ["amp_reference", "placement_explicit_tp"], 2),
    ("device", ["name"], "a b"),
    ("device", ["memory_bytes"], 0),
    ("device", ["inter_efficiency", "source"], None),
    ("device", ["overhead_share", 0, "value"], 1),
    ("cluster", ["nodes"], []),
    ("cluster", ["nodes", 0, "intra"], "fast"),
    ("cluster", ["nodes", 0, "devices"], {}),
    ("cluster", ["nodes", 0, "count"], 10**9),
    ("runtime", ["p2p_exposed_share"], 1.5),
    ("runtime", ["gradient_bytes"], None),
    ("profile", ["points"], []),
    ("profile", ["points", 0, "forward_s", 0], -1),
    ("problem", ["global_batch"], 0),
    ("problem", ["cost_model"], "magic"),
    ("problem", ["memory_margin"], 1),
    ("problem", ["space"], {"cp": [0]}),
    ("problem", ["space"], "wide"),
    ("problem", ["space"], {"recompute": ["some"]}),
    ("problem", ["space"], {"sharding": "zero4"}),
    ("problem", ["space"], {"schedule": ["interleaved"]}),
    ("problem", ["space"], {"tp_overlap": [2]}),
    ("problem", ["space"], {"shard_group": [0]}),
    ("problem", ["space"], {"tp": "8..x"}),
]

# Valid, and unlike every preset.
EXTRA = [
    (
        "device",
        {
            "format": "ammeter-device",
            "version": 1,
            "name": "D",
            "memory_bytes": 1,
            "hbm_bytes_per_s": 1e9,
            "posterior": {
                "names": ["launch_s"],
                "covariance": [[1e-12]],
                "residual": {"generic": 0.1, "D/dense/tp-pp/16bit": 0.05},
                "measured": {"hidden": [512, 512], "seq_len": [1, 8], "devices": [1, 2], "micro_batch_tokens": [0.5, 8]},
            },
        },
    ),
    (
        "problem",
        {
            "format": "ammeter-problem",
            "version": 1,
            "name": "inline",
            "model": {
                "name": "m",
                "seq_len": 8,
                "layers": [{"kind": "block", "hidden": 4, "heads": 2, "x-note": "kept out"}],
            },
            "cluster": "2xp3.8xlarge+1x4xT4,intra=1GB,inter=1GB",
            "space": {"tp": "1..4, 8", "pp": [1, 2], "cp": [1]},
        },
    ),
    (
        "problem",
        {
            "format": "ammeter-problem",
            "version": 1,
            "name": "every dimension",
            "space": {
                "cp": "1..4",
                "ep": [1, 8],
                "etp": [1],
                "vpp": "1,2",
                "recompute": ["none", "core_attn+mlp", "full"],
                "sharding": "zero1, optim_grads_params",
                "schedule": ["1f1b", "zb-h1"],
                "sequence_parallel": "on",
                "cp_comm": "p2p, a2a+p2p",
                "tp_overlap": [0, "on"],
                "dp_overlap": "off,on",
                "ep_overlap": [1],
                "dispatcher": "alltoall, flex",
                "graphs": ["none", "full_iteration"],
                "shard_group": ["all", 8],
                "attention": "flash",
                "fused_norm": "true",
                "full": True,
            },
        },
    ),
    (
        "problem",
        {"format": "ammeter-problem", "version": 1, "name": "all of it", "space": "full"},
    ),
    (
        "problem",
        {
            "format": "ammeter-problem",
            "version": 1,
            "name": "config.json inside",
            "model": {"model_type": "llama", "hidden_size": 64, "use_cache": True},
        },
    ),
    (
        "cluster",
        {
            "format": "ammeter-cluster",
            "version": 1,
            "name": "c",
            "nodes": [
                {
                    "devices": [
                        {"device": {"name": "D", "memory_bytes": 1, "hbm_bytes_per_s": 1e9}},
                        {"device": "T4", "count": 2},
                    ],
                    "intra": 1e9,
                    "inter": "12.5 GB",
                },
                {"devices": {"T4": 1}, "intra": "1e3mbit", "inter": "1B"},
            ],
            "links": [{"nodes": [1, 0], "bandwidth": "10gbit"}],
        },
    ),
]


def load(path):
    with open(path, encoding="utf-8") as file:
        return json.load(file)


def validator(kind):
    schema = load(SCHEMAS / f"{kind}.schema.json")
    jsonschema.Draft202012Validator.check_schema(schema)
    resolver = jsonschema.RefResolver(base_uri=SCHEMAS.as_uri() + "/", referrer=schema)
    return jsonschema.Draft202012Validator(schema, resolver=resolver)


def has(document, where):
    for key in where:
        inside = key < len(document) if isinstance(document, list) else key in document
        if not inside:
            return False
        document = document[key]
    return True


def mutated(document, where, value):
    changed = copy.deepcopy(document)
    place = changed
    for key in where[:-1]:
        place = place[key]
    if value is None:
        del place[where[-1]]
    else:
        place[where[-1]] = value
    return changed


def main():
    validators = {kind: validator(kind) for kind in FOLDERS.values()}
    presets = {kind: [] for kind in FOLDERS.values()}
    problems = []
    for folder, kind in FOLDERS.items():
        for path in sorted((ROOT / "models" / folder).glob("*.json")):
            document = load(path)
            presets[kind].append(document)
            problems += [f"{path}: {e.message}" for e in validators[kind].iter_errors(document)]
            for key in ("speed", "Name"):
                if validators[kind].is_valid({**document, key: 1}):
                    problems.append(f"{path}: the unknown key {key} is accepted")
            if not validators[kind].is_valid({**document, "x-note": 1}):
                problems.append(f"{path}: the private key x-note is refused")
            for key in ("format", "version", "name"):
                if validators[kind].is_valid({k: v for k, v in document.items() if k != key}):
                    problems.append(f"{path}: {key} may be left out")
    for kind, where, value in MUTATIONS:
        document = next(p for p in presets[kind] if has(p, where[:-1]))
        if validators[kind].is_valid(mutated(document, where, value)):
            problems.append(f"{kind}: {where} = {value!r} is accepted")
    for kind, document in EXTRA:
        problems += [f"{kind}: {e.message}" for e in validators[kind].iter_errors(document)]
    if not all(presets.values()):
        problems.append(f"a folder of {ROOT / 'models'} has no preset")
    generated = subprocess.run(
        [sys.executable, ROOT / "tools" / "schema_constants.py", "--check"], capture_output=True, text=True
    )
    problems += [generated.stderr] if generated.returncode else []
    print("\n".join(problems) or f"{sum(map(len, presets.values()))} presets are valid")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
