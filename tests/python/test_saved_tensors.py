"""Kept activations: the library's formulas against what PyTorch's autograd saves, to the byte."""
import dataclasses
import itertools
import os
import sys

try:
    import torch
except ImportError:
    print("no torch: skipped")
    sys.exit(77)
if "KEPT_BYTES" not in os.environ:
    print("no amm_kept_bytes: skipped")
    sys.exit(77)
# Autograd of 1.13 also keeps constants and more of an RMSNorm; flash with groups came last.
if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 5):
    print(f"torch {torch.__version__} is older than 2.5: skipped")
    sys.exit(77)

from saved_tensors import BF16, Block, Cases, Options, saved_bytes

torch.manual_seed(1)
torch.set_num_threads(1)
cases = Cases()


# What mixture() keeps of each token copy in 64-bit integers: the chosen expert, the order of the
# copies, their tokens and, unless it is the tokens again, the way back.
INDICES = 3 * 8
WAY_BACK = 8


def choice_bytes(o):
    """Indices and the weight, which is cast to 16 bits where it is applied to the output."""
    return INDICES + (0 if o.index_add else WAY_BACK) + (2 if o.combine_weighted else 4)


def keeps_view(o):
    """Flash keeps the view of a value, and so does a checkpoint around the core; a batched GEMM
    copies it, unless it is one matrix per head or copied to more heads already."""
    batched = o.batch > 1 or o.kv_heads < o.heads
    return o.value_view and o.rope > 0 and (o.flash or "core_attn" in o.sets or not batched)


def members(o):
    rows = o.batch * o.sequence // (o.tp if o.sequence_parallel else 1)
    unfused = o.norm == "rms"
    shape = {name: getattr(o, name) for name in (
        "hidden", "heads", "kv_heads", "head_qk", "head_v", "q_rank", "kv_rank", "ffn", "experts",
        "top_k", "expert_ffn", "shared_ffn")}
    return dict(
        **shape, rope=o.rope, gated=int(o.gated), qk_norm=int(o.qk_norm),
        tokens=o.batch * o.sequence, keys=o.sequence, tp=o.tp, expert_tp=1,
        sequence_parallel=int(o.sequence_parallel), expert_tokens=rows * o.top_k, element_bytes=2,
        linear_input_bytes=1 if o.bits8 else 2, attention_fused=int(o.flash),
        softmax_bytes=4 if o.softmax_fp32 else 2, key_value_expanded=int(not o.flash),
        value_is_view=int(keeps_view(o)),
        dropout_mask_bytes={"none": 0, "mask": 1, "noise": 2}[o.dropout],
        norm_copy_bytes=6 if unfused else 0,
        # torch's LayerNorm on a CPU keeps mean and deviation in 16 bits.
        norm_statistics_bytes=4, activation_fused=int(o.activation_fused),
        router_expert_bytes=4, router_choice_bytes=choice_bytes(o),
        combine_outputs=int(o.combine_weighted) + int(o.index_add), recompute="+".join(o.sets))


def plain(name, o):
    block = Block(o).to(BF16)
    rows = o.sequence // (o.tp if o.sequence_parallel else 1)
    hidden = torch.randn(o.batch, rows, o.hidden, dtype=BF16, requires_grad=True)
    cases.add(f"{name} {'+'.join(o.sets) or 'none'}", saved_bytes(block, hidden, block), members(o))


GPT = Options(dropout="mask")
LLAMA = Options(kv_heads=2, gated=True, ffn=96, rope=16, norm="rms_fused", flash=True)
QWEN_MOE = dataclasses.replace(LLAMA, ffn=0, experts=8, top_k=2, expert_ffn=32, qk_norm=True)
DEEPSEEK = dataclasses.replace(
    QWEN_MOE, kv_heads=4, qk_norm=False, head_qk=24, head_v=24, q_rank=24, kv_rank=40, rope=8,
    shared_ffn=48, combine_weighted=False)
FAMILIES = {
    "gpt": (GPT, ("core_attn", "mlp", "layernorm", "full")),
    "llama": (LLAMA, ("core_attn", "mlp", "layernorm", "full")),
    "qwen-moe": (QWEN_MOE, ("core_attn", "moe", "moe_act", "layernorm", "full")),
    "deepseek": (DEEPSEEK, ("core_attn", "moe", "moe_act", "layernorm", "mla_up_proj",
                            "shared_experts", "full")),
}
# What changes at once, beside the sets.
VARIANTS = {
    "": {},
    "unfused norm": {"norm": "rms"},
    "unfused activation": {"activation_fused": False, "combine_weighted": True},
    "unfused attention": {"flash": False},
    "fp32 softmax": {"flash": False, "softmax_fp32": True},
    "noise dropout": {"flash": False, "dropout": "noise"},
    "value view": {"value_view": True},
    "unfused value view": {"value_view": True, "flash": False},
    "batch 1, unfused value view": {"batch": 1, "value_view": True, "flash": False},
    "tp 2": {"tp": 2},
    "tp 4": {"tp": 4},
    "tp 2, sp": {"tp": 2, "sequence_parallel": True},
    "8 bits": {"bits8": True},
    "8 bits, tp 2, sp, eager": {"bits8": True, "tp": 2, "sequence_parallel": True, "norm": "rms",
                                "activation_fused": False, "combine_weighted": True},
    "index_add": {"index_add": True},
    "no query compression": {"q_rank": 0},
    "no query compression, 8 bits": {"q_rank": 0, "bits8": True},
}


def allowed(family, o):
    """Combinations that say nothing new or do not exist. A batched GEMM copies a view for itself,
    and what it copied cannot be discarded."""
    discarded = "mla_up_proj" in o.sets and "core_attn" not in o.sets
    if discarded and o.value_view and not o.flash and o.batch > 1:
        return False
    return family != "gpt" or o.norm != "rms"


def plain_cases():
    for family, (base, modules) in FAMILIES.items():
        for (variant, changes), size in itertools.product(VARIANTS.items(), range(3)):
            changed = dataclasses.replace(base, **changes)
            for sets in itertools.combinations(modules, size):
                o = dataclasses.replace(changed, sets=sets)
                if allowed(family, o):
                    yield f"{family} {variant}", o


for name, o in plain_cases():
    plain(name, o)
sys.exit(cases.compare() > 0)
