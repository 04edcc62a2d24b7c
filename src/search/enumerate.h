/* The space as a range of indices. */
#ifndef AMM_SEARCH_ENUMERATE_H
#define AMM_SEARCH_ENUMERATE_H

#include "search/result.h"

/* Digits of the config index, slowest first: micro-batch, tp, dp, then what only the analytic model
 * varies: cp, ep, etp, vpp, recompute, sharding (pp follows from the devices), then the choices of
 * which several values are looked at. Upwards it is the AMP reference's own order, so its stable ties
 * are ties by index. */
enum { AMM_RADIX_FIXED = 9, AMM_RADIX_MOST = AMM_RADIX_FIXED + AMM_CHOICE_COUNT };

typedef struct amm_space_range {
    int32_t devices;
    int64_t batch;
    int32_t digits; /* AMM_RADIX_FIXED and one for every choice with several values */
    int32_t radix[AMM_RADIX_MOST];
    const int64_t *values[AMM_RADIX_MOST];
    amm_choice choice_of[AMM_RADIX_MOST]; /* of the digits from AMM_RADIX_FIXED on */
    amm_config usual;                     /* the choices with one value */
    amm_list pp;                          /* restriction, or empty */
    uint64_t count;
    uint64_t inner;  /* indices that share micro-batch, tp, dp and cp */
    int32_t dropped; /* tp, dp and cp values of the space that do not divide the devices */
} amm_space_range;

/* Values are those of the problem's space, or all divisors (of the batch, of the devices). Without a
 * profile also cp, the experts' divisors for ep, chunks that can cut the blocks evenly for vpp, sets
 * that save memory for recompute, the runtime's own sharding and choices; what the runtime cannot launch is left
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

/* The config differs from one with a smaller index in a choice that changes nothing here: overlap
 * without anything to overlap, a schedule without a pipeline … */
bool amm_space_repeats(const amm_space_range *space, const amm_config *config);

/* How many indices in a row, from a multiple of that number on, break the same rule as one of them. */
uint64_t amm_space_alike(const amm_space_range *space, amm_rejection reason);

/* The first index after a hole that is none for the same reason. */
uint64_t amm_space_skip(const amm_space_range *space, uint64_t index);

/* AMM_ACCEPTED, or the first rule that the config breaks (AMM_REJECTION_LIST, in another order).
 * Memory is the solver's business. */
amm_rejection amm_space_reject(const amm_problem_desc *problem, const amm_layout *layout,
                               const amm_config *config);

/* The same of a strategy that somebody names: what the search does not look for but the analytic model
 * can time is accepted, too: what the runtime cannot start, tensor groups across nodes and, with given
 * stages, unequal chunks. */
amm_rejection amm_strategy_reject(const amm_problem_desc *problem, const amm_layout *layout,
                                  const amm_config *config, bool stages_given);

/* Whether a runtime with these facts can start the layout (docs/formats.md, launchable). */
bool amm_runtime_launches(const amm_runtime *runtime, const amm_config *config);

#endif
