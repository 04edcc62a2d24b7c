/* Stages that recompute different sets: what a stage costs and holds, how strategies say it, what the
 * planner makes of it. */
#include "emit/emit.h"
#include "search/planner.h"
#include "search/strategy.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static amm_spec *spec;
static amm_lowered lowered;

static void set(const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

/* llama-3-8b on one node of 8 devices. */
static int start(void **state)
{
    if (arena_start(state) != 0) {
        return 1;
    }
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set("model", "llama-3-8b");
    set("cluster", "1xnode:8xA100-40GB,intra=300GB,inter=100gbit");
    set("runtime", "generic");
    set("seq_len", "8192");
    set("global_batch", "128");
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    assert_int_equal(amm_space_choices(&lowered), AMM_OK);
    return 0;
}

static int stop(void **state)
{
    amm_lower_free(&lowered);
    amm_spec_free(spec);
    return arena_stop(state);
}

/* Frees the result before: one at a time. */
static const amm_plan_entry *evaluated(amm_result **result, const char *strategy)
{
    amm_result_free(*result);
    if (amm_evaluate(result, spec, &strategy, 1) != AMM_OK) {
        fail_msg("%s: %s", strategy, amm_last_error());
    }
    return &(*result)->plans[0];
}

/* Every stage is the stage of a run that recomputes its set everywhere; the step is what
 * docs/cost-model.md makes of them: G max t + the others once + the parts behind. */
static void stages_are_their_own(void **state)
{
    static const char *const sets[] = { "full", "mlp", "none", "none" };
    const char *const cuts = "stage-layers=8-9-9-9";
    char text[128];
    amm_result *result = NULL;
    amm_result *uniform = NULL;
    double sum = 0.0;
    double longest = 0.0;
    (void)state;
    snprintf(text, sizeof text, "tp=2,pp=4,recompute=full/mlp/2xnone,%s", cuts);
    const amm_plan_entry *plan = evaluated(&result, text);
    for (int32_t s = 0; s < 4; s++) {
        snprintf(text, sizeof text, "tp=2,pp=4,recompute=%s,%s", sets[s], cuts);
        const amm_plan_entry *one = evaluated(&uniform, text);
        assert_same_bits(plan->stages[s].time_s, one->stages[s].time_s);
        assert_same_bits(plan->stages[s].memory_bytes, one->stages[s].memory_bytes);
        assert_same_bits(plan->stages[s].oom_probability, one->stages[s].oom_probability);
        sum += plan->stages[s].time_s;
        longest = fmax(longest, plan->stages[s].time_s);
    }
    const amm_time_parts *t = &plan->time;
    assert_true(plan->stages[1].ledger.activations > plan->stages[0].ledger.activations);
    assert_close(plan->time_s,
                 128.0 * longest + (sum - longest) + t->pp_s + t->dp_s + t->optimizer_s +
                     t->other_s,
                 1e-12, 0.0);
    amm_result_free(uniform);
    amm_result_free(result);
}

/* Chunks of a stage recompute what the stage does: 4 stages, 2 chunks, of 4 blocks each. */
static void chunks_follow_their_stage(void **state)
{
    amm_result *mixed = NULL;
    amm_result *full = NULL;
    amm_schedule_input a;
    amm_schedule_input b;
    (void)state;
    const amm_plan_entry *x = evaluated(&mixed, "tp=2,pp=4,vpp=2,recompute=2xfull/2xnone");
    const amm_plan_entry *y = evaluated(&full, "tp=2,pp=4,vpp=2,recompute=full");
    assert_int_equal(amm_analytic_schedule(&a, &test_arena, &lowered, x), AMM_OK);
    assert_int_equal(amm_analytic_schedule(&b, &test_arena, &lowered, y), AMM_OK);
    for (int32_t i = 0; i < 8; i++) {
        assert_same_bits(a.forward_s[i], b.forward_s[i]);
        if (i % 4 < 2) {
            assert_same_bits(a.backward_s[i], b.backward_s[i]);
        } else {
            assert_true(a.backward_s[i] < 0.8 * b.backward_s[i]);
        }
    }
    assert_true(x->simulated_s < y->simulated_s);
    amm_result_free(mixed);
    amm_result_free(full);
}

static void check_text(const char *given, const char *want)
{
    amm_strategy strategy;
    amm_text text;
    char whole[256];
    snprintf(whole, sizeof whole, "tp=2,pp=4,recompute=%s", given);
    if (amm_strategy_parse(&strategy, &test_arena, whole, &spec->problem) != AMM_OK) {
        fail_msg("%s: %s", given, amm_last_error());
    }
    amm_text_init(&text, test_context());
    amm_emit_recompute(&text, &strategy.config);
    assert_string_equal(text.data, want);
    amm_text_discard(&text);
    assert_int_equal(strategy.config.stage_recompute != NULL, strchr(want, '/') != NULL);
}

static void refuse(const char *given, const char *message)
{
    amm_strategy strategy;
    char whole[256];
    snprintf(whole, sizeof whole, "tp=2,pp=4,recompute=%s", given);
    assert_int_equal(amm_strategy_parse(&strategy, &test_arena, whole, &spec->problem), AMM_INPUT);
    if (strstr(amm_last_error(), message) == NULL) {
        fail_msg("%s: '%s' is not in '%s'", given, message, amm_last_error());
    }
}

/* What is printed is what is read; runs of equal sets are counted. */
static void strategies_name_sets_by_stage(void **state)
{
    (void)state;
    check_text("full", "full");
    check_text("full/full/none/none", "2xfull/2xnone");
    check_text("2xfull/2xnone", "2xfull/2xnone");
    check_text("full/core_attn+mlp/none/full", "full/core_attn+mlp/none/full");
    check_text("1xfull/selective/core_attn/none", "full/2xcore_attn/none");
    check_text("4xmlp", "mlp");
    check_text("mlp/mlp/2xmlp", "mlp");
    check_text("auto", "auto");
    refuse("full/none", "recompute: got sets of 2 stages, allowed one set or 4");
    refuse("5xfull", "recompute: got sets of 5 stages, allowed one set or 4");
    refuse("3xfull/some", "recompute: unknown, got 'some', allowed auto, or none");
    refuse("full/full/none/", "recompute: unknown, got ''");
    refuse("0xfull/4xnone", "allowed sets joined by '/', each as SET or NxSET");
    refuse("99999999xfull", "for 35 stages at most");
    refuse("2.5xfull/none", "each as SET or NxSET");
    refuse("auto/full/full/full", "unknown, got 'auto'");
}

/* A runtime with one set for all stages is not asked for more, unless the space is full. */
static void one_set_where_the_runtime_has_one(void **state)
{
    const char *const mixed = "tp=2,pp=4,recompute=2xfull/2xnone";
    const char *const open = "tp=8,recompute=auto";
    amm_result *result = NULL;
    (void)state;
    assert_true(amm_space_chooses(&spec->problem));
    set("runtime", "megatron-core");
    assert_false(amm_space_chooses(&spec->problem));
    assert_int_equal(amm_evaluate(&result, spec, &mixed, 1), AMM_OK); /* told, but not startable */
    assert_false(amm_runtime_launches(spec->problem.runtime, &result->plans[0].config));
    amm_result_free(result);
    assert_int_equal(amm_evaluate(&result, spec, &open, 1), AMM_OK); /* one stage, one set */
    amm_result_free(result);
    set("space", "full");
    assert_true(amm_space_chooses(&spec->problem));
    assert_int_equal(amm_evaluate(&result, spec, &mixed, 1), AMM_OK);
    amm_result_free(result);
    set("recompute", "full"); /* nothing to choose */
    assert_false(amm_space_chooses(&spec->problem));
    set("recompute", "auto");
    assert_true(amm_space_chooses(&spec->problem));
}

static amm_lowered_config lowered_as(const char *strategy, bool memory)
{
    amm_strategy parsed;
    amm_lowered_config out;
    assert_int_equal(amm_strategy_parse(&parsed, &test_arena, strategy, &spec->problem), AMM_OK);
    assert_int_equal(amm_lower_config(&lowered, &out, &parsed.config, true, memory), AMM_OK);
    return out;
}

/* Entries are the sets that memory gives a reason for: cheapest first, at the early stages only. */
static void entries_are_the_sets_with_a_reason(void **state)
{
    (void)state;
    const amm_lowered_config free = lowered_as("tp=2,pp=4,recompute=auto", false);
    for (int32_t s = 0; s < 4; s++) {
        assert_int_equal(free.solve.stage[s].entry_count, 1);
        assert_int_equal(free.entry_sets[s * free.entry_room], AMM_RECOMPUTE_NONE);
    }
    const amm_lowered_config tight = lowered_as("tp=2,pp=4,recompute=auto", true);
    const amm_solve_stage *first = &tight.solve.stage[0];
    assert_true(first->entry_count > 1);
    assert_true(first->entry_count >= tight.solve.stage[3].entry_count);
    for (int32_t k = 1; k < first->entry_count; k++) {
        assert_true(first->entries[k].t[35] > first->entries[k - 1].t[35]);
        assert_true(first->entries[k].first[35] < first->entries[k - 1].first[35]);
    }
}

/* ZeRO-2 reduces behind every micro-batch: over a slow network a longer backward pass of the first
 * stage hides more than it costs there, so its slower sets stay although memory asks for none. */
static void slower_sets_that_hide_more_stay(void **state)
{
    (void)state;
    amm_lower_free(&lowered);
    set("runtime", "megatron-core");
    set("space", "full");
    set("cluster", "8xnode:1xA100-80GB,intra=300GB,inter=10gbit");
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    assert_int_equal(amm_space_choices(&lowered), AMM_OK);
    const amm_lowered_config plain = lowered_as("pp=2,dp=4,recompute=auto,sharding=zero1", false);
    assert_int_equal(plain.solve.stage[0].entry_count, 1);
    const amm_lowered_config hides = lowered_as("pp=2,dp=4,recompute=auto,sharding=zero2", false);
    assert_true(hides.solve.stage[0].entry_count > 1);
    assert_int_equal(hides.solve.stage[1].entry_count, 1);
}

/* The mixed plan beats the best one with a single set, and says so in its JSON. */
static void planner_mixes_sets(void **state)
{
    static const char *const lists[] = { "none", "mlp", "full", "auto" };
    amm_result *result = NULL;
    double best_s = HUGE_VAL;
    char *text = NULL;
    (void)state;
    set("pp", "4");
    for (size_t k = 0; k < sizeof lists / sizeof lists[0]; k++) {
        amm_result_free(result);
        set("recompute", lists[k]);
        assert_int_equal(amm_plan(&result, spec, NULL), AMM_OK);
        const double time_s = result->plans[0].time_s;
        assert_true(k < 3 || time_s < 0.97 * best_s);
        best_s = fmin(best_s, time_s);
    }
    assert_non_null(result->plans[0].config.stage_recompute);
    assert_int_equal(amm_result_json(result, &text, 0), AMM_OK);
    assert_non_null(strstr(text, "\"recompute\": null"));
    assert_non_null(strstr(text, "\"recompute\": \"mlp\""));
    amm_text_free(test_context(), text);
    amm_result_free(result);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, start, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stages_are_their_own),
        TEST(chunks_follow_their_stage),
        TEST(strategies_name_sets_by_stage),
        TEST(one_set_where_the_runtime_has_one),
        TEST(entries_are_the_sets_with_a_reason),
        TEST(slower_sets_that_hide_more_stay),
        TEST(planner_mixes_sets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
