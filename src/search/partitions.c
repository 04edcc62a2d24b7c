#include "search/partitions.h"

#include "formula/tick/partition.h"
#include "io/read.h"
#include "search/planner.h"
#include <string.h>

static const double save_every_s = 2.0;

typedef struct sweep {
    amm_result *result;
    amm_lowered *lowered;
    const amm_plan_options *options;
    const amm_backend *backend;
    amm_checkpoint at;    /* of whole slices of work: what is kept and listed */
    amm_checkpoint slice; /* of the one at work */
    int64_t optimum;      /* what solve says, base ticks */
    double saved_s;
} sweep;

/* The best plan's config; stages that chose what they recompute may choose again. */
static amm_config swept(const amm_result *result)
{
    amm_config c = result->plans[0].config;
    c.stage_recompute = NULL;
    return c;
}

static amm_key *new_keys(amm_result *result, int32_t count)
{
    return amm_arena_alloc(&result->arena, (size_t)count, sizeof(amm_key));
}

/* The keys stay where they are. */
static void copy_progress(amm_checkpoint *to, const amm_checkpoint *from)
{
    amm_key *keys = to->top.keys;
    *to = *from;
    to->top.keys = keys;
    memcpy(keys, from->top.keys, (size_t)from->top.count * sizeof *keys);
}

static amm_status save(sweep *s)
{
    char *text = NULL;
    s->saved_s = amm_clock_s();
    if (s->options->save == NULL) {
        return AMM_OK;
    }
    AMM_TRY(amm_checkpoint_write(&text, s->result->context, &s->at));
    const int failed = s->options->save(text, s->options->payload);
    amm_release(s->result->context, text);
    return failed != 0 ? amm_fail(AMM_IO,
                                  "stopped after %llu of %llu partitions: the checkpoint cannot be "
                                  "saved",
                                  (unsigned long long)s->at.next, (unsigned long long)s->at.ranks)
                       : AMM_OK;
}

/* What is done is saved, if it can be; what ended the sweep is what is said. */
static amm_status save_and_stop(sweep *s, amm_status status)
{
    const amm_failure failure = amm_failure_keep(status);
    return amm_failure_first(&failure, save(s));
}

/* A slice that fails leaves what was there before it. */
static amm_status sweep_slice(sweep *s, amm_engine *engine, amm_place *from, amm_place to)
{
    amm_checkpoint *slice = &s->slice;
    AMM_TRY(s->backend->sweep(engine, &slice->top, &slice->count, from, to, INT64_MAX));
    slice->next = from->config == 0 ? from->rank : s->at.ranks;
    copy_progress(&s->at, slice);
    return AMM_OK;
}

static amm_status sweep_all(sweep *s, amm_engine *engine)
{
    const amm_place to = { 1, 0 };
    amm_place from = { 0, s->at.next };
    if (s->at.next == s->at.ranks) { /* a checkpoint of a whole sweep: there is no such partition */
        from = to;
    }
    copy_progress(&s->slice, &s->at);
    while (amm_place_less(from, to)) {
        if (amm_plan_stops(s->options, (double)s->at.next / (double)s->at.ranks,
                           s->result->plans[0].time_s)) {
            return save_and_stop(
                s, amm_fail(AMM_INTERRUPTED, "interrupted after %llu of %llu partitions",
                            (unsigned long long)s->at.next, (unsigned long long)s->at.ranks));
        }
        const amm_status status = sweep_slice(s, engine, &from, to);
        if (status != AMM_OK) {
            return save_and_stop(s, status);
        }
        if (amm_clock_s() - s->saved_s >= save_every_s) {
            AMM_TRY(save(s));
        }
    }
    return save(s);
}

/* The optimum by the exact solver: the sweep has to meet it. */
static amm_status solve_one(sweep *s, amm_engine *engine, int32_t scale)
{
    amm_solved solved;
    const int64_t any = AMM_TICKS_NONE;
    uint16_t *cuts = amm_arena_alloc(&s->result->arena, (size_t)s->at.stages + 1, sizeof *cuts);
    if (cuts == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(s->backend->solve(engine, &solved, cuts, &any, NULL, 1));
    s->optimum = solved.total == AMM_TICKS_NONE ? AMM_TICKS_NONE : solved.total << scale;
    return AMM_OK;
}

/* Calls `read` with the text of the file. */
static amm_status read_file(amm_checkpoint *c, const amm_context *context, const char *file,
                            amm_status (*read)(amm_checkpoint *, const amm_context *, const char *,
                                               size_t, const char *))
{
    char *text = NULL;
    size_t size = 0;
    AMM_TRY(amm_load_file(context, &text, &size, file, false, "resume"));
    if (text == NULL) {
        return amm_fail(AMM_INPUT, "resume: \"%.300s\" does not exist", file);
    }
    const amm_status status = read(c, context, text, size, file);
    amm_release(context, text);
    return status;
}

/* The cuts of all keys as a batch of candidates. */
static amm_status cuts_of_keys(sweep *s, uint8_t **out, const amm_top *top)
{
    const size_t rows = (size_t)s->at.stages - 1;
    int32_t *cuts = amm_arena_alloc(&s->result->arena, rows + 2, sizeof *cuts);
    uint8_t *batch = amm_arena_alloc(&s->result->arena, rows * (size_t)top->count, sizeof *batch);
    if (cuts == NULL || batch == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < top->count; k++) {
        amm_partition_unrank(cuts, top->keys[k].rank, s->at.items, s->at.stages);
        for (size_t row = 0; row < rows; row++) {
            batch[row * (size_t)top->count + (size_t)k] = (uint8_t)cuts[row + 1];
        }
    }
    *out = batch;
    return AMM_OK;
}

static amm_status check_cost(const char *file, size_t k, const amm_key *key, int64_t cost)
{
    if (cost == AMM_TICKS_NONE) {
        return amm_fail(AMM_INPUT, "%.300s:best[%zu].rank: partition %llu does not fit", file, k,
                        (unsigned long long)key->rank);
    }
    if (key->cost != cost) {
        return amm_fail(AMM_INPUT, "%.300s:best[%zu].cost: got %lld, partition %llu has %lld", file,
                        k, (long long)key->cost, (unsigned long long)key->rank, (long long)cost);
    }
    return AMM_OK;
}

/* Every partition of a checkpoint is scored again. */
static amm_status check_costs(sweep *s, amm_engine *engine, const amm_top *top)
{
    amm_arena *arena = &s->result->arena;
    const size_t n = (size_t)top->count;
    const amm_score_segment segment = { 0, 0, n };
    amm_score_batch batch = { 1, &segment, NULL, n };
    amm_top found = { top->count, 0, new_keys(s->result, top->count) };
    int64_t *cost = amm_arena_alloc(arena, n, sizeof *cost);
    uint8_t *cuts = NULL;
    if (n == 0) {
        return AMM_OK;
    }
    if (found.keys == NULL || cost == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(amm_check_score_items(engine->problem));
    AMM_TRY(cuts_of_keys(s, &cuts, top));
    batch.cuts = cuts;
    AMM_TRY(s->backend->score(engine, NULL, &found, &batch));
    for (size_t k = 0; k < n; k++) {
        cost[k] = AMM_TICKS_NONE; /* does not fit */
    }
    for (int32_t k = 0; k < found.count; k++) {
        cost[found.keys[k].rank] = found.keys[k].cost;
    }
    for (size_t k = 0; k < n; k++) {
        AMM_TRY(check_cost(s->options->resume, k, &top->keys[k], cost[k]));
    }
    return AMM_OK;
}

/* What the file says is taken over when all of it has proven true. */
static amm_status load(sweep *s, amm_engine *engine)
{
    amm_checkpoint *slice = &s->slice;
    const char *file = s->options->resume;
    if (file == NULL) {
        return AMM_OK;
    }
    copy_progress(slice, &s->at);
    AMM_TRY(read_file(slice, s->result->context, file, amm_checkpoint_read));
    AMM_TRY(check_costs(s, engine, &slice->top));
    const bool whole = slice->next == slice->ranks;
    if (whole && (slice->top.count == 0 || slice->top.keys[0].cost != s->optimum)) {
        return amm_fail(AMM_INPUT, "%.300s:best: all are swept, and the optimum is not there",
                        file);
    }
    copy_progress(&s->at, slice);
    return AMM_OK;
}

/* Keys become cuts and seconds. */
static amm_status list_partitions(sweep *s, double unit_s, double fixed_s)
{
    amm_arena *arena = &s->result->arena;
    amm_partition_list *list = &s->result->partitions;
    const amm_config open = swept(s->result);
    const amm_config *c = &open;
    list->items = amm_arena_alloc(arena, (size_t)s->at.top.count, sizeof *list->items);
    if (list->items == NULL) {
        return AMM_NO_MEMORY;
    }
    int32_t *cuts = amm_arena_alloc(arena, (size_t)c->pp + 1, sizeof *cuts);
    if (cuts == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < s->at.top.count; k++) {
        amm_partition *one = &list->items[k];
        one->rank = s->at.top.keys[k].rank;
        amm_partition_unrank(cuts, one->rank, s->at.items, s->at.stages);
        AMM_TRY(amm_rescore_cuts(&one->plan, arena, s->lowered, c, cuts));
        one->plan.engine_s = (double)(s->at.top.keys[k].cost >> s->at.scale) * unit_s + fixed_s;
        list->count++;
    }
    return AMM_OK;
}

static amm_status sweep_problem(sweep *s, const amm_problem *problem)
{
    amm_engine *engine = NULL;
    const amm_engine_options options = { s->result->threads, 0 };
    AMM_TRY(s->backend->open(&engine, s->result->context, problem, &options));
    amm_status status = solve_one(s, engine, s->at.scale);
    status = status == AMM_OK ? load(s, engine) : status;
    status = status == AMM_OK ? sweep_all(s, engine) : status;
    s->backend->close(engine);
    return status;
}

/* How far it got, whatever ended it. */
static amm_status tell(sweep *s, double unit_s, double fixed_s)
{
    amm_partition_list *list = &s->result->partitions;
    list->complete = s->at.ranks > 0 && s->at.next == s->at.ranks;
    list->all = s->at.ranks;
    list->covered = s->at.count.covered;
    list->scored = s->at.count.scored;
    if (list->complete && (s->at.top.count == 0 || s->at.top.keys[0].cost != s->optimum)) {
        list->complete = false;
        return amm_fail(AMM_INTERNAL, "config %llu: the sweep's optimum is not the solver's",
                        (unsigned long long)s->at.config);
    }
    return list_partitions(s, unit_s, fixed_s);
}

static amm_status run_sweep(sweep *s)
{
    amm_problem_builder builder;
    amm_lowered_config ticks;
    const amm_config open = swept(s->result);
    const amm_config *config = &open;
    AMM_TRY(amm_lower_config(s->lowered, &ticks, config, false, true));
    const double unit_s = ticks.unit_s;
    const double fixed_s = ticks.fixed_s;
    AMM_TRY(amm_problem_open(&builder, s->result->context, ticks.solve.layers));
    amm_status status = amm_problem_add(&builder, &ticks.solve, config->index, ticks.scale);
    if (status == AMM_OK) {
        status = amm_config_ranks(&s->at.ranks, &builder.view, 0);
    }
    s->at.config = config->index;
    s->at.scale = ticks.scale;
    s->at.items = ticks.solve.layers;
    s->at.stages = ticks.solve.stages;
    status = status == AMM_OK ? sweep_problem(s, &builder.view) : status;
    amm_problem_close(&builder);
    const amm_failure failure = amm_failure_keep(status);
    return amm_failure_first(&failure, tell(s, unit_s, fixed_s));
}

amm_status amm_partitions_check(const amm_spec *spec, const amm_plan_options *options)
{
    amm_checkpoint head = { .problem = spec->hash };
    head.top.capacity = options->partitions;
    if (options->partitions < 0 || options->partitions > AMM_MAX_TOP) {
        return amm_fail(AMM_INPUT, "partitions: got %d, allowed 0 to %d", options->partitions,
                        AMM_MAX_TOP);
    }
    if (options->partitions == 0 && (options->resume != NULL || options->save != NULL)) {
        return amm_fail(AMM_INPUT, "checkpoint and resume: only with partitions");
    }
    return options->resume == NULL
               ? AMM_OK
               : read_file(&head, spec->context, options->resume, amm_checkpoint_check);
}

/* The partition that the plan has is the only one: nothing is swept, and a checkpoint says so. */
static amm_status take_only_one(sweep *s)
{
    const amm_plan_entry *plan = &s->result->plans[0];
    amm_partition_list *list = &s->result->partitions;
    s->at.config = plan->config.index;
    s->at.items = s->lowered->analytic->layers;
    s->at.stages = plan->config.pp;
    s->at.ranks = 1;
    copy_progress(&s->slice, &s->at);
    AMM_TRY(s->options->resume == NULL ? AMM_OK
                                       : read_file(&s->slice, s->result->context,
                                                   s->options->resume, amm_checkpoint_read));
    list->items = amm_arena_alloc(&s->result->arena, 1, sizeof *list->items);
    if (list->items == NULL) {
        return AMM_NO_MEMORY;
    }
    list->items[0] = (amm_partition){ 0, *plan };
    list->count = 1;
    list->only = list->complete = true;
    list->all = list->covered = s->at.next = s->at.count.covered = 1;
    return save(s);
}

amm_status amm_find_partitions(amm_result *result, amm_lowered *lowered,
                               const amm_plan_options *options, const amm_backend *backend)
{
    sweep s = { .result = result, .lowered = lowered, .options = options, .backend = backend };
    if (options->partitions == 0 || result->plan_count == 0) {
        return AMM_OK;
    }
    result->partitions.asked = true;
    s.saved_s = -save_every_s; /* at once: a file that cannot be written is said early */
    s.at.top = (amm_top){ options->partitions, 0, new_keys(result, options->partitions) };
    s.slice.top.keys = new_keys(result, options->partitions);
    if (s.at.top.keys == NULL || s.slice.top.keys == NULL) {
        return AMM_NO_MEMORY;
    }
    s.at.problem = result->spec->hash;
    const bool only = lowered->analytic != NULL && amm_analytic_is_direct(&result->plans[0].config);
    return only ? take_only_one(&s) : run_sweep(&s);
}
