/* A backend that fails on its way takes nothing with it: plans, partitions and checkpoint stay. */
#include "random_spec.h"
#include "test_support.h"
#include "double.h"
#include "driver.h"
#include "search/planner.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* cpu/ref, which ends at a call; a sweep comes back after every SLICE partitions, and a call that fails has
 * worked on half of one before. */
enum { SLICE = 500 };
static struct {
    int64_t solves, sweeps; /* calls left; negative: no end */
    amm_status status;
    failing_allocator *memory; /* fails from the end on; NULL: goes on */
} lost;

static const amm_backend *ref(void)
{
    const amm_backend *backend = NULL;
    assert_int_equal(amm_backend_find(&backend, "cpu/ref"), AMM_OK);
    return backend;
}

static amm_status lose_solve(amm_engine *engine, amm_solved *out, uint16_t *cuts,
                             const int64_t *upper, const int32_t *configs, int32_t count)
{
    if (lost.solves-- == 0) {
        return amm_fail(lost.status, "fake device lost");
    }
    return ref()->solve(engine, out, cuts, upper, configs, count);
}

static amm_status lose_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count,
                             amm_place *from, amm_place to, int64_t upper)
{
    const bool now = lost.sweeps-- == 0;
    const amm_place near = { from->config, from->rank + (now ? SLICE / 2 : SLICE) };
    uint64_t ranks = 0;
    AMM_TRY(amm_config_ranks(&ranks, engine->problem, from->config));
    AMM_TRY(ref()->sweep(engine, top, count, from, near.rank < ranks ? near : to, upper));
    if (now && lost.memory != NULL) {
        lost.memory->fail_at = 0;
        lost.memory->calls = 0;
    }
    return now ? amm_fail(lost.status, "fake device lost") : AMM_OK;
}

static amm_backend failing_backend(amm_status status, int64_t solves, int64_t sweeps)
{
    amm_backend backend = *ref();
    backend.solve = lose_solve;
    backend.sweep = lose_sweep;
    lost.solves = solves;
    lost.sweeps = sweeps;
    lost.status = status;
    return backend;
}

static char *json_of(amm_result *r)
{
    char *text = NULL;
    r->backend = "any";
    assert_int_equal(amm_result_json(r, &text, AMM_RESULT_NO_RUN_INFO), AMM_OK);
    return text;
}

/* ---- the search -------------------------------------------------------------------------------- */

static amm_spec *many_layouts(void)
{
    amm_spec *spec = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set_spec(spec, "model", random_models[0]);
    set_spec(spec, "cluster", "2xdgx-h100");
    set_spec(spec, "runtime", "megatron-core");
    set_spec(spec, "global_batch", "64");
    return spec;
}

/* What is there is sorted, whole, and no better than the best there is. */
static void check_kept(amm_result *r, double best_s)
{
    char *text = NULL;
    assert_true(r->plan_count > 0 && r->interrupted && !r->proven);
    for (size_t k = 0; k < r->plan_count; k++) {
        assert_true(r->plans[k].time_s >= (k == 0 ? best_s : r->plans[k - 1].time_s) * (1 - 1e-9));
        assert_true(isfinite(r->plans[k].stages[0].memory_bytes));
    }
    assert_int_equal(amm_result_table(r, &text, 1), AMM_OK);
    amm_text_free(test_context(), text);
    text = json_of(r);
    assert_non_null(strstr(text, "\"status\": \"interrupted\""));
    amm_text_free(test_context(), text);
}

/* Numbers of solves from none to what the search takes. */
static void lose_searches(amm_spec *spec, amm_status status)
{
    const amm_backend *whole = ref();
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *r = NULL;
    options.top = AMM_TOP_ALL;
    options.threads = 1;
    assert_int_equal(amm_spec_check(spec), AMM_OK);
    assert_int_equal(amm_plan_on_backend(&r, spec, &options, whole), AMM_OK);
    const double best_s = r->plans[0].time_s;
    amm_result_free(r);
    int64_t n = 0;
    for (bool done = false; !done; n += 1 + n / 3) {
        const amm_backend backend = failing_backend(status, n, -1);
        const amm_status got = amm_plan_on_backend(&r, spec, &options, &backend);
        done = got == AMM_OK;
        if (!done) {
            assert_int_equal(got, status);
            assert_string_equal(amm_last_error(), "fake device lost");
        }
        if (!done && n > 0) { /* the first slice is solved */
            assert_non_null(r);
        }
        if (!done && r != NULL) {
            check_kept(r, best_s);
        }
        amm_result_free(r);
    }
    assert_true(n > 3);
}

static void searches_keep_what_they_found(void **state)
{
    (void)state;
    amm_spec *spec = many_layouts();
    lose_searches(spec, AMM_UNAVAILABLE);
    lose_searches(spec, AMM_NO_MEMORY);
    amm_spec_free(spec);
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-het-cluster"), AMM_OK);
    lose_searches(spec, AMM_UNAVAILABLE);
    amm_spec_free(spec);
}

/* The double of a GPU, lost at the n-th launch of an engine. */
static void a_lost_gpu_keeps_what_it_found(void **state)
{
    (void)state;
    amm_spec *spec = many_layouts();
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    int kept = 0;
    options.top = AMM_TOP_ALL;
    options.threads = 1;
    assert_int_equal(amm_spec_check(spec), AMM_OK);
    for (int n = 1; n <= 6; n++) {
        amm_result *r = NULL;
        amm_double_settings.fail_at_launch = n;
        assert_int_equal(amm_plan_on_backend(&r, spec, &options, &amm_backend_cuda),
                         AMM_UNAVAILABLE);
        assert_string_equal(amm_last_error(), "double: device lost");
        if (r != NULL) {
            check_kept(r, 0.0);
            kept++;
        }
        amm_result_free(r);
    }
    amm_double_settings.fail_at_launch = 0;
    assert_true(kept > 2);
    amm_spec_free(spec);
}

/* ---- the sweep --------------------------------------------------------------------------------- */

typedef struct kept_text {
    char text[65536];
    int calls;
} kept_text;

static int keep_text(const char *text, void *payload)
{
    kept_text *kept = payload;
    kept->calls++;
    assert_true(strlen(text) < sizeof kept->text);
    (void)strcpy(kept->text, text);
    return 0;
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* Ends at every slice but the last; the checkpoint goes on, on any backend, to the same result as in one
 * go. */
static void sweeps_keep_what_they_covered(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    amm_result *r = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    static kept_text kept;
    options.partitions = 20;
    options.threads = 1;
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    set_spec(spec, "pp", "4");
    assert_int_equal(amm_spec_check(spec), AMM_OK);
    assert_int_equal(amm_plan_on_backend(&r, spec, &options, ref()), AMM_OK);
    const uint64_t ranks = r->partitions.all;
    char *want = json_of(r);
    amm_result_free(r);
    for (int64_t n = 0; n < (int64_t)(ranks / SLICE); n++) {
        const amm_backend backend = failing_backend(AMM_UNAVAILABLE, -1, n);
        options.save = keep_text;
        options.payload = &kept;
        options.resume = NULL;
        kept.calls = 0;
        assert_int_equal(amm_plan_on_backend(&r, spec, &options, &backend), AMM_UNAVAILABLE);
        assert_string_equal(amm_last_error(), "fake device lost");
        assert_true(r->proven && !r->interrupted && r->plan_count > 0); /* the search is whole */
        assert_true(!r->partitions.complete && kept.calls > 0);
        assert_int_equal(r->partitions.covered, (uint64_t)n * SLICE); /* nothing of half a slice */
        assert_int_equal(r->partitions.count, n > 0 ? 20 : 0);
        amm_result_free(r);
        write_file("lost.json", kept.text);
        options.resume = "lost.json";
        const amm_backend *simd = NULL;
        assert_int_equal(amm_backend_find(&simd, "cpu/simd"), AMM_OK);
        const amm_backend *const others[] = { ref(), simd, &amm_backend_cuda };
        assert_int_equal(amm_plan_on_backend(&r, spec, &options, others[n % 3]), AMM_OK);
        char *got = json_of(r);
        assert_string_equal(got, want);
        amm_text_free(test_context(), got);
        amm_result_free(r);
    }
    assert_int_equal(remove("lost.json"), 0);
    amm_text_free(test_context(), want);
    amm_spec_free(spec);
}

/* What ends the sweep is said, also where the partitions that it kept cannot be listed any more. */
static void the_first_failure_is_said(void **state)
{
    (void)state;
    failing_allocator memory = { -1, 0, 0 };
    amm_context_options with = AMM_CONTEXT_OPTIONS_INIT;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_spec *spec = NULL;
    amm_result *r = NULL;
    with.allocator = failing_allocator_make(&memory);
    assert_int_equal(amm_context_create(&context, &with), AMM_OK);
    assert_int_equal(amm_spec_create(&spec, context, "amp-homogeneous"), AMM_OK);
    set_spec(spec, "pp", "4");
    assert_int_equal(amm_spec_check(spec), AMM_OK);
    options.partitions = 300;
    options.threads = 1;
    const amm_backend backend = failing_backend(AMM_UNAVAILABLE, -1, 2);
    lost.memory = &memory;
    assert_int_equal(amm_plan_on_backend(&r, spec, &options, &backend), AMM_UNAVAILABLE);
    lost.memory = NULL;
    assert_string_equal(amm_last_error(), "fake device lost");
    assert_true(r->plan_count > 0 && r->partitions.covered == 2 * SLICE);
    assert_true(r->partitions.count < 300); /* memory did fail */
    amm_result_free(r);
    amm_spec_free(spec);
    amm_context_free(context);
    assert_int_equal(memory.live, 0);
}

static int refuse_text(const char *text, void *payload)
{
    (void)text;
    (void)payload;
    return 1;
}

/* A checkpoint that cannot be kept is no interrupt, and what is swept by then is listed. */
static void a_failed_save_is_said_as_such(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    amm_result *r = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    options.partitions = 3;
    options.threads = 1;
    options.save = refuse_text;
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    set_spec(spec, "pp", "4");
    assert_int_equal(amm_spec_check(spec), AMM_OK);
    for (int sliced = 0; sliced < 2; sliced++) {
        const amm_backend backend = sliced != 0 ? failing_backend(AMM_OK, -1, -1) : *ref();
        assert_int_equal(amm_plan_on_backend(&r, spec, &options, &backend), AMM_IO);
        assert_non_null(strstr(amm_last_error(), "the checkpoint cannot be saved"));
        assert_true(r->proven && !r->interrupted);
        assert_int_equal(r->partitions.complete, sliced == 0);
        assert_int_equal(r->partitions.covered, sliced != 0 ? SLICE : 3654);
        assert_int_equal(r->partitions.count, 3);
        amm_result_free(r);
    }
    amm_spec_free(spec);
}

/* Partitions that no number counts: the plan is there all the same. */
static void too_many_partitions_keep_the_plan(void **state)
{
    (void)state;
    static const char *const keys[][2] = { { "model", "gpt3-175b" },
                                           { "cluster", "32xdgx-h100" },
                                           { "global_batch", "256" },
                                           { "pp", "32" },
                                           { "tp", "8" },
                                           { "vpp", "1" },
                                           { "micro_batch", "1" },
                                           { "recompute", "full" },
                                           { "runtime", "megatron-core" } };
    amm_spec *spec = NULL;
    amm_result *r = NULL;
    char *text = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    options.partitions = 3;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        set_spec(spec, keys[k][0], keys[k][1]);
    }
    assert_int_equal(amm_plan(&r, spec, &options), AMM_LIMIT);
    assert_non_null(strstr(amm_last_error(), "2^63 or more"));
    assert_true(r != NULL && r->plan_count > 0 && r->proven && !r->interrupted);
    assert_true(!r->partitions.complete && r->partitions.all == 0 && r->partitions.count == 0);
    assert_int_equal(amm_result_table(r, &text, 0), AMM_OK);
    assert_non_null(strstr(text, "none swept: stopped by an error"));
    amm_text_free(test_context(), text);
    text = json_of(r);
    assert_non_null(strstr(text, "\"all\": null"));
    amm_text_free(test_context(), text);
    amm_result_free(r);
    amm_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(searches_keep_what_they_found),
        cmocka_unit_test(a_lost_gpu_keeps_what_it_found),
        cmocka_unit_test(sweeps_keep_what_they_covered),
        cmocka_unit_test(the_first_failure_is_said),
        cmocka_unit_test(a_failed_save_is_said_as_such),
        cmocka_unit_test(too_many_partitions_keep_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
