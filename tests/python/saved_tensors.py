"""What autograd saves, counted by storage; and one plain transformer block whose every choice that
matters to memory is an option. Imported by test_saved_tensors.py; needs torch."""
import dataclasses
import os
import subprocess
import weakref

import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

BF16 = torch.bfloat16


class Saved:
    """Keeps a saved tensor; lives as long as the graph that needs it."""

    def __init__(self, tensor):
        self.tensor = tensor


def saved_bytes(run, hidden, module, shared=()):
    """Bytes of distinct storages that the backward pass of run(hidden) needs, less parameters,
    buffers and the tensors of `shared`. Graphs that were dropped on the way are not counted, and
    storages have the size they have at the end."""
    alive = weakref.WeakSet()

    def pack(tensor):
        saved = Saved(tensor)
        alive.add(saved)
        return saved

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda saved: saved.tensor):
        output = run(hidden)
    ours = [*module.parameters(), *module.buffers(), *shared]
    known = {t.untyped_storage().data_ptr() for t in ours}
    storages = {}
    for saved in list(alive):
        storage = saved.tensor.untyped_storage()
        if storage.nbytes() > 0 and storage.data_ptr() not in known:
            storages[storage.data_ptr()] = storage.nbytes()
    assert output.requires_grad
    return sum(storages.values())


class Cases:
    """What was counted beside what the library says (the program KEPT_BYTES, kept_bytes.c)."""

    def __init__(self):
        self.cases = []

    def add(self, name, saved, members):
        """`members` of amm_kept_input and amm_block_shape."""
        question = " ".join(f"{member}={value}" for member, value in members.items())
        self.cases.append((name, saved, question))

    def compare(self):
        """How many differ; prints them."""
        questions = "\n".join(question for _, _, question in self.cases)
        answers = subprocess.run([os.environ["KEPT_BYTES"]], input=questions, capture_output=True,
                                 text=True, check=True).stdout.splitlines()
        assert len(answers) == len(self.cases)
        wrong = 0
        for (name, saved, _), answer in zip(self.cases, answers):
            words = answer.split()
            kept = {word: float(value) for word, value in zip(words[::2], words[1::2])}
            if kept["total"] != saved:
                wrong += 1
                parts = ", ".join(f"{part} {n:.0f}" for part, n in kept.items() if n)
                print(f"{name}: torch saves {saved}, {saved - kept['total']:+.0f}: {parts}")
        print(f"{len(self.cases)} cases, {wrong} differ")
        return wrong


# ---- what fused kernels keep, as autograd functions ----------------------------------------------
# Counting needs no backward pass: these have none.


class FusedRmsNorm(torch.autograd.Function):
    """Keeps its input and the inverse root mean square."""

    @staticmethod
    def forward(ctx, x, weight):
        rstd = torch.rsqrt(x.float().pow(2).mean(-1) + 1e-6)
        ctx.save_for_backward(x.contiguous(), rstd, weight)
        return (x * rstd.unsqueeze(-1)).to(x.dtype) * weight


class FusedSwiGlu(torch.autograd.Function):
    """Keeps the joint output of gate and up projection, and the token's weight if there is one."""

    @staticmethod
    def forward(ctx, gate_up, weight):
        ctx.save_for_backward(gate_up, weight)
        gate, up = gate_up.chunk(2, -1)
        out = F.silu(gate) * up
        return out if weight is None else (out * weight).to(out.dtype)


class FusedGelu(torch.autograd.Function):
    """A GELU times the token's weight: keeps the input and the weight."""

    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return (F.gelu(x) * weight).to(x.dtype)


class ParallelLinear(torch.autograd.Function):
    """Keeps its own part of the input, and gathers the sequence again when it needs it; `bits8`: in
    8 bits."""

    @staticmethod
    def forward(ctx, x, weight, gather, bits8):
        ctx.save_for_backward(x.to(torch.float8_e4m3fn) if bits8 else x, weight)
        return F.linear(x.repeat(1, gather, 1) if gather > 1 else x, weight)


class Discarding(torch.autograd.Function):
    """Output-discarding checkpoint: keeps the inputs of run(); discard() frees the outputs once
    their consumer has run."""

    @staticmethod
    def forward(ctx, run, *inputs):
        ctx.save_for_backward(*inputs)
        return run(*inputs)


def discard(*tensors):
    for tensor in tensors:
        tensor.untyped_storage().resize_(0)


# ---- one block -----------------------------------------------------------------------------------


@dataclasses.dataclass
class Options:
    """Shapes are of the whole model; the block is one rank of `tp`."""

    batch: int = 2
    sequence: int = 16
    hidden: int = 64
    heads: int = 4
    kv_heads: int = 4
    head_qk: int = 16
    head_v: int = 16
    q_rank: int = 0
    kv_rank: int = 0
    rope: int = 0  # rotary width; 0: no rotary embedding
    ffn: int = 256
    gated: bool = False
    experts: int = 0
    top_k: int = 0
    expert_ffn: int = 0
    shared_ffn: int = 0
    norm: str = "layer"  # layer, rms_fused, rms
    qk_norm: bool = False
    flash: bool = False
    softmax_fp32: bool = False
    value_view: bool = False
    dropout: str = "none"  # none, mask, noise
    activation_fused: bool = True
    combine_weighted: bool = True
    index_add: bool = False
    bits8: bool = False
    tp: int = 1
    sequence_parallel: bool = False
    sets: tuple = ()


class RmsNorm(nn.Module):
    def __init__(self, width, fused):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.fused = fused

    def forward(self, x):
        if self.fused:
            return FusedRmsNorm.apply(x, self.weight)
        wide = x.to(torch.float32)
        wide = wide * torch.rsqrt(wide.pow(2).mean(-1, keepdim=True) + 1e-6)
        return self.weight * wide.to(x.dtype)


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def dropout(x, kind):
    if kind == "mask":
        return torch.native_dropout(x, 0.1, True)[0]
    return F.dropout(x, 0.1) if kind == "noise" else x


class Block(nn.Module):
    def __init__(self, options):
        super().__init__()
        o = self.o = options
        self.heads = o.heads // o.tp
        self.kv = max(o.kv_heads // o.tp, 1)
        self.gather = o.tp if o.sequence_parallel else 1
        self.norm1, self.norm2 = self.norm(o.hidden), self.norm(o.hidden)
        if o.kv_rank:
            self.build_latent()
        else:
            width = (self.heads + self.kv) * o.head_qk + self.kv * o.head_v
            self.qkv = self.weight(width, o.hidden)
        if o.qk_norm:
            self.q_norm, self.k_norm = self.norm(o.head_qk), self.norm(o.head_qk)
        self.out = self.weight(o.hidden, self.heads * o.head_v)
        self.dense = self.build_ffn(o.ffn // o.tp) if o.ffn else None
        if o.experts:
            self.router = self.weight(o.experts, o.hidden)
            self.expert = nn.ModuleList(self.build_ffn(o.expert_ffn) for _ in range(o.experts))
            self.shared = self.build_ffn(o.shared_ffn // o.tp) if o.shared_ffn else None
        angles = torch.arange(o.sequence)[:, None] * torch.ones(max(o.rope, 1))
        self.register_buffer("cos", angles.cos())
        self.register_buffer("sin", angles.sin())

    def norm(self, width):
        return nn.LayerNorm(width) if self.o.norm == "layer" else RmsNorm(
            width, self.o.norm == "rms_fused")

    @staticmethod
    def weight(rows, columns):
        return nn.Parameter(torch.randn(rows, columns) * columns ** -0.5)

    def build_latent(self):
        o = self.o
        if o.q_rank:
            self.q_down, self.q_mid = self.weight(o.q_rank, o.hidden), self.norm(o.q_rank)
        self.q_up = self.weight(self.heads * o.head_qk, o.q_rank or o.hidden)
        self.kv_down = self.weight(o.kv_rank + o.rope, o.hidden)
        self.kv_mid = self.norm(o.kv_rank)
        self.kv_up = self.weight(self.heads * (o.head_qk - o.rope + o.head_v), o.kv_rank)

    def build_ffn(self, width):
        up = self.weight(width * (2 if self.o.gated else 1), self.o.hidden)
        return nn.ParameterList([up, self.weight(self.o.hidden, width)])

    def linear(self, x, weight, gather=1, original=False):
        """`original`: keep no copy in 8 bits (of an input that will be discarded)."""
        if gather > 1 or self.o.bits8:
            return ParallelLinear.apply(x, weight, gather, self.o.bits8 and not original)
        return F.linear(x, weight)

    def scatter(self, x):
        """The part of a reduce-scatter that stays here."""
        return x[:, :x.shape[1] // self.gather]

    def again(self, module, run, *inputs):
        """run(*inputs), recomputed if `module` is in the set."""
        if module in self.o.sets:
            return checkpoint(run, *inputs, use_reentrant=False)
        return run(*inputs)

    def discarded(self, module):
        return module in self.o.sets

    def discarding(self, module, run, *inputs):
        """(run(*inputs), what to discard once it was used)."""
        if module not in self.o.sets:
            return run(*inputs), ()
        out = Discarding.apply(run, *inputs)
        return out, out if isinstance(out, tuple) else (out,)

    def forward(self, x):
        return self.again("full", self.both, x)

    def both(self, x):
        x = x + self.attention(x)
        normed, rest = self.discarding("layernorm", self.norm2, x)
        y = 0
        if self.dense is not None:
            y = self.again("mlp", lambda n: self.feed_forward(n, self.dense), normed)
        if self.o.experts:
            y = y + self.again("moe", self.mixture, normed)
        out = x + dropout(self.scatter(y) if self.dense is not None else y, self.o.dropout)
        discard(*rest)
        return out

    # ---- attention

    def attention(self, x):
        normed, rest = self.discarding("layernorm", self.norm1, x)
        if self.o.kv_rank:
            mixed = self.latent(normed)
        else:
            mixed = self.again("core_attn", self.core, *self.heads_of(normed))
        discard(*rest)
        return dropout(self.scatter(self.linear(mixed, self.out)), self.o.dropout)

    def split(self, x, heads, width):
        return x.view(x.shape[0], -1, heads, width).transpose(1, 2)

    def own(self, value):
        return value if self.o.value_view else value.contiguous()

    def heads_of(self, normed):
        o = self.o
        mixed = self.linear(normed, self.qkv, self.gather, self.discarded("layernorm"))
        widths = [self.heads * o.head_qk, self.kv * o.head_qk, self.kv * o.head_v]
        q, k, v = mixed.split(widths, -1)
        q, k = self.split(q, self.heads, o.head_qk), self.split(k, self.kv, o.head_qk)
        v = self.split(v, self.kv, o.head_v)
        if o.qk_norm:
            q, k = self.q_norm(q), self.k_norm(k)
        if o.rope:
            q, k, v = rotate(q, self.cos, self.sin), rotate(k, self.cos, self.sin), self.own(v)
        return q, k, v

    def latent(self, normed):
        o = self.o
        original = self.discarded("layernorm")
        q = normed
        if o.q_rank:
            q = self.q_mid(self.linear(normed, self.q_down, 1, original))
        kv, k_rope = self.linear(normed, self.kv_down, 1, original).split([o.kv_rank, o.rope], -1)
        kv = self.kv_mid(kv)
        k_rope = k_rope.repeat(1, self.gather, 1)  # gathered: a tensor of its own
        (q, k, v), rest = self.discarding("mla_up_proj", self.up, q, kv, k_rope)
        mixed = self.again("core_attn", self.core, q, k, v)
        discard(*rest)
        return mixed

    def up(self, q, kv, k_rope):
        o = self.o
        nope = o.head_qk - o.rope
        q = self.linear(q, self.q_up, self.gather, self.discarded("layernorm") and not o.q_rank)
        q = self.split(q, self.heads, o.head_qk)
        kv = self.split(self.linear(kv, self.kv_up, self.gather), self.heads, nope + o.head_v)
        plain, turned = q.split([nope, o.rope], -1)
        q = torch.cat((plain, rotate(turned, self.cos, self.sin)), -1)
        k, v = kv.split([nope, o.head_v], -1)
        turned = rotate(k_rope.unsqueeze(1), self.cos, self.sin).expand(-1, self.heads, -1, -1)
        if o.flash:  # the layout that kernels write; the attention's output follows the query
            q = q.transpose(1, 2).contiguous().transpose(1, 2)
        return q, torch.cat((k, turned), -1), self.own(v)

    def core(self, q, k, v):
        o = self.o
        groups = self.heads // k.shape[1]
        if o.flash:
            mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=groups > 1)
        else:
            if groups > 1:
                k, v = k.repeat_interleave(groups, 1), v.repeat_interleave(groups, 1)
            scores = q @ k.transpose(2, 3) * o.head_qk ** -0.5
            kind = torch.float32 if o.softmax_fp32 else None
            scores = F.softmax(scores, -1, dtype=kind).to(q.dtype)
            mixed = dropout(scores, o.dropout) @ v
        return mixed.transpose(1, 2).reshape(q.shape[0], -1, self.heads * o.head_v)

    # ---- feed-forward

    def activation(self, x, weight=None):
        if not self.o.activation_fused:
            if self.o.gated:
                gate, up = x.chunk(2, -1)
                return F.silu(gate) * up
            return 0.5 * x * (1.0 + torch.tanh(0.8 * (x + 0.044715 * torch.pow(x, 3.0))))
        if self.o.gated:
            return FusedSwiGlu.apply(x, weight)
        return F.gelu(x) if weight is None else FusedGelu.apply(x, weight)

    def feed_forward(self, x, weights):
        up = self.linear(x, weights[0], self.gather, self.discarded("layernorm"))
        return self.linear(self.activation(up), weights[1])

    def mixture(self, x):
        """Router; copies sorted by expert; experts; weighted sum."""
        o = self.o
        shape, x2 = x.shape, x.reshape(-1, o.hidden)
        scores = F.softmax(F.linear(x2, self.router), -1, dtype=torch.float32)
        chosen, index = torch.topk(scores, o.top_k)
        order = torch.argsort(index.flatten())
        token = order // o.top_k
        weight = chosen.flatten()[order].unsqueeze(-1)
        counts = torch.bincount(index.flatten(), minlength=o.experts).tolist()
        copies = x2[token].split(counts)
        weights = weight.split(counts)
        y = torch.cat([self.one_expert(*c) for c in zip(copies, weights, self.expert) if len(c[0])])
        if o.combine_weighted:
            y = y * weight.to(y.dtype)
        if o.index_add:
            y = torch.zeros_like(x2).index_add(0, token, y).view(shape)
        else:
            y = y[torch.argsort(order)].view(-1, o.top_k, o.hidden).sum(1).view(shape)
        if self.shared is not None:
            y = y + self.scatter(self.again("shared_experts", lambda n: self.feed_forward(
                n, self.shared), x))
        return y

    def one_expert(self, x, weight, weights):
        up = self.linear(x, weights[0])
        inputs = (up,) if self.o.combine_weighted else (up, weight)
        act, rest = self.discarding("moe_act", self.activation, *inputs)
        out = self.linear(act, weights[1], 1, self.discarded("moe_act"))
        discard(*rest)
        return out
