#define _XOPEN_SOURCE 700
#include "formula/cost/amp.h"
#include "search/planner.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* The annealing of the AMP reference: two chains that share one set of unvisited (tp, dp, micro-batch)
 * points, so it is sampling without replacement. Only the two starts use a random tiling as
 * placement; moves use the default one. The reference never seeds; ours is a 48-bit linear
 * congruential stream of the C library, so a seed gives the same run everywhere. */
enum { CHAINS = 2, STEPS = 50 };

typedef struct chain {
    amm_config at;
    float cost;
    bool stopped;
} chain;

typedef struct annealing {
    amm_result *result;
    amm_amp_case amp;
    amm_space_range space;
    amm_layout layout;
    amm_plan_list list;
    bool *visited; /* [space.count] */
    unsigned short random[3];
} annealing;

/* Uniform in [0, n). */
static int64_t draw(annealing *a, int64_t n)
{
    return (int64_t)(erand48(a->random) * (double)n);
}

static bool open_point(const annealing *a, uint64_t index, amm_config *out)
{
    return !a->visited[index] && amm_space_config(&a->space, out, index) &&
           amm_space_reject(&a->result->spec->problem, &a->layout, out) == AMM_ACCEPTED;
}

/* Unvisited points with the given tp and dp (0: any). The `pick`-th goes to out. */
static int64_t unvisited(const annealing *a, int32_t tp, int32_t dp, int64_t pick, amm_config *out)
{
    int64_t found = 0;
    for (uint64_t index = 0; index < a->space.count; index++) {
        amm_config config;
        if (open_point(a, index, &config) && (tp == 0 || config.tp == tp) &&
            (dp == 0 || config.dp == dp) && found++ == pick) {
            *out = config;
        }
    }
    return found;
}

/* Degrees of one kind (vary tp, or vary dp) that still have points, the other one kept. The
 * `pick`-th goes to out. */
static int32_t degrees(const annealing *a, const amm_config *at, bool vary_tp, int32_t pick,
                       int32_t *out)
{
    int32_t found = 0;
    for (int32_t n = 1; n <= a->space.devices; n++) {
        amm_config any;
        const int64_t left =
            vary_tp ? unvisited(a, n, at->dp, -1, &any) : unvisited(a, at->tp, n, -1, &any);
        if (left > 0 && found++ == pick) {
            *out = n;
        }
    }
    return found;
}

/* False: neither kind of move is left. */
static bool propose(annealing *a, const amm_config *at, amm_config *out)
{
    bool vary_tp = draw(a, 2) == 0;
    int32_t degree = 0;
    int32_t choices = degrees(a, at, vary_tp, -1, &degree);
    if (choices == 0) {
        vary_tp = !vary_tp;
        choices = degrees(a, at, vary_tp, -1, &degree);
    }
    if (choices == 0) {
        return false;
    }
    (void)degrees(a, at, vary_tp, (int32_t)draw(a, choices), &degree);
    const int32_t tp = vary_tp ? degree : at->tp;
    const int32_t dp = vary_tp ? at->dp : degree;
    (void)unvisited(a, tp, dp, draw(a, unvisited(a, tp, dp, -1, out)), out);
    a->visited[out->index] = true;
    return true;
}

static amm_status evaluate(annealing *a, const amm_config *config, int32_t *nodes, int32_t *devices,
                           amm_plan_entry *out)
{
    memset(out, 0, sizeof *out);
    a->result->solved++;
    return amm_amp_plan(out, &a->result->arena, &a->amp, a->result->context, config, true, nodes,
                        devices);
}

/* Start of a chain: given degrees, micro-batch 1, a random tiling. */
static amm_status start(annealing *a, chain *c, int32_t tp, int32_t dp)
{
    const int32_t ranks = a->amp.ranks;
    int32_t *grid = amm_arena_alloc(&a->result->arena, (size_t)ranks * 4, sizeof *grid);
    amm_plan_entry plan;
    memset(c, 0, sizeof *c);
    c->at.tp = tp;
    c->at.dp = dp;
    c->at.pp = ranks / (tp * dp);
    c->at.micro_batch = 1;
    c->at.micro_batches = a->space.batch / dp;
    if (grid == NULL) {
        return AMM_NO_MEMORY;
    }
    const int64_t tilings =
        amm_placement_tilings(grid, grid + ranks, a->amp.nodes, a->amp.per_node, tp, dp, -1);
    if (tilings == 0 || a->space.batch % dp != 0) {
        return amm_fail(AMM_INPUT, "search anneal: no start with tp %d and dp %d on this cluster",
                        tp, dp);
    }
    (void)amm_placement_tilings(grid, grid + ranks, a->amp.nodes, a->amp.per_node, tp, dp,
                                draw(a, tilings));
    if (!amm_placement_ranks(grid, a->amp.nodes, a->amp.per_node, &c->at, grid + 2 * ranks,
                             grid + 3 * ranks)) {
        return amm_fail(AMM_INTERNAL, "a tiling is not a placement");
    }
    AMM_TRY(evaluate(a, &c->at, grid + 2 * ranks, grid + 3 * ranks, &plan));
    c->cost = (float)plan.time_s;
    return amm_plan_list_add(&a->list, &plan);
}

static amm_status step(annealing *a, chain *c, int32_t number)
{
    amm_config next;
    amm_plan_entry plan;
    if (c->stopped || !propose(a, &c->at, &next)) {
        c->stopped = true;
        return AMM_OK;
    }
    AMM_TRY(evaluate(a, &next, NULL, NULL, &plan));
    const float cost = (float)plan.time_s;
    const float exponent =
        amm_amp_acceptance_exponent(c->cost, cost, amm_amp_temperature(number, STEPS));
    if (erand48(a->random) >= (double)expf(exponent)) {
        return AMM_OK;
    }
    c->at = next;
    c->cost = cost;
    return amm_plan_list_add(&a->list, &plan);
}

static amm_status open_annealing(annealing *a, amm_result *result)
{
    const amm_problem_desc *problem = &result->spec->problem;
    memset(a, 0, sizeof *a);
    a->result = result;
    a->list.result = result;
    a->random[0] = (unsigned short)result->seed;
    a->random[1] = (unsigned short)(result->seed >> 16);
    a->random[2] = (unsigned short)(result->seed >> 32);
    AMM_TRY(amm_space_open(&a->space, &result->arena, problem));
    AMM_TRY(amm_layout_init(&a->layout, &result->arena, problem));
    AMM_TRY(amm_amp_lower(&a->amp, &result->arena, problem));
    if (problem->model->amp.placement_explicit_tp == 0 || amm_amp_profile_of(&a->amp, 1) < 0) {
        return amm_fail(AMM_INPUT, "search anneal: needs a model with the reference's explicit "
                                   "tensor term and a profile at tp 1");
    }
    a->visited = amm_arena_alloc(&result->arena, (size_t)a->space.count, sizeof *a->visited);
    return a->visited == NULL ? AMM_NO_MEMORY : AMM_OK;
}

amm_status amm_search_anneal(amm_result *result, const amm_plan_options *options)
{
    annealing a;
    chain chains[CHAINS];
    AMM_TRY(open_annealing(&a, result));
    result->annealed = true;
    AMM_TRY(start(&a, &chains[0], a.amp.per_node, 1));
    AMM_TRY(start(&a, &chains[1], 1, a.amp.nodes));
    amm_status status = AMM_OK;
    for (int32_t n = 0; n < STEPS && status == AMM_OK; n++) {
        if (amm_plan_stops(options, (double)n / (double)STEPS, -1.0)) {
            status = amm_fail(AMM_INTERRUPTED, "interrupted after %d of %d steps", n, (int)STEPS);
        }
        for (int32_t k = 0; k < CHAINS && status == AMM_OK; k++) {
            status = step(&a, &chains[k], n);
        }
    }
    result->configs = result->solved;
    amm_result_finish(result, options, 0.0);
    return status;
}
