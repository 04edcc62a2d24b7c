#!/usr/bin/env python3
"""How far published recipes are from the best layout that the model finds for the same network,
devices, precision and batch: expert_gap.py [--recipes FILE] [--json] [--worst N].

Every layout of the grid below that divides is predicted with the recipe's own options (graphs,
dispatcher, overlap), so that only the layout differs. gap = predicted time of the recipe over that
of the fastest layout predicted to fit, less one. Needs the Python package (PYTHONPATH=python)."""
from __future__ import annotations

import argparse
import csv
import itertools
import json
import pathlib
import statistics
import sys
import tempfile

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
COLUMNS = (
    "framework model layers hidden ffn_hidden heads kv_heads vocab seq_len gated_mlp moe_experts moe_topk "
    "moe_ffn_hidden moe_shared_experts first_k_dense gpu gpus gpus_per_node scaleup_domain nic_gbit_per_node "
    "precision tp pp dp cp ep etp vpp zero_stage_or_fsdp seq_parallel recompute recompute_modules micro_batch "
    "global_batch flash_attention schedule cuda_graph tp_comm_overlap moe_dispatcher notes recipe mine"
).split()


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


def layout(base: dict[str, str], tp: int, pp: int, cp: int, ep: int, vpp: int, micro: int,
           recompute: tuple[str, str], mine: str) -> dict[str, str]:
    dp = int(base["gpus"]) // (tp * pp * cp)
    return {
        **base, "tp": str(tp), "pp": str(pp), "dp": str(dp), "cp": str(cp), "ep": str(ep), "vpp": str(vpp),
        "micro_batch": str(micro), "seq_parallel": "1" if tp > 1 else "0", "recompute": recompute[0],
        "recompute_modules": recompute[1], "schedule": "interleaved-1f1b" if vpp > 1 else "1f1b", "mine": mine,
    }


def even(blocks: int, chunks: int) -> bool:
    return blocks % chunks == 0 or (blocks + 2) % chunks == 0


def grid(recipe: dict[str, str], base: dict[str, str]) -> list[dict[str, str]]:
    devices, blocks = int(recipe["gpus"]), int(recipe["layers"])
    heads, experts = int(recipe["heads"]), number(recipe["moe_experts"], 0)
    batch = int(recipe["global_batch"])
    host = DEVICES[recipe["gpu"]][1]
    sets = {("none", ""), ("full", ""), (recipe["recompute"], recipe["recompute_modules"])}
    if experts:
        sets |= {("selective", "moe_act"), ("selective", "moe_act+layernorm")}
    if recipe["mla"]:
        sets |= {("selective", "mla_up_proj")}
    rows = []
    for tp, pp, cp in itertools.product((1, 2, 4, 8), (1, 2, 4, 8, 16), (1, 2, 4)):
        if tp > max(host, 4) or heads % tp or devices % (tp * pp * cp):
            continue
        dp = devices // (tp * pp * cp)
        eps = [e for e in (1, 2, 4, 8, 16, 32, 64, 128) if experts and experts % e == 0 and tp * cp * dp % e == 0]
        for vpp, micro, ep, again in itertools.product((1, 2, 3, 4, 5, 6, 7, 8, 10, 12), (1, 2, 4), eps or [1], sets):
            if vpp > 1 and (pp == 1 or not even(blocks, pp * vpp)):
                continue
            if pp * vpp > blocks or batch % (dp * micro) or (vpp > 1 and batch // (dp * micro) % pp):
                continue
            rows.append(layout(base, tp, pp, cp, ep, vpp, micro, again, ""))
    return rows


def published(recipe: dict[str, str], base: dict[str, str]) -> dict[str, str]:
    degrees = [number(recipe[k], 1) for k in ("tp", "pp", "cp", "ep", "vpp", "micro_batch")]
    return layout(base, *degrees, (recipe["recompute"], recipe["recompute_modules"]), "1")


def predict(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    from ammeter.runs import Runs

    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "layouts.csv"
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, COLUMNS, restval="")
            writer.writeheader()
            writer.writerows(rows)
        return list(csv.DictReader(Runs(path).csv().splitlines()))


def study(recipe: dict[str, str]) -> dict[str, object] | None:
    base = base_row(recipe)
    rows = predict([published(recipe, base), *grid(recipe, base)])
    own = rows[0]
    if not own["predicted_iter_s"]:
        return {"path": recipe["path"], "reason": own["reason"]}
    fit = [r for r in rows if r["predicted_iter_s"] and r["predicted_feasible"] == "1"]
    best = min(fit, key=lambda r: float(r["predicted_iter_s"]), default=None)
    keys = ("tp", "pp", "cp", "ep", "vpp", "micro_batch", "recompute_modules")
    return {
        "path": recipe["path"].split(":")[-1], "layouts": len(rows) - 1,
        "feasible": own["predicted_feasible"] == "1", "memory_gib": float(own["predicted_mem_gb"]),
        "time_s": float(own["predicted_iter_s"]),
        "gap": float(own["predicted_iter_s"]) / float(best["predicted_iter_s"]) - 1 if best else None,
        "recipe": " ".join(own[k] or "-" for k in keys),
        "best": " ".join(best[k] or "-" for k in keys) if best else None,
        "same_as": (recipe["model"], recipe["gpu"], recipe["gpus"], recipe["precision"]),
    }


def report(found: list[dict[str, object]], skipped: int, worst: int) -> None:
    known = [f for f in found if f.get("gap") is not None]
    gaps = sorted(max(0.0, float(f["gap"])) for f in known)  # type: ignore[arg-type]
    feasible = sum(bool(f["feasible"]) for f in known)
    print(f"recipes {len(found) + skipped}: {len(known)} ranked, {skipped} of networks or devices without formulas, "
          f"{len(found) - len(known)} refused")
    print(f"feasible {feasible} of {len(known)} ({100 * feasible / len(known):.1f} %)")
    print(f"gap median {100 * statistics.median(gaps):.1f} %, mean {100 * statistics.mean(gaps):.1f} %, "
          f"above 8 %: {sum(g > 0.08 for g in gaps)}")
    print(f"{'network':18} {'recipes':>7} {'feasible':>8}  median gap %  largest %")
    for name in sorted({f["same_as"][0] for f in known}):  # type: ignore[index]
        own = [f for f in known if f["same_as"][0] == name]  # type: ignore[index]
        of = [max(0.0, 100 * float(f["gap"])) for f in own]  # type: ignore[arg-type]
        fits = sum(bool(f["feasible"]) for f in own)
        print(f"{name:18} {len(own):7d} {fits:8d}  {statistics.median(of):12.1f}  {max(of):9.1f}")
    print(f"{'gap':>6} {'GiB':>6}  recipe (tp pp cp ep vpp mb recompute) -> best")
    for f in sorted(known, key=lambda f: -float(f["gap"]))[:worst]:  # type: ignore[arg-type]
        print(f"{100 * float(f['gap']):6.1f} {f['memory_gib']:6.1f}  {f['recipe']} -> {f['best']}  {f['path']}")  # type: ignore[arg-type]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipes", type=pathlib.Path, default=ROOT / "benchmarks/measured/recipes.csv")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--worst", type=int, default=25)
    given = parser.parse_args()
    recipes = list(csv.DictReader(given.recipes.open(encoding="utf-8")))
    known = [r for r in recipes if r["gpu"] in DEVICES and not r["model"].startswith(UNSUPPORTED)
             and not r["cpu_offload_layers"] and not r["recompute_modules"].startswith("block")]
    found = [f for f in map(study, known) if f is not None]
    if given.json:
        print(json.dumps(found, indent=1))
    else:
        report(found, len(recipes) - len(known), given.worst)
    return 0


if __name__ == "__main__":
    sys.exit(main())
