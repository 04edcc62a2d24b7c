/* The searches behind amm_plan and amm_evaluate; internal. */
#ifndef AMM_SEARCH_PLANNER_H
#define AMM_SEARCH_PLANNER_H

#include "backend/backend.h"
#include "search/amp_reference.h"
#include "search/enumerate.h"
#include "simulate/simulate.h"

/* A growing list of plans in the result's arena. */
typedef struct amm_plan_list {
    amm_result *result;
    size_t capacity;
} amm_plan_list;
amm_status amm_plan_list_add(amm_plan_list *list, const amm_plan_entry *plan);

/* Counts the values of the space that no config can use, each as one rejection. */
void amm_count_dropped(amm_result *result, const amm_space_range *space);

/* Counts configs that were looked at, and why they are out; true when they are in. */
bool amm_count_run(amm_result *result, const amm_walk_run *run);

/* Keeps the config that misses its memory by least; `stage` is the one that is short. */
void amm_note_nearest(amm_result *result, const amm_config *config, double short_bytes,
                      int32_t stage);

/* Tells the caller's progress function the share of the search that is done; it wants to stop. */
bool amm_plan_stops(const amm_plan_options *options, double done, double best_s);
/* The failure INTERRUPTED of a walk over the space: the configs of the result so far, which no hole
 * of the index is among, and the share of the index that they come from. */
amm_status amm_walk_interrupted(const amm_result *result, uint64_t indices,
                                const amm_space_range *space);

/* The k smallest times met so far, ascending; what is above the last is out. */
typedef struct amm_best_list {
    double *values; /* [top]; NULL: all plans are asked for */
    size_t top, count;
    double least_s; /* for progress; negative: none yet */
} amm_best_list;
amm_status amm_best_open(amm_best_list *best, amm_arena *arena, const amm_plan_options *options,
                         uint64_t available);
double amm_best_limit(const amm_best_list *best);
void amm_best_note(amm_best_list *best, double value);
void amm_best_forget(amm_best_list *best, double value); /* once, if it is there */

/* Number of partitions that one solve stands for: C(layers - 1, stages - 1). */
double amm_partition_count(int32_t layers, int32_t stages);

/* Default cost model: enumerate, bound, solve in ticks, compare finalists in double, on the threads of the
 * result (profile_search.c). Fills plans in order. Returns OK also when nothing is feasible. */
amm_status amm_search_profile(amm_result *result, const amm_plan_options *options,
                              const amm_backend *backend);

/* The same without a profile: the step of every config's even cut first, then exact partitions in
 * the order of what they could reach at best (analytic_search.c). */
amm_status amm_search_analytic(amm_result *result, const amm_plan_options *options,
                               const amm_backend *backend);

/* The backend that amm_plan takes for `name`, which may be NULL or "auto". Errors: INPUT,
 * UNAVAILABLE. */
amm_status amm_plan_backend(const amm_backend **out, const char *name,
                            const amm_problem_desc *problem);
/* amm_plan on this backend, whatever the options name. */
amm_status amm_plan_on_backend(amm_result **out, const amm_spec *spec,
                               const amm_plan_options *options, const amm_backend *backend);

/* One strategy by the analytic model (analytic_plan.c). */
typedef struct amm_analytic_cost {
    amm_step step;
    double short_bytes; /* of the stage that misses most; <= 0: fits */
    int32_t stage;
} amm_analytic_cost;
/* `blocks` [pp]: scratch. The config is not open. */
void amm_analytic_evaluate(const amm_lowered *lowered, amm_analytic_cost *out, int32_t *blocks,
                           const amm_config *config, const int32_t *cuts);
/* Only the memory. */
void amm_analytic_short(const amm_lowered *lowered, amm_analytic_cost *out,
                        const amm_config *config, const int32_t *cuts);
/* An open config with the sets [pp] of its stages, which it borrows; another config as it is. A set that
 * all stages share is said as such. */
amm_config amm_config_with_sets(const amm_config *config, const int32_t *sets);
/* Sets [pp] of an open config's stages for given cuts; `blocks` [pp]: scratch. *gain_s: no sets that fit
 * are faster by more; 0 where the choice is proven to be the best. */
amm_status amm_analytic_choose(amm_lowered *lowered, int32_t *sets, int32_t *blocks,
                               const amm_config *config, const int32_t *cuts, double *gain_s);
/* Moves single cuts by a layer while that helps; for what the engine approximates. `sets`: of an open
 * config's stages, chosen anew for every partition. */
amm_status amm_analytic_refine(amm_lowered *lowered, int32_t *cuts, int32_t *sets,
                               const amm_config *config);
/* Of partitions that take the same time the even one, or else one that is as level as passing
 * single blocks makes it, is what people expect. */
amm_status amm_analytic_level(amm_lowered *lowered, int32_t *cuts, int32_t *sets,
                              const amm_config *config);
amm_status amm_analytic_rescore(amm_plan_entry *out, amm_arena *arena, amm_lowered *lowered,
                                const amm_config *config, const int32_t *cuts);
/* Cuts of a config in `cuts` [pp + 1]: the best ones that fit, else the best ones; the `sets` [pp] of an
 * open config's stages. */
amm_status amm_analytic_cuts(amm_lowered *lowered, const amm_config *config, int32_t *cuts,
                             int32_t *sets);
/* Solved: within memory; if nothing fits, as if memory did not matter (evaluate.c). `sets` NULL: no
 * config without a profile. */
amm_status amm_best_cuts(amm_lowered *lowered, const amm_config *config, int32_t *cuts,
                         int32_t *sets);

/* The pipeline of a plan as amm_simulate takes it, arrays in `arena`: every chunk's own passes, and
 * transfers that hold their sender for the share that the runtime does not hide (simulated.c). LIMIT:
 * too many chunks. */
amm_status amm_analytic_schedule(amm_schedule_input *out, amm_arena *arena,
                                 const amm_lowered *lowered, const amm_plan_entry *plan);
/* Sets simulated_s: the plan's time with its pipeline simulated instead of in closed form. Stays NaN
 * without a pipeline, and where no simulation of bounded length tells it. */
amm_status amm_analytic_simulate(amm_plan_entry *plan, const amm_lowered *lowered);

/* ranges.c: range, vs_best and tie_class of every plan of the result. A plan belongs to the class of
 * the fastest plan whose paired range with it holds 1. */
amm_status amm_analytic_ranges(amm_result *result, const amm_lowered *lowered);

/* ranges.c: used_facts of every plan of the result. */
amm_status amm_analytic_used_facts(amm_result *result, const amm_lowered *lowered);

/* Largest micro-batch that fits with these cuts; 0: none. */
int64_t amm_analytic_largest(const amm_lowered *lowered, const amm_config *config,
                             const int32_t *cuts);

/* neighbours.c: what changing one choice of plans[0] does; the config of every reason for rejection
 * that is nearest to it. */
amm_status amm_find_neighbours(amm_result *result, amm_lowered *lowered);
void amm_find_nearest(amm_result *result, const amm_lowered *lowered, const amm_space_range *space);

/* amp-reference: enumerate in the reference's order, evaluate, stable sort by its float32 total. */
amm_status amm_search_amp(amm_result *result, const amm_plan_options *options);

/* amp-reference: the annealing over degrees, micro-batch and placement (docs/amp-reference.md). */
amm_status amm_search_anneal(amm_result *result, const amm_plan_options *options);

/* A plan of the default cost model from a config and its cuts [pp + 1]: every term again in double,
 * by stage, replica and layer (rescore.c). Arrays in `arena`. */
amm_status amm_rescore(amm_plan_entry *out, amm_arena *arena, amm_lowered *lowered,
                       const amm_lowered_config *exact, const int32_t *cuts);

/* The same for either kind of problem, whatever fits (evaluate.c). */
amm_status amm_rescore_cuts(amm_plan_entry *out, amm_arena *arena, amm_lowered *lowered,
                            const amm_config *config, const int32_t *cuts);

/* AMM_ACCEPTED, or why the reference cannot evaluate a config: the rules of the space, and a profile
 * at its tp (at tp 1 for the explicit tensor term). */
amm_rejection amm_amp_reject(const amm_amp_case *amp, const amm_layout *layout,
                             const amm_config *config, bool explicit_tp);

/* The amp-reference evaluation as a plan. `node_of_rank`, `device_of_rank` NULL: default placement. */
amm_status amm_amp_plan(amm_plan_entry *out, amm_arena *arena, const amm_amp_case *amp,
                        const amm_context *context, const amm_config *config, bool explicit_tp,
                        int32_t *node_of_rank, int32_t *device_of_rank);

/* Ranks of a placement grid [per_node][nodes] of stage numbers 1..pp: scanning nodes, then devices,
 * a device gets the next rank of its stage. Outputs [ranks]. False: a stage has not exactly tp * dp
 * devices. */
bool amm_placement_ranks(const int32_t *grid, int32_t nodes, int32_t per_node,
                         const amm_config *config, int32_t *node_of_rank, int32_t *device_of_rank);

/* Exact tilings of the [per_node][nodes] grid by tp x dp rectangles and their 90-degree turns, one
 * tile a stage, numbered in fill order (first empty cell row by row; unturned first). Returns their
 * number; tiling `want` goes to `out` (-1: none). Both arrays [nodes * per_node]. */
int64_t amm_placement_tilings(int32_t *out, int32_t *scratch, int32_t nodes, int32_t per_node,
                              int32_t tp, int32_t dp, int64_t want);

/* Best first; `tolerance` relative: times that close count as equal and go by config index. */
void amm_sort_plans(amm_plan_entry *plans, size_t count, double tolerance);

/* Sorts the result's plans and keeps the `top` asked for in the options. */
void amm_result_finish(amm_result *result, const amm_plan_options *options, double tolerance);

#endif
