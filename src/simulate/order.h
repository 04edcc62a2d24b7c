/* The order of a stage's passes: one rule with three numbers per stage, see simulate.h. */
#ifndef AMM_SIMULATE_ORDER_H
#define AMM_SIMULATE_ORDER_H

#include "simulate/simulate.h"

/* Where a stage is in its work; counts of passes begun. */
typedef struct amm_stage_order {
    int32_t total; /* passes of each kind: G v */
    int32_t limit; /* forward passes go on while fewer are in flight */
    int32_t delay; /* weight passes put off while no more than this many wait */
    bool split;    /* weight passes are separate */
    int32_t forward, backward, weight;
} amm_stage_order;

static inline int32_t amm_order_least(int64_t a, int32_t b)
{
    return a < b ? (int32_t)a : b;
}

static inline void amm_order_init(amm_stage_order *o, const amm_schedule_input *in, int32_t group,
                                  int32_t stage)
{
    const int32_t after = in->stages - 1 - stage;
    const int32_t total = in->micro_batches * in->chunks;
    const amm_stage_order start = { total, total, 0, false, 0, 0, 0 };
    *o = start;
    switch (in->kind) {
    case AMM_SCHEDULE_1F1B:
        o->limit = after + 1;
        break;
    case AMM_SCHEDULE_INTERLEAVED:
        o->limit =
            amm_order_least(2 * (int64_t)after + (int64_t)(in->chunks - 1) * group + 1, total);
        break;
    case AMM_SCHEDULE_ZB_H1:
    case AMM_SCHEDULE_ZB_H2: {
        const int32_t times = in->kind == AMM_SCHEDULE_ZB_H1 ? 1 : 2;
        o->split = true;
        o->limit = times * after + 1;
        o->delay = times * stage;
        break;
    }
    case AMM_SCHEDULE_GPIPE:
    case AMM_SCHEDULE_COUNT:
        break;
    }
}

static inline bool amm_order_done(const amm_stage_order *o)
{
    return o->backward == o->total && (!o->split || o->weight == o->total);
}

/* The kind of the next pass. Not to be called when done. */
static inline amm_event_kind amm_order_next(const amm_stage_order *o)
{
    if (o->split && o->backward - o->weight > o->delay) {
        return AMM_EVENT_WEIGHT;
    }
    if (o->forward < o->total && o->forward - o->backward < o->limit) {
        return AMM_EVENT_FORWARD;
    }
    return o->backward < o->total ? AMM_EVENT_BACKWARD : AMM_EVENT_WEIGHT;
}

#endif
