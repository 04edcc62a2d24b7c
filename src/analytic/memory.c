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

static void stage_sums(amm_ledger *x, double *dense, double *expert, const amm_network *n,
                       const amm_machine *m, const amm_run *run, const int32_t *blocks)
{
    const int full = (run->recompute & AMM_RECOMPUTE_FULL) != 0;
    for (int32_t k = 0; k < n->kind_count; k++) {
        if (blocks[k] > 0) {
            *dense += blocks[k] * n->kind_parameters[k] / run->tp;
            *expert += blocks[k] * n->kind_expert_parameters[k] / (run->ep * run->etp);
            x->activations += blocks[k] * block_kept(m, run, &n->kind[k], full);
            x->working = full ? fmax(x->working, 1.8 * block_kept(m, run, &n->kind[k], 0)) : 0.0;
        }
    }
}

/* Micro-batches whose activations a stage holds at once. */
static double in_flight(const amm_run *run, int32_t stage)
{
    const double p = run->pp;
    return run->vpp > 1.0 ? fmin(run->micro_batches * run->vpp,
                                 2.0 * (p - 1.0 - stage) + (run->vpp - 1.0) * p + 1.0) /
                                run->vpp
                          : fmin(run->micro_batches, p - stage);
}

void amm_stage_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                      const amm_run *run, int32_t stage, const int32_t *blocks)
{
    const int32_t p = (int32_t)run->pp;
    const double grad = run->precision == AMM_PRECISION_FP16 ? m->facts.gradient_bytes_fp16
                                                             : m->facts.gradient_bytes_bf16;
    const double shard =
        run->sharding == AMM_SHARD_NONE ? 1.0 : fmin(run->shard_group, run->dp * run->cp);
    const double eshard = run->sharding == AMM_SHARD_NONE
                              ? 1.0
                              : fmax(1.0, run->dp * run->cp * run->tp / (run->ep * run->etp));
    const double table = n->vocab * n->hidden / run->tp;
    double dense = 0.0;
    double expert = 0.0;
    int32_t count = 0;
    memset(out, 0, sizeof *out);
    stage_sums(out, &dense, &expert, n, m, run, blocks);
    for (int32_t k = 0; k < n->kind_count; k++) {
        count += blocks[k];
    }
    dense += (stage == 0 ? table : 0.0) + (stage == p - 1 && (p > 1 || !n->tied) ? table : 0.0);
    out->weights = 2.0 * (dense / (run->sharding == AMM_SHARD_ZERO3 ? shard : 1.0) + expert);
    out->gradients = grad * (dense / (run->sharding >= AMM_SHARD_ZERO2 ? shard : 1.0) + expert);
    out->optimizer = 12.0 * (dense / shard + expert / eshard);
    out->activations *= in_flight(run, stage);
    if (run->sharding == AMM_SHARD_ZERO3 && count > 0) {
        out->buffers = dense / count * (4.0 + 4.0);
    }
    if (stage == p - 1) {
        out->logits = run->micro_batch * run->seq_len / run->cp * n->vocab * m->facts.logit_bytes /
                      (m->facts.vocabulary_parallel_loss > 0.0 ? run->tp : 1.0);
    }
    const double allocated = out->weights + out->gradients + out->optimizer + out->activations +
                             out->working + out->logits + out->buffers;
    out->context = m->facts.context_bytes;
    out->fragmentation = allocated * (m->facts.fragmentation - 1.0);
    out->total = allocated * m->facts.fragmentation + m->facts.context_bytes;
    out->stage = stage;
}

void amm_step_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run)
{
    int32_t next = 0;
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < (int32_t)run->pp; i++) {
        int32_t blocks[AMM_MAX_BLOCK_KINDS] = { 0 };
        amm_ledger x;
        for (int32_t left = amm_stage_blocks(n, run, i); left > 0 && next < n->block_count;
             left--) {
            blocks[n->kind_of[next++]]++;
        }
        amm_stage_memory(&x, n, m, run, i, blocks);
        if (x.total > out->total) {
            *out = x;
        }
    }
}
