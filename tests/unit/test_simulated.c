/* Plans whose pipeline is simulated: a case worked by hand, what chunks are made of, traces. */
#include "io/io.h"
#include "search/planner.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <string.h>

static amm_spec *spec;
static amm_result *result;
static amm_lowered lowered;

static void set(const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

/* llama-3-8b on one node; free with `close_plan`. */
static const amm_plan_entry *open_plan(const char *strategy, const char *batch)
{
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set("model", "llama-3-8b");
    set("cluster", "1xnode:8xH100-80GB,intra=450GB,inter=100gbit");
    set("seq_len", "4096");
    set("global_batch", batch);
    if (amm_evaluate(&result, spec, &strategy, 1) != AMM_OK) {
        fail_msg("%s: %s", strategy, amm_last_error());
    }
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    return &result->plans[0];
}

static void close_plan(void)
{
    amm_lower_free(&lowered);
    amm_result_free(result);
    amm_spec_free(spec);
}

/* Two stages, two micro-batches. A stage sends for x e: then its next pass may start. Stage 1 is through
 * with micro-batch 0 at a = f0 + xe + f1 + b1 + xe, stage 0 with both forward passes at 2 (f0 + xe).
 * From s, the later of the two, stage 1 does its second micro-batch, f1 + b1 + xe, while stage 0 goes
 * backward, b0; the last backward pass follows. The rest of each hop, (1 - x) e, shows once each way. */
static void by_hand(void **state)
{
    const amm_plan_entry *plan = open_plan("tp=4,pp=2,micro-batch=1,stage-layers=17-18", "2");
    const amm_analytic *a = lowered.analytic;
    const int32_t blocks[] = { 16, 16 };
    amm_stages stages;
    amm_run run;
    (void)state;
    amm_lower_run(&run, a, &plan->config, blocks);
    amm_stage_costs(&stages, &a->network, &a->machine, &run);
    const double e = amm_transfer_seconds(&a->network, &a->machine, &run);
    const double x = a->machine.facts.p2p_exposed;
    const amm_stage_seconds *first = &stages.stage[0];
    const amm_stage_seconds *last = &stages.stage[1];
    const double one = last->forward_s + last->backward_s + x * e;
    const double s = fmax(first->forward_s + x * e + one, 2.0 * (first->forward_s + x * e));
    const double pipeline_s = s + fmax(first->backward_s, one) + first->backward_s;
    assert_true(e > 0.0);
    assert_close(plan->simulated_s,
                 pipeline_s + 2.0 * (1.0 - x) * e + plan->time.dp_s + plan->time.optimizer_s +
                     plan->time.other_s,
                 1e-12, 0);
    assert_close(plan->simulated_s, plan->time_s, 0.05, 0);
    close_plan();
}

/* All chunks of a stage take what the stage takes; the ends are with the first and the last. */
static void chunks_add_up(void **state)
{
    const amm_plan_entry *plan = open_plan("tp=4,pp=2,vpp=4,micro-batch=1", "8");
    const amm_analytic *a = lowered.analytic;
    const int32_t blocks[] = { 16, 16 };
    amm_schedule_input in;
    amm_stages stages;
    amm_run run;
    (void)state;
    amm_lower_run(&run, a, &plan->config, blocks);
    amm_stage_costs(&stages, &a->network, &a->machine, &run);
    assert_int_equal(amm_analytic_schedule(&in, &test_arena, &lowered, plan), AMM_OK);
    assert_int_equal(in.kind, AMM_SCHEDULE_INTERLEAVED);
    assert_int_equal(in.chunks, 4);
    for (int32_t s = 0; s < 2; s++) {
        double forward_s = 0.0;
        double backward_s = 0.0;
        for (int32_t chunk = 0; chunk < 4; chunk++) {
            forward_s += in.forward_s[2 * chunk + s];
            backward_s += in.backward_s[2 * chunk + s];
        }
        assert_close(forward_s, stages.stage[s].forward_s, 1e-12, 0);
        assert_close(backward_s, stages.stage[s].backward_s, 1e-12, 0);
    }
    assert_close(in.forward_s[1], in.forward_s[6], 1e-12, 0);
    assert_true(in.forward_s[0] > in.forward_s[1] && in.forward_s[7] > in.forward_s[6]);
    assert_close(plan->simulated_s, plan->time_s, 0.05, 0);
    close_plan();
}

static void nothing_to_simulate(void **state)
{
    (void)state;
    assert_true(isnan(open_plan("tp=8,micro-batch=1", "8")->simulated_s));
    close_plan();
}

/* As many micro-batches as there may be are simulated by a few. */
static void many_micro_batches(void **state)
{
    const amm_plan_entry *plan = open_plan("tp=2,pp=4,micro-batch=1", "16777216");
    (void)state;
    assert_close(plan->simulated_s, plan->time_s, 0.01, 0);
    close_plan();
}

static void traces(void **state)
{
    char *text = NULL;
    (void)state;
    (void)open_plan("tp=4,pp=2,micro-batch=1", "4");
    assert_int_equal(amm_result_trace(result, &text, 0), AMM_OK);
    assert_non_null(strstr(text, "\"schedule\": \"1f1b\""));
    assert_non_null(strstr(text, "\"B mb3\""));
    amm_text_free(test_context(), text);
    assert_int_equal(amm_result_trace(result, &text, 1), AMM_INPUT);
    assert_null(text);
    close_plan();
    (void)open_plan("tp=4,pp=2,micro-batch=1", "1000000");
    assert_int_equal(amm_result_trace(result, &text, 0), AMM_LIMIT);
    close_plan();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_hand),
        cmocka_unit_test_setup_teardown(chunks_add_up, arena_start, arena_stop),
        cmocka_unit_test(nothing_to_simulate),
        cmocka_unit_test(many_micro_batches),
        cmocka_unit_test(traces),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
