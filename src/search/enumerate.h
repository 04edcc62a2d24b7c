/* The space as a range of indices. */
#ifndef AMM_SEARCH_ENUMERATE_H
#define AMM_SEARCH_ENUMERATE_H

#include "search/result.h"

/* Digits of the config index, slowest first: micro-batch, tp, dp, then what only the analytic model
 * varies: cp, ep, etp, vpp, recompute, sharding (pp follows from the devices), then the choices of
 * which several values are looked at. Upwards it is the AMP reference's own order, so its stable ties
 * are ties by index. */
enum {
    AMM_DEGREE_DIGITS = 4,
    AMM_RADIX_FIXED = 9,
    AMM_RADIX_MOST = AMM_RADIX_FIXED + AMM_CHOICE_COUNT
};

typedef struct amm_space_range {
    int32_t devices;
    int64_t batch;
    int32_t digits; /* AMM_RADIX_FIXED and one for every choice with several values */
    int32_t radix[AMM_RADIX_MOST];
    const int64_t *values[AMM_RADIX_MOST];
    amm_dim dim_of[AMM_RADIX_MOST + 1];  /* ascending; ends with AMM_DIM_COUNT */
    uint64_t stride[AMM_RADIX_MOST + 1]; /* indices that share the first digits, by how many */
    amm_config usual;                    /* the choices with one value */
    amm_list pp;                         /* restriction, or empty */
    uint64_t count;
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

/* The layouts of a range of indices, in order. A rule is asked once for all indices that share the
 * digits it depends on. */
typedef struct amm_walk {
    const amm_space_range *space;
    const amm_problem_desc *problem;
    const amm_layout *layout;
    uint64_t at, end; /* next index, first one behind the range */
    int32_t position[AMM_RADIX_MOST];
    int32_t changed; /* the first digit that is not as the step before left it */
    amm_config config;
} amm_walk;

/* Indices [first, first + count) with one answer: a single layout that the rules accept, or indices
 * that break the same rule; AMM_REJECT_REPEATED: they differ from smaller ones in a choice that
 * changes nothing (overlap without anything to overlap, a schedule without a pipeline …). Of
 * several broken rules it is the one that the fewest leading digits decide. */
typedef struct amm_walk_run {
    uint64_t first, count;
    amm_rejection reason;
} amm_walk_run;

void amm_walk_open(amm_walk *out, const amm_space_range *space, const amm_problem_desc *problem,
                   const amm_layout *layout, uint64_t first, uint64_t end);

/* The next run; holes are stepped over; walk->config is that of run->first. False: behind the
 * range. */
bool amm_walk_next(amm_walk *walk, amm_walk_run *out);

/* AMM_ACCEPTED, or the first rule broken of those that the value of `dim` decides once all
 * dimensions before it are given. */
amm_rejection amm_dim_reject(const amm_problem_desc *problem, const amm_layout *layout,
                             const amm_config *config, amm_dim dim);

/* AMM_ACCEPTED, or the first rule that the config breaks, in the order of the dimensions that
 * decide them. Memory is the solver's business. */
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
