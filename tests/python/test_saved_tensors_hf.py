"""Kept activations: the library's formulas against the decoder layers of `transformers`, run op by
op (eager) and with PyTorch's fused attention, to the byte."""
import os
import sys

try:
    import torch
    from transformers import (DeepseekV3Config, GPT2Config, LlamaConfig, Qwen3MoeConfig)
    from transformers.models.deepseek_v3 import modeling_deepseek_v3 as deepseek
    from transformers.models.gpt2 import modeling_gpt2 as gpt2
    from transformers.models.llama import modeling_llama as llama
    from transformers.models.qwen3_moe import modeling_qwen3_moe as qwen
    from transformers.integrations.sdpa_attention import sdpa_attention_forward
    from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
except ImportError as error:
    print(f"{error}: skipped")
    sys.exit(77)
if "KEPT_BYTES" not in os.environ or not hasattr(qwen, "Qwen3MoeExperts"):
    print("no amm_kept_bytes, or transformers before 5: skipped")
    sys.exit(77)

from torch.utils.checkpoint import checkpoint

from saved_tensors import BF16, Cases, saved_bytes

torch.manual_seed(1)
torch.set_num_threads(1)
cases = Cases()
BATCH, SEQUENCE, HIDDEN = 2, 16, 64
TOKENS = BATCH * SEQUENCE


def again(run):
    return lambda *args, **kwargs: checkpoint(run, *args, use_reentrant=False, **kwargs)


def attention_of(module, fused, sets):
    """The name under which the layer finds its attention core."""
    core = sdpa_attention_forward if fused else module.eager_attention_forward
    name = f"{module.__name__} {fused} {'core_attn' in sets}"
    ALL_ATTENTION_FUNCTIONS.register(name, again(core) if "core_attn" in sets else core)
    return name


def recompute(layer, sets):
    """Puts checkpoints around the modules of the set; returns what to call."""
    if "mlp" in sets and hasattr(layer.mlp, "dropout"):  # gpt2 has the residual's in the module
        residual, layer.mlp.dropout = layer.mlp.dropout, torch.nn.Identity()
        forward = again(layer.mlp.forward)
        layer.mlp.forward = lambda x: residual(forward(x))
    elif "mlp" in sets or "moe" in sets:
        layer.mlp.forward = again(layer.mlp.forward)
    if "shared_experts" in sets:
        layer.mlp.shared_experts.forward = again(layer.mlp.shared_experts.forward)
    return again(layer) if "full" in sets else layer


def run(name, module, make, config, fused, sets, members, rotary=None):
    config._attn_implementation = attention_of(module, fused, sets)
    config._experts_implementation = "eager"
    layer = make(config).to(BF16).train()
    for parameter in layer.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    shared, kwargs = (), {}
    if rotary is not None:
        hidden = torch.zeros(BATCH, SEQUENCE, HIDDEN, dtype=BF16)
        shared = rotary(config)(hidden, torch.arange(SEQUENCE).expand(BATCH, -1))
        kwargs = {"position_embeddings": shared, "attention_mask": None}
    call = recompute(layer, sets)
    hidden = torch.randn(BATCH, SEQUENCE, HIDDEN, dtype=BF16, requires_grad=True)
    saved = saved_bytes(lambda x: call(x, **kwargs), hidden, layer, shared)
    common = dict(hidden=HIDDEN, tokens=TOKENS, keys=SEQUENCE, tp=1, expert_tp=1, element_bytes=2,
                  linear_input_bytes=2, attention_fused=int(fused), softmax_bytes=4,
                  recompute="+".join(sets), activation_fused=0)
    label = f"{name}, {'sdpa' if fused else 'eager'}, {'+'.join(sets) or 'none'}"
    cases.add(label, saved, {**common, **members})


# ---- layers --------------------------------------------------------------------------------------
# Norms of the last three: fp32 copy of the input 4, normalised value 2; inverse root mean square 4.
RMS = dict(norm_copy_bytes=6, norm_statistics_bytes=4, gated=1)

# Of each token copy the experts' loop keeps, in 64-bit integers, the choice of the router, its row
# and its column in it; and the weight, in the router's type.
INDICES = 3 * 8


def router(weight_bytes, normalise):
    """fp32 scores; weights divided by their sum in place keep the sum and what they were."""
    return dict(router_expert_bytes=4, router_choice_bytes=INDICES + weight_bytes + 4 * normalise,
                router_token_bytes=4 * normalise, combine_outputs=2)


def run_gpt2(fused, sets, noise):
    config = GPT2Config(n_embd=HIDDEN, n_head=4, resid_pdrop=noise, attn_pdrop=noise)
    members = dict(heads=4, kv_heads=4, head_qk=16, head_v=16, ffn=4 * HIDDEN,
                   # On a CPU: LayerNorm's mean and deviation, and dropout's noise, in 16 bits.
                   norm_statistics_bytes=4, dropout_mask_bytes=2 if noise else 0,
                   softmax_bytes=2)
    run(f"gpt2 dropout {noise}", gpt2, lambda c: gpt2.GPT2Block(c, 0), config, fused, sets, members)


def run_llama(fused, sets, kv_heads):
    config = LlamaConfig(hidden_size=HIDDEN, num_attention_heads=4, num_key_value_heads=kv_heads,
                         intermediate_size=96)
    members = dict(RMS, heads=4, kv_heads=kv_heads, head_qk=16, head_v=16, ffn=96,
                   key_value_expanded=int(not fused))
    run(f"llama {kv_heads} key heads", llama, lambda c: llama.LlamaDecoderLayer(c, 0), config,
        fused, sets, members, llama.LlamaRotaryEmbedding)


def run_qwen(fused, sets, normalise):
    config = Qwen3MoeConfig(
        hidden_size=HIDDEN, num_attention_heads=4, num_key_value_heads=2, head_dim=16,
        num_experts=8, num_experts_per_tok=2, moe_intermediate_size=32, norm_topk_prob=normalise)
    members = dict(RMS, heads=4, kv_heads=2, head_qk=16, head_v=16, qk_norm=1, experts=8, top_k=2,
                   expert_ffn=32, expert_tokens=2 * TOKENS, key_value_expanded=int(not fused),
                   **router(2, int(normalise)))
    run(f"qwen3-moe normalise {normalise}", qwen, lambda c: qwen.Qwen3MoeDecoderLayer(c, 0), config,
        fused, sets, members, qwen.Qwen3MoeRotaryEmbedding)


def run_deepseek(sets, q_rank, dense):
    config = DeepseekV3Config(
        hidden_size=HIDDEN, num_attention_heads=4, num_key_value_heads=4, q_lora_rank=q_rank,
        kv_lora_rank=40, qk_rope_head_dim=8, qk_nope_head_dim=16, v_head_dim=16, n_group=2,
        topk_group=1, n_routed_experts=8, num_experts_per_tok=2, n_shared_experts=1,
        moe_intermediate_size=32, intermediate_size=96, first_k_dense_replace=1 if dense else 0)
    members = dict(RMS, heads=4, kv_heads=4, head_qk=24, head_v=16, q_rank=q_rank or 0, kv_rank=40,
                   rope=8, value_is_view=int("core_attn" in sets))
    members |= dict(ffn=96) if dense else dict(
        experts=8, top_k=2, expert_ffn=32, shared_ffn=32, expert_tokens=2 * TOKENS,
        router_input_fp32=1, **router(4, 1))
    run(f"deepseek-v3 q_rank {q_rank}{' dense' if dense else ''}", deepseek,
        lambda c: deepseek.DeepseekV3DecoderLayer(c, 0), config, False, sets, members,
        deepseek.DeepseekV3RotaryEmbedding)


for fused in (False, True):
    for sets in ((), ("core_attn",), ("mlp",), ("core_attn", "mlp"), ("full",)):
        for noise in (0.0,) if fused else (0.0, 0.1):
            run_gpt2(fused, sets, noise)
        for kv_heads in (4, 2, 1):
            run_llama(fused, sets, kv_heads)
    for sets in ((), ("core_attn",), ("moe",), ("core_attn", "moe"), ("full",)):
        for normalise in (False, True):
            run_qwen(fused, sets, normalise)
for q_rank in (24, None):
    for sets in ((), ("core_attn",), ("moe",), ("shared_experts",), ("core_attn", "moe"),
                 ("full",)):
        run_deepseek(sets, q_rank, False)
    for sets in ((), ("core_attn",), ("mlp",), ("full",)):
        run_deepseek(sets, q_rank, True)
sys.exit(cases.compare() > 0)
