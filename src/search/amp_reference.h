/* The amp-reference cost model: one evaluation, exactly as the AMP reference code does it (quirks
 * included; docs/amp-reference.md). The planner ranks what this returns; nothing of it is shared
 * with the default cost model. */
#ifndef AMM_SEARCH_AMP_REFERENCE_H
#define AMM_SEARCH_AMP_REFERENCE_H

#include "describe/describe.h"

enum { AMM_AMP_MAX_TP_POINTS = 32 };

/* What the reference sees of a problem: lowered once, read by every evaluation. */
typedef struct amm_amp_case {
    const amm_problem_desc *problem;
    int32_t nodes, per_node, ranks; /* N, M, N * M */
    float *intra, *inter;           /* [nodes] elements per second */
    int32_t layers;                 /* work layers */
    const int32_t *work;            /* [layers] model layer of each */
    int32_t tp_count;               /* tensor degrees with a profile */
    int32_t tp[AMM_AMP_MAX_TP_POINTS];
    double *forward[AMM_AMP_MAX_TP_POINTS]; /* [layers] forward seconds, mixed where asked */
    double *boundary;     /* [layers] elements per sample over a cut after the layer */
    bool *boundary_split; /* [layers] divided by tp */
} amm_amp_case;

/* Memory from the arena. Errors: INPUT when the model has no AMP view, nodes differ in size …
 * (amm_problem_check has said so before), NO_MEMORY. */
amm_status amm_amp_lower(amm_amp_case *out, amm_arena *arena, const amm_problem_desc *problem);

/* Index into forward[], or -1: no profile for this tensor degree. */
int32_t amm_amp_profile_of(const amm_amp_case *amp, int32_t tp);

typedef struct amm_amp_strategy {
    int32_t tp, dp, pp;
    int64_t micro_batch, micro_batches;
    const int32_t *node_of_rank; /* [tp * dp * pp]; NULL: rank / per_node */
    bool explicit_tp;            /* the placement path's tensor term instead of the profile's */
} amm_amp_strategy;

/* Arrays are the caller's: [pp], [pp + 1], [pp]. */
typedef struct amm_amp_cost {
    float total, pipe, dp;
    double compute_s, bubble_s, p2p_s; /* in double: sum of layers, (B-1) max, sum of cuts */
    int32_t *stage_layers;             /* [pp] work layers of each stage */
    int32_t *boundaries;               /* [pp + 1] in model layers; the last is the model's end */
    double *stage_s;                   /* [pp] */
    float *cut_s;                      /* [pp] transfer after each stage; the last is 0 */
} amm_amp_cost;

/* Evaluates with the reference's own layer partition. Errors: NO_MEMORY. */
amm_status amm_amp_evaluate(const amm_amp_case *amp, const amm_context *context,
                            const amm_amp_strategy *strategy, amm_amp_cost *out);

/* The reference's partition recurrence (amp_partition.c). e [layers], c [layers][stages - 1] the
 * transfer of a cut after layer l between stages p and p + 1; sizes [stages] out. */
amm_status amm_amp_partition(const amm_context *context, int32_t *sizes, int32_t layers,
                             int32_t stages, int64_t micro_batches, const double *e,
                             const float *c);

#endif
