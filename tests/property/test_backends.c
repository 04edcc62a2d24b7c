/* Plans are the same, to the last bit of their JSON, on every backend and any number of threads. */
#include "random_spec.h"
#include "test_support.h"
#include "double.h"
#include "driver.h"
#include "search/planner.h"

#include <stdio.h>
#include <string.h>

typedef struct tally {
    uint64_t plans, solved, bounded_out, host_solved;
} tally;

/* A plan's result as text without what may differ between equal runs. Free with amm_text_free. */
static char *plan_text(const amm_spec *spec, const amm_plan_options *options,
                       const amm_backend *backend, tally *sum)
{
    amm_result *result = NULL;
    char *text = NULL;
    assert_int_equal(amm_spec_check(spec), AMM_OK);
    const amm_status status = amm_plan_on_backend(&result, spec, options, backend);
    if (status != AMM_OK && status != AMM_NO_PLAN) {
        fail_msg("%s: %s", backend->name, amm_last_error());
    }
    assert_string_equal(result->backend, backend->name);
    assert_int_equal(result->threads, options->threads);
    sum->plans += result->plan_count;
    sum->solved += result->solved;
    sum->bounded_out += result->bounded_out;
    sum->host_solved += result->host_solved;
    result->backend = "any";
    assert_int_equal(amm_result_json(result, &text, AMM_RESULT_NO_RUN_INFO), AMM_OK);
    amm_result_free(result);
    return text;
}

/* What cpu/ref says against cpu/simd on one and two threads, and the double of a GPU. */
static void compare(const amm_spec *spec, int32_t top, bool with_double, tally *sum)
{
    const struct {
        const char *name;
        int32_t threads;
    } others[] = { { "cpu/simd", 1 }, { "cpu/simd", 2 }, { "cuda", 1 } };
    const amm_backend *ref = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    tally counts = { 0 };
    options.top = top;
    options.threads = 1;
    assert_int_equal(amm_backend_find(&ref, "cpu/ref"), AMM_OK);
    char *want = plan_text(spec, &options, ref, &counts);
    for (size_t k = 0; k < (with_double ? 3 : 2); k++) {
        const amm_backend *backend = &amm_backend_cuda;
        tally same = { 0 };
        int32_t most = 0;
        if (k < 2) {
            assert_int_equal(amm_backend_find(&backend, others[k].name), AMM_OK);
        }
        if (amm_backend_threads(&most, backend, others[k].threads) != AMM_OK) {
            continue; /* built without OpenMP */
        }
        options.threads = others[k].threads;
        char *got = plan_text(spec, &options, backend, &same);
        assert_string_equal(got, want);
        assert_memory_equal(&same, &counts, sizeof same); /* waves depend on the list alone */
        amm_text_free(test_context(), got);
    }
    amm_text_free(test_context(), want);
    sum->plans += counts.plans;
    sum->solved += counts.solved;
    sum->bounded_out += counts.bounded_out;
    sum->host_solved += counts.host_solved;
}

static void with_profiles(void **state)
{
    static const char *const problems[] = { "amp-homogeneous", "amp-het-cluster", "amp-het-model" };
    const int32_t tops[] = { 1, 10, AMM_TOP_ALL };
    tally sum = { 0 };
    (void)state;
    for (size_t k = 0; k < 3; k++) {
        for (size_t t = 0; t < 3; t++) {
            amm_spec *spec = NULL;
            assert_int_equal(amm_spec_create(&spec, test_context(), problems[k]), AMM_OK);
            compare(spec, tops[t], t == 1 && k == 0, &sum);
            amm_spec_free(spec);
        }
    }
    assert_true(sum.plans > 100 && sum.bounded_out > 0 && sum.host_solved == 0);
}

static void without_profiles(void **state)
{
    uint64_t seed = 1;
    tally sum = { 0 };
    (void)state;
    for (int k = 0; k < 40; k++) {
        amm_spec *spec = random_spec(&seed);
        compare(spec, k % 2 == 0 ? 10 : AMM_TOP_ALL, k % 8 == 0, &sum);
        amm_spec_free(spec);
    }
    assert_true(sum.plans > 400 && sum.bounded_out > 100);
}

/* Sets that are cheaper for some layers only have no order that a problem could hold: these are solved on
 * the host, and nothing is lost. */
static void sets_out_of_order(void **state)
{
    uint64_t seed = 5;
    tally sum = { 0 };
    (void)state;
    for (int k = 0; k < 40; k++) {
        amm_spec *spec = choosing_spec(&seed);
        compare(spec, k % 2 == 0 ? 5 : AMM_TOP_ALL, k % 8 == 0, &sum);
        amm_spec_free(spec);
    }
    printf("%llu solved, %llu of them on the host, %llu bounded out\n",
           (unsigned long long)sum.solved, (unsigned long long)sum.host_solved,
           (unsigned long long)sum.bounded_out);
    assert_true(sum.host_solved > 20 && sum.solved > 2 * sum.host_solved);
}

/* Waves are cut by the end of the list, their length and the limit: more configs than the first waves. */
static void many_waves(void **state)
{
    tally sum = { 0 };
    amm_spec *spec = NULL;
    (void)state;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set_spec(spec, "model", random_models[0]);
    set_spec(spec, "cluster", "2xdgx-h100");
    set_spec(spec, "runtime", "megatron-core");
    set_spec(spec, "global_batch", "64");
    compare(spec, AMM_TOP_ALL, false, &sum);
    assert_true(sum.solved > 300);
    amm_spec_free(spec);
}

/* A space that is looked at in rounds of many parts, side by side. */
static void large_space(void **state)
{
    tally sum = { 0 };
    amm_spec *spec = NULL;
    (void)state;
    assert_int_equal(amm_spec_create(&spec, test_context(), "gpt3-175b-4096"), AMM_OK);
    set_spec(spec, "schedule", "1f1b");
    set_spec(spec, "cp", "1,2");
    compare(spec, 10, false, &sum);
    assert_true(sum.plans == 10 && sum.bounded_out > 100000);
    amm_spec_free(spec);
}

/* A step so long that no tick is coarse enough: solved in seconds, and proven like any other. Links of 1e-13 B/s
 * take 2e20 s for 32 MiB. */
static void beyond_all_ticks(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    tally sum = { 0 };
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    set_spec(spec, "cluster", "4xnode:4xT4-16GB,intra=50gbit,inter=0.000000000001bit");
    compare(spec, AMM_TOP_ALL, true, &sum); /* beside layouts that stay inside a node by pipeline */
    assert_true(sum.host_solved > 0);
    const uint64_t all = sum.plans;
    set_spec(spec, "pp", "4");
    compare(spec, AMM_TOP_ALL, true, &sum);
    assert_true(sum.plans > all);
    amm_result *r = NULL;
    amm_result *one = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    options.top = 1;
    assert_int_equal(amm_plan(&r, spec, &options), AMM_OK);
    assert_true(r->proven && r->plan_count == 1 && r->host_solved > 0 && r->resolution_s == 0.0);
    /* No partition of the winner is faster: three cuts of 30 layers, each in double. */
    const amm_plan_entry *best = &r->plans[0];
    char text[128];
    for (int32_t cut = 1; cut < 28; cut++) {
        (void)snprintf(text, sizeof text,
                       "tp=%d,pp=4,dp=%d,micro-batch=%lld,stage-layers=%d-%d-1-1", best->config.tp,
                       best->config.dp, (long long)best->config.micro_batch, cut, 28 - cut);
        const char *const strategies[] = { text };
        assert_int_equal(amm_evaluate(&one, spec, strategies, 1), AMM_OK);
        assert_true(!one->plans[0].fits || one->plans[0].time_s >= best->time_s * (1 - 1e-12));
        amm_result_free(one);
    }
    amm_result_free(r);
    amm_spec_free(spec);
}

/* What a backend takes of threads. */
static void threads(void **state)
{
    const amm_backend *ref = NULL;
    const amm_backend *simd = NULL;
    int32_t n = 0;
    (void)state;
    assert_int_equal(amm_backend_find(&ref, "cpu/ref"), AMM_OK);
    assert_int_equal(amm_backend_find(&simd, "cpu/simd"), AMM_OK);
    assert_int_equal(amm_backend_threads(&n, ref, 0), AMM_OK);
    assert_int_equal(n, 1);
    assert_int_equal(amm_backend_threads(&n, ref, 2), AMM_UNAVAILABLE);
    assert_non_null(strstr(amm_last_error(), "threads: got 2, cpu/ref runs on 1"));
    assert_int_equal(amm_backend_threads(&n, &amm_backend_cuda, 2), AMM_UNAVAILABLE);
    assert_int_equal(amm_backend_threads(&n, simd, 0), AMM_OK);
    assert_true(n >= 1);
    assert_int_equal(amm_backend_threads(&n, simd, -1), AMM_INPUT);
    assert_int_equal(amm_backend_threads(&n, simd, 5000), AMM_INPUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(with_profiles),     cmocka_unit_test(without_profiles),
        cmocka_unit_test(sets_out_of_order), cmocka_unit_test(many_waves),
        cmocka_unit_test(large_space),       cmocka_unit_test(beyond_all_ticks),
        cmocka_unit_test(threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
