#include "analytic/stage.h"

#include <math.h>
#include <string.h>

/* States of a parameter (formula/cost/memory.h) by number format and the runtime's gradients. */
static amm_states states_of(const amm_machine *m, const amm_run *run)
{
    const double gradients = run->precision == AMM_PRECISION_FP16
                                 ? m->facts.gradient_bytes_fp16
                                 : m->facts.gradient_bytes_bf16 + m->facts.gradient_copy_bytes_bf16;
    const int wide = run->precision <= AMM_PRECISION_TF32;
    amm_states s = amm_states_of(wide ? AMM_STATES_FP32 : AMM_STATES_BF16_FP32);
    s.gradients = wide ? s.gradients : gradients;
    s.gradient_copy =
        run->precision == AMM_PRECISION_FP16 ? m->facts.gradient_copy_bytes_fp16 : 0.0;
    s.weights += amm_precision_is_narrow(run->precision) ? m->facts.narrow_weight_bytes : 0.0;
    return s;
}

/* Blocks by kind, and the tables at the ends, that one device of a stage holds. */
typedef struct stage_content {
    int32_t blocks[AMM_MAX_BLOCK_KINDS];
    double dense, expert; /* parameters of one rank */
    double block, ends;   /* the same of the widest block, of the tables at the ends */
} stage_content;

static void content_of(stage_content *out, const amm_network *n, const amm_run *run, int32_t stage,
                       const int32_t *blocks)
{
    const int last = stage == (int32_t)run->pp - 1;
    memset(out, 0, sizeof *out);
    for (int32_t k = 0; k < n->kind_count; k++) {
        /* Extra prediction layers are blocks like the last one. */
        const int extra = last && k == n->kind_of[n->block_count - 1];
        out->blocks[k] = blocks[k] + (extra ? (int32_t)n->prediction_layers : 0);
        const double dense = amm_block_rank_parameters(&n->kind[k], run->tp);
        const double expert = n->kind_expert_parameters[k] / (run->ep * run->etp);
        out->dense += out->blocks[k] * dense;
        out->expert += out->blocks[k] * expert;
        out->block = fmax(out->block, out->blocks[k] > 0 ? dense + expert : 0.0);
    }
    out->ends = amm_end_parameters(n, run, stage == 0, last);
    out->dense += out->ends;
}

static amm_kept_input kept_input(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                                 int recompute)
{
    const int fused = run->attention >= AMM_ATTENTION_FLASH1;
    amm_kept_input in = amm_kept_input_of(x, run->micro_batch * run->seq_len / run->cp,
                                          amm_block_keys(x, run->seq_len), run->tp);
    in.expert_tp = run->etp;
    in.sequence_parallel = run->sequence_parallel;
    in.attention_fused = fused;
    in.dropout_mask_bytes = x->norm_vectors > 1.0 ? m->facts.dropout_mask_bytes : 0.0;
    in.norm_copy_bytes = run->norm_fused ? 0.0 : m->facts.unfused_norm_kept_bytes;
    in.activation_fused = m->facts.activation_fused;
    in.value_is_view = m->facts.joint_projection;
    in.recompute = recompute;
    in.element_bytes = amm_element_bytes(run->precision);
    in.linear_input_bytes = amm_linear_input_bytes(run->precision);
    in.softmax_bytes = fmax(in.element_bytes, amm_run_attention(m, run, x) == AMM_ATTENTION_TORCH
                                                  ? 4.0
                                                  : m->facts.softmax_kept_bytes);
    in.expert_tokens = amm_kept_expert_tokens(&in, m->facts.expert_imbalance);
    return in;
}

double amm_stage_in_flight(const amm_run *run, int32_t stage)
{
    amm_even_pipeline even = { 0 };
    even.stages = even.group = run->pp;
    even.chunks = run->vpp;
    even.micro_batches = run->micro_batches;
    return amm_schedule_in_flight((amm_schedule_kind)run->schedule, &even, stage) / run->vpp;
}

/* Of one block at a time: the scores of unfused attention before the softmax and their gradient;
 * gathered keys and values. */
static double attention_transient(const amm_run *run, const amm_block_shape *x)
{
    const double queries = run->micro_batch * run->seq_len / run->cp;
    const double scores = run->attention >= AMM_ATTENTION_FLASH1
                              ? 0.0
                              : 2.0 * amm_element_bytes(run->precision) * queries *
                                    amm_block_keys(x, run->seq_len) * x->heads / run->tp;
    return scores + amm_context_gathered_bytes(run->cp_comm, run->cp, amm_key_value_bytes(x, run));
}

void amm_kept_class_of(amm_kept_class *out, const amm_network *n, const amm_machine *m,
                       const amm_run *run, int recompute)
{
    const double tokens = run->micro_batch * run->seq_len / run->cp;
    const double own = run->sequence_parallel ? tokens / run->tp : tokens;
    const double shards = m->facts.vocabulary_parallel_loss > 0.0 ? run->tp : 1.0;
    const amm_block_shape *last = &n->kind[n->kind_of[n->block_count - 1]];
    const double mask = last->norm_vectors > 1.0 ? m->facts.dropout_mask_bytes : 0.0;
    for (int32_t k = 0; k < n->kind_count; k++) {
        const amm_kept_input in = kept_input(m, run, &n->kind[k], recompute);
        out->kept[k] = amm_kept_block(&in).total;
        out->working[k] =
            amm_kept_working(&in) * m->facts.working_scale + attention_transient(run, &n->kind[k]);
    }
    out->embedding = amm_embedding_kept_bytes(tokens, own * n->hidden, mask);
    out->head = 2.0 * own * n->hidden * amm_element_bytes(run->precision);
    out->logits = amm_logit_bytes(tokens, n->vocab, m->facts.logit_bytes, shards);
}

/* What the blocks keep for the micro-batches in flight. The embedding keeps the indices of its rows and
 * a dropout mask for every one; the head what enters its norm and its GEMM, and the logits: backward
 * follows forward at once there, unless all forward passes come first. */
static void add_activations(amm_ledger *out, const amm_network *n, const amm_run *run,
                            const amm_kept_class *kept, const stage_content *c, int32_t stage)
{
    const double held = amm_stage_in_flight(run, stage);
    const double heads = (run->schedule == AMM_SCHEDULE_GPIPE ? run->micro_batches : 1.0) *
                         (1.0 + n->prediction_layers);
    for (int32_t k = 0; k < n->kind_count; k++) {
        if (c->blocks[k] > 0) {
            out->activations += c->blocks[k] * kept->kept[k] * held;
            out->working = fmax(out->working, kept->working[k]);
        }
    }
    if (stage == 0) {
        out->activations += held * kept->embedding;
    }
    if (stage == (int32_t)run->pp - 1) {
        out->activations += heads * kept->head;
        out->logits = heads * kept->logits;
    }
}

/* Groups of more than one rank that a device belongs to. */
static double communicators(const amm_run *run)
{
    return (run->tp > 1.0) + (run->dp > 1.0) + (run->pp > 1.0) + (run->cp > 1.0) + (run->ep > 1.0);
}

void amm_blocks_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                       const amm_run *run, int32_t stage, const int32_t *blocks)
{
    amm_kept_class kept;
    amm_kept_class_of(&kept, n, m, run,
                      amm_recompute_at(run->recompute, run->stage_recompute, stage));
    amm_kept_memory(out, n, m, run, &kept, stage, blocks);
}

void amm_kept_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run, const amm_kept_class *kept, int32_t stage,
                     const int32_t *blocks)
{
    const amm_states states = states_of(m, run);
    const double ranks = run->dp * run->cp;
    const amm_state_bytes dense =
        amm_sharded_bytes(&states, AMM_OPTIMIZER_ADAM, run->sharding, amm_shards(run, ranks));
    const amm_state_bytes expert =
        amm_sharded_bytes(&states, AMM_OPTIMIZER_ADAM, run->sharding, amm_expert_shards(run));
    stage_content c;
    memset(out, 0, sizeof *out);
    content_of(&c, n, run, stage, blocks);
    out->stage = stage;
    out->weights = dense.weights * c.dense + expert.weights * c.expert;
    out->gradients = dense.gradients * c.dense + expert.gradients * c.expert;
    out->optimizer = dense.optimizer * c.dense + expert.optimizer * c.expert;
    add_activations(out, n, run, kept, &c, stage);
    if (run->sharding >= AMM_SHARDING_PARAMETERS) {
        /* The unit in use, a block or what belongs to none, and the block that is prefetched: PyTorch
         * FSDP, auto_wrap_policy (the root takes what no block wraps) and BACKWARD_PRE. */
        const double unit = fmax(c.block, c.ends);
        out->gathered = amm_gathered_bytes(&states, unit + c.block, unit);
    }
    /* The optimizer's copy of the gradients comes when the activations are gone. */
    const double copy = dense.gradient_copy * c.dense + expert.gradient_copy * c.expert;
    out->working += fmax(0.0, copy - out->activations - out->working - out->gathered - out->logits);
    const double moving = out->activations + out->working + out->gathered + out->logits;
    out->reserve = moving * (m->facts.fragmentation - 1.0);
    out->context = m->facts.context_share * m->memory_bytes +
                   communicators(run) * m->facts.communicator_s * m->rates.scaleup_bytes_per_s;
    out->total =
        out->weights + out->gradients + out->optimizer + moving + out->reserve + out->context;
}

void amm_stage_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                      const amm_run *run, int32_t stage)
{
    int32_t blocks[AMM_MAX_BLOCK_KINDS] = { 0 };
    int32_t first = 0;
    for (int32_t i = 0; i < stage; i++) {
        first += amm_stage_blocks(n, run, i);
    }
    const int32_t count = amm_stage_blocks(n, run, stage);
    for (int32_t b = first; b < first + count && b < n->block_count; b++) {
        blocks[n->kind_of[b]]++;
    }
    amm_blocks_memory(out, n, m, run, stage, blocks);
}

void amm_step_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run)
{
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < (int32_t)run->pp; i++) {
        amm_ledger x;
        amm_stage_memory(&x, n, m, run, i);
        if (x.total > out->total) {
            *out = x;
        }
    }
}
