/* One transformer block on one rank: seconds of its parts, forward and backward, without
 * communication (collective.h) and without the host's launch time. */
#ifndef AMM_FORMULA_COST_BLOCK_H
#define AMM_FORMULA_COST_BLOCK_H

#include "formula/cost/op.h"
#include "formula/cost/recompute.h"
#include "formula/cost/shape.h"

/* How a block is cut over ranks. */
typedef struct amm_block_split {
    double tokens; /* b s / c: positions of this rank before tensor parallelism */
    double keys;   /* s: positions a query may attend to */
    double tp;
    double sequence_parallel; /* 1: norms, residuals and dropout work on tokens / tp */
    double ep, etp;           /* expert and expert-tensor parallel degrees */
} amm_block_split;

/* Parts that a recompute set can name, so that the time to redo them is known. */
typedef struct amm_block_time {
    amm_pass_time projections;    /* into and out of attention, without the following two */
    amm_pass_time mla_up;         /* MLA: up projections */
    amm_pass_time core;           /* scores, softmax, weighted sum */
    amm_pass_time norms;          /* norms */
    amm_pass_time residual;       /* residual additions, dropout, rotary embedding */
    amm_pass_time mlp;            /* dense feed-forward: GEMMs */
    amm_pass_time mlp_activation; /* and its activation function */
    amm_pass_time router;         /* router, permutation of tokens */
    amm_pass_time experts;        /* routed experts: GEMMs */
    amm_pass_time expert_activation;
    amm_pass_time shared; /* shared experts, GEMMs and activation */
} amm_block_time;

/* Keys that stand for the work of causal attention counted half: with a window every query attends
 * to all of it. */
AMM_FN double amm_attended_keys(const amm_block_shape *x, double keys)
{
    return x->window > 0.0 ? fmin(2.0 * x->window, keys) : keys;
}

AMM_FN void amm_add_groups(amm_pass_time *t, const amm_op_env *env, const amm_linear *l)
{
    t->forward_s += amm_linear_forward(env, env->precision, l);
    t->backward_s += amm_linear_backward(env, env->precision, l);
}

AMM_FN void amm_add_linear(amm_pass_time *t, const amm_op_env *env, double m, double n, double k)
{
    const amm_linear l = { m, n, k, m };
    amm_add_groups(t, env, &l);
}

AMM_FN void amm_add_traffic(amm_pass_time *t, const amm_op_env *env, double forward_bytes,
                            double backward_bytes)
{
    const double scale = env->facts->element_traffic_scale * env->element_bytes / 2.0;
    t->forward_s += amm_traffic_time(env->rates, forward_bytes * scale);
    t->backward_s += amm_traffic_time(env->rates, backward_bytes * scale);
}

/* The activation function, per inner element: read one or two, write one; backward also reads the
 * gradient and writes one or two. Functions that no library fuses are a chain of kernels that each
 * read and write. */
AMM_FN void amm_add_activation(amm_pass_time *t, const amm_op_env *env, double elements,
                               const amm_block_shape *x)
{
    const double chain = 4.0 * x->activation_kernels;
    amm_add_traffic(t, env, elements * fmax(chain, x->gated > 0.0 ? 6.0 : 4.0),
                    elements * fmax(2.0 * chain, x->gated > 0.0 ? 10.0 : 6.0));
}

/* Outputs of the joint projection into attention on one rank (no latent attention). */
AMM_FN double amm_attention_inputs(const amm_block_shape *x, double tp)
{
    const double k = fmax(x->kv_heads / tp, 1.0); /* fewer than tp: every rank keeps one */
    return x->heads / tp * x->head_qk + k * (x->head_qk + x->head_v);
}

AMM_FN void amm_block_attention(amm_block_time *t, const amm_op_env *env, const amm_block_shape *x,
                                const amm_block_split *s)
{
    const double m = s->tokens;
    const double a = x->heads / s->tp;
    const double k = fmax(x->kv_heads / s->tp, 1.0); /* fewer than tp: every rank keeps one */
    const double own = s->sequence_parallel > 0.0 ? m / s->tp : m;
    if (x->kv_rank > 0.0) {
        const double q_in = x->q_rank > 0.0 ? x->q_rank : x->hidden;
        if (x->q_rank > 0.0) {
            amm_add_linear(&t->projections, env, own, x->q_rank, x->hidden);
        }
        amm_add_linear(&t->projections, env, own, x->kv_rank + x->rope, x->hidden);
        amm_add_linear(&t->mla_up, env, m, a * x->head_qk, q_in);
        amm_add_linear(&t->mla_up, env, m, a * (x->head_qk - x->rope + x->head_v), x->kv_rank);
        amm_add_traffic(&t->mla_up, env, m * a * x->head_qk * 12.0, m * a * x->head_qk * 12.0);
    } else {
        amm_add_linear(&t->projections, env, m, amm_attention_inputs(x, s->tp), x->hidden);
        /* Rotary embedding (RMSNorm models have one) or the bias: read and write q and k. */
        const double bytes = x->norm_vectors < 2.0 ? 8.0 : 2.0;
        amm_add_traffic(&t->residual, env, m * (a + k) * x->head_qk * bytes,
                        m * (a + k) * x->head_qk * bytes);
    }
    amm_add_linear(&t->projections, env, m, x->hidden, a * x->head_v);
    const double keys = amm_attended_keys(x, s->keys);
    t->core = amm_attention_time(env, m, keys, a, x->head_qk, x->head_v);
}

/* Sequence parallelism keeps a rank's part of the input of a column-parallel layer and gathers it again
 * in the backward pass, beside the GEMM of the input's gradient: what of `gather_s` shows for a layer of
 * `outputs` on one rank (Korthikanti et al. 2022, arXiv 2205.05198, section 4.2.2). */
AMM_FN double amm_gather_again(const amm_op_env *env, double tokens, double hidden, double outputs,
                               double gather_s)
{
    return fmax(0.0, gather_s - amm_gemm_time(env, env->precision, tokens, hidden, outputs));
}

/* A feed-forward of `inner`, or many: groups of `rows` tokens each. */
AMM_FN void amm_block_dense(amm_pass_time *gemm, amm_pass_time *activation, const amm_op_env *env,
                            const amm_block_shape *x, double tokens, double inner, double rows)
{
    const amm_linear up = { tokens, inner * (1.0 + x->gated), x->hidden, rows };
    const amm_linear down = { tokens, x->hidden, inner, rows };
    amm_add_groups(gemm, env, &up);
    amm_add_groups(gemm, env, &down);
    amm_add_activation(activation, env, tokens * inner, x);
}

/* Routed experts: this rank receives top_k copies of every token it sends, times the imbalance. */
AMM_FN void amm_block_experts(amm_block_time *t, const amm_op_env *env, const amm_block_shape *x,
                              const amm_block_split *s)
{
    const double own = s->sequence_parallel > 0.0 ? s->tokens / s->tp : s->tokens;
    const double copies = own * x->top_k * s->etp * env->facts->expert_imbalance;
    /* Weights of every local expert are read however few rows each has. */
    const double rows = copies * s->ep / x->experts;
    amm_block_dense(&t->experts, &t->expert_activation, env, x, copies, x->expert_ffn / s->etp,
                    rows);
    const double bytes = env->facts->dispatch_traffic_bytes;
    amm_add_traffic(&t->router, env, copies * x->hidden * bytes, copies * x->hidden * bytes);
    t->router.forward_s += amm_gemm_time(env, AMM_PRECISION_BF16, own, x->experts, x->hidden);
    t->router.backward_s +=
        2.0 * amm_gemm_time(env, AMM_PRECISION_BF16, own, x->experts, x->hidden);
}

AMM_FN amm_block_time amm_block_times(const amm_op_env *env, const amm_block_shape *x,
                                      const amm_block_split *s)
{
    amm_block_time t = { 0 };
    const double own = s->sequence_parallel > 0.0 ? s->tokens / s->tp : s->tokens;
    const double norm = env->norm_bytes;
    amm_block_attention(&t, env, x, s);
    amm_add_traffic(&t.norms, env, own * x->hidden * norm, own * x->hidden * norm * 1.5);
    amm_add_traffic(&t.residual, env, own * x->hidden * 16.0, own * x->hidden * 18.0);
    if (x->ffn > 0.0) {
        amm_block_dense(&t.mlp, &t.mlp_activation, env, x, s->tokens, x->ffn / s->tp, s->tokens);
    }
    if (x->experts > 0.0) {
        amm_block_experts(&t, env, x, s);
    }
    if (x->shared_ffn > 0.0) {
        amm_block_dense(&t.shared, &t.shared, env, x, s->tokens, x->shared_ffn / s->tp, s->tokens);
    }
    return t;
}

AMM_FN double amm_block_forward(const amm_block_time *t)
{
    return t->projections.forward_s + t->mla_up.forward_s + t->core.forward_s + t->norms.forward_s +
           t->residual.forward_s + t->mlp.forward_s + t->mlp_activation.forward_s +
           t->router.forward_s + t->experts.forward_s + t->expert_activation.forward_s +
           t->shared.forward_s;
}

AMM_FN double amm_block_backward(const amm_block_time *t)
{
    return t->projections.backward_s + t->mla_up.backward_s + t->core.backward_s +
           t->norms.backward_s + t->residual.backward_s + t->mlp.backward_s +
           t->mlp_activation.backward_s + t->router.backward_s + t->experts.backward_s +
           t->expert_activation.backward_s + t->shared.backward_s;
}

/* Forward work done again in the backward pass for a recompute set. */
AMM_FN double amm_block_recompute(const amm_block_time *t, int set)
{
    if (set & AMM_RECOMPUTE_FULL) {
        return amm_block_forward(t);
    }
    const int moe = (set & AMM_RECOMPUTE_MOE) != 0;
    return (set & AMM_RECOMPUTE_CORE_ATTN ? t->core.forward_s : 0.0) +
           (set & AMM_RECOMPUTE_MLP ? t->mlp.forward_s + t->mlp_activation.forward_s : 0.0) +
           (moe ? t->router.forward_s + t->experts.forward_s : 0.0) +
           (moe || (set & AMM_RECOMPUTE_MOE_ACT) ? t->expert_activation.forward_s : 0.0) +
           (set & AMM_RECOMPUTE_LAYERNORM ? t->norms.forward_s : 0.0) +
           (set & AMM_RECOMPUTE_MLA_UP_PROJ ? t->mla_up.forward_s : 0.0) +
           (moe || (set & AMM_RECOMPUTE_SHARED_EXPERTS) ? t->shared.forward_s : 0.0);
}

#endif
