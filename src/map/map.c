#include "map/map.h"

#include "describe/check.h"
#include "emit/emit.h"
#include <math.h>
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

static amm_status number_of(amm_map *map, int32_t *out, const char *strategy)
{
    for (*out = 0; *out < map->strategy_count; (*out)++) {
        if (strcmp(map->strategies[*out], strategy) == 0) {
            return AMM_OK;
        }
    }
    const char **strategies =
        amm_arena_grow(&map->arena, map->strategies, (size_t)map->strategy_count,
                       sizeof *strategies, &map->strategy_capacity);
    if (strategies == NULL) {
        return AMM_NO_MEMORY;
    }
    map->strategies = strategies;
    map->strategies[map->strategy_count++] =
        amm_arena_copy(&map->arena, strategy, strlen(strategy));
    return map->strategies[*out] == NULL ? AMM_NO_MEMORY : AMM_OK;
}

static amm_status note_best(amm_map *map, amm_map_point *point, const amm_spec *spec,
                            const amm_result *result)
{
    const amm_plan_entry *best = &result->plans[0];
    const amm_problem_desc *problem = &spec->problem;
    amm_text text;
    amm_text_init(&text, map->context);
    amm_emit_strategy(&text, problem, &best->config);
    amm_status status = text.status;
    if (status == AMM_OK) {
        status = number_of(map, &point->strategy, text.data);
    }
    amm_text_discard(&text);
    point->time_s = best->time_s;
    point->tokens_per_s =
        (double)problem->global_batch * (double)amm_problem_tokens(problem) / best->time_s;
    return status;
}

static amm_status plan_point(amm_map *map, const amm_plan_options *options, int32_t x, int32_t y)
{
    amm_map_point *point = &map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x];
    amm_arena arena;
    amm_spec spec;
    amm_result *result = NULL;
    amm_arena_init(&arena, map->context);
    amm_status status = spec_at(&spec, map, &arena, x, y);
    status = status == AMM_OK ? amm_plan(&result, &spec, options) : status;
    point->time_s = (double)NAN;
    point->strategy = -1;
    point->done = true;
    if (status == AMM_OK) {
        status = note_best(map, point, &spec, result);
    } else if (status == AMM_NO_PLAN || status == AMM_INPUT || status == AMM_LIMIT) {
        const char *why = amm_last_error();
        point->reason = amm_arena_copy(&map->arena, why, strlen(why));
        status = point->reason == NULL ? AMM_NO_MEMORY : AMM_OK;
    }
    amm_result_free(result);
    amm_arena_free(&arena);
    return status;
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

static amm_status add_change(amm_map *map, const amm_map_change *change)
{
    amm_map_change *changes = amm_arena_grow(&map->arena, map->changes, (size_t)map->change_count,
                                             sizeof *changes, &map->change_capacity);
    if (changes == NULL) {
        return AMM_NO_MEMORY;
    }
    map->changes = changes;
    map->changes[map->change_count++] = *change;
    return AMM_OK;
}

/* Between points x and x + 1 of a row: where the straight lines through both strategies' times cross.
 * A strategy that cannot run at the other point changes hands half-way. */
static amm_status find_change(amm_map *map, int32_t x, int32_t y)
{
    const amm_map_point *p = &map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x];
    const double *values = map->axis[0].values;
    if (!p[0].done || !p[1].done || p[0].strategy < 0 || p[1].strategy < 0 ||
        p[0].strategy == p[1].strategy) {
        return AMM_OK;
    }
    const char *const pair[2] = { map->strategies[p[0].strategy], map->strategies[p[1].strategy] };
    double left[2];
    double right[2];
    double share = 0.5;
    amm_status status = times_at(map, left, pair, x, y);
    status = status == AMM_OK ? times_at(map, right, pair, x + 1, y) : status;
    if (status == AMM_OK) {
        const double before = left[1] - left[0]; /* >= 0: the first is ahead */
        const double after = right[0] - right[1];
        share = before + after > 0.0 ? fmin(fmax(before / (before + after), 0.0), 1.0) : 0.5;
    } else if (status != AMM_INPUT) {
        return status;
    }
    const amm_map_change change = { y, values[x] + share * (values[x + 1] - values[x]),
                                    p[0].strategy, p[1].strategy };
    return add_change(map, &change);
}

/* ---- the map ----------------------------------------------------------------------------------- */

static amm_status fill(amm_map *map, const amm_map_options *o)
{
    amm_plan_options plan = AMM_PLAN_OPTIONS_INIT;
    const int32_t columns = map->axis[0].count;
    const int32_t rows = map->axis[1].count;
    plan.top = 1;
    plan.threads = o->threads;
    plan.backend = o->backend;
    for (int32_t k = 0; k < rows * columns; k++) {
        const double last_s = k > 0 ? map->points[k - 1].time_s : -1.0;
        if (o->progress != NULL &&
            o->progress((double)k / (rows * columns), isnan(last_s) ? -1.0 : last_s, o->payload)) {
            return amm_fail(AMM_INTERRUPTED, "interrupted after %d of %d points", k,
                            rows * columns);
        }
        AMM_TRY(plan_point(map, &plan, k % columns, k / columns));
    }
    for (int32_t y = 0; y < rows; y++) {
        for (int32_t x = 0; x + 1 < columns; x++) {
            AMM_TRY(find_change(map, x, y));
        }
    }
    return AMM_OK;
}

static amm_status open_axes(amm_map *map, const amm_map_options *o)
{
    if (o->x == NULL) {
        return amm_fail(AMM_INPUT, "x: an axis is needed, e.g. nic=100..1600");
    }
    AMM_TRY(amm_map_axis_read(&map->axis[0], &map->arena, o->x, o->points[0], "x"));
    if (o->y != NULL) {
        AMM_TRY(amm_map_axis_read(&map->axis[1], &map->arena, o->y, o->points[1], "y"));
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
    return map->axis[1].values == NULL || map->points == NULL ? AMM_NO_MEMORY : AMM_OK;
}

static amm_status check(const amm_spec *spec, const amm_map_options *o)
{
    const amm_problem_desc *problem = &spec->problem;
    if (o == NULL || o->size != sizeof *o) {
        return amm_fail(AMM_INPUT, "map options: size is %zu, this library knows %zu",
                        o == NULL ? 0 : o->size, sizeof *o);
    }
    AMM_TRY(amm_spec_check(spec));
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
    if (status != AMM_OK && status != AMM_INTERRUPTED) {
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
    return map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x].time_s;
}
