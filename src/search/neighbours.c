#include "search/planner.h"

#include <math.h>
#include <string.h>

/* ---- one choice changed ---------------------------------------------------------------------- */

/* Doubles (up) or halves a degree. False: it cannot be halved. */
static bool scale(int32_t *degree, bool up)
{
    if (!up && *degree % 2 != 0) {
        return false;
    }
    *degree = up ? 2 * *degree : *degree / 2;
    return true;
}

/* The others take in what a degree gives, or give what it takes: replicas first. */
static bool balance(amm_config *c, const int32_t *changed, bool up)
{
    int32_t *const others[] = { &c->dp, &c->pp, &c->cp, &c->tp };
    for (size_t k = 0; k < sizeof others / sizeof others[0]; k++) {
        if (others[k] != changed && scale(others[k], !up)) {
            return true;
        }
    }
    return false;
}

/* One set in all stages, if it is not so already. */
static int all_stages(amm_config *c, int32_t set)
{
    const bool changes = c->recompute != set;
    *c = amm_config_with(c, set);
    return changes;
}

enum { RECOMPUTE_CHANGE = 11 }; /* the first change that says what is recomputed */

/* The k-th of CHANGES to a config: degrees up and down, micro-batch up and down, chunks, recomputation.
 * 1: changed, 0: does not apply, -1: no more. */
static int change(amm_config *c, int k)
{
    int32_t *const degrees[] = { &c->tp, &c->pp, &c->cp };
    const bool up = k % 2 == 0;
    switch (k) {
    case 0:
    case 1:
    case 2:
    case 3:
    case 4:
    case 5:
        return scale(degrees[k / 2], up) && balance(c, degrees[k / 2], up);
    case 6:
        c->micro_batch *= 2;
        return 1;
    case 7:
        if (c->micro_batch % 2 != 0) {
            return 0;
        }
        c->micro_batch /= 2;
        return 1;
    case 8:
    case 9:
        return c->ep > 1 || !up ? scale(&c->ep, up) : 0;
    case 10:
        c->vpp = c->vpp > 1 ? 1 : 2;
        return 1;
    case 11:
        return all_stages(c, AMM_RECOMPUTE_NONE);
    case 12:
        return all_stages(c, AMM_RECOMPUTE_FULL);
    default:
        return -1;
    }
}
enum { CHANGES = 13 }; /* of the above */

/* The k-th value of a choice that the space lists beside others. */
static int change_choice(amm_config *c, const amm_space *space, int k)
{
    for (int choice = 0; choice < (int)AMM_CHOICE_COUNT; choice++) {
        const amm_list *list = &space->dims[AMM_DIM_FIRST_CHOICE + choice];
        if (list->count > 1 && k >= list->count) {
            k -= list->count;
        } else if (list->count > 1) {
            const int32_t value = (int32_t)list->values[k] - 1;
            const bool other = value != c->choice[choice];
            c->choice[choice] = value;
            return other && amm_choice_matters((amm_choice)choice, c) ? 1 : 0;
        }
    }
    return -1;
}

/* Where stages choose what they recompute, they choose anew beside every other change. */
static int change_and_choose(amm_config *c, int k, bool chooses)
{
    if (chooses && k < RECOMPUTE_CHANGE) {
        c->recompute = AMM_RECOMPUTE_PER_STAGE;
        c->stage_recompute = NULL;
    }
    return change(c, k);
}

static amm_status evaluate(amm_result *result, amm_lowered *lowered, int32_t *cuts, int32_t *sets,
                           amm_neighbour *out, const amm_config *config)
{
    const amm_problem_desc *problem = lowered->problem;
    amm_config c = *config;
    c.micro_batches = problem->global_batch / c.dp / c.micro_batch;
    out->plan.config = c;
    out->reason = amm_space_reject(problem, &lowered->layout, &c);
    if (out->reason != AMM_ACCEPTED) {
        return AMM_OK;
    }
    AMM_TRY(amm_analytic_cuts(lowered, &c, cuts, sets));
    c = amm_config_with_sets(&c, sets);
    return amm_analytic_rescore(&out->plan, &result->arena, lowered, &c, cuts);
}

amm_status amm_find_neighbours(amm_result *result, amm_lowered *lowered)
{
    amm_arena *arena = &result->arena;
    const size_t layers = (size_t)lowered->analytic->layers;
    const bool chooses = amm_space_chooses(lowered->problem);
    int32_t *cuts = amm_arena_alloc(arena, layers + 1, sizeof *cuts);
    int32_t *sets = amm_arena_alloc(arena, layers, sizeof *sets);
    result->neighbours = amm_arena_alloc(arena, AMM_MAX_NEIGHBOURS, sizeof *result->neighbours);
    if (cuts == NULL || sets == NULL || result->neighbours == NULL) {
        return AMM_NO_MEMORY;
    }
    int changed = 0;
    for (int k = 0; changed >= 0 && result->neighbour_count < AMM_MAX_NEIGHBOURS; k++) {
        amm_config c = result->plans[0].config;
        changed = k < CHANGES ? change_and_choose(&c, k, chooses)
                              : change_choice(&c, &lowered->problem->space, k - CHANGES);
        if (changed == 1) {
            amm_neighbour *n = &result->neighbours[result->neighbour_count];
            AMM_TRY(evaluate(result, lowered, cuts, sets, n, &c));
            /* What a rule forbids is told by the counts of rejections. */
            result->neighbour_count += n->reason == AMM_ACCEPTED;
        }
    }
    return AMM_OK;
}

/* ---- nearest of each reason ------------------------------------------------------------------ */

static double far(double a, double b)
{
    return fabs(log2(a) - log2(b));
}

static double choices_apart(const amm_config *a, const amm_config *b)
{
    double count = 0.0;
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        count += a->choice[k] != b->choice[k] ? 1.0 : 0.0;
    }
    return count;
}

static double distance(const amm_config *a, const amm_config *b)
{
    return choices_apart(a, b) + far(a->tp, b->tp) + far(a->pp, b->pp) + far(a->dp, b->dp) +
           far(a->cp, b->cp) + far(a->ep, b->ep) + far(a->etp, b->etp) + far(a->vpp, b->vpp) +
           far((double)a->micro_batch, (double)b->micro_batch) +
           (a->recompute != b->recompute ? 1.0 : 0.0) + (a->sharding != b->sharding ? 1.0 : 0.0);
}

void amm_find_nearest(amm_result *result, const amm_lowered *lowered, const amm_space_range *space)
{
    double least[AMM_REJECTION_COUNT];
    for (int k = 0; k < (int)AMM_REJECTION_COUNT; k++) {
        least[k] = HUGE_VAL;
    }
    const uint64_t best = result->plans[0].config.index;
    amm_walk walk;
    amm_walk_run run;
    amm_walk_open(&walk, space, lowered->problem, &lowered->layout, 0, space->count);
    while (amm_walk_next(&walk, &run)) {
        amm_config c;
        if (run.reason == AMM_ACCEPTED || run.reason == AMM_REJECT_REPEATED) {
            continue;
        }
        /* Of those that break the same rule one has the best plan's own digits behind it. */
        if (!amm_space_config(space, &c, run.first + best % run.count)) {
            continue;
        }
        const double d = distance(&c, &result->plans[0].config);
        if (d < least[run.reason]) {
            least[run.reason] = d;
            result->rejected[run.reason].has_nearest = true;
            result->rejected[run.reason].nearest = c;
        }
    }
}
