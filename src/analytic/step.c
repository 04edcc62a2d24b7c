#include "analytic/analytic.h"
#include "analytic/stage.h"

#include "formula/cost/compute.h"
#include "formula/cost/pipeline.h"
#include <math.h>
#include <string.h>

/* ---- one block ------------------------------------------------------------------------------- */

static amm_op_env env_of(const amm_machine *m, const amm_run *run)
{
    amm_op_env env;
    env.rates = &m->rates;
    env.facts = &m->facts;
    env.precision = run->precision;
    env.attention = run->attention;
    env.element_bytes = amm_element_bytes(run->precision);
    env.norm_bytes = run->norm_fused ? m->facts.norm_traffic_bytes : m->facts.unfused_norm_bytes;
    return env;
}

/* Host seconds of one launch under the run's graphs and number format. Graphs of parts hold the router and
 * what prepares for experts, not their own GEMMs, whose sizes are known late. */
static double launch_seconds(const amm_machine *m, const amm_run *run, bool of_experts)
{
    const amm_facts *f = &m->facts;
    const double left = run->graph == 2                  ? f->graph_host_share
                        : run->graph == 1 && !of_experts ? f->graph_part_share
                                                         : 1.0;
    const double narrow = amm_precision_is_narrow(run->precision) ? f->narrow_launch_scale : 1.0;
    return m->rates.launch_s * f->host_scale * left * narrow;
}

/* What experts make a forward pass wait for: the host reads how many tokens each got before it launches
 * the rest of the layer, so the device runs dry; and it works on the experts no faster than they are
 * launched. */
static double expert_wait(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                          double local_s, double experts_s)
{
    return x->experts > 0.0 ? m->facts.launches_per_expert_layer * launch_seconds(m, run, false) +
                                  fmax(0.0, local_s - experts_s)
                            : 0.0;
}

/* Tensor parallelism: an all-reduce after attention and after the feed-forward each way; with
 * sequence parallelism an all-gather and a reduce-scatter of the same volume instead. Routed experts
 * have groups of their own (expert_time); shared ones are a feed-forward like any other. */
static double tensor_time(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                          double bytes)
{
    const amm_group g = amm_group_of(&m->fabric, run->tp, 1.0);
    const double once = amm_all_reduce_time(&m->fabric, &m->rates, &g, bytes);
    const double parts = x->ffn > 0.0 || x->shared_ffn > 0.0 ? 2.0 : 1.0;
    const int hidden = run->tp_overlap && run->sequence_parallel && g.inside >= run->tp;
    return parts * once * (hidden ? 1.0 - m->facts.tp_overlap : 1.0);
}

/* Experts cut over `etp` ranks: the tokens that they received are gathered before, and the parts of
 * their outputs reduced and scattered after the experts. */
static double expert_tensor_time(const amm_machine *m, const amm_run *run, double copy_bytes)
{
    const amm_group g = amm_group_of(&m->fabric, run->etp, 1.0);
    const double bytes = copy_bytes * run->etp * m->facts.expert_imbalance;
    return 2.0 * amm_gather_time(&m->fabric, &m->rates, &g, bytes);
}

/* Experts: dispatch and combine, once each way and pass. */
static double expert_time(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                          double own_tokens, double element_bytes)
{
    const amm_group g = amm_group_of(&m->fabric, run->ep, run->etp);
    const double domains = ceil(g.ranks / g.inside);
    const double token = x->hidden * element_bytes;
    const double local = own_tokens * token * x->top_k * (g.inside - 1.0) / g.ranks;
    const double far_share = 1.0 - g.inside / g.ranks;
    const double hit = run->deduplicate ? amm_remote_domains(x, domains) : x->top_k * far_share;
    const double once =
        amm_all_to_all_time(&m->fabric, &m->rates, &g, local, own_tokens * token * hit);
    return 2.0 * once * (run->ep_overlap ? 1.0 - m->facts.ep_overlap : 1.0) +
           expert_tensor_time(m, run, own_tokens * token * x->top_k);
}

/* Context parallelism beside the attention core of one pass; `times` as in amm_context_load. */
static double context_time(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                           double core_s, double times)
{
    const double element = amm_element_bytes(run->precision);
    const double tokens = run->micro_batch * run->seq_len / run->cp;
    const double heads = x->heads / run->tp;
    amm_context_load load;
    load.ranks = run->cp;
    load.stride = run->tp;
    load.key_value_bytes = amm_key_value_bytes(x, run);
    load.query_bytes = tokens * heads * (x->head_qk + x->head_v) * element;
    load.output_elements = tokens * heads * x->head_v;
    load.core_s = core_s;
    load.times = times;
    return amm_context_time(&m->fabric, &m->rates, &m->facts, run->cp_comm, &load);
}

double amm_key_value_bytes(const amm_block_shape *x, const amm_run *run)
{
    const double heads = fmax(x->kv_heads / run->tp, 1.0);
    return run->micro_batch * run->seq_len / run->cp * heads * (x->head_qk + x->head_v) *
           amm_element_bytes(run->precision);
}

int amm_run_attention(const amm_machine *m, const amm_run *run, const amm_block_shape *x)
{
    return amm_attention_kernel(&m->facts, run->attention, run->micro_batch * x->heads / run->tp);
}

/* Outputs on a rank of the column-parallel layer into a feed-forward or shared experts. */
static double feed_forward_inputs(const amm_block_shape *x, double tp)
{
    return (x->ffn + x->shared_ffn) / tp * (1.0 + x->gated);
}

/* Inputs of column-parallel layers gathered once more in the backward pass. Latent attention gathers
 * its narrow ranks, which is not counted. */
static double gather_again_time(const amm_machine *m, const amm_run *run, const amm_block_shape *x,
                                const amm_op_env *env, double tokens)
{
    const amm_group g = amm_group_of(&m->fabric, run->tp, 1.0);
    const double gather_s =
        amm_gather_time(&m->fabric, &m->rates, &g, tokens * x->hidden * env->element_bytes);
    const double inner = feed_forward_inputs(x, run->tp);
    const double attention =
        x->kv_rank > 0.0
            ? 0.0
            : amm_gather_again(env, tokens, x->hidden, amm_attention_inputs(x, run->tp), gather_s);
    return attention +
           (inner > 0.0 ? amm_gather_again(env, tokens, x->hidden, inner, gather_s) : 0.0);
}

/* Tensor parallelism of a backward pass: of the seconds of a forward pass, the reduction of every
 * column-parallel layer's input gradient runs beside the same layer's weight-gradient GEMM where the
 * runtime starts it first. With sequence parallelism that is a reduce-scatter, half of the volume. */
static double tensor_backward(const amm_machine *m, const amm_run *run, const amm_op_env *env,
                              const amm_block_shape *x, double forward_s)
{
    const double tokens = run->micro_batch * run->seq_len / run->cp;
    const double columns = amm_attention_inputs(x, run->tp);
    const double inner = feed_forward_inputs(x, run->tp);
    const double reduce =
        forward_s / (inner > 0.0 ? 2.0 : 1.0) * (run->sequence_parallel ? 0.5 : 1.0);
    const double slow = m->rates.weight_gradient_slowdown;
    const double all =
        forward_s + (run->sequence_parallel ? gather_again_time(m, run, x, env, tokens) : 0.0);
    double hidden = 0.0;
    if (m->facts.tp_reduce_beside <= 0.0) {
        return all;
    }
    if (x->kv_rank <= 0.0) { /* latent attention has its sharded layers behind narrow ones */
        hidden +=
            fmin(reduce, slow * amm_gemm_time(env, env->precision, x->hidden, columns, tokens));
    }
    if (inner > 0.0) {
        hidden += fmin(reduce, slow * amm_gemm_time(env, env->precision, x->hidden, inner, tokens));
    }
    return all - hidden;
}

/* Share of a forward pass's tensor communication that recomputing a feed-forward or shared experts does
 * again: the half that is theirs. */
static double part_again(const amm_block_shape *x, int set)
{
    const int mlp = (set & AMM_RECOMPUTE_MLP) != 0 && x->ffn > 0.0;
    const int shared =
        (set & (AMM_RECOMPUTE_MOE | AMM_RECOMPUTE_SHARED_EXPERTS)) != 0 && x->shared_ffn > 0.0;
    return mlp || shared ? 0.5 : 0.0;
}

void amm_block_cost(amm_block_seconds *out, const amm_machine *m, const amm_run *run,
                    const amm_block_shape *x)
{
    amm_op_env env = env_of(m, run);
    env.attention = amm_run_attention(m, run, x);
    amm_block_split split;
    split.tokens = run->micro_batch * run->seq_len / run->cp;
    split.keys = run->seq_len;
    split.tp = run->tp;
    split.sequence_parallel = run->sequence_parallel;
    split.ep = run->ep;
    split.etp = run->etp;
    const amm_block_time t = amm_block_times(&env, x, &split);
    const double own = run->sequence_parallel ? split.tokens / run->tp : split.tokens;
    const double tp =
        run->tp > 1.0 ? tensor_time(m, run, x, split.tokens * x->hidden * env.element_bytes) : 0.0;
    const double tp_b = run->tp > 1.0 ? tensor_backward(m, run, &env, x, tp) : 0.0;
    const double ep = x->experts > 0.0 ? expert_time(m, run, x, own, env.element_bytes) : 0.0;
    const double cp_f = context_time(m, run, x, t.core.forward_s, 1.0);
    const double cp_b = context_time(m, run, x, t.core.backward_s, 2.0);
    const double host =
        (m->facts.launches_per_block + (run->tp > 1.0 ? m->facts.launches_per_tensor_block : 0.0) +
         (env.attention == AMM_ATTENTION_TORCH ? m->facts.launches_torch_softmax : 0.0)) *
        launch_seconds(m, run, false);
    const double local =
        m->facts.launches_per_local_expert * x->experts / run->ep * launch_seconds(m, run, true);
    const double wait = expert_wait(m, run, x, local, t.experts.forward_s);
    const double wait_b = expert_wait(m, run, x, 0.0, 0.0);
    const int full = run->recompute & AMM_RECOMPUTE_FULL;
    const double again = amm_block_recompute(&t, run->recompute);
    const double again_ep = run->recompute & (AMM_RECOMPUTE_MOE | AMM_RECOMPUTE_FULL) ? ep : 0.0;
    const double again_tp = full ? tp : part_again(x, run->recompute) * tp;
    out->forward_s = amm_pass_seconds(amm_block_forward(&t) + tp + ep + cp_f, host) + wait;
    out->backward_s =
        amm_pass_seconds(amm_block_backward(&t) + tp_b + ep + cp_b, 1.4 * host + 2.0 * local) +
        wait_b +
        (full ? amm_pass_seconds(again + again_tp + again_ep + cp_f, host) + wait
              : again + again_tp + again_ep);
    out->tp_s = tp + again_tp + tp_b;
    out->ep_s = 2.0 * ep + again_ep;
    out->cp_s = (full ? 2.0 : 1.0) * cp_f + cp_b;
}

/* ---- ends ------------------------------------------------------------------------------------ */

/* Padded to a multiple of 128 tp: Megatron-LM, make_vocab_size_divisible_by. */
static double padded_vocab(const amm_network *n, const amm_run *run)
{
    const double to = 128.0 * run->tp;
    return ceil(n->vocab / to) * to;
}

void amm_head_cost(amm_pass_time *out, const amm_network *n, const amm_machine *m,
                   const amm_run *run)
{
    amm_op_env env = env_of(m, run);
    env.precision = amm_precision_is_wide(run->precision) ? run->precision : AMM_PRECISION_BF16;
    const double tokens = run->micro_batch * run->seq_len / run->cp;
    const double vocab = padded_vocab(n, run);
    const double host = 10.0 * m->rates.launch_s * m->facts.host_scale;
    const double loss =
        amm_traffic_time(&m->rates, tokens * vocab * m->facts.loss_traffic_bytes /
                                        (m->facts.vocabulary_parallel_loss > 0.0 ? run->tp : 1.0));
    const double norm = amm_traffic_time(&m->rates, tokens * n->hidden * 0.5 * env.norm_bytes);
    /* Where the loss wants whole logits they are gathered first. */
    const amm_group g = amm_group_of(&m->fabric, run->tp, 1.0);
    const double gather =
        m->facts.vocabulary_parallel_loss > 0.0
            ? 0.0
            : amm_gather_time(&m->fabric, &m->rates, &g, tokens * vocab * env.element_bytes);
    /* The input of a sharded vocabulary is gathered; its gradient is reduced over the shards beside
     * the weight-gradient GEMM. */
    const double input = tokens * n->hidden * env.element_bytes;
    const double half =
        run->sequence_parallel ? amm_gather_time(&m->fabric, &m->rates, &g, input) : 0.0;
    const double beside = amm_gemm_time(&env, env.precision, n->hidden, vocab / run->tp, tokens) *
                          m->rates.weight_gradient_slowdown;
    const double reduce = fmax(0.0, amm_all_reduce_time(&m->fabric, &m->rates, &g, input) - beside);
    const amm_linear head = { tokens, vocab / run->tp, n->hidden, tokens };
    out->forward_s =
        amm_linear_forward(&env, env.precision, &head) + gather + half + loss / 3.0 + norm + host;
    out->backward_s = amm_linear_backward(&env, env.precision, &head) + loss * 2.0 / 3.0 + norm +
                      host + reduce + (run->tp > 1.0 ? 2.0 * m->rates.scaleup_latency_s : 0.0);
}

void amm_embedding_cost(amm_pass_time *out, const amm_network *n, const amm_machine *m,
                        const amm_run *run)
{
    const double element = amm_element_bytes(run->precision);
    const double values = run->micro_batch * run->seq_len / run->cp * n->hidden;
    const amm_group g = amm_group_of(&m->fabric, run->tp, 1.0);
    const double host = 5.0 * m->rates.launch_s * m->facts.host_scale;
    const double rows = amm_traffic_time(&m->rates, values * 4.0 * element);
    /* Every rank looks up the words that it holds. */
    const double half = amm_gather_time(&m->fabric, &m->rates, &g, values * element);
    const double whole = amm_all_reduce_time(&m->fabric, &m->rates, &g, values * element);
    out->forward_s = rows + host + (run->sequence_parallel ? half : whole);
    out->backward_s = rows + host + (run->sequence_parallel ? half : 0.0);
}

double amm_end_parameters(const amm_network *n, const amm_run *run, int first, int last)
{
    const double table = n->vocab * n->hidden / run->tp;
    const double norm = amm_norm_parameters(n->kind[n->kind_count - 1].norm_vectors, n->hidden);
    double sum = first ? table + n->positions * n->hidden : 0.0;
    if (last) {
        sum += norm + (!n->tied || run->pp > 1.0 ? table : 0.0) +
               (n->prediction_layers > 0.0 && run->pp > 1.0 && !n->tied ? table : 0.0);
    }
    return sum;
}

/* ---- stages ---------------------------------------------------------------------------------- */

/* Gradients of a micro-batch are added to those of the ones before. */
double amm_accumulation_seconds(const amm_machine *m, const amm_run *run, double parameters)
{
    const double bytes = m->facts.accumulation_bytes * parameters;
    return run->sharding == AMM_SHARDING_PARAMETERS ? 0.0 : amm_traffic_time(&m->rates, bytes);
}

/* Stages of equal parameters: first block of a stage, where the ends weigh as their tables do. */
static int32_t balanced_first(const amm_network *n, int32_t p, int32_t stage)
{
    double total = 2.0 * n->vocab * n->hidden;
    double before = n->vocab * n->hidden;
    if (stage == 0) {
        return 0;
    }
    for (int32_t b = 0; b < n->block_count; b++) {
        total += n->kind_parameters[n->kind_of[b]] + n->kind_expert_parameters[n->kind_of[b]];
    }
    for (int32_t b = 0; b < n->block_count; b++) {
        const double x =
            n->kind_parameters[n->kind_of[b]] + n->kind_expert_parameters[n->kind_of[b]];
        if (before + 0.5 * x > total * stage / p) {
            return b;
        }
        before += x;
    }
    return n->block_count;
}

int32_t amm_stage_blocks(const amm_network *n, const amm_run *run, int32_t stage)
{
    const int32_t p = (int32_t)run->pp;
    const int32_t blocks = n->block_count;
    if (run->stage_blocks != NULL) {
        return run->stage_blocks[stage];
    }
    if (run->balance_parameters) {
        return stage == p - 1 ? blocks - balanced_first(n, p, stage)
                              : balanced_first(n, p, stage + 1) - balanced_first(n, p, stage);
    }
    if (blocks % p != 0 && (blocks + 2) % p == 0) { /* the ends count as a block each */
        return (blocks + 2) / p - (stage == 0) - (stage == p - 1);
    }
    return blocks / p + (stage < blocks % p);
}

void amm_stage_costs(amm_stages *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run)
{
    amm_block_seconds kind[AMM_MAX_BLOCK_KINDS];
    double parameters[AMM_MAX_BLOCK_KINDS]; /* of one rank, without experts */
    amm_pass_time embedding;
    amm_pass_time head;
    int32_t next = 0;
    amm_run own = *run; /* with the recomputation of the stage */
    out->count = (int32_t)run->pp;
    memset(out->stage, 0, (size_t)out->count * sizeof *out->stage);
    amm_embedding_cost(&embedding, n, m, run);
    amm_head_cost(&head, n, m, run);
    for (int32_t k = 0; k < n->kind_count; k++) {
        parameters[k] = amm_block_rank_parameters(&n->kind[k], run->tp);
    }
    for (int32_t i = 0; i < out->count; i++) {
        amm_stage_seconds *s = &out->stage[i];
        const int last = i == out->count - 1;
        const int set = amm_recompute_at(run->recompute, run->stage_recompute, i);
        if (i == 0 || set != own.recompute) {
            own.recompute = set;
            for (int32_t k = 0; k < n->kind_count; k++) {
                amm_block_cost(&kind[k], m, &own, &n->kind[k]);
            }
        }
        s->machine = m;
        const int32_t blocks = amm_stage_blocks(n, run, i);
        for (int32_t b = 0; b < blocks && next < n->block_count; b++, next++) {
            const int k = n->kind_of[next];
            const amm_block_seconds *x = &kind[k];
            s->forward_s += x->forward_s;
            s->backward_s += x->backward_s;
            s->tp_s += x->tp_s;
            s->cp_s += x->cp_s;
            s->ep_s += x->ep_s;
            s->parameters += parameters[k];
            s->expert_parameters += n->kind_expert_parameters[k] / (run->ep * run->etp);
            s->blocks += 1.0;
        }
        if (i == 0) {
            s->forward_s += embedding.forward_s;
            s->backward_s += embedding.backward_s;
        }
        s->parameters += amm_end_parameters(n, run, i == 0, last);
        if (last) {
            const amm_block_seconds *x = &kind[n->kind_of[n->block_count - 1]];
            const int k = n->kind_of[n->block_count - 1];
            const double extra = n->prediction_layers;
            s->parameters += extra * parameters[k];
            s->expert_parameters += extra * n->kind_expert_parameters[k] / (run->ep * run->etp);
            s->forward_s += head.forward_s * (1.0 + extra) + extra * x->forward_s;
            s->backward_s += head.backward_s * (1.0 + extra) + extra * x->backward_s;
            s->tp_s += extra * x->tp_s;
            s->cp_s += extra * x->cp_s;
            s->ep_s += extra * x->ep_s;
            s->blocks += extra;
        }
        s->backward_s += amm_accumulation_seconds(m, run, s->parameters + s->expert_parameters);
        s->forward_s += 0.5 * m->facts.micro_batch_host_s;
        s->backward_s += 0.5 * m->facts.micro_batch_host_s;
    }
}

/* ---- data parallelism ------------------------------------------------------------------------ */

static double gradient_bytes(const amm_machine *m, const amm_run *run)
{
    return amm_precision_is_wide(run->precision)  ? 4.0
           : run->precision == AMM_PRECISION_FP16 ? m->facts.gradient_bytes_fp16
                                                  : m->facts.gradient_bytes_bf16;
}

double amm_expert_ranks(const amm_run *run)
{
    return fmax(1.0, run->dp * run->cp * run->tp / (run->ep * run->etp));
}

double amm_shards(const amm_run *run, double ranks)
{
    return run->sharding == AMM_SHARDING_NONE ? 1.0 : fmin(run->shard_group, ranks);
}

/* Hybrid sharding cuts the data-parallel ranks into instances that each hold everything. Those of
 * experts are cut into as many: Megatron-Core's expert data-parallel groups by
 * num_distributed_optimizer_instances, FSDP's meshes by their replicate dimension. */
double amm_expert_shards(const amm_run *run)
{
    const double all = run->dp * run->cp;
    const double instances = all / amm_shards(run, all);
    return run->sharding == AMM_SHARDING_NONE ? 1.0 : fmax(1.0, amm_expert_ranks(run) / instances);
}

/* The groups of a stage's data-parallel ranks: those that share the states, and those
 * that hold the same share (hybrid sharding; one rank where the states are shared by all). */
typedef struct data_groups {
    amm_group shard, replicate;
    double shards;
} data_groups;

static data_groups groups_of(const amm_machine *m, double ranks, double shards, double stride)
{
    data_groups g;
    g.shards = shards;
    g.shard = amm_group_of(&m->fabric, g.shards, stride);
    g.replicate = amm_group_of(&m->fabric, ranks / g.shards, stride * g.shards);
    return g;
}

/* Gradients to those that own them: everyone (all-reduce), or the owners of each share. */
static double reduce_seconds(const amm_machine *m, const data_groups *g, double bytes)
{
    return amm_gather_time(&m->fabric, &m->rates, &g->shard, bytes) +
           amm_all_reduce_time(&m->fabric, &m->rates, &g->replicate, bytes / g->shards);
}

static data_groups dense_groups_of(const amm_machine *m, const amm_run *run)
{
    const double ranks = run->dp * run->cp;
    return groups_of(m, ranks, amm_shards(run, ranks), run->tp);
}

static data_groups expert_groups_of(const amm_machine *m, const amm_run *run)
{
    return groups_of(m, amm_expert_ranks(run), amm_expert_shards(run), run->ep * run->etp);
}

/* All layers of a stage gathered (or reduced), one after the other; `bytes` of each parameter. */
static double layer_gathers(const amm_machine *m, const data_groups *g, const data_groups *e,
                            const amm_stage_seconds *s, double bytes)
{
    const double layers = fmax(s->blocks, 1.0);
    const double each = bytes / layers;
    return layers *
           (amm_gather_time(&m->fabric, &m->rates, &g->shard, s->parameters * each) +
            amm_gather_time(&m->fabric, &m->rates, &e->shard, s->expert_parameters * each));
}

/* Sharded layer by layer (ZeRO-3, FSDP): weights gathered in both passes and gradients reduced, per
 * micro-batch, beside the compute; what does not fit there is exposed. Hybrid sharding all-reduces
 * its shares once per step. */
static double sharded_exposed(const amm_machine *m, const amm_run *run, const amm_stage_seconds *s)
{
    const data_groups g = dense_groups_of(m, run);
    const data_groups e = expert_groups_of(m, run);
    const double grad = gradient_bytes(m, run);
    const double comm = 2.0 * layer_gathers(m, &g, &e, s, amm_element_bytes(run->precision)) +
                        layer_gathers(m, &g, &e, s, grad);
    const double hidden = comm * m->facts.fsdp_overlap;
    const double compute = s->forward_s + s->backward_s;
    const double replicate =
        amm_all_reduce_time(&m->fabric, &m->rates, &g.replicate, s->parameters * grad / g.shards) +
        amm_all_reduce_time(&m->fabric, &m->rates, &e.replicate,
                            s->expert_parameters * grad / e.shards);
    const double beside = comm - hidden + fmax(hidden - compute, comm / fmax(s->blocks, 1.0));
    return run->micro_batches * (run->dp_overlap ? beside : comm) + replicate;
}

/* Gradients reduced after the last backward pass (sharded gradients: after every one) and, with a
 * sharded optimizer, parameters gathered before the next forward pass; each less what the runtime
 * hides behind compute. */
double amm_data_exposed(const amm_machine *m, const amm_run *run, const amm_stage_seconds *s)
{
    if (run->sharding == AMM_SHARDING_PARAMETERS) {
        return sharded_exposed(m, run, s);
    }
    const data_groups g = dense_groups_of(m, run);
    const data_groups e = expert_groups_of(m, run);
    const double grad = gradient_bytes(m, run);
    const double reduce = reduce_seconds(m, &g, s->parameters * grad) +
                          reduce_seconds(m, &e, s->expert_parameters * grad);
    const double element = amm_element_bytes(run->precision);
    const double gather =
        amm_gather_time(&m->fabric, &m->rates, &g.shard, s->parameters * element) +
        amm_gather_time(&m->fabric, &m->rates, &e.shard, s->expert_parameters * element);
    /* With interleaved stages all chunks but the last to finish have min(G, p) micro-batches of the
     * others to hide behind. */
    const double passes = !run->dp_overlap ? 0.0
                          : run->vpp > 1.0 ? fmin(run->micro_batches, run->pp)
                                           : 1.0;
    const double hide_reduce = m->facts.dp_overlap * s->backward_s * passes;
    const double hide_gather = m->facts.gather_overlap * s->forward_s * passes;
    const double least = 1.0 / fmax(s->blocks, 10.0);
    const double times = run->sharding == AMM_SHARDING_GRADIENTS ? run->micro_batches : 1.0;
    /* Owners broadcast their shares: nothing to send where nothing is shared. */
    const bool leaves = g.shards > 1.0 && g.shards > m->fabric.domain / run->tp;
    const double per_rank = leaves ? m->facts.zero_rank_s * g.shards : 0.0;
    return times * fmax(reduce - hide_reduce, least * reduce) +
           fmax(gather - hide_gather, least * gather) + per_rank;
}

double amm_optimizer_seconds(const amm_machine *m, const amm_run *run, const amm_stage_seconds *s)
{
    const double share = amm_shards(run, run->dp * run->cp);
    const double own = s->parameters / share + s->expert_parameters / amm_expert_shards(run);
    /* Weights in the training format are written whole, unless they are sharded themselves. */
    const double whole =
        run->sharding == AMM_SHARDING_PARAMETERS ? own : s->parameters + s->expert_parameters;
    return amm_traffic_time(&m->rates, own * m->facts.optimizer_traffic_bytes + whole * 4.0);
}

/* ---- the step -------------------------------------------------------------------------------- */

double amm_model_flops(const amm_network *n, const amm_run *run)
{
    const double tokens = run->micro_batch * run->micro_batches * run->dp * run->seq_len;
    const double extra = n->prediction_layers;
    double per_token = 2.0 * n->hidden * n->vocab * (1.0 + extra);
    for (int32_t b = 0; b < n->block_count; b++) {
        const amm_block_shape *x = &n->kind[n->kind_of[b]];
        const double keys = amm_attended_keys(x, run->seq_len);
        const double active = x->experts > 0.0
                                  ? n->kind_expert_parameters[n->kind_of[b]] * x->top_k / x->experts
                                  : 0.0;
        const double times = b == n->block_count - 1 ? 1.0 + extra : 1.0;
        per_token += times * (2.0 * (n->kind_parameters[n->kind_of[b]] + active) +
                              keys * x->heads * (x->head_qk + x->head_v));
    }
    return 3.0 * per_token * tokens;
}

double amm_transfer_seconds(const amm_network *n, const amm_machine *m, const amm_run *run)
{
    const double split = run->sequence_parallel || m->facts.p2p_split > 0.0 ? run->tp : 1.0;
    const double element = amm_element_bytes(run->precision);
    const double bytes = run->micro_batch * run->seq_len / run->cp * n->hidden * element / split;
    if (run->pp <= 1.0) {
        return 0.0;
    }
    /* Stages smaller than a domain share one: only some boundaries cross the network. */
    const double stage = run->tp * run->cp * run->dp;
    const double crossings =
        fmin(run->pp - 1.0, ceil(run->pp * stage / floor(m->fabric.domain)) - 1.0);
    const double share = stage >= m->fabric.domain && m->fabric.devices > m->fabric.domain
                             ? 1.0
                             : crossings / (run->pp - 1.0);
    const double inside = (1.0 - share) * amm_send_time(&m->fabric, &m->rates, 0, bytes);
    return share > 0.0 ? inside + share * amm_send_time(&m->fabric, &m->rates, 1, bytes) : inside;
}

/* A pipeline whose stages are all like `s`. */
static amm_even_pipeline even_of(const amm_run *run, const amm_stage_seconds *s, double transfer_s)
{
    amm_even_pipeline even;
    even.stages = even.group = run->pp;
    even.chunks = run->vpp;
    even.micro_batches = run->micro_batches;
    even.forward_s = s->forward_s / run->vpp;
    even.backward_s = s->backward_s / run->vpp;
    even.weight_s = AMM_WEIGHT_SHARE * even.backward_s;
    even.transfer_s = transfer_s;
    return even;
}

/* Bubble of a zero-bubble schedule over that of 1F1B, as if all stages were like `s`; half of a
 * backward pass is the weights' (Qi et al. 2023, arXiv 2401.10241). */
static double bubble_share(const amm_run *run, const amm_stage_seconds *s)
{
    const amm_schedule_kind kind = (amm_schedule_kind)run->schedule;
    if (!amm_schedule_splits(kind) || run->pp <= 1.0) {
        return 1.0;
    }
    const amm_even_pipeline even = even_of(run, s, 0.0);
    const double busy = run->micro_batches * (s->forward_s + s->backward_s);
    const double plain = amm_schedule_time(AMM_SCHEDULE_1F1B, &even, false) - busy;
    return fmax(0.0, amm_schedule_time(kind, &even, false) - busy) / plain;
}

/* A table of which first and last stage have a copy each: their gradients are added up once all
 * others are reduced, while nothing else runs (Megatron-LM finalize_model_grads; Shoeybi et al.
 * 2019). Extra prediction layers have a copy of the embedding. */
static double tied_seconds(const amm_network *n, const amm_machine *m, const amm_run *run)
{
    const amm_group ends = { 2.0, m->fabric.devices > m->fabric.domain ? 1.0 : 2.0 };
    /* The stages between are idle: their devices leave the NICs of a shared domain alone. */
    amm_fabric fabric = m->fabric;
    fabric.collective_share = 1.0;
    fabric.domain = fmin(fabric.domain, run->tp * run->cp * run->dp);
    const double shards =
        run->sharding >= AMM_SHARDING_GRADIENTS ? amm_shards(run, run->dp * run->cp) : 1.0;
    const double bytes = n->vocab * n->hidden / run->tp * gradient_bytes(m, run) / shards;
    return run->pp > 1.0 && (n->tied || n->prediction_layers > 0.0)
               ? amm_all_reduce_time(&fabric, &m->rates, &ends, bytes)
               : 0.0;
}

double amm_exposed_share(const amm_machine *m, const amm_run *run)
{
    return run->vpp > 1.0 ? m->facts.p2p_exposed_interleaved : m->facts.p2p_exposed;
}

/* Transfers of the schedule, of which a share holds its sender: as if all stages were like `s`. */
static double boundaries_of(const amm_machine *m, const amm_run *run, const amm_stage_seconds *s,
                            double transfer_s)
{
    const amm_even_pipeline even = even_of(run, s, transfer_s);
    return run->pp > 1.0 ? amm_schedule_transfers((amm_schedule_kind)run->schedule, &even,
                                                  amm_exposed_share(m, run))
                         : 0.0;
}

double amm_least_boundary_seconds(const amm_network *n, const amm_machine *m, const amm_run *run)
{
    const amm_stage_seconds any = { 0 };
    const amm_even_pipeline even = even_of(run, &any, amm_transfer_seconds(n, m, run));
    return run->pp > 1.0 ? amm_least_transfers((amm_schedule_kind)run->schedule, &even,
                                               amm_exposed_share(m, run))
                         : 0.0;
}

void amm_step_time(amm_step *out, const amm_network *n, const amm_machine *m, const amm_run *run)
{
    amm_stages stages;
    amm_stage_costs(&stages, n, m, run);
    amm_step_of_stages(out, &stages, n, m, run);
}

void amm_step_of_stages(amm_step *out, const amm_stages *stages, const amm_network *n,
                        const amm_machine *m, const amm_run *run)
{
    double sum = 0.0;
    double transfer = 0.0;
    double offset = 0.0; /* stages before this one still run backward when it has finished */
    int32_t slow = 0;
    memset(out, 0, sizeof *out);
    for (int32_t i = 0; i < stages->count; i++) {
        const amm_stage_seconds *s = &stages->stage[i];
        const amm_stage_seconds *w = &stages->stage[slow];
        sum += s->forward_s + s->backward_s;
        slow = s->forward_s + s->backward_s > w->forward_s + w->backward_s ? i : slow;
        out->dp_s = fmax(out->dp_s, amm_data_exposed(s->machine, run, s) - offset);
        out->optimizer_s = fmax(out->optimizer_s, amm_optimizer_seconds(s->machine, run, s));
        offset += s->backward_s / run->vpp;
        if (i == 0 || s->machine != stages->stage[i - 1].machine) {
            transfer = fmax(transfer, amm_transfer_seconds(n, s->machine, run));
        }
    }
    const amm_stage_seconds *s = &stages->stage[slow];
    const double G = run->micro_batches;
    const double slowest = s->forward_s + s->backward_s;
    out->tp_s = G * s->tp_s;
    out->cp_s = G * s->cp_s;
    out->ep_s = G * s->ep_s;
    out->compute_s = amm_pipeline_compute(G, slowest) - out->tp_s - out->cp_s - out->ep_s;
    out->bubble_s = amm_pipeline_bubble(sum, slowest) / run->vpp * bubble_share(run, s);
    out->pp_s = boundaries_of(m, run, s, transfer);
    out->other_s =
        m->facts.step_host_s + fmax(tied_seconds(n, stages->stage[0].machine, run),
                                    tied_seconds(n, stages->stage[stages->count - 1].machine, run));
    out->time_s = out->compute_s + out->tp_s + out->cp_s + out->ep_s + out->bubble_s + out->pp_s +
                  out->dp_s + out->optimizer_s + out->other_s;
    out->flops = amm_model_flops(n, run);
}
