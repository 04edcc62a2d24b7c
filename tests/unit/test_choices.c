/* Choices of a run besides its degrees: their words, what they do to the space, to seconds and to
 * bytes, and who can launch them. */
#include "search/planner.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static void set(amm_spec *spec, const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

static amm_spec *open_spec(const char *model, const char *runtime)
{
    amm_spec *spec = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set(spec, "model", model);
    set(spec, "cluster", "2xnode:8xH100-80GB,intra=450GB,inter=100gbit");
    set(spec, "seq_len", "4096");
    set(spec, "global_batch", "64");
    set(spec, "runtime", runtime);
    return spec;
}

static amm_result *explain(const amm_spec *spec, const char *strategy)
{
    amm_result *result = NULL;
    if (amm_evaluate(&result, spec, &strategy, 1) != AMM_OK) {
        fail_msg("%s: %s", strategy, amm_last_error());
    }
    return result;
}

static void refused(const amm_spec *spec, const char *strategy, const char *why)
{
    amm_result *result = NULL;
    assert_int_equal(amm_evaluate(&result, spec, &strategy, 1), AMM_INPUT);
    if (strstr(amm_last_error(), why) == NULL) {
        fail_msg("%s: not \"%s\"", amm_last_error(), why);
    }
}

/* ---- words ------------------------------------------------------------------------------------- */

/* What is written is read back, and every word that messages allow is one. */
static void words_read_back(void **state)
{
    (void)state;
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        const amm_choice choice = (amm_choice)k;
        int known = 0;
        for (const char *word = amm_choice_words(choice); *word != '\0';) {
            const size_t length = strcspn(word, ",");
            char text[AMM_RECOMPUTE_CHARS];
            int32_t value = -1;
            if (strncmp(word, "or ", 3) != 0) {
                assert_true(amm_choice_parse(&value, choice, word, length));
                amm_choice_format(text, choice, value);
                assert_int_equal(strlen(text), length);
                assert_memory_equal(text, word, length);
                known++;
            }
            word += length + strspn(word + length, ", ");
        }
        int32_t value = 0;
        assert_true(known > 0);
        assert_false(amm_choice_parse(&value, choice, "luck", 4));
        assert_false(amm_choice_parse(&value, choice, "", 0));
        assert_false(amm_choice_parse(&value, choice, "-1", 2));
    }
    int32_t group = 0;
    assert_true(amm_choice_parse(&group, AMM_CHOICE_SHARD_GROUP, "16", 2));
    assert_int_equal(group, 16);
    assert_false(amm_choice_parse(&group, AMM_CHOICE_SHARD_GROUP, "99999999999999", 14));
}

/* A list of a problem file may have words and numbers; what is written is words. */
static void lists_of_files(void **state)
{
    amm_spec *spec = NULL;
    char *text = NULL;
    const char *problem = "{\"format\":\"ammeter-problem\",\"version\":1,\"name\":\"p\",\"space\":{"
                          "\"schedule\":[\"zb-h1\",\"1f1b\"],\"tp_overlap\":[0,1],"
                          "\"shard_group\":[8,\"all\"],\"dispatcher\":\"hybridep\"}}";
    (void)state;
    assert_int_equal(amm_spec_create(&spec, test_context(), problem), AMM_OK);
    assert_int_equal(amm_spec_json(spec, &text), AMM_OK);
    assert_non_null(strstr(text, "\"schedule\": [\"1f1b\", \"zb-h1\"]"));
    assert_non_null(strstr(text, "\"tp_overlap\": [\"off\", \"on\"]"));
    assert_non_null(strstr(text, "\"shard_group\": [\"all\", \"8\"]"));
    assert_non_null(strstr(text, "\"dispatcher\": [\"deepep\"]"));
    amm_text_free(test_context(), text);
    amm_spec_free(spec);
    assert_int_equal(amm_spec_create(&spec, test_context(),
                                     "{\"format\":\"ammeter-problem\",\"version\":1,\"name\":\"p\","
                                     "\"space\":{\"graphs\":[\"none\",\"some\"]}}"),
                     AMM_INPUT);
    assert_non_null(strstr(amm_last_error(),
                           "space.graphs[1]: unknown, got \"some\", allowed none, "
                           "partial, full_iteration"));
    assert_null(spec);
}

/* ---- space --------------------------------------------------------------------------------------- */

static amm_result *plan(const amm_spec *spec)
{
    amm_result *result = NULL;
    if (amm_plan(&result, spec, NULL) != AMM_OK) {
        fail_msg("%s", amm_last_error());
    }
    return result;
}

/* Left out, a choice is what it would be when the runtime's usual value is given. */
static void usual_is_default(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core");
    amm_result *open = plan(spec);
    (void)state;
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        const amm_choice choice = (amm_choice)k;
        char word[AMM_RECOMPUTE_CHARS];
        amm_choice_format(word, choice, amm_choice_usual(choice, spec->problem.runtime));
        set(spec, amm_choice_key(choice), word);
    }
    amm_result *given = plan(spec);
    assert_int_equal(open->configs, given->configs);
    assert_int_equal(open->plan_count, given->plan_count);
    for (size_t k = 0; k < open->plan_count; k++) {
        assert_int_equal(open->plans[k].config.index, given->plans[k].config.index);
        assert_same_bits(open->plans[k].time_s, given->plans[k].time_s);
    }
    amm_result_free(open);
    amm_result_free(given);
    amm_spec_free(spec);
}

/* Two values are twice the layouts; where a value changes nothing it is counted and left out. */
static void repeats_are_left_out(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core");
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *one = NULL;
    amm_result *two = NULL;
    (void)state;
    options.top = AMM_TOP_ALL;
    set(spec, "tp", "1,4");
    set(spec, "pp", "1,4");
    set(spec, "micro_batch", "1");
    set(spec, "recompute", "full");
    assert_int_equal(amm_plan(&one, spec, &options), AMM_OK);
    set(spec, "tp_overlap", "off,on");
    assert_int_equal(amm_plan(&two, spec, &options), AMM_OK);
    assert_int_equal(two->configs, 2 * one->configs);
    size_t tensor = 0;
    for (size_t k = 0; k < one->plan_count; k++) {
        tensor += one->plans[k].config.tp > 1;
    }
    assert_true(tensor > 0 && tensor < one->plan_count);
    assert_int_equal(two->plan_count, one->plan_count + tensor);
    assert_true(two->rejected[AMM_REJECT_REPEATED].count > 0);
    assert_int_equal(one->rejected[AMM_REJECT_REPEATED].count, 0);
    amm_result_free(one);
    amm_result_free(two);
    amm_spec_free(spec);
}

/* The best plan is looked at with each of the values that the space lists, and no other. */
static void neighbours_change_listed_choices(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core");
    int changed = 0;
    (void)state;
    set(spec, "graphs", "none,full_iteration");
    set(spec, "tp", "2");
    amm_result *result = plan(spec);
    const amm_config *best = &result->plans[0].config;
    for (int32_t k = 0; k < result->neighbour_count; k++) {
        const amm_config *c = &result->neighbours[k].plan.config;
        for (int n = 0; n < (int)AMM_CHOICE_COUNT; n++) {
            assert_true(n == AMM_CHOICE_GRAPHS || c->choice[n] == best->choice[n]);
        }
        changed += c->choice[AMM_CHOICE_GRAPHS] != best->choice[AMM_CHOICE_GRAPHS];
    }
    assert_int_equal(best->choice[AMM_CHOICE_GRAPHS], 2); /* less host time */
    assert_int_equal(changed, 1);
    amm_result_free(result);
    amm_spec_free(spec);
}

/* ---- schedules ----------------------------------------------------------------------------------- */

#define PIPELINE "tp=2,pp=4,dp=2,micro-batch=1,recompute=full,stage-layers=9-8-8-10"

/* All of G = 32 micro-batches are held by every stage of GPipe, p by those of ZB-H1, 2p - 1 of ZB-H2,
 * p - i by stage i of 1F1B. What enters the head's norm and its GEMM (16 bits, all tokens) is held
 * once, by GPipe for every micro-batch. */
static void schedules_hold(void **state)
{
    static const struct {
        const char *strategy;
        double held, heads;
    } cases[] = { { PIPELINE ",schedule=gpipe", 32, 32 },
                  { PIPELINE ",schedule=zb-h1", 4, 1 },
                  { PIPELINE ",schedule=zb-h2", 7, 1 } };
    amm_spec *spec = open_spec("llama-3-8b", "generic");
    amm_result *plain = explain(spec, PIPELINE);
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        amm_result *other = explain(spec, cases[k].strategy);
        for (int32_t s = 0; s < 4; s++) {
            const double head = s == 3 ? 2.0 * 2.0 * 4096.0 * 4096.0 : 0.0;
            const double blocks = plain->plans[0].stages[s].ledger.activations - head;
            assert_close(other->plans[0].stages[s].ledger.activations,
                         blocks * cases[k].held / (4 - s) + head * cases[k].heads, 1e-12, 0);
        }
        amm_result_free(other);
    }
    amm_result_free(plain);
    amm_spec_free(spec);
}

/* GPipe computes what 1F1B does; four stages send 2 (G + p - 2) times one after the other where 1F1B has
 * 2 (p - 1) + 2 (G - 1) - 1, one less. W = B/2 makes the bubble of ZB-H1 max(F, B/2) and that of ZB-H2
 * max(F, B/2 - F, F - B/2) for every F + B of 1F1B's, F and B those of the slowest stage. */
static void schedules_take(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "generic");
    amm_lowered lowered;
    amm_stages stages;
    amm_run run;
    const int32_t blocks[] = { 8, 8, 8, 8 };
    int32_t slow = 0;
    (void)state;
    amm_result *plain = explain(spec, PIPELINE);
    amm_result *gpipe = explain(spec, PIPELINE ",schedule=gpipe");
    amm_result *h1 = explain(spec, PIPELINE ",schedule=zb-h1");
    amm_result *h2 = explain(spec, PIPELINE ",schedule=zb-h2");
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    amm_lower_run(&run, lowered.analytic, &plain->plans[0].config, blocks);
    amm_stage_costs(&stages, &lowered.analytic->network, &lowered.analytic->machine, &run);
    for (int32_t s = 1; s < 4; s++) {
        const amm_stage_plan *x = plain->plans[0].stages;
        slow = x[s].time_s > x[slow].time_s ? s : slow;
    }
    const double f = stages.stage[slow].forward_s;
    const double b = stages.stage[slow].backward_s;
    const double bubble_s = plain->plans[0].time.bubble_s;
    const amm_time_parts *one = &plain->plans[0].time;
    const double sends = 2.0 * (double)plain->plans[0].config.micro_batches + 2.0 * 4.0 - 5.0;
    const double x = lowered.analytic->machine.facts.p2p_exposed;
    const double e =
        amm_transfer_seconds(&lowered.analytic->network, &lowered.analytic->machine, &run);
    assert_close(one->pp_s, e * (2.0 * 3.0 * (1.0 - x) + x * sends), 1e-9, 0);
    assert_close(gpipe->plans[0].time.pp_s - one->pp_s, x * e, 1e-9, 0);
    assert_close(gpipe->plans[0].time_s - gpipe->plans[0].time.pp_s,
                 plain->plans[0].time_s - one->pp_s, 1e-12, 0);
    assert_close(h1->plans[0].time.bubble_s, bubble_s * fmax(f, b / 2) / (f + b), 1e-12, 0);
    assert_close(h2->plans[0].time.bubble_s,
                 bubble_s * fmax(f, fmax(b / 2 - f, f - b / 2)) / (f + b), 1e-12, 0);
    assert_close(h1->plans[0].time_s - h1->plans[0].time.bubble_s - h1->plans[0].time.pp_s,
                 plain->plans[0].time_s - bubble_s - one->pp_s, 1e-12, 0);
    amm_lower_free(&lowered);
    amm_result_free(plain);
    amm_result_free(gpipe);
    amm_result_free(h1);
    amm_result_free(h2);
    amm_spec_free(spec);
}

/* Finalists are simulated in their own schedule: close to the closed form, and not as 1F1B. (GPipe can
 * take as long to the bit, in another order.) */
static void schedules_are_simulated(void **state)
{
    static const char *const cases[] = { PIPELINE ",schedule=gpipe", PIPELINE ",schedule=zb-h1",
                                         PIPELINE ",schedule=zb-h2" };
    amm_spec *spec = open_spec("llama-3-8b", "generic");
    amm_result *plain = explain(spec, PIPELINE);
    char *usual = NULL;
    (void)state;
    assert_int_equal(amm_result_trace(plain, &usual, 0), AMM_OK);
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        char *trace = NULL;
        amm_result *other = explain(spec, cases[k]);
        const double ratio = other->plans[0].simulated_s / other->plans[0].time_s;
        assert_true(ratio > 0.9 && ratio < 1.02); /* the last stage is a fifth slower */
        if (k == 0) {                             /* as long but for transfers, in another order */
            assert_close(other->plans[0].simulated_s, plain->plans[0].simulated_s, 5e-3, 0);
        } else {
            assert_true(other->plans[0].simulated_s < 0.99 * plain->plans[0].simulated_s);
        }
        assert_int_equal(amm_result_trace(other, &trace, 0), AMM_OK);
        assert_string_not_equal(strstr(trace, "\"ph\""), strstr(usual, "\"ph\"")); /* passes */
        assert_int_equal(strstr(trace, "\"W mb0\"") != NULL, k > 0);
        amm_text_free(test_context(), trace);
        amm_result_free(other);
    }
    amm_text_free(test_context(), usual);
    amm_result_free(plain);
    amm_spec_free(spec);
}

/* GPipe's stages are solved like those of 1F1B; zero-bubble schedules are looked at in the even cut. */
static void who_is_partitioned(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "generic");
    amm_lowered lowered;
    int moved = 0;
    int even = 0;
    (void)state;
    set(spec, "schedule", "gpipe,zb-h1");
    set(spec, "pp", "4");
    set(spec, "recompute", "full");
    set(spec, "global_batch", "16"); /* gpipe keeps the logits of every micro-batch */
    amm_result *result = plan(spec);
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    for (size_t k = 0; k < result->plan_count; k++) {
        const amm_plan_entry *x = &result->plans[k];
        const bool split = x->config.choice[AMM_CHOICE_SCHEDULE] == AMM_SCHEDULE_ZB_H1;
        int32_t cuts[5];
        amm_even_cuts(&lowered, cuts, &x->config);
        for (int32_t s = 1; s < 4; s++) {
            assert_true(!split || x->stages[s].first == cuts[s]);
            moved += x->stages[s].first != cuts[s];
        }
        even += split;
    }
    assert_true(result->proven && moved > 0 && even > 0);
    amm_lower_free(&lowered);
    amm_result_free(result);
    amm_spec_free(spec);
}

static double seconds_of_cuts(const amm_spec *spec, const amm_config *c, const int32_t *layers)
{
    char text[256];
    int used =
        snprintf(text, sizeof text, "tp=%d,pp=%d,dp=%d,cp=%d,micro-batch=%lld,stage-layers=", c->tp,
                 c->pp, c->dp, c->cp, (long long)c->micro_batch);
    for (int32_t s = 0; s < c->pp; s++) {
        used +=
            snprintf(text + used, sizeof text - (size_t)used, "%s%d", s == 0 ? "" : "-", layers[s]);
    }
    amm_result *result = explain(spec, text);
    const double seconds = result->plans[0].fits ? result->plans[0].time_s : HUGE_VAL;
    amm_result_free(result);
    return seconds;
}

/* Of partitions that take the same time a level one is given: no stage could pass a block to one that has
 * two fewer without a longer step. */
static void ties_are_level(void **state)
{
    amm_spec *spec = open_spec("llama-3-70b", "megatron-core");
    int passed = 0;
    (void)state;
    set(spec, "cluster", "8xdgx-h100");
    set(spec, "seq_len", "8192");
    set(spec, "global_batch", "256");
    set(spec, "pp", "16");
    set(spec, "vpp", "1");
    amm_result *result = plan(spec);
    const amm_plan_entry *best = &result->plans[0];
    int32_t layers[16];
    for (int32_t s = 0; s < 16; s++) {
        layers[s] = best->stages[s].end - best->stages[s].first;
    }
    const double best_s = seconds_of_cuts(spec, &best->config, layers);
    assert_close(best_s, best->time_s, 1e-12, 0);
    for (int32_t k = 0; k < 16 * 16; k++) {
        const int32_t from = k / 16;
        const int32_t to = k % 16;
        /* The ends have layers besides their blocks: an embedding; a norm and a head. */
        const int32_t more = layers[from] - (from == 0) - 2 * (from == 15);
        if (more >= layers[to] - (to == 0) - 2 * (to == 15) + 2) {
            layers[from]--;
            layers[to]++;
            assert_true(seconds_of_cuts(spec, &best->config, layers) > best_s);
            layers[from]++;
            layers[to]--;
            passed++;
        }
    }
    assert_true(passed > 0);
    amm_result_free(result);
    amm_spec_free(spec);
}

static void schedules_that_cannot_be(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "generic");
    (void)state;
    refused(spec, "tp=4,pp=4,vpp=2,schedule=zb-h1", "one chunk per stage");
    refused(spec, "tp=4,pp=4,vpp=2,schedule=gpipe", "one chunk per stage");
    refused(spec, "tp=4,pp=4,micro-batch=32,schedule=zb-h1", "micro-batches"); /* 2 of 4 */
    refused(spec, "tp=4,pp=4,micro-batch=16,schedule=zb-h2", "micro-batches"); /* 4 of 7 */
    amm_result_free(explain(spec, "tp=4,pp=4,micro-batch=16,schedule=zb-h1"));
    amm_result_free(explain(spec, "tp=4,pp=4,micro-batch=8,schedule=zb-h2"));
    refused(spec, "tp=4,pp=4,schedule=interleaved", "unknown, got 'interleaved', allowed 1f1b");
    refused(spec, "tp=4,pp=4,tp-overlap=half", "allowed off, on");
    refused(spec, "tp=4,pp=4,graphs=none,graphs=partial", "given twice");
    amm_spec_free(spec);
}

/* ---- overlap, groups, context ------------------------------------------------------------------- */

/* Overlap off shows all that data parallelism sends; on, the share that the runtime hides is gone. */
static void data_parallel_overlap(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core");
    amm_result *on = explain(spec, "tp=2,dp=8,micro-batch=1");
    amm_result *off = explain(spec, "tp=2,dp=8,micro-batch=1,dp-overlap=off");
    amm_lowered lowered;
    amm_stages stages;
    amm_run run;
    (void)state;
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    const amm_machine *m = &lowered.analytic->machine;
    amm_lower_run(&run, lowered.analytic, &on->plans[0].config, NULL);
    amm_stage_costs(&stages, &lowered.analytic->network, m, &run);
    const double hidden = m->facts.dp_overlap * stages.stage[0].backward_s +
                          m->facts.gather_overlap * stages.stage[0].forward_s;
    assert_true(hidden > 0.0);
    assert_close(off->plans[0].time.dp_s - on->plans[0].time.dp_s, hidden, 1e-9, 0);
    amm_lower_free(&lowered);
    amm_result_free(on);
    amm_result_free(off);
    /* Without overlap, sharded parameters cost their three gathers per micro-batch and no more. */
    on = explain(spec, "dp=16,micro-batch=1,sharding=zero3");
    off = explain(spec, "dp=16,micro-batch=1,sharding=zero3,dp-overlap=off");
    assert_true(off->plans[0].time.dp_s > on->plans[0].time.dp_s);
    amm_result_free(on);
    amm_result_free(off);
    amm_spec_free(spec);
}

/* A group of 4 of 16 ranks holds four times the optimizer states of one of 16. */
static void shard_groups(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core");
    amm_result *all = explain(spec, "dp=16,micro-batch=1,sharding=zero1");
    amm_result *same = explain(spec, "dp=16,micro-batch=1,sharding=zero1,shard-group=16");
    amm_result *four = explain(spec, "dp=16,micro-batch=1,sharding=zero1,shard-group=4");
    (void)state;
    assert_close(four->plans[0].stages[0].ledger.optimizer,
                 4.0 * all->plans[0].stages[0].ledger.optimizer, 1e-12, 0);
    assert_same_bits(same->plans[0].time_s, all->plans[0].time_s);
    refused(spec, "dp=16,micro-batch=1,sharding=zero1,shard-group=3", "does not divide dp x cp");
    amm_result_free(all);
    amm_result_free(same);
    amm_result_free(four);
    amm_spec_free(spec);
}

static void context_exchanges(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core"); /* 8 heads of keys and values */
    amm_result *ring = explain(spec, "tp=2,cp=4,dp=2,micro-batch=1");
    amm_result *heads = explain(spec, "tp=2,cp=4,dp=2,micro-batch=1,cp-comm=a2a");
    (void)state;
    assert_true(ring->plans[0].time.cp_s != heads->plans[0].time.cp_s);
    refused(spec, "tp=2,cp=8,micro-batch=1,cp-comm=a2a", "context ranks that exchange them");
    amm_result_free(ring);
    amm_result_free(heads);
    amm_spec_free(spec);
}

/* ---- who launches it ----------------------------------------------------------------------------- */

static const amm_config *config_of(const amm_result *result)
{
    return &result->plans[0].config;
}

static void launched_by(void **state)
{
    static const struct {
        const char *runtime, *strategy;
        bool launches;
    } cases[] = {
        { "megatron-core", "tp=2,pp=4,dp=2", true },
        { "megatron-core", "tp=2,pp=4,dp=2,schedule=gpipe", false },
        { "megatron-core", "tp=2,pp=4,dp=2,schedule=zb-h1", false },
        { "pytorch-fsdp", "tp=2,pp=4,dp=2,schedule=gpipe,sharding=zero1", true },
        { "generic", "tp=2,pp=4,dp=2,schedule=zb-h1", true },
        { "megatron-core", "tp=2,dp=8,graphs=full_iteration", true },
        { "megatron-lm-2021", "tp=2,dp=8,graphs=full_iteration", false },
        { "megatron-lm-2021", "tp=2,dp=8,sharding=zero1", false },
        { "megatron-lm-2022", "tp=2,dp=8,sharding=zero1,sequence-parallel=on", true },
        { "megatron-lm-2021", "tp=2,dp=8,sequence-parallel=on", false },
        { "megatron-lm-2021", "tp=1,dp=16,sequence-parallel=on", true }, /* of no effect */
        { "megatron-core", "tp=2,pp=2,dp=4,sharding=zero3", false },
        { "internevo", "dp=16,sharding=zero1,shard-group=8", true },
        { "megatron-deepspeed", "dp=16,sharding=zero1,shard-group=8", false },
    };
    (void)state;
    for (size_t k = 0; k < sizeof cases / sizeof cases[0]; k++) {
        amm_spec *spec = open_spec("llama-3-8b", cases[k].runtime);
        char *text = NULL;
        char name[64];
        amm_result *result = explain(spec, cases[k].strategy); /* launchable or not */
        if (amm_runtime_launches(spec->problem.runtime, config_of(result)) != cases[k].launches) {
            fail_msg("%s: %s", cases[k].runtime, cases[k].strategy);
        }
        assert_int_equal(amm_result_json(result, &text, AMM_RESULT_NO_RUN_INFO), AMM_OK);
        const char *list = strstr(text, "\"launchable\": [");
        assert_non_null(list);
        (void)snprintf(name, sizeof name, "\"%s\"", cases[k].runtime);
        const char *found = strstr(list, name);
        assert_int_equal(found != NULL && found < strchr(list, ']'), cases[k].launches);
        amm_text_free(test_context(), text);
        amm_result_free(result);
        amm_spec_free(spec);
    }
}

/* A search leaves out what the runtime cannot start, unless the space is full. */
static void full_space_lifts_limits(void **state)
{
    amm_spec *spec = open_spec("llama-3-8b", "megatron-core");
    amm_result *result = NULL;
    (void)state;
    set(spec, "schedule", "gpipe");
    set(spec, "pp", "4");
    assert_int_equal(amm_plan(&result, spec, NULL), AMM_NO_PLAN);
    assert_true(result->rejected[AMM_REJECT_LAUNCH].count > 0);
    amm_result_free(result);
    set(spec, "space", "full");
    result = plan(spec);
    assert_int_equal(result->rejected[AMM_REJECT_LAUNCH].count, 0);
    amm_result_free(result);
    amm_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_read_back),
        cmocka_unit_test(lists_of_files),
        cmocka_unit_test(usual_is_default),
        cmocka_unit_test(repeats_are_left_out),
        cmocka_unit_test(neighbours_change_listed_choices),
        cmocka_unit_test(schedules_hold),
        cmocka_unit_test(schedules_take),
        cmocka_unit_test(schedules_are_simulated),
        cmocka_unit_test(who_is_partitioned),
        cmocka_unit_test(ties_are_level),
        cmocka_unit_test(schedules_that_cannot_be),
        cmocka_unit_test(data_parallel_overlap),
        cmocka_unit_test(shard_groups),
        cmocka_unit_test(context_exchanges),
        cmocka_unit_test(launched_by),
        cmocka_unit_test(full_space_lifts_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
