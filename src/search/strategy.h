/* Strategies as people type them: "tp=2,pp=4,dp=2,micro-batch=1,stage-layers=8-7-7-8". */
#ifndef AMM_SEARCH_STRATEGY_H
#define AMM_SEARCH_STRATEGY_H

#include "search/planner.h"

typedef struct amm_strategy {
    amm_config config;     /* index 0; micro_batches filled */
    int32_t *stage_layers; /* [pp] or NULL: the best partition */
    int32_t *grid;         /* [per_node][nodes] stage of each device, or NULL */
    int32_t grid_rows, grid_columns;
    bool explicit_tp;
} amm_strategy;

/* Errors: INPUT with "strategy 'text': what, got, allowed"; NO_MEMORY. Checked against the problem:
 * tp pp dp = devices, the batch divides, stage layers add up. */
amm_status amm_strategy_parse(amm_strategy *out, amm_arena *arena, const char *text,
                              const amm_problem_desc *problem);

#endif
