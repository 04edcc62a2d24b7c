/* Axes of a map, and what becomes of a map whose points fail, are interrupted, or run side by side. */
#include "backend/cpu_simd/cpu_simd.h"
#include "map/map.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void ranges_and_lists(void **state)
{
    (void)state;
    amm_map_axis axis = { 0 };
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nic=100..1600", 5, "x"), AMM_OK);
    assert_int_equal(axis.kind, AMM_MAP_NIC);
    assert_int_equal(axis.count, 5);
    for (int32_t k = 0; k < 5; k++) {
        assert_close(axis.values[k], 100.0 * pow(2.0, k), 1e-12, 0.0);
    }
    assert_same_bits(axis.values[4], 1600.0);
    /* 4 to 9 in twelve steps: the whole numbers, once each. */
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nodes=4..9", 12, "y"), AMM_OK);
    assert_int_equal(axis.count, 6);
    for (int32_t k = 0; k < 6; k++) {
        assert_same_bits(axis.values[k], 4.0 + k);
    }
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "batch=256,300,4096", 0, "y"), AMM_OK);
    assert_int_equal(axis.count, 3);
    assert_same_bits(axis.values[1], 300.0);
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nvlink=450..450", 0, "x"), AMM_OK);
    assert_int_equal(axis.count, 1);
}

static void mistakes(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",        "nic",      "=1..2",    "nic=",      "nic=0..4",     "nic=-1..4", "nic=1..",
        "nic=..4", "nic=2..1", "nic=1,,2", "nodes=1.5", "nodes=1.5..3", "nic=nan",   "nic=1..inf"
    };
    for (size_t k = 0; k < sizeof texts / sizeof texts[0]; k++) {
        amm_map_axis axis = { 0 };
        assert_int_equal(amm_map_axis_read(&axis, &test_arena, texts[k], 0, "x"), AMM_INPUT);
    }
}

/* Values that no description may have are refused as they stand, not turned into others. */
static void out_of_range(void **state)
{
    static const struct {
        const char *text, *message;
    } cases[] = {
        { "batch=1e19",
          "x: out of range, got batch=1e+19, allowed 1 to 16777216 samples per step" },
        { "batch=1..1e300", "x: out of range, got batch=1e+300" },
        { "nodes=2,4,2000000000",
          "x: out of range, got nodes=2000000000, allowed 1 to 65536 nodes" },
        { "nodes=-5,4", "x: out of range, got nodes=-5" },
        { "nic=1e7",
          "x: out of range, got nic=10000000, allowed 0.001 to 1000000 Gb/s per device" },
        { "nvlink=0..4", "x: out of range, got nvlink=0" },
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        amm_map_axis axis = { 0 };
        assert_int_equal(amm_map_axis_read(&axis, &test_arena, cases[k].text, 0, "x"), AMM_INPUT);
        assert_non_null(strstr(amm_last_error(), cases[k].message));
    }
    amm_map_axis axis = { 0 };
    assert_int_equal(amm_map_axis_read(&axis, &test_arena, "nodes=4,8", 3, "y"), AMM_INPUT);
    assert_string_equal(amm_last_error(), "points: y is a list, allowed with LOW..HIGH only");
}

/* ---- maps -------------------------------------------------------------------------------------- */

/* An allocator that can be told to fail, and a watcher that does something at some share of the map. */
typedef struct scene {
    amm_context *context;
    amm_spec *spec;
    amm_map *map;
    amm_map_options options;
    bool broken;            /* no memory is left */
    atomic_int calls_aside; /* of the allocator, on other threads than the caller's */
    pthread_t caller;
    int calls;
    int stop_at_call; /* of the watcher; 0: never */
    double stop_at, break_at;
} scene;

static void *take(void *pointer, size_t size, void *payload)
{
    scene *x = payload;
    (void)atomic_fetch_add(&x->calls_aside, pthread_equal(pthread_self(), x->caller) == 0);
    return x->broken ? NULL : realloc(pointer, size);
}

static void give(void *pointer, void *payload)
{
    (void)payload;
    free(pointer);
}

static int watch(double done, double best_s, void *payload)
{
    scene *x = payload;
    (void)best_s;
    assert_true(done >= 0.0 && done <= 1.0);
    x->broken = x->broken || done >= x->break_at;
    return ++x->calls == x->stop_at_call || done >= x->stop_at;
}

static void set(amm_spec *spec, const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

static void open_scene(scene *x, const char *axis)
{
    memset(x, 0, sizeof *x);
    x->stop_at = x->break_at = 2.0;
    x->caller = pthread_self();
    amm_context_options context = AMM_CONTEXT_OPTIONS_INIT;
    context.allocator = (amm_allocator){ take, give, x };
    assert_int_equal(amm_context_create(&x->context, &context), AMM_OK);
    assert_int_equal(amm_spec_create(&x->spec, x->context, NULL), AMM_OK);
    set(x->spec, "model", "llama-3-8b");
    set(x->spec, "cluster", "2xdgx-h100");
    set(x->spec, "global_batch", "64");
    set(x->spec, "tp", "1,2");
    set(x->spec, "pp", "1,2");
    amm_map_options_init(&x->options);
    x->options.x = axis;
    x->options.threads = 1;
    x->options.progress = watch;
    x->options.payload = x;
}

static void close_scene(scene *x)
{
    amm_map_free(x->map);
    amm_spec_free(x->spec);
    amm_context_free(x->context);
}

static void same_with_any_threads(void **state)
{
    char *texts[2][3] = { { NULL } };
    (void)state;
    if (amm_simd_check_threads(2) != AMM_OK) { /* a build without them */
        skip();
    }
    for (int k = 0; k < 2; k++) {
        scene x;
        open_scene(&x, "nic=25..800");
        x.options.y = "nodes=1,2,3,4";
        x.options.points[0] = 12;
        x.options.threads = k == 0 ? 1 : 3;
        assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_OK);
        assert_int_equal(x.map->done, 48);
        assert_int_equal(amm_map_csv(x.map, &texts[k][0]), AMM_OK);
        assert_int_equal(amm_map_break_even_csv(x.map, &texts[k][1]), AMM_OK);
        assert_int_equal(amm_map_json(x.map, &texts[k][2]), AMM_OK);
        assert_true(x.map->change_count > 0);
        close_scene(&x);
    }
    for (int n = 0; n < 3; n++) {
        assert_string_equal(texts[0][n], texts[1][n]);
        free(texts[0][n]);
        free(texts[1][n]);
    }
}

/* What the headers say of an allocator that is not safe for threads: 1 for all, then it is the caller's. */
static void one_thread_means_one(void **state)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    scene x;
    (void)state;
    open_scene(&x, "nic=25..800");
    x.options.points[0] = 12;
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_OK);
    options.threads = 1;
    options.draws = 8;
    assert_int_equal(amm_plan(&result, x.spec, &options), AMM_OK);
    assert_int_equal(atomic_load(&x.calls_aside), 0);
    amm_result_free(result);
    close_scene(&x);
}

/* What fails at a point loses none of the points before it. */
static void failure_keeps_what_is_done(void **state)
{
    scene x;
    (void)state;
    open_scene(&x, "nic=100,200,300,400,500,600");
    x.break_at = 0.5;
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_NO_MEMORY);
    assert_non_null(x.map);
    x.broken = false;
    assert_int_equal(x.map->done, 3);
    for (int32_t k = 0; k < 6; k++) {
        assert_true(isnan(amm_map_time_s(x.map, k, 0)) == (k >= 3));
    }
    close_scene(&x);
    open_scene(&x, "nic=100,200");
    x.break_at = 0.0;
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_NO_MEMORY);
    assert_null(x.map);
    close_scene(&x);
}

/* One point: only its own search can tell the watcher anything before it is done. */
static void interrupt_inside_a_point(void **state)
{
    scene x;
    (void)state;
    open_scene(&x, "nic=100");
    set(x.spec, "model", "llama-3-70b");
    set(x.spec, "cluster", "16xdgx-h100");
    set(x.spec, "tp", "1..8");
    set(x.spec, "pp", "1..80");
    x.stop_at_call = 3;
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_INTERRUPTED);
    assert_string_equal(amm_last_error(), "interrupted after 0 of 1 points");
    assert_int_equal(x.map->done, 0);
    assert_int_equal(x.map->points[0].fate, AMM_MAP_OPEN);
    close_scene(&x);
}

/* Lines among the points that are done; the same as those of the whole map. */
static void interrupted_map_has_lines(void **state)
{
    scene whole;
    scene part;
    (void)state;
    open_scene(&whole, "nic=25..800");
    whole.options.y = "nodes=1,2,4";
    whole.options.points[0] = 10;
    open_scene(&part, whole.options.x);
    part.options.y = whole.options.y;
    part.options.points[0] = 10;
    part.stop_at = 0.7;
    assert_int_equal(amm_map_create(&whole.map, whole.spec, &whole.options), AMM_OK);
    assert_int_equal(amm_map_create(&part.map, part.spec, &part.options), AMM_INTERRUPTED);
    assert_in_range(part.map->done, 20, 22);
    int32_t before = 0;
    for (int32_t k = 0; k < whole.map->change_count; k++) {
        before += whole.map->changes[k].y < 2 ? 1 : 0;
    }
    assert_true(before > 0 && part.map->change_count >= before);
    for (int32_t k = 0; k < before; k++) {
        assert_same_bits(part.map->changes[k].x, whole.map->changes[k].x);
        assert_int_equal(part.map->changes[k].y, whole.map->changes[k].y);
    }
    close_scene(&whole);
    close_scene(&part);
}

/* All points are there then: what is left undone are lines. */
static void interrupted_lines_are_called_that(void **state)
{
    scene x;
    int done = -1;
    int all = 0;
    char unit[8] = "";
    (void)state;
    open_scene(&x, "nic=25..800");
    x.options.y = "nodes=1,2,4";
    x.options.points[0] = 10;
    x.stop_at = 1.0;
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_INTERRUPTED);
    assert_int_equal(x.map->done, 30);
    assert_int_equal(sscanf(amm_last_error(), "interrupted after %d of %d %7s", &done, &all, unit),
                     3);
    assert_true(done == 0 && all > 0);
    assert_string_equal(unit, "lines");
    close_scene(&x);
}

/* dp 12 makes 24 devices with tp 2: of 3 nodes, not of 2; a model that is too large fits nowhere. */
static void invalid_is_not_what_does_not_fit(void **state)
{
    scene x;
    char *table = NULL;
    int32_t count = 0;
    (void)state;
    open_scene(&x, "nodes=2,3,5");
    set(x.spec, "tp", "2");
    set(x.spec, "pp", "1");
    set(x.spec, "dp", "12");
    set(x.spec, "global_batch", "24");
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_OK);
    assert_int_equal(x.map->points[0].fate, AMM_MAP_FATE_INVALID);
    assert_int_equal(x.map->points[1].fate, AMM_MAP_FATE_PLAN);
    assert_int_equal(x.map->points[2].fate, AMM_MAP_FATE_INVALID);
    assert_int_equal(amm_map_first_invalid(x.map, &count), 0);
    assert_int_equal(count, 2);
    assert_int_equal(amm_map_table(x.map, &table), AMM_OK);
    assert_non_null(strstr(table, "!A!"));
    assert_non_null(
        strstr(table, "       !       2 points  invalid, the first: nodes 2: problem:"));
    amm_text_free(x.context, table);
    close_scene(&x);
    /* No point is valid: the problem is not. */
    open_scene(&x, "nodes=2,4");
    set(x.spec, "dp", "12");
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_INPUT);
    assert_non_null(strstr(amm_last_error(), "dp"));
    assert_null(x.map);
    close_scene(&x);
    open_scene(&x, "nodes=1");
    set(x.spec, "model", "llama-3-70b");
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_OK);
    assert_int_equal(x.map->points[0].fate, AMM_MAP_FATE_NO_PLAN);
    close_scene(&x);
}

/* An axis gives what the problem lacks. */
static void axis_supplies(void **state)
{
    scene x;
    (void)state;
    open_scene(&x, "batch=32,64");
    x.spec->problem.global_batch = 0;
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_OK);
    assert_int_equal(x.map->done, 2);
    const double time_s = amm_map_time_s(x.map, 1, 0);
    close_scene(&x);
    open_scene(&x, "nic=400"); /* the preset's own */
    assert_int_equal(amm_map_create(&x.map, x.spec, &x.options), AMM_OK);
    assert_same_bits(amm_map_time_s(x.map, 0, 0), time_s);
    close_scene(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ranges_and_lists, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(mistakes, arena_start, arena_stop),
        cmocka_unit_test_setup_teardown(out_of_range, arena_start, arena_stop),
        cmocka_unit_test(same_with_any_threads),
        cmocka_unit_test(one_thread_means_one),
        cmocka_unit_test(failure_keeps_what_is_done),
        cmocka_unit_test(interrupt_inside_a_point),
        cmocka_unit_test(interrupted_map_has_lines),
        cmocka_unit_test(interrupted_lines_are_called_that),
        cmocka_unit_test(invalid_is_not_what_does_not_fit),
        cmocka_unit_test(axis_supplies),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
