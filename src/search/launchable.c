#include "search/enumerate.h"

/* A part of a layout that not every software has, and the fact that says so. */
typedef struct need {
    bool needed;
    int32_t fact;
} need;

/* A choice that differs from what the runtime does anyway, where it changes something. */
static bool extra(const amm_runtime *runtime, const amm_config *c, amm_choice choice)
{
    return amm_choice_matters(choice, c) && c->choice[choice] != amm_choice_usual(choice, runtime);
}

static bool turned_on(const amm_runtime *runtime, const amm_config *c, amm_choice choice)
{
    return c->choice[choice] != 0 && extra(runtime, c, choice);
}

bool amm_runtime_launches(const amm_runtime *r, const amm_config *c)
{
    const int32_t schedule = c->choice[AMM_CHOICE_SCHEDULE];
    const bool zero_bubble = schedule == AMM_SCHEDULE_ZB_H1 || schedule == AMM_SCHEDULE_ZB_H2;
    const need needs[] = {
        { c->tp > 1, AMM_FACT_runs_tp },
        { c->pp > 1, AMM_FACT_runs_pp },
        { c->vpp > 1, AMM_FACT_runs_vpp },
        { c->cp > 1, AMM_FACT_runs_cp },
        { c->ep > 1, AMM_FACT_runs_ep },
        { c->pp > 1 && schedule == AMM_SCHEDULE_GPIPE, AMM_FACT_runs_gpipe },
        { c->pp > 1 && zero_bubble, AMM_FACT_runs_zero_bubble },
        { c->pp > 1 && c->recompute == AMM_RECOMPUTE_PER_STAGE, AMM_FACT_recompute_per_stage },
        { turned_on(r, c, AMM_CHOICE_SEQUENCE_PARALLEL), AMM_FACT_runs_sequence_parallel },
        { extra(r, c, AMM_CHOICE_CP_COMM), AMM_FACT_runs_cp_comm },
        { turned_on(r, c, AMM_CHOICE_TP_OVERLAP), AMM_FACT_runs_tp_overlap },
        { turned_on(r, c, AMM_CHOICE_EP_OVERLAP), AMM_FACT_runs_ep_overlap },
        { turned_on(r, c, AMM_CHOICE_DISPATCHER), AMM_FACT_runs_deduplicate },
        { turned_on(r, c, AMM_CHOICE_GRAPHS), AMM_FACT_runs_graphs },
        { turned_on(r, c, AMM_CHOICE_SHARD_GROUP), AMM_FACT_runs_shard_group },
    };
    /* Parameters gathered layer by layer leave no room for a pipeline in any known runtime. */
    bool known = c->sharding <= (int32_t)r->facts[AMM_FACT_runs_sharding].value &&
                 (c->sharding < AMM_SHARDING_GRADIENTS || c->pp == 1);
    for (size_t i = 0; i < sizeof needs / sizeof needs[0]; i++) {
        known = known && (!needs[i].needed || r->facts[needs[i].fact].value > 0.0);
    }
    return known;
}
