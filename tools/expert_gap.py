#!/usr/bin/env python3
"""How far published recipes are from the best layout that the model finds for the same network,
devices, precision and batch: expert_gap.py [--recipes FILE] [--margin SHARE] [--json].

Every layout of the grid below that divides and that the runtime starts is predicted with the
recipe's own options (graphs, dispatcher, overlap, sharding), so that only the layout differs. gap =
predicted time of the recipe over that of the fastest layout predicted to fit, less one; --margin leaves a share
of the memory free in what is found, not in the recipe. Left out: networks, offloading and optimizers
(Muon) that the model has no formulas for. Recipes more
than 8 % behind are listed with the terms that the gap consists of. Needs the Python package
(PYTHONPATH=python)."""
from __future__ import annotations

import argparse
import collections
import csv
import functools
import itertools
import json
import math
import pathlib
import re
import statistics
import sys
import tempfile
from typing import NamedTuple

CHUNKS = (1, 2, 3, 4, 5, 6, 7, 8, 10, 12)
ROOM = (0.03, 0.06, 0.1)  # shares of the memory left free besides --margin
TERMS = "compute bubble tp cp ep pp dp optimizer other".split()
ROOT = pathlib.Path(__file__).resolve().parent.parent
DEVICES = {
    "h100": ("H100-80GB", 8, 8, 3200),
    "b200": ("B200-180GB", 8, 8, 3200),
    "b300": ("B300-288GB", 8, 8, 6400),
    "gb200": ("GB200-192GB", 4, 72, 1600),
    "gb300": ("GB300-288GB", 4, 72, 3200),
}
# Networks with layers that the model has no formulas for (state space, linear attention, vision).
UNSUPPORTED = ("nemotron_3", "nemotronh", "qwen35_vl", "qwen3_vl", "qwen3_next", "deepseek_v4")


class Layout(NamedTuple):
    """What differs between the rows of a table, by the names of its columns."""

    tp: int
    pp: int
    cp: int
    ep: int
    vpp: int
    micro_batch: int
    recompute: str
    recompute_modules: str
    stage_layers: str

    def __str__(self) -> str:
        return " ".join(map(str, (*self[:6], self.recompute_modules or self.recompute)))


def number(text: str, usual: int) -> int:
    return int(text) if text else usual


def base_row(recipe: dict[str, str]) -> dict[str, str]:
    device, host, domain, nic = DEVICES[recipe["gpu"]]
    moe = number(recipe["moe_experts"], 0) > 0
    dispatcher = recipe["moe_dispatcher"] + ("+ep_overlap" if recipe["moe_a2a_overlap"] == "1" else "")
    return {
        "framework": "megatron-core", "model": recipe["model"], "layers": recipe["layers"],
        "hidden": recipe["hidden"], "ffn_hidden": recipe["moe_ffn_hidden"] if moe else recipe["ffn_hidden"],
        "heads": recipe["heads"], "kv_heads": recipe["kv_heads"], "vocab": recipe["vocab"],
        "seq_len": recipe["seq_len"], "gated_mlp": "1",
        "moe_experts": recipe["moe_experts"] if moe else "", "moe_topk": recipe["moe_topk"] if moe else "",
        "moe_ffn_hidden": recipe["moe_ffn_hidden"] if moe else "",
        "moe_shared_experts": recipe["moe_shared_experts"] if moe else "",
        "first_k_dense": recipe["first_k_dense"] if moe else "",
        "gpu": device, "gpus": recipe["gpus"], "gpus_per_node": str(host), "scaleup_domain": str(domain),
        "nic_gbit_per_node": str(nic), "precision": recipe["precision"].replace("_", "-"), "etp": "1",
        "zero_stage_or_fsdp": "zero3" if "zero3" in recipe["fsdp"] else "zero1",
        "flash_attention": "1", "cuda_graph": recipe["cuda_graph"],
        "tp_comm_overlap": recipe["tp_comm_overlap"], "moe_dispatcher": dispatcher if moe else "",
        "global_batch": recipe["global_batch"], "notes": "mtp=1" if recipe["mtp_layers"] == "1" else "",
    }


def even(blocks: int, chunks: int) -> bool:
    return blocks % chunks == 0 or (blocks + 2) % chunks == 0


def starts(recipe: dict[str, str], x: Layout) -> bool:
    """What megatron-core's configuration checks ask of these options."""
    if recipe["moe_a2a_overlap"] == "1":
        # another micro-batch must be there to overlap with: chunks where there are stages
        if x.ep == 1 or x.recompute == "full" or (x.pp > 1 and x.vpp == 1):
            return False
    if recipe["cuda_graph"] not in ("none", "full_iteration") and x.recompute == "full":
        return False  # graphs of parts of a layer cannot hold one that is repeated as a whole
    return number(recipe["kv_heads"], 1) % x.tp == 0 or bool(recipe["mla"])


def expanded(layout: str) -> str:
    """"Et*4|(t*4|)*14tmL" with every repetition written out (megatron-core, pipeline layouts)."""
    layout = re.sub(r"\(([^()]*)\)\*(\d+)", lambda m: m[1] * int(m[2]), layout)
    return re.sub(r"(\w)\*(\d+)", lambda m: m[1] * int(m[2]), layout)


def layers_of(recipe: dict[str, str], pp: int, vpp: int) -> str:
    """Blocks per stage of a network that does not cut evenly: the recipe's own where it has as many
    chunks; else embedding, head and the extra prediction layers count as a block each."""
    blocks, extra = int(recipe["layers"]), number(recipe["mtp_layers"], 0)
    if pp == 1 or not recipe["layout"] and not extra:
        return ""
    chunks = [chunk.count("t") for chunk in expanded(recipe["layout"]).split("|")]
    if len(chunks) == pp * vpp and sum(chunks) == blocks:
        return "-".join(str(sum(chunks[stage::pp])) for stage in range(pp))
    ends = 1 + 2 * extra  # a head each, and the layers
    most = -(-(blocks + ends) // pp)
    stages = [min(most, max(0, blocks - most * i)) for i in range(pp)]
    return "-".join(map(str, stages)) if sum(stages) == blocks else ""


def sets_of(recipe: dict[str, str]) -> set[tuple[str, str]]:
    sets = {("none", ""), ("full", ""), (recipe["recompute"], recipe["recompute_modules"])}
    if number(recipe["moe_experts"], 0):
        sets |= {("selective", "moe_act"), ("selective", "moe_act+layernorm")}
    if recipe["mla"]:
        sets |= {("selective", "mla_up_proj")}
    return sets


def grid(recipe: dict[str, str]) -> list[Layout]:
    devices, blocks = int(recipe["gpus"]), int(recipe["layers"])
    heads, experts = int(recipe["heads"]), number(recipe["moe_experts"], 0)
    batch = int(recipe["global_batch"])
    host = DEVICES[recipe["gpu"]][1]
    micros = sorted({1, 2, 4, 8, number(recipe["micro_batch"], 1)})
    rows = []
    for tp, pp, cp in itertools.product((1, 2, 4, 8), (1, 2, 4, 8, 16), (1, 2, 4)):
        if tp > max(host, 4) or heads % tp or devices % (tp * pp * cp):
            continue
        dp = devices // (tp * pp * cp)
        eps = [e for e in (1, 2, 4, 8, 16, 32, 64, 128) if experts and experts % e == 0 and tp * cp * dp % e == 0]
        cuts = {v: layers_of(recipe, pp, v) for v in CHUNKS}
        for vpp, micro, ep, again in itertools.product(
                CHUNKS, micros, eps or [1], sorted(sets_of(recipe))):
            if vpp > 1 and (pp == 1 or not even(blocks, pp * vpp)):
                continue
            if pp * vpp > blocks or batch % (dp * micro) or (vpp > 1 and batch // (dp * micro) % pp):
                continue
            cut = cuts[vpp]
            x = Layout(tp, pp, cp, ep, vpp, micro, *again, cut)
            if starts(recipe, x):
                rows.append(x)
    return rows


def published(recipe: dict[str, str]) -> Layout:
    degrees = [number(recipe[k], 1) for k in ("tp", "pp", "cp", "ep", "vpp", "micro_batch")]
    cut = layers_of(recipe, degrees[1], degrees[4])
    return Layout(*degrees, recipe["recompute"], recipe["recompute_modules"], cut)


def write(path: pathlib.Path, base: dict[str, str], rows: list[Layout]) -> None:
    """The table of `rows`: what is the same in all of them is joined once."""
    for cell in base.values():
        assert "," not in cell and '"' not in cell, cell
    before = ",".join(base.values())
    with path.open("w", encoding="utf-8") as file:
        file.write(",".join([*base, *Layout._fields, "dp", "seq_parallel", "schedule"]) + "\n")
        for row in rows:
            dp = int(base["gpus"]) // (row.tp * row.pp * row.cp)
            order = "interleaved-1f1b" if row.vpp > 1 else "1f1b"
            file.write(f"{before},{','.join(map(str, row))},{dp},{int(row.tp > 1)},{order}\n")


def predict(base: dict[str, str], rows: list[Layout]) -> tuple[list[float], list[float]]:
    """Seconds and bytes of every row; NaN where there is no prediction."""
    from ammeter.runs import Runs

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "layouts.csv"
        write(path, base, rows)
        time_s, memory_bytes = Runs(path).predict(memory=True)
        return time_s.tolist(), memory_bytes.tolist()


def terms(base: dict[str, str], rows: list[Layout]) -> list[dict[str, str]]:
    """The rows of the predictions file: with the terms of the times."""
    from ammeter.runs import Runs

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "layouts.csv"
        write(path, base, rows)
        return list(csv.DictReader(Runs(path).csv().splitlines()))


@functools.cache
def capacity(device: str) -> float:
    for path in (ROOT / "models/devices").glob("*.json"):
        given = json.loads(path.read_text(encoding="utf-8"))
        if given["name"] == device:
            return float(given["memory_bytes"])
    raise SystemExit(f"models/devices: no {device}")


def modelled(recipe: dict[str, str]) -> bool:
    offloads = recipe["cpu_offload_layers"] or recipe["fine_grained_offload"]
    return (recipe["gpu"] in DEVICES and not recipe["model"].startswith(UNSUPPORTED) and not offloads
            and recipe["optimizer"] == "adam" and not recipe["recompute_modules"].startswith("block"))


def study(recipe: dict[str, str], margin: float) -> dict[str, object]:
    base = base_row(recipe)
    rows = [published(recipe), *grid(recipe)]
    time_s, memory_bytes = predict(base, rows)
    found: dict[str, object] = {
        "path": recipe["path"].split(":")[-1], "layouts": len(rows) - 1, "recipe": str(rows[0]),
        "same_as": (recipe["model"], recipe["gpu"], recipe["gpus"], recipe["precision"]),
    }
    room = capacity(base["gpu"])

    def fastest(margin: float) -> int | None:
        fit = [i for i in range(len(rows)) if memory_bytes[i] <= room * (1 - margin) and math.isfinite(time_s[i])]
        return min(fit, key=lambda i: time_s[i], default=None)

    best = fastest(margin)
    if not math.isfinite(time_s[0]) or best is None:
        return {**found, "reason": "no prediction" if best is not None else "nothing fits"}
    own, fast = terms(base, [rows[0], rows[best]])
    total = float(fast["predicted_iter_s"])
    return {
        **found, "feasible": memory_bytes[0] <= room, "memory_gib": memory_bytes[0] / 2**30,
        "time_s": time_s[0], "best_s": total, "gap": time_s[0] / total - 1, "best": str(rows[best]),
        "best_gib": memory_bytes[best] / 2**30,
        "gap_with_room": {m: time_s[0] / time_s[i] - 1 for m in ROOM if (i := fastest(margin + m)) is not None},
        # shares of the best time, so that they add up to the gap
        "terms": {t: (float(own[f"{t}_s"]) - float(fast[f"{t}_s"])) / total for t in TERMS},
    }


def changes(f: dict[str, object]) -> list[str]:
    """Of what is found against the recipe."""
    words = ("tensor ranks", "stages", "context ranks", "expert ranks", "chunks", "sequences in a micro-batch")
    pairs = zip(words, str(f["recipe"]).split(), str(f["best"]).split())
    out = [f"{'more' if int(new) > int(old) else 'fewer'} {word}" for word, old, new in pairs if new != old]
    return out + (["more memory"] if float(f["best_gib"]) > float(f["memory_gib"]) else [])  # type: ignore[arg-type]


def report(found: list[dict[str, object]], skipped: int) -> None:
    known = [f for f in found if f.get("gap") is not None]
    gaps = sorted(max(0.0, float(f["gap"])) for f in known)  # type: ignore[arg-type]
    feasible = sum(bool(f["feasible"]) for f in known)
    print(f"recipes {len(found) + skipped}: {len(known)} ranked, {skipped} of networks, optimizers or devices without formulas, "
          f"{len(found) - len(known)} refused")
    print(f"feasible {feasible} of {len(known)} ({100 * feasible / len(known):.1f} %)")
    print(f"gap median {100 * statistics.median(gaps):.1f} %, mean {100 * statistics.mean(gaps):.1f} %, "
          f"above 8 %: {sum(g > 0.08 for g in gaps)}")
    for m in ROOM:
        roomy = [max(0.0, f["gap_with_room"][m]) for f in known if m in f["gap_with_room"]]  # type: ignore[index]
        print(f"  with {100 * m:.0f} % of the memory left free in what is found: median {100 * statistics.median(roomy):.1f} %, "
              f"above 8 %: {sum(g > 0.08 for g in roomy)} of {len(roomy)}")
    print(f"{'network':18} {'recipes':>7} {'feasible':>8}  median gap %  largest %")
    for name in sorted({f["same_as"][0] for f in known}):  # type: ignore[index]
        own = [f for f in known if f["same_as"][0] == name]  # type: ignore[index]
        of = [max(0.0, 100 * float(f["gap"])) for f in own]  # type: ignore[arg-type]
        fits = sum(bool(f["feasible"]) for f in own)
        print(f"{name:18} {len(own):7d} {fits:8d}  {statistics.median(of):12.1f}  {max(of):9.1f}")
    for f in known:
        if not f["feasible"]:
            print(f"not feasible: {f['memory_gib']:.1f} GiB  {f['recipe']}  {f['path']}")
    far = [f for f in known if float(f["gap"]) > 0.08]  # type: ignore[arg-type]
    largest = collections.Counter(max(f["terms"], key=f["terms"].get) for f in far)  # type: ignore[attr-defined,arg-type]
    print("largest term of the gaps above 8 %: " + ", ".join(f"{t} {n}" for t, n in largest.most_common()))
    moves = collections.Counter(word for f in far for word in changes(f))
    print("what is found instead: " + ", ".join(f"{word} {n}" for word, n in moves.most_common()))
    print("\ngap %, GiB: recipe -> best (tp pp cp ep vpp mb recompute), then what the gap consists of, % of the best time")
    for f in sorted(far, key=lambda f: -float(f["gap"])):  # type: ignore[arg-type]
        parts = sorted(f["terms"].items(), key=lambda t: -abs(t[1]))  # type: ignore[attr-defined]
        why = " ".join(f"{name} {100 * part:+.1f}" for name, part in parts if abs(part) >= 0.005)
        print(f"{100 * float(f['gap']):6.1f} {f['memory_gib']:6.1f}  {f['recipe']} -> {f['best']} "  # type: ignore[arg-type]
              f"({f['best_gib']:.1f} GiB)  {f['path']}\n{'':14} {why}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=pathlib.Path, default=ROOT / "benchmarks/measured/recipes.csv")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--margin", type=float, default=0.0)
    given = parser.parse_args()
    recipes = list(csv.DictReader(given.recipes.open(encoding="utf-8")))
    known = [r for r in recipes if modelled(r)]
    found = [study(r, given.margin) for r in known]
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        report(found, len(recipes) - len(known))
    return 0


if __name__ == "__main__":
    sys.exit(main())
