#include "analytic/stage.h"

#include <math.h>
#include <string.h>

/* Interim: activations by the closed forms of Korthikanti et al. 2022 (arXiv 2205.05198). */
static double block_kept(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                         int full)
{
    const double t = run->tp;
    const double tokens = run->micro_batch * run->seq_len / run->cp;
    const double sp = run->sequence_parallel ? 1.0 / t : 1.0;
    const double k = fmax(x->kv_heads / t, 1.0);
    const double a = x->heads / t;
    (void)m;
    if (full) {
        return 2.0 * tokens * x->hidden * sp;
    }
    const double dropout = x->norm_vectors > 1.0 ? 2.0 : 0.0;
    const double rep = (8.0 + dropout + (run->norm_fused ? 0.0 : 12.0)) * x->hidden * sp;
    const double qkv = 2.0 * a * (x->head_qk + x->head_v) + 2.0 * k * (x->head_qk + x->head_v);
    const double mlp =
        (x->gated > 0.0 ? 8.0 : 4.0) * (x->ffn + x->shared_ffn) / t +
        (x->experts > 0.0 ? sp * x->top_k * (8.0 * x->expert_ffn + 4.0 * x->hidden) : 0.0);
    const int fused = run->attention >= AMM_ATTENTION_FLASH1;
    const double score = run->attention == AMM_ATTENTION_TORCH ? 4.1 : 5.0;
    const double core =
        fused || (run->recompute & AMM_RECOMPUTE_CORE_ATTN) ? 4.0 * a : score * a * run->seq_len;
    return tokens * (rep + qkv + mlp + core);
}

void amm_step_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run)
{
    const int32_t p = (int32_t)run->pp;
    const double grad = run->precision == AMM_PRECISION_FP16 ? m->facts.gradient_bytes_fp16
                                                             : m->facts.gradient_bytes_bf16;
    const double shard =
        run->sharding == AMM_SHARD_NONE ? 1.0 : fmin(run->shard_group, run->dp * run->cp);
    const double eshard = run->sharding == AMM_SHARD_NONE
                              ? 1.0
                              : fmax(1.0, run->dp * run->cp * run->tp / (run->ep * run->etp));
    const int full = (run->recompute & AMM_RECOMPUTE_FULL) != 0;
    int32_t next = 0;
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < p; i++) {
        amm_ledger x = { 0 };
        double dense = 0.0;
        double expert = 0.0;
        double kept = 0.0;
        double work = 0.0;
        const int32_t blocks = amm_stage_blocks(n, run, i);
        for (int32_t b = 0; b < blocks && next < n->block_count; b++, next++) {
            const int k = n->kind_of[next];
            dense += n->kind_parameters[k] / run->tp;
            expert += n->kind_expert_parameters[k] / (run->ep * run->etp);
            kept += block_kept(m, run, &n->kind[k], full);
            work = full ? fmax(work, block_kept(m, run, &n->kind[k], 0)) : 0.0;
        }
        const double table = n->vocab * n->hidden / run->tp;
        dense += (i == 0 ? table : 0.0) + (i == p - 1 && (p > 1 || !n->tied) ? table : 0.0);
        const double wshard = run->sharding == AMM_SHARD_ZERO3 ? shard : 1.0;
        const double gshard = run->sharding >= AMM_SHARD_ZERO2 ? shard : 1.0;
        x.weights = 2.0 * (dense / wshard + expert);
        x.gradients = grad * (dense / gshard + expert);
        x.optimizer = 12.0 * (dense / shard + expert / eshard);
        const double chunks = run->vpp > 1.0
                                  ? fmin(run->micro_batches * run->vpp,
                                         2.0 * (p - 1.0 - i) + (run->vpp - 1.0) * p + 1.0) /
                                        run->vpp
                                  : fmin(run->micro_batches, (double)(p - i));
        x.activations = kept * chunks;
        x.working = 1.8 * work;
        if (run->sharding == AMM_SHARD_ZERO3 && blocks > 0) {
            x.buffers = dense / blocks * (4.0 + 4.0);
        }
        if (i == p - 1) {
            x.logits = run->micro_batch * run->seq_len / run->cp * n->vocab * m->facts.logit_bytes /
                       (m->facts.vocabulary_parallel_loss > 0.0 ? run->tp : 1.0);
        }
        x.total = (x.weights + x.gradients + x.optimizer + x.activations + x.working + x.logits +
                   x.buffers) *
                      m->facts.fragmentation +
                  m->facts.context_bytes;
        x.context = m->facts.context_bytes;
        x.stage = i;
        if (x.total > out->total) {
            *out = x;
        }
    }
}
