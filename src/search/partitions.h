/* Every partition of the best plan's config, swept: the k best of them, and the proof that solve's
 * optimum is one. Long sweeps leave checkpoints. Internal. */
#ifndef AMM_SEARCH_PARTITIONS_H
#define AMM_SEARCH_PARTITIONS_H

#include "backend/backend.h"
#include "search/result.h"

/* A sweep that has got to rank `next`. */
typedef struct amm_checkpoint {
    uint64_t problem; /* hash of the problem's input texts */
    uint64_t config;  /* index in the space */
    int32_t scale;    /* of its ticks */
    int32_t items, stages;
    uint64_t ranks, next;
    amm_sweep_count count;
    amm_top top;
} amm_checkpoint;

/* As JSON (docs/formats.md, "ammeter-checkpoint"). Free *out with amm_release. */
amm_status amm_checkpoint_write(char **out, const amm_context *context, const amm_checkpoint *c);

/* Whether a text can be a checkpoint of a sweep whose problem and number of keys are those of *c:
 * what is known before the search; changes nothing. Errors: as amm_checkpoint_read. */
amm_status amm_checkpoint_check(amm_checkpoint *c, const amm_context *context, const char *text,
                                size_t size, const char *file);

/* Sets next, count and the keys of *c from a text that has to belong to the same sweep: everything
 * else in *c is compared. What the keys cost is for the caller to check. Errors: INPUT: "file:key:
 * what, got, allowed". */
amm_status amm_checkpoint_read(amm_checkpoint *c, const amm_context *context, const char *text,
                               size_t size, const char *file);

/* Of the options: what can be known of partitions, save and resume before the search. Errors:
 * INPUT, IO. */
amm_status amm_partitions_check(const amm_spec *spec, const amm_plan_options *options);

/* Fills result->partitions for plans[0]; after an error as far as it got. Errors: INTERRUPTED, IO
 * (it could not be saved), LIMIT, INPUT (options->resume), and what the backend says. */
amm_status amm_find_partitions(amm_result *result, amm_lowered *lowered,
                               const amm_plan_options *options, const amm_backend *backend);

#endif
