/* Properties of whole searches in the default cost model. */
#include "lower/lower.h"
#include "search/planner.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static amm_spec *spec_of(const char *problem, const char *cluster, const char *batch)
{
    amm_spec *spec = NULL;
    if (amm_spec_create(&spec, test_context(), problem) != AMM_OK ||
        (cluster != NULL && amm_spec_set(spec, "cluster", cluster) != AMM_OK) ||
        (batch != NULL && amm_spec_set(spec, "global_batch", batch) != AMM_OK)) {
        fail_msg("%s", amm_last_error());
    }
    return spec;
}

static amm_result *plan_all(const amm_spec *spec)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    options.top = AMM_TOP_ALL;
    const amm_status status = amm_plan(&result, spec, &options);
    if (status != AMM_OK && status != AMM_NO_PLAN) {
        fail_msg("%s", amm_last_error());
    }
    return result;
}

static const amm_plan_entry *same_config(const amm_result *result, const amm_config *config)
{
    for (size_t k = 0; k < result->plan_count; k++) {
        const amm_config *c = &result->plans[k].config;
        if (c->tp == config->tp && c->dp == config->dp && c->micro_batch == config->micro_batch) {
            return &result->plans[k];
        }
    }
    return NULL;
}

static const char *const clusters[] = {
    "4xnode:4xT4,intra=50gbit,inter=50gbit",
    "2xnode:8xT4,intra=50gbit,inter=25gbit",
    "8xnode:2xV100-16,intra=170gbit,inter=10gbit",
    "3xnode:4xV100-16,intra=170gbit,inter=10gbit+1xnode:4xT4,intra=50gbit,inter=50gbit",
    "2xnode:2xT4/2xV100-16,intra=50gbit,inter=10gbit",
    "1xnode:4xT4,intra=50gbit,inter=50gbit+1xnode:2xT4,intra=50gbit,inter=50gbit",
};
enum { CLUSTERS = sizeof clusters / sizeof clusters[0] };

static void parts_add_up(void **state)
{
    (void)state;
    for (int k = 0; k < CLUSTERS; k++) {
        amm_spec *spec = spec_of("amp-homogeneous", clusters[k], "24");
        amm_result *result = plan_all(spec);
        assert_true(result->plan_count > 0);
        for (size_t n = 0; n < result->plan_count; n++) {
            const amm_plan_entry *p = &result->plans[n];
            const amm_time_parts *t = &p->time;
            int32_t layers = 0;
            assert_close(p->time_s,
                         t->compute_s + t->bubble_s + t->pp_s + t->dp_s + t->optimizer_s +
                             t->other_s,
                         1e-12, 0.0);
            for (int32_t s = 0; s < p->config.pp; s++) {
                const amm_stage_plan *stage = &p->stages[s];
                assert_int_equal(stage->first, layers);
                layers = stage->end;
                assert_true(stage->end > stage->first);
                assert_true(stage->memory_bytes <= stage->capacity_bytes);
            }
            assert_int_equal(layers, 30);
            assert_true(n == 0 || p->time_s >= result->plans[n - 1].time_s * (1.0 - 1e-12));
        }
        amm_result_free(result);
        amm_spec_free(spec);
    }
}

/* What the engine optimises is never below what the rescoring finds for the same partition. */
static void engine_is_conservative(void **state)
{
    (void)state;
    for (int k = 0; k < CLUSTERS; k++) {
        amm_spec *spec = spec_of("amp-homogeneous", clusters[k], NULL);
        amm_result *result = plan_all(spec);
        for (size_t n = 0; n < result->plan_count; n++) {
            const amm_plan_entry *p = &result->plans[n];
            assert_true(p->time_s <= p->engine_s * (1.0 + 1e-12));
        }
        amm_result_free(result);
        amm_spec_free(spec);
    }
}

/* Every two-stage and three-stage config against all of its partitions, in seconds. */
static void partitions_are_optimal(void **state)
{
    (void)state;
    for (int k = 0; k < CLUSTERS; k++) {
        amm_spec *spec = spec_of("amp-homogeneous", clusters[k], "24");
        amm_result *result = plan_all(spec);
        for (size_t n = 0; n < result->plan_count; n++) {
            const amm_plan_entry *p = &result->plans[n];
            double best = HUGE_VAL;
            if (p->config.pp != 2 && p->config.pp != 3) {
                continue;
            }
            for (int a = 1; a < 29; a++) {
                for (int b = a + 1; b < (p->config.pp == 2 ? a + 2 : 30); b++) {
                    char text[128];
                    char layers[64];
                    const char *strategies[1] = { text };
                    amm_result *one = NULL;
                    (void)snprintf(layers, sizeof layers, p->config.pp == 2 ? "%d-%d" : "%d-%d-%d",
                                   a, p->config.pp == 2 ? 30 - a : b - a, 30 - b);
                    (void)snprintf(text, sizeof text,
                                   "tp=%d,dp=%d,pp=%d,micro-batch=%d,stage-layers=%s", p->config.tp,
                                   p->config.dp, p->config.pp, (int)p->config.micro_batch, layers);
                    assert_int_equal(amm_evaluate(&one, spec, strategies, 1), AMM_OK);
                    if (one->plans[0].fits) {
                        best = fmin(best, one->plans[0].time_s);
                    }
                    amm_result_free(one);
                }
            }
            /* A stage of mixed devices is optimised conservatively: within the reported gap. */
            const double gap = result->gap > 0.0 ? result->gap * result->plans[0].time_s : 0.0;
            assert_true(p->time_s <= best * (1.0 + 1e-12) + (n == 0 ? gap : result->model_gap));
            assert_true(result->gap > 0.0 || n > 0 || p->time_s <= best * (1.0 + 1e-12));
        }
        amm_result_free(result);
        amm_spec_free(spec);
    }
}

static void compare(const char *slower, const char *faster)
{
    amm_spec *a = spec_of("amp-homogeneous", slower, NULL);
    amm_spec *b = spec_of("amp-homogeneous", faster, NULL);
    amm_result *x = plan_all(a);
    amm_result *y = plan_all(b);
    assert_int_equal(x->plan_count, y->plan_count);
    for (size_t n = 0; n < x->plan_count; n++) {
        const amm_plan_entry *other = same_config(y, &x->plans[n].config);
        assert_non_null(other);
        assert_true(other->time_s <= x->plans[n].time_s * (1.0 + 1e-12));
    }
    amm_result_free(x);
    amm_result_free(y);
    amm_spec_free(a);
    amm_spec_free(b);
}

static void more_bandwidth_is_never_slower(void **state)
{
    (void)state;
    compare("4xnode:4xT4,intra=50gbit,inter=10gbit", "4xnode:4xT4,intra=50gbit,inter=25gbit");
    compare("4xnode:4xT4,intra=50gbit,inter=10gbit", "4xnode:4xT4,intra=80gbit,inter=10gbit");
    compare("4xnode:4xT4,intra=50gbit,inter=25gbit;link:0-3=5gbit",
            "4xnode:4xT4,intra=50gbit,inter=25gbit");
    compare("3xnode:4xT4,intra=50gbit,inter=25gbit+1xnode:4xT4,intra=50gbit,inter=10gbit",
            "4xnode:4xT4,intra=50gbit,inter=25gbit");
}

/* More room: no config is lost, none gets slower. */
static void less_margin_is_never_worse(void **state)
{
    (void)state;
    amm_spec *a = spec_of("amp-homogeneous", NULL, NULL);
    amm_spec *b = spec_of("amp-homogeneous", NULL, NULL);
    assert_int_equal(amm_spec_set(a, "memory_margin", "0.3"), AMM_OK);
    amm_result *x = plan_all(a);
    amm_result *y = plan_all(b);
    assert_true(x->plan_count < y->plan_count);
    assert_int_equal(x->plan_count + x->rejected[AMM_REJECT_MEMORY].count,
                     y->plan_count + y->rejected[AMM_REJECT_MEMORY].count);
    for (size_t n = 0; n < x->plan_count; n++) {
        const amm_plan_entry *other = same_config(y, &x->plans[n].config);
        assert_non_null(other);
        assert_true(other->time_s <= x->plans[n].time_s * (1.0 + 1e-12));
    }
    amm_result_free(x);
    amm_result_free(y);
    amm_spec_free(a);
    amm_spec_free(b);
}

/* The same cluster written in two ways. */
static void equal_clusters_cost_the_same(void **state)
{
    (void)state;
    amm_spec *a = spec_of("amp-homogeneous", "4xnode:4xT4,intra=50gbit,inter=50gbit", NULL);
    amm_spec *b = spec_of("amp-homogeneous",
                          "1xg4dn.12xlarge + 2xg4dn.12xlarge + 1xnode:4xT4-16GB,inter=6.25GB,"
                          "intra=50gbit",
                          NULL);
    amm_result *x = plan_all(a);
    amm_result *y = plan_all(b);
    assert_int_equal(x->plan_count, y->plan_count);
    for (size_t n = 0; n < x->plan_count; n++) {
        assert_same_bits(x->plans[n].time_s, y->plans[n].time_s);
    }
    amm_result_free(x);
    amm_result_free(y);
    amm_spec_free(a);
    amm_spec_free(b);
}

/* Bounding and stopping at k changes nothing among the first k. */
static void pruning_keeps_the_best(void **state)
{
    (void)state;
    for (int k = 0; k < CLUSTERS; k++) {
        amm_spec *spec = spec_of("amp-homogeneous", clusters[k], NULL);
        amm_result *all = plan_all(spec);
        uint64_t bounded_out = 0;
        for (int32_t top = 1; top <= 5; top++) {
            amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
            amm_result *some = NULL;
            options.top = top;
            assert_int_equal(amm_plan(&some, spec, &options), AMM_OK);
            assert_int_equal(some->plan_count, top);
            for (int32_t n = 0; n < top; n++) {
                assert_int_equal(some->plans[n].config.index, all->plans[n].config.index);
                assert_same_bits(some->plans[n].time_s, all->plans[n].time_s);
            }
            bounded_out += some->bounded_out;
            amm_result_free(some);
        }
        assert_true(bounded_out > 0);
        amm_result_free(all);
        amm_spec_free(spec);
    }
}

/* Two device types that are slow at different layers, mixed in a stage: the engine takes the slowest
 * type at every layer, the rescoring the slowest replica. Bounding must not lose the best config, and
 * what could be missed is reported. */
static void mixed_stages_are_not_pruned_wrongly(void **state)
{
    (void)state;
    static const char model[] =
        "{\"format\":\"ammeter-model\",\"version\":1,\"name\":\"m\",\"seq_len\":1,\"layers\":["
        "{\"count\":4,\"kind\":\"other\",\"hidden\":1,\"parameters\":0,\"out_elements\":1}]}";
    static const char profile[] =
        "{\"format\":\"ammeter-profile\",\"version\":1,\"name\":\"p\",\"backward_ratio\":0,"
        "\"points\":[{\"device\":\"T4\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[1,10,1,10]},"
        "{\"device\":\"V100-16\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[10,1,10,1]}]}";
    amm_spec *spec = NULL;
    amm_result *one = NULL;
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    const char *const parts[][2] = { { "model", model },
                                     { "profile", profile },
                                     { "runtime", "generic" },
                                     { "cluster",
                                       "1xnode:1xT4/1xV100-16,intra=8000GB,inter=8000GB" },
                                     { "global_batch", "2" } };
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    for (size_t k = 0; k < 5; k++) {
        assert_int_equal(amm_spec_set(spec, parts[k][0], parts[k][1]), AMM_OK);
    }
    amm_result *all = plan_all(spec);
    options.top = 1;
    assert_int_equal(amm_plan(&one, spec, &options), AMM_OK);
    assert_same_bits(one->plans[0].time_s, all->plans[0].time_s);
    /* dp 2: 22 seconds on either device, 40 at the slowest type of every layer. */
    assert_close(one->plans[0].time_s, 22.0, 1e-6, 0.0);
    assert_int_equal(one->plans[0].config.dp, 2);
    assert_close(one->model_gap, 18.0, 1e-6, 0.0);
    amm_result_free(one);
    amm_result_free(all);
    amm_spec_free(spec);
}

static int stop_at_half(double done, double best_s, void *payload)
{
    (void)best_s;
    (*(int *)payload)++;
    return done >= 0.5;
}

static void interruption_keeps_the_best_so_far(void **state)
{
    (void)state;
    amm_spec *spec = spec_of("amp-homogeneous", NULL, NULL);
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    int calls = 0;
    options.progress = stop_at_half;
    options.payload = &calls;
    assert_int_equal(amm_plan(&result, spec, &options), AMM_INTERRUPTED);
    assert_non_null(result);
    assert_true(calls > 10 && result->plan_count > 0 && result->interrupted && !result->proven);
    amm_result_free(result);
    amm_spec_free(spec);
}

/* A plan of the whole library under an allocator that fails from the n-th call on, for every n. */
static void every_allocation_may_fail(void **state)
{
    (void)state;
    int64_t n = 0;
    for (bool done = false; !done; n++) {
        failing_allocator allocator = { n, 0, 0 };
        amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
        amm_context *context = NULL;
        amm_spec *spec = NULL;
        amm_result *result = NULL;
        char *text = NULL;
        options.allocator = failing_allocator_make(&allocator);
        amm_status status = amm_context_create(&context, &options);
        if (status == AMM_OK) {
            status = amm_spec_create(&spec, context, "amp-het-cluster");
        }
        if (status == AMM_OK) {
            status = amm_spec_set(spec, "cluster", "2xnode:2xT4,intra=50gbit,inter=50gbit");
        }
        if (status == AMM_OK) {
            status = amm_plan(&result, spec, NULL);
        }
        if (status == AMM_OK) {
            status = amm_result_json(result, &text, 0);
        }
        assert_true(status == AMM_OK || status == AMM_NO_MEMORY);
        done = status == AMM_OK;
        amm_text_free(context, text);
        amm_result_free(result);
        amm_spec_free(spec);
        amm_context_free(context);
        assert_int_equal(allocator.live, 0);
    }
    printf("%lld allocations\n", (long long)n);
    assert_true(n > 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_add_up),
        cmocka_unit_test(engine_is_conservative),
        cmocka_unit_test(partitions_are_optimal),
        cmocka_unit_test(more_bandwidth_is_never_slower),
        cmocka_unit_test(less_margin_is_never_worse),
        cmocka_unit_test(equal_clusters_cost_the_same),
        cmocka_unit_test(pruning_keeps_the_best),
        cmocka_unit_test(mixed_stages_are_not_pruned_wrongly),
        cmocka_unit_test(interruption_keeps_the_best_so_far),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
