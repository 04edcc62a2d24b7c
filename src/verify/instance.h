/* Synthetic problems: what backends are checked and timed on. */
#ifndef AMM_VERIFY_INSTANCE_H
#define AMM_VERIFY_INSTANCE_H

#include "backend/problem.h"
#include "core/random.h"

enum { AMM_INSTANCE_CLASSES = 3, AMM_INSTANCE_ENTRIES = 3 };

/* Items cost `cost` ticks each, give or take jitter / 1000; the last one `head` times that. */
typedef struct amm_instance_shape {
    int32_t items, stages;
    int32_t a;
    int32_t cost, jitter, head;
    int32_t classes; /* device types, one per stage in turn, that much slower: 1, 1.7, 2.3 … */
    int32_t entries; /* per stage: each costs a sixth more and keeps a third as much */
    bool with_e, with_d, with_o; /* slower or faster links; collectives; finish offsets */
    int32_t memory; /* per cent of what all items keep that a stage has room for; 0: no limit */
    bool with_end;  /* the first stage pays for where it ends */
} amm_instance_shape;

/* Any shape up to that size, tie-heavy and infeasible ones included. */
amm_instance_shape amm_instance_random(uint64_t *seed, int32_t most_items, int32_t most_stages);

/* Adds one config of a shape (shape->items = the builder's). `seed` decides the jitter. */
amm_status amm_instance_add(amm_problem_builder *builder, const amm_instance_shape *shape,
                            uint64_t *seed, uint64_t id);

#endif
