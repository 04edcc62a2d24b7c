/* The space as a range of indices. */
#ifndef AMM_SEARCH_ENUMERATE_H
#define AMM_SEARCH_ENUMERATE_H

#include "search/result.h"

/* Digits of the config index, slowest first: micro-batch, tp, dp, then what only the analytic model
 * varies: cp, ep, etp, vpp, recompute, sharding (pp follows from the devices). Upwards it is the AMP
 * reference's own order, so its stable ties are ties by index. */
enum { AMM_RADIX_COUNT = 9 };

typedef struct amm_space_range {
    int32_t devices;
    int64_t batch;
    int32_t radix[AMM_RADIX_COUNT];
    const int64_t *values[AMM_RADIX_COUNT];
    amm_list pp; /* restriction, or empty */
    uint64_t count;
    uint64_t inner;  /* indices that share micro-batch, tp, dp and cp */
    int32_t dropped; /* tp, dp and cp values of the space that do not divide the devices */
} amm_space_range;

/* Values are those of the problem's space, or all divisors (of the batch, of the devices). Without a
 * profile also cp, the experts' divisors for ep, chunks that can cut the blocks evenly for vpp, sets
 * that save memory for recompute, the runtime's own sharding; what the runtime cannot launch is left
 * out of these unless the space is full. */
amm_status amm_space_open(amm_space_range *out, amm_arena *arena, const amm_problem_desc *problem);

/* Whether every stage may recompute a set of its own: the runtime can launch that (or the space is full)
 * and there is more than one set. Then the set is no digit: configs are open (amm_config_is_open). */
bool amm_space_chooses(const amm_problem_desc *problem);

/* Gives a lowered problem the sets that stages of open configs choose among: those of the space, or the
 * default ones. */
amm_status amm_space_choices(amm_lowered *lowered);

/* Config of an index. False: a hole (degrees do not multiply to the devices, or pp is not wanted). */
bool amm_space_config(const amm_space_range *space, amm_config *out, uint64_t index);

/* The first index after a hole that is none for the same reason. */
uint64_t amm_space_skip(const amm_space_range *space, uint64_t index);

/* AMM_ACCEPTED, or the first rule that the config breaks (AMM_REJECTION_LIST, in another order).
 * Memory is the solver's business. */
amm_rejection amm_space_reject(const amm_problem_desc *problem, const amm_layout *layout,
                               const amm_config *config);

#endif
