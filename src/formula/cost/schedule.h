/* Pipeline schedules in closed form, equal stages: time of an iteration, and how many micro-batches
 * a stage holds. Exact against src/simulate (tests/property/test_schedule.c) where their conditions
 * hold; docs/cost-model.md derives them. */
#ifndef AMM_FORMULA_COST_SCHEDULE_H
#define AMM_FORMULA_COST_SCHEDULE_H

#include "formula/cost/pipeline.h"
#include <math.h>
#include <stdbool.h>

/* name, word */
#define AMM_SCHEDULE_LIST(X)                                                                       \
    X(GPIPE, "gpipe")             /* Huang et al. 2019, arXiv 1811.06965 */                        \
    X(1F1B, "1f1b")               /* Narayanan et al. 2021, arXiv 2104.04473 */                    \
    X(INTERLEAVED, "interleaved") /* the same, section 2.2 */                                      \
    X(ZB_H1, "zb-h1")             /* Qi et al. 2023, arXiv 2401.10241 */                           \
    X(ZB_H2, "zb-h2")             /* the same */

typedef enum amm_schedule_kind {
#define AMM_SCHEDULE_ENUM(name, word) AMM_SCHEDULE_##name,
    AMM_SCHEDULE_LIST(AMM_SCHEDULE_ENUM)
#undef AMM_SCHEDULE_ENUM
        AMM_SCHEDULE_COUNT
} amm_schedule_kind;

/* p stages of v chunks that all take the same time, and equal boundaries. */
typedef struct amm_even_pipeline {
    double stages, chunks, micro_batches, group; /* p, v, G, g */
    double forward_s, backward_s;                /* of one chunk and micro-batch; the whole backward */
    double weight_s;                             /* W: part of backward_s, zero-bubble only */
    double transfer_s;                           /* e, one way between two devices */
} amm_even_pipeline;

AMM_FN bool amm_schedule_splits(amm_schedule_kind kind)
{
    return kind == AMM_SCHEDULE_ZB_H1 || kind == AMM_SCHEDULE_ZB_H2;
}

#endif
