/* The public interface itself: pinned numbers, option structs, last error, all-or-nothing setting. */
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <string.h>

/* Numbers are never reused: a change here breaks users. */
static void status_numbers_are_pinned(void **state)
{
    (void)state;
    const struct {
        amm_status status;
        const char *name;
    } pinned[] = { { 0, "OK" },    { 1, "INTERNAL" },    { 2, "NO_MEMORY" }, { 3, "INPUT" },
                   { 4, "IO" },    { 5, "UNAVAILABLE" }, { 6, "NO_PLAN" },   { 7, "INTERRUPTED" },
                   { 8, "LIMIT" }, { 99, "UNKNOWN" } };
    for (size_t k = 0; k < sizeof pinned / sizeof pinned[0]; k++) {
        assert_string_equal(amm_status_name(pinned[k].status), pinned[k].name);
        assert_true(strlen(amm_status_sentence(pinned[k].status)) > 3);
    }
}

static void macros_and_functions_agree(void **state)
{
    (void)state;
    const amm_plan_options a = AMM_PLAN_OPTIONS_INIT;
    amm_plan_options b;
    const amm_context_options c = AMM_CONTEXT_OPTIONS_INIT;
    amm_context_options d;
    amm_plan_options_init(&b);
    amm_context_options_init(&d);
    assert_true(a.size == b.size && a.size == sizeof a && a.backend == b.backend);
    assert_true(a.top == b.top && a.threads == b.threads && a.seed == b.seed);
    assert_true(a.anneal == b.anneal && a.progress == b.progress && a.payload == b.payload);
    assert_int_equal(a.min_nodes, b.min_nodes);
    assert_int_equal(a.partitions, b.partitions);
    assert_int_equal(a.draws, b.draws);
    assert_true(a.save == NULL && b.save == NULL && a.resume == NULL && b.resume == NULL);
    assert_true(c.size == d.size && c.size == sizeof c);
    assert_true(c.allocator.resize == d.allocator.resize && d.allocator.resize == NULL);
}

static void unknown_sizes_are_refused(void **state)
{
    (void)state;
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_context *context = NULL;
    options.size = 3;
    assert_int_equal(amm_context_create(&context, &options), AMM_INPUT);
    assert_null(context);
    assert_non_null(strstr(amm_last_error(), "size is 3"));
    amm_context_free(NULL);
    amm_spec_free(NULL);
    amm_result_free(NULL);
}

static void setting_is_all_or_nothing(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    char *before = NULL;
    char *after = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    assert_int_equal(amm_spec_json(spec, &before), AMM_OK);
    const char *const bad[][2] = {
        { "model", "nothing" },
        { "cluster", "4xnode:4xT4" },
        { "global_batch", "0" },
        { "global_batch", "1e3" },
        { "memory_margin", "1" },
        { "memory_margin", "nan" },
        { "tp", "" },
        { "tp", "1,,2" },
        { "micro_batch", "4..2" },
        { "cost_model", "best" },
        { "colour", "red" },
        { "profile", "{" },
        { "seq_len", "-5" },
        { "dp", "99999999999999999999" },
    };
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        if (amm_spec_set(spec, bad[k][0], bad[k][1]) != AMM_INPUT) {
            fail_msg("%s = '%s' was taken", bad[k][0], bad[k][1]);
        }
        assert_true(strlen(amm_last_error()) > 10);
    }
    assert_int_equal(amm_spec_json(spec, &after), AMM_OK);
    assert_string_equal(before, after);
    amm_text_free(test_context(), before);
    amm_text_free(test_context(), after);
    amm_spec_free(spec);
}

static void backends_explain_themselves(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    options.backend = "cuda";
    assert_int_equal(amm_plan(&result, spec, &options), AMM_UNAVAILABLE);
    assert_null(result);
    assert_non_null(strstr(amm_last_error(), "cuda"));
    options.backend = "tpu";
    assert_int_equal(amm_plan(&result, spec, &options), AMM_INPUT);
    options.backend = "cpu/ref";
    assert_int_equal(amm_plan(&result, spec, &options), AMM_OK);
    assert_true(isnan(amm_result_time_s(result, 10)));
    amm_result_free(result);
    amm_spec_free(spec);
}

static void strategies_are_strict(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    const char *const bad[] = {
        "tp=2,tp=4,pp=4",
        "tp=1,pp=4,dp=4,",
        "tp=",
        "tp=0,pp=16",
        "colour=1",
        "pp=16,stage-layers=30",
        "tp=2,pp=2,dp=2",
        "pp=16,micro-batch=3",
        "pp=16,placement=[[1]]",
        "tp=16777216,pp=16777216",
        "dp=16,stage-layers=31",
        "dp=16,stage-layers=-30",
        "tp=8,dp=2",
    };
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        amm_result *result = NULL;
        if (amm_evaluate(&result, spec, &bad[k], 1) != AMM_INPUT) {
            fail_msg("'%s' was taken", bad[k]);
        }
        assert_non_null(strstr(amm_last_error(), "strategy '"));
    }
    const char *const amp[] = { "tp=4,dp=4,placement=[[1,1,1,1],[1,1,1,1],[1,1,1,1],[1,1,1,1],]",
                                "tp=4,dp=4,placement=[[1,1,1,1],[1,1,1,1],[1,1,1,1],[1,1,1,2]]",
                                "tp=8,dp=2,tp-term=explicit" };
    assert_int_equal(amm_spec_set(spec, "cost_model", "amp-reference"), AMM_OK);
    for (size_t k = 0; k < 3; k++) {
        amm_result *result = NULL;
        assert_int_equal(amm_evaluate(&result, spec, &amp[k], 1), AMM_INPUT);
    }
    /* The reference knows no links between pairs: refused, not ignored. */
    assert_int_equal(
        amm_spec_set(spec, "cluster", "4xnode:4xT4,intra=50gbit,inter=50gbit;link:0-1=1gbit"),
        AMM_OK);
    assert_int_equal(amm_spec_check(spec), AMM_INPUT);
    amm_spec_free(spec);
}

/* The same seed gives the same run, another one another. */
static void annealing_is_seeded(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    char *text[3] = { NULL, NULL, NULL };
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    assert_int_equal(amm_spec_set(spec, "cost_model", "amp-reference"), AMM_OK);
    options.anneal = 1;
    options.top = AMM_TOP_ALL;
    for (int k = 0; k < 3; k++) {
        amm_result *result = NULL;
        options.seed = k < 2 ? 5 : 6;
        assert_int_equal(amm_plan(&result, spec, &options), AMM_OK);
        assert_true(amm_result_count(result) > 2);
        assert_int_equal(amm_result_json(result, &text[k], AMM_RESULT_NO_RUN_INFO), AMM_OK);
        amm_result_free(result);
    }
    assert_string_equal(text[0], text[1]);
    assert_string_not_equal(text[0], text[2]);
    for (int k = 0; k < 3; k++) {
        amm_text_free(test_context(), text[k]);
    }
    amm_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(status_numbers_are_pinned),   cmocka_unit_test(macros_and_functions_agree),
        cmocka_unit_test(unknown_sizes_are_refused),   cmocka_unit_test(setting_is_all_or_nothing),
        cmocka_unit_test(backends_explain_themselves), cmocka_unit_test(annealing_is_seeded),
        cmocka_unit_test(strategies_are_strict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
