/* What the searches of the default cost model have in common: a list of configs that may hold the best
 * plan, solved in ticks on a backend, in waves; what could be among the best is left for a comparison in
 * double. Internal. */
#ifndef AMM_SEARCH_WAVES_H
#define AMM_SEARCH_WAVES_H

#include "search/planner.h"

/* A config that may hold the best plan: none of its partitions is faster than floor_s. */
typedef struct amm_candidate {
    uint64_t index;
    double floor_s, upper_s; /* upper_s: of a partition that fits; infinite: none known */
    double tick_s;           /* that it was solved in; 0: was not */
} amm_candidate;

typedef struct amm_search amm_search;

/* In what the searches differ. */
typedef struct amm_search_kind {
    /* Every config was looked at before, which was half of the work and counted its partitions. */
    bool looked;
    /* A time that the best plan of a config does not exceed. `time_s`: of the solved partition in ticks,
     * which is in s->cuts and s->entry; of *x the tables are gone. */
    double (*upper_s)(amm_search *s, const amm_lowered_config *x, double time_s);
    /* No partition fits. */
    amm_status (*unfit)(amm_search *s, const amm_config *config);
} amm_search_kind;

struct amm_search {
    amm_result *result;
    const amm_plan_options *options;
    const amm_backend *backend;
    const amm_search_kind *kind;
    amm_lowered lowered;
    amm_space_range space;
    amm_solver solver;                     /* of the host, in double */
    int32_t *cuts, *entry, *blocks, *sets; /* [layers + 1], [layers] each */
    amm_candidate *list;
    size_t count, capacity;
    size_t found_count; /* the first ones of list that are solved */
    amm_best_list best; /* of times that plans are known to reach: upper_s */
    double open_s;      /* least time that partitions which were not met could have */
};

/* Close also after errors. */
amm_status amm_search_open(amm_search *out, const amm_search_kind *kind, amm_result *result,
                           const amm_plan_options *options, const amm_backend *backend);
void amm_search_close(amm_search *s);

amm_status amm_candidate_add(amm_search *s, const amm_candidate *one);
/* By floor_s, then index. */
void amm_candidates_sort(amm_search *s);

/* Solves the list in the order of its floors until the next floor is above the k-th best time. What
 * was solved and may be among the k best is then at the front of the list, found_count long: that
 * is the same set for any backend, any number of threads and any cut into waves. Any error: what
 * was solved till then.
 *
 * A wave is lowered into one problem, bounded as a whole and solved in the order of the bounds,
 * slice after slice under the limit that the slices before it left. How long waves and slices are
 * depends on the list alone. Configs that a problem does not take (alternatives out of order, a
 * cost beyond 63 bits) are solved on the host, in the same ticks, or in seconds where no tick is
 * coarse enough; result->host_solved counts them. */
amm_status amm_candidates_solve(amm_search *s);

/* Lists what was found, by `list`, whatever the search ended with: that comes back, with its
 * message. After a failure what `list` cannot finish is dropped. */
amm_status amm_search_list(amm_search *s, amm_status ended, amm_status (*list)(amm_search *s));

#endif
