#include "map/map.h"

#include "describe/check.h"
#include "emit/emit.h"
#include "search/planner.h"
#include "search/side_by_side.h"
#include <math.h>
#include <pthread.h>
#include <stddef.h>
#include <string.h>

void amm_map_options_init(amm_map_options *out)
{
    const amm_map_options defaults = AMM_MAP_OPTIONS_INIT;
    *out = defaults;
}

/* ---- a point's problem ------------------------------------------------------------------------- */

/* As many nodes like the first one. */
static amm_status set_nodes(amm_cluster *cluster, amm_arena *arena, int32_t count)
{
    amm_node *nodes = amm_arena_alloc(arena, (size_t)count, sizeof *nodes);
    if (nodes == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < count; k++) {
        nodes[k] = cluster->nodes[0];
    }
    cluster->nodes = nodes;
    cluster->node_count = count;
    return AMM_OK;
}

static amm_status set_axis(amm_problem_desc *problem, amm_cluster *cluster, amm_arena *arena,
                           amm_map_axis_kind kind, double value)
{
    amm_node *first = (amm_node *)&cluster->nodes[0]; /* of the copy */
    switch (kind) {
    case AMM_MAP_NIC:
        first->inter_bytes_per_s = value * 1e9 / 8.0 * first->device_count;
        break;
    case AMM_MAP_NVLINK:
        first->intra_bytes_per_s = value * 1e9;
        break;
    case AMM_MAP_NODES:
        return set_nodes(cluster, arena, (int32_t)value);
    case AMM_MAP_BATCH:
        problem->global_batch = (int64_t)value;
        break;
    case AMM_MAP_AXIS_COUNT:
        break;
    }
    return AMM_OK;
}

/* The map's problem at a point, in `arena`. Bandwidths first: the number of nodes copies them. */
static amm_status spec_at(amm_spec *out, const amm_map *map, amm_arena *arena, int32_t x, int32_t y)
{
    const int32_t at[2] = { x, y };
    amm_cluster *cluster = amm_arena_alloc(arena, 1, sizeof *cluster);
    if (cluster == NULL) {
        return AMM_NO_MEMORY;
    }
    *out = *map->spec;
    *cluster = *map->spec->problem.cluster;
    out->problem.cluster = cluster;
    AMM_TRY(set_nodes(cluster, arena, 1));
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < 2; k++) {
            const amm_map_axis *axis = &map->axis[k];
            if ((axis->kind == AMM_MAP_NODES) == (pass == 1)) {
                AMM_TRY(set_axis(&out->problem, cluster, arena, axis->kind, axis->values[at[k]]));
            }
        }
    }
    if (map->axis[0].kind != AMM_MAP_NODES && map->axis[1].kind != AMM_MAP_NODES) {
        AMM_TRY(set_nodes(cluster, arena, map->spec->problem.cluster->node_count));
    }
    return amm_cluster_check(cluster, out->file);
}

/* ---- points ------------------------------------------------------------------------------------ */

/* What the jobs of a map share: each has its own point or line, the texts are locked. */
typedef struct filling {
    amm_map *map;
    amm_plan_options plan;
    const amm_map_options *options;
    pthread_mutex_t lock;
} filling;

static amm_status number_of(amm_map *map, amm_map_texts *texts, int32_t *out, const char *text)
{
    for (*out = 0; *out < texts->count; (*out)++) {
        if (strcmp(texts->list[*out], text) == 0) {
            return AMM_OK;
        }
    }
    const char **list = amm_arena_grow(&map->arena, texts->list, (size_t)texts->count, sizeof *list,
                                       &texts->capacity);
    const char *copy = amm_arena_copy(&map->arena, text, strlen(text));
    if (list == NULL || copy == NULL) {
        return AMM_NO_MEMORY;
    }
    texts->list = list;
    texts->list[texts->count++] = copy;
    return AMM_OK;
}

static amm_status note_text(filling *f, amm_map_texts *texts, int32_t *out, const char *text)
{
    (void)pthread_mutex_lock(&f->lock);
    const amm_status status = number_of(f->map, texts, out, text);
    (void)pthread_mutex_unlock(&f->lock);
    return status;
}

static amm_status note_best(filling *f, amm_map_point *point, const amm_spec *spec,
                            const amm_result *result)
{
    const amm_plan_entry *best = &result->plans[0];
    const amm_problem_desc *problem = &spec->problem;
    amm_text text;
    amm_text_init(&text, f->map->context);
    amm_emit_strategy(&text, problem, &best->config);
    amm_status status = text.status;
    if (status == AMM_OK) {
        status = note_text(f, &f->map->strategies, &point->strategy, text.data);
    }
    amm_text_discard(&text);
    if (status == AMM_OK) {
        point->time_s = best->time_s;
        point->tokens_per_s =
            (double)problem->global_batch * (double)amm_problem_tokens(problem) / best->time_s;
    }
    return status;
}

/* A point without a plan is a result; other failures end the map. */
static bool is_result(amm_status status)
{
    return status == AMM_NO_PLAN || status == AMM_INPUT || status == AMM_LIMIT;
}

static amm_status plan_point(void *payload, int32_t number, amm_crew *crew)
{
    filling *f = payload;
    amm_map *map = f->map;
    const int32_t columns = map->axis[0].count;
    amm_map_point *point = &map->points[number];
    amm_plan_options plan = f->plan;
    amm_arena arena;
    amm_spec spec;
    amm_result *result = NULL;
    plan.progress = amm_jobs_watch;
    plan.payload = crew;
    amm_arena_init(&arena, map->context);
    amm_status status = spec_at(&spec, map, &arena, number % columns, number / columns);
    status = status == AMM_OK ? amm_plan(&result, &spec, &plan) : status;
    amm_map_fate fate = AMM_MAP_FATE_PLAN;
    if (status == AMM_OK) {
        status = note_best(f, point, &spec, result);
    } else if (is_result(status)) {
        fate = status == AMM_NO_PLAN ? AMM_MAP_FATE_NO_PLAN : AMM_MAP_FATE_INVALID;
        status = note_text(f, &map->reasons, &point->reason, amm_last_error());
    }
    point->fate = status == AMM_OK ? fate : AMM_MAP_OPEN;
    amm_result_free(result);
    amm_arena_free(&arena);
    return status;
}

/* Numbers in the order of the points: threads met the texts in any order. */
static amm_status sort_texts(amm_map *map, amm_map_texts *texts, size_t field)
{
    int32_t *fresh = amm_arena_alloc(&map->arena, (size_t)texts->count, sizeof *fresh);
    const char **list = amm_arena_alloc(&map->arena, (size_t)texts->count, sizeof *list);
    const int32_t points = map->axis[0].count * map->axis[1].count;
    int32_t count = 0;
    if (fresh == NULL || list == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < points; k++) {
        int32_t *number = (int32_t *)(void *)((char *)&map->points[k] + field);
        if (map->points[k].fate == AMM_MAP_OPEN || *number < 0) {
            *number = -1;
            continue;
        }
        if (fresh[*number] == 0) {
            list[count] = texts->list[*number];
            fresh[*number] = ++count;
        }
        *number = fresh[*number] - 1;
    }
    texts->list = list;
    texts->capacity = (size_t)texts->count;
    texts->count = count;
    return AMM_OK;
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* Seconds of two strategies at a point. */
static amm_status times_at(const amm_map *map, double out[2], const char *const strategies[2],
                           int32_t x, int32_t y)
{
    amm_arena arena;
    amm_spec spec;
    amm_result *result = NULL;
    amm_arena_init(&arena, map->context);
    amm_status status = spec_at(&spec, map, &arena, x, y);
    for (int k = 0; k < 2 && status == AMM_OK; k++) {
        status = amm_evaluate(&result, &spec, &strategies[k], 1);
        out[k] = status == AMM_OK ? amm_result_time_s(result, 0) : 0.0;
        amm_result_free(result);
        result = NULL;
    }
    amm_arena_free(&arena);
    return status;
}

/* Between points that are both done; `x` is found later. */
static amm_status collect_changes(amm_map *map)
{
    for (int32_t k = 0; k < map->axis[0].count * map->axis[1].count; k++) {
        const int32_t x = k % map->axis[0].count;
        const amm_map_point *p = &map->points[k];
        if (x + 1 == map->axis[0].count || p[0].strategy < 0 || p[1].strategy < 0 ||
            p[0].strategy == p[1].strategy) {
            continue;
        }
        amm_map_change *changes =
            amm_arena_grow(&map->arena, map->changes, (size_t)map->change_count, sizeof *changes,
                           &map->change_capacity);
        if (changes == NULL) {
            return AMM_NO_MEMORY;
        }
        map->changes = changes;
        map->changes[map->change_count++] =
            (amm_map_change){ x, k / map->axis[0].count, (double)NAN, p[0].strategy,
                              p[1].strategy };
    }
    return AMM_OK;
}

/* Where the straight lines through both strategies' times at the points on both sides cross. A
 * strategy that cannot run at the other point changes hands half-way. */
static amm_status find_change(void *payload, int32_t number, amm_crew *crew)
{
    const filling *f = payload;
    const amm_map *map = f->map;
    amm_map_change *c = &map->changes[number];
    const double *values = &map->axis[0].values[c->left];
    const char *const pair[2] = { map->strategies.list[c->from], map->strategies.list[c->to] };
    double left[2];
    double right[2];
    double share = 0.5;
    (void)crew; /* a moment's work */
    amm_status status = times_at(map, left, pair, c->left, c->y);
    status = status == AMM_OK ? times_at(map, right, pair, c->left + 1, c->y) : status;
    if (status == AMM_OK) {
        const double before = left[1] - left[0]; /* >= 0: the first is ahead */
        const double after = right[0] - right[1];
        share = before + after > 0.0 ? fmin(fmax(before / (before + after), 0.0), 1.0) : 0.5;
    } else if (status != AMM_INPUT) {
        return status;
    }
    c->x = values[0] + share * (values[1] - values[0]);
    return AMM_OK;
}

static void drop_open_changes(amm_map *map)
{
    int32_t count = 0;
    for (int32_t k = 0; k < map->change_count; k++) {
        if (!isnan(map->changes[k].x)) {
            map->changes[count++] = map->changes[k];
        }
    }
    map->change_count = count;
}

/* ---- the map ----------------------------------------------------------------------------------- */

/* All points are planned when lines are looked for. */
static int watch_lines(double done, double best_s, void *payload)
{
    const amm_map_options *o = payload;
    (void)done;
    return o->progress(1.0, best_s, o->payload);
}

/* Of the points that are done; watched: may be interrupted. */
static amm_status find_changes(filling *f, int32_t threads, bool watched)
{
    const amm_map_options *o = f->options;
    amm_map *map = f->map;
    int32_t found = 0;
    AMM_TRY(sort_texts(map, &map->strategies, offsetof(amm_map_point, strategy)));
    AMM_TRY(sort_texts(map, &map->reasons, offsetof(amm_map_point, reason)));
    AMM_TRY(collect_changes(map));
    const amm_jobs jobs = { find_change,
                            f,
                            map->change_count,
                            threads,
                            watched && o->progress != NULL ? watch_lines : NULL,
                            (void *)o,
                            "lines" };
    const amm_status status = amm_jobs_run(&found, &jobs);
    drop_open_changes(map);
    return status;
}

/* A single point has all threads for itself; several have one each. */
static amm_status fill_points(filling *f, int32_t threads)
{
    const amm_map_options *o = f->options;
    amm_map *map = f->map;
    const int32_t points = map->axis[0].count * map->axis[1].count;
    f->plan.top = 1;
    f->plan.backend = o->backend;
    f->plan.threads = points == 1 ? threads : 1;
    const amm_jobs jobs = { plan_point, f, points, threads, o->progress, o->payload, "points" };
    return amm_jobs_run(&map->done, &jobs);
}

/* What ended the points has the word, whatever is said about the lines of those that are done. */
static amm_status fill(amm_map *map, const amm_map_options *o)
{
    const amm_backend *backend = NULL;
    filling f = { .map = map, .options = o, .plan = AMM_PLAN_OPTIONS_INIT };
    int32_t threads = 1;
    AMM_TRY(amm_plan_backend(&backend, o->backend, &map->spec->problem));
    AMM_TRY(amm_backend_threads(&threads, backend, o->threads));
    if (pthread_mutex_init(&f.lock, NULL) != 0) {
        return amm_fail(AMM_NO_MEMORY, "map: no mutex");
    }
    const amm_failure failure = amm_failure_keep(fill_points(&f, threads));
    const amm_status lines = find_changes(&f, threads, failure.status == AMM_OK);
    (void)pthread_mutex_destroy(&f.lock);
    return amm_failure_first(&failure, lines);
}

/* The first point whose problem is invalid; *count of them. -1: none. */
int32_t amm_map_first_invalid(const amm_map *map, int32_t *count)
{
    int32_t first = -1;
    *count = 0;
    for (int32_t k = map->axis[0].count * map->axis[1].count - 1; k >= 0; k--) {
        if (map->points[k].fate == AMM_MAP_FATE_INVALID) {
            first = k;
            ++*count;
        }
    }
    return first;
}

/* Where no point is valid it is not the points that are wrong. */
static amm_status check_any_valid(const amm_map *map)
{
    int32_t count = 0;
    const int32_t first = amm_map_first_invalid(map, &count);
    return count < map->axis[0].count * map->axis[1].count
               ? AMM_OK
               : amm_fail(AMM_INPUT, "%s", map->reasons.list[map->points[first].reason]);
}

static amm_status open_axes(amm_map *map, const amm_map_options *o)
{
    if (o->x == NULL) {
        return amm_fail(AMM_INPUT, "x: an axis is needed, e.g. nic=100..1600");
    }
    AMM_TRY(amm_map_axis_read(&map->axis[0], &map->arena, o->x, o->points[0], "x"));
    if (o->y != NULL) {
        AMM_TRY(amm_map_axis_read(&map->axis[1], &map->arena, o->y, o->points[1], "y"));
    } else if (o->points[1] != 0) {
        return amm_fail(AMM_INPUT, "points: got %d for y, but there is no y", o->points[1]);
    } else {
        map->axis[1].kind = AMM_MAP_AXIS_COUNT;
        map->axis[1].count = 1;
        map->axis[1].values = amm_arena_alloc(&map->arena, 1, sizeof *map->axis[1].values);
    }
    if (map->axis[0].kind == map->axis[1].kind) {
        return amm_fail(AMM_INPUT, "x and y: both are %s", amm_map_axis_word(map->axis[0].kind));
    }
    const size_t count = (size_t)map->axis[0].count * (size_t)map->axis[1].count;
    map->points = amm_arena_alloc(&map->arena, count, sizeof *map->points);
    if (map->axis[1].values == NULL || map->points == NULL) {
        return AMM_NO_MEMORY;
    }
    for (size_t k = 0; k < count; k++) {
        map->points[k] = (amm_map_point){ AMM_MAP_OPEN, (double)NAN, (double)NAN, -1, -1 };
    }
    return AMM_OK;
}

static amm_status check(const amm_spec *spec, const amm_map_options *o)
{
    const amm_problem_desc *problem = &spec->problem;
    if (o == NULL || o->size != sizeof *o) {
        return amm_fail(AMM_INPUT, "map options: size is %zu, this library knows %zu",
                        o == NULL ? 0 : o->size, sizeof *o);
    }
    if (problem->cluster == NULL) {
        return amm_spec_check(spec);
    }
    /* All else is looked at by point: an axis may be what is missing or wrong. */
    for (int32_t k = 1; k < problem->cluster->node_count; k++) {
        if (!amm_nodes_equal(&problem->cluster->nodes[0], &problem->cluster->nodes[k])) {
            return amm_fail(AMM_INPUT, "map: the cluster's nodes differ, allowed equal ones");
        }
    }
    return AMM_OK;
}

amm_status amm_map_create(amm_map **out, const amm_spec *spec, const amm_map_options *options)
{
    *out = NULL;
    const double start_s = amm_clock_s();
    AMM_TRY(check(spec, options));
    amm_map *map = amm_alloc(spec->context, 1, sizeof *map);
    if (map == NULL) {
        return AMM_NO_MEMORY;
    }
    map->context = spec->context;
    map->spec = spec;
    amm_arena_init(&map->arena, spec->context);
    amm_status status = open_axes(map, options);
    status = status == AMM_OK ? fill(map, options) : status;
    if (status == AMM_OK) {
        status = check_any_valid(map);
        map->done = status == AMM_OK ? map->done : 0;
    }
    if (status != AMM_OK && status != AMM_INTERRUPTED && map->done == 0) {
        amm_map_free(map);
        return status;
    }
    map->wall_s = amm_clock_s() - start_s;
    *out = map;
    return status;
}

void amm_map_free(amm_map *map)
{
    if (map != NULL) {
        amm_arena_free(&map->arena);
        amm_release(map->context, map);
    }
}

int32_t amm_map_count(const amm_map *map, int axis)
{
    return map->axis[axis].count;
}

double amm_map_value(const amm_map *map, int axis, int32_t index)
{
    return map->axis[axis].values[index];
}

double amm_map_time_s(const amm_map *map, int32_t x, int32_t y)
{
    return amm_map_at(map, x, y)->time_s;
}
