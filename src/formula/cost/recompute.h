/* What a block computes again in its backward pass instead of keeping it: a set of modules.
 * Names: Megatron-LM `--recompute-modules` (megatron-core transformer_config.py); `full` is
 * `--recompute-granularity full`, the whole block from its input. */
#ifndef AMM_FORMULA_COST_RECOMPUTE_H
#define AMM_FORMULA_COST_RECOMPUTE_H

#include "formula/fn.h"
#include <stdint.h>

/* name, word */
#define AMM_RECOMPUTE_LIST(X)                                                                      \
    X(CORE_ATTN, "core_attn")           /* scores, softmax, weighted sum */                        \
    X(MLP, "mlp")                       /* dense feed-forward */                                   \
    X(MOE_ACT, "moe_act")               /* activation function between an expert's two GEMMs */    \
    X(MOE, "moe")                       /* the whole expert layer */                               \
    X(LAYERNORM, "layernorm")           /* both norms: their outputs */                            \
    X(MLA_UP_PROJ, "mla_up_proj")       /* up projections and rotary embedding of MLA */           \
    X(SHARED_EXPERTS, "shared_experts") /* the shared experts */                                   \
    X(FULL, "full")                     /* everything: keeps the block's input only */

enum {
#define AMM_RECOMPUTE_BIT(name, word) AMM_RECOMPUTE_BIT_##name,
    AMM_RECOMPUTE_LIST(AMM_RECOMPUTE_BIT)
#undef AMM_RECOMPUTE_BIT
        AMM_RECOMPUTE_COUNT,
#define AMM_RECOMPUTE_MASK(name, word) AMM_RECOMPUTE_##name = 1 << AMM_RECOMPUTE_BIT_##name,
    AMM_RECOMPUTE_LIST(AMM_RECOMPUTE_MASK)
#undef AMM_RECOMPUTE_MASK
        AMM_RECOMPUTE_NONE = 0,
    AMM_RECOMPUTE_PER_STAGE = -1 /* no set: stages differ, or each is still to choose its own */
};

/* The set of a stage: its own where stages differ (per_stage, one each), else the common one. */
AMM_FN int32_t amm_recompute_at(int32_t common, const int32_t *per_stage, int32_t stage)
{
    return per_stage ? per_stage[stage] : common;
}

#endif
