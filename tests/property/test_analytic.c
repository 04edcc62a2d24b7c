/* Properties of searches without a profile: the winner is what brute force over all layouts and all
 * partitions finds with amm_step_time and amm_step_memory. */
#include "lower/lower.h"
#include "search/planner.h"
#include "core/random.h"
#include "random_spec.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- brute force ----------------------------------------------------------------------------- */

typedef struct brute {
    amm_lowered lowered;
    double best_s, uniform_s; /* with any sets, with one set in all stages */
    int32_t cuts[64], blocks[64], sets[64];
} brute;

/* The partition in b->cuts, with what its stages recompute, by the whole-step functions alone. */
static void try_sets(brute *b, const amm_config *c)
{
    const amm_analytic *a = b->lowered.analytic;
    const amm_config one = amm_config_with_sets(c, b->sets);
    amm_run run;
    amm_step step;
    amm_ledger ledger;
    amm_lower_run(&run, a, &one, b->blocks);
    amm_step_memory(&ledger, &a->network, &a->machine, &run);
    if (ledger.total <= a->room_bytes) {
        amm_step_time(&step, &a->network, &a->machine, &run);
        b->best_s = fmin(b->best_s, step.time_s);
        b->uniform_s = one.stage_recompute == NULL ? fmin(b->uniform_s, step.time_s) : b->uniform_s;
    }
}

/* Every set that fits in this stage, with those of the stages before it. */
static void all_sets(brute *b, const amm_config *c, int32_t stage)
{
    const amm_analytic *a = b->lowered.analytic;
    if (stage == c->pp || !amm_config_is_open(c)) {
        try_sets(b, c);
        return;
    }
    for (int32_t k = 0; k < a->choice_count; k++) {
        const amm_config one = amm_config_with(c, a->choices[k]);
        amm_run run;
        amm_ledger ledger;
        amm_lower_run(&run, a, &one, b->blocks);
        amm_stage_memory(&ledger, &a->network, &a->machine, &run, stage);
        if (ledger.total <= a->room_bytes) {
            b->sets[stage] = a->choices[k];
            all_sets(b, c, stage + 1);
        }
    }
}

static void try_cuts(brute *b, const amm_config *c)
{
    amm_blocks_of_cuts(b->lowered.analytic, b->blocks, b->cuts, c->pp);
    all_sets(b, c, 0);
}

static void all_cuts(brute *b, const amm_config *c, int32_t stage)
{
    if (stage == c->pp) {
        try_cuts(b, c);
        return;
    }
    const int32_t last = b->lowered.analytic->layers - (c->pp - stage);
    for (int32_t cut = b->cuts[stage - 1] + 1; cut <= last; cut++) {
        b->cuts[stage] = cut;
        all_cuts(b, c, stage + 1);
    }
}

static void brute_open(brute *b, amm_space_range *space, const amm_problem_desc *problem)
{
    b->best_s = b->uniform_s = HUGE_VAL;
    assert_int_equal(amm_lower_init(&b->lowered, test_context(), problem), AMM_OK);
    assert_int_equal(amm_space_open(space, &b->lowered.arena, problem), AMM_OK);
    assert_int_equal(amm_space_choices(&b->lowered), AMM_OK);
}

static void brute_config(brute *b, const amm_config *c)
{
    b->cuts[0] = 0;
    b->cuts[c->pp] = b->lowered.analytic->layers;
    if (amm_analytic_is_direct(c)) {
        amm_even_cuts(&b->lowered, b->cuts, c);
        try_cuts(b, c);
    } else {
        all_cuts(b, c, 1);
    }
}

static double brute_force(const amm_spec *spec, double *uniform_s)
{
    brute b;
    amm_space_range space;
    const amm_problem_desc *problem = &spec->problem;
    brute_open(&b, &space, problem);
    for (uint64_t index = 0; index < space.count; index++) {
        amm_config c;
        if (!amm_space_config(&space, &c, index) ||
            amm_space_reject(problem, &b.lowered.layout, &c) != AMM_ACCEPTED) {
            continue;
        }
        brute_config(&b, &c);
    }
    amm_lower_free(&b.lowered);
    *uniform_s = b.uniform_s;
    return b.best_s;
}

static void winner_is_the_brute_force_one(void **state)
{
    uint64_t seed = 1;
    int plans = 0;
    int proven = 0;
    int piped = 0;
    (void)state;
    for (int k = 0; k < 60; k++) {
        double uniform_s = 0.0;
        amm_spec *spec = random_spec(&seed);
        amm_result *result = NULL;
        const amm_status status = amm_plan(&result, spec, NULL);
        const double best_s = brute_force(spec, &uniform_s);
        if (status == AMM_NO_PLAN) {
            assert_true(isinf(best_s));
        } else if (status != AMM_OK) {
            fail_msg("%s", amm_last_error());
        } else {
            plans++;
            proven += result->proven;
            piped += result->plans[0].config.pp > 1;
            assert_true(result->plans[0].time_s * (1.0 - result->gap) <= best_s * (1.0 + 1e-12));
            if (result->proven) {
                assert_close(result->plans[0].time_s, best_s, 1e-12, 0.0);
            }
        }
        amm_result_free(result);
        amm_spec_free(spec);
    }
    printf("%d plans, %d proven, %d with a pipeline\n", plans, proven, piped);
    assert_true(plans > 20 && 3 * proven > 2 * plans && piped > 5);
}

/* ---- stages that choose what they recompute ---------------------------------------------------- */

typedef struct tally {
    int configs, exact, mixed, direct, interleaved_exact;
} tally;

/* Floors and bounds are not above the best time of a config. */
static void check_bounds(brute *b, const amm_config *c, double best_s)
{
    amm_lowered_config ticks;
    amm_analytic_cost even;
    int32_t cuts[64];
    int32_t sets[64];
    double gain_s = 0.0;
    amm_composed composed;
    amm_even_cuts(&b->lowered, cuts, c);
    assert_int_equal(amm_analytic_choose(&b->lowered, sets, b->blocks, c, cuts, &gain_s), AMM_OK);
    const amm_config chosen = amm_config_with_sets(c, sets);
    amm_analytic_evaluate(&b->lowered, &even, b->blocks, &chosen, cuts);
    assert_int_equal(amm_compose(&b->lowered, &composed, c), AMM_OK);
    assert_true(composed.floor_s <= best_s && composed.fits);
    assert_true((composed.short_bytes <= 0.0) == (even.short_bytes <= 0.0));
    if (amm_analytic_is_direct(c)) {
        assert_true(even.short_bytes <= 0.0);
        assert_true(even.step.time_s - gain_s <= best_s * (1.0 + 1e-12));
        return;
    }
    assert_int_equal(amm_lower_config(&b->lowered, &ticks, c, false, true), AMM_OK);
    assert_true(amm_solve_bound(&ticks.solve) * ticks.unit_s + ticks.fixed_s -
                    ticks.error_bound_s <=
                best_s);
}

/* What composing remembers of other configs changes nothing. */
static void composes_as_if_first(void **state)
{
    uint64_t seed = 6;
    uint64_t composed = 0;
    (void)state;
    for (int k = 0; k < 30; k++) {
        amm_spec *spec = k % 2 == 0 ? random_spec(&seed) : choosing_spec(&seed);
        set_spec(spec, "graphs", "none,partial");
        set_spec(spec, "dp_overlap", "on,off");
        brute b;
        amm_space_range space;
        amm_walk walk;
        amm_walk_run run;
        brute_open(&b, &space, &spec->problem);
        amm_analytic *a = b.lowered.analytic;
        amm_memory_note *notes = a->memory_notes;
        amm_walk_open(&walk, &space, &spec->problem, &b.lowered.layout, 0, space.count);
        while (amm_walk_next(&walk, &run)) {
            amm_composed again;
            amm_composed first;
            if (run.reason == AMM_ACCEPTED) {
                assert_int_equal(amm_compose(&b.lowered, &again, &walk.config), AMM_OK);
                a->memory_notes = amm_memory_notes(&b.lowered.scratch);
                assert_int_equal(amm_compose(&b.lowered, &first, &walk.config), AMM_OK);
                amm_arena_free(&b.lowered.scratch);
                a->memory_notes = notes;
                assert_same_bits(again.floor_s, first.floor_s);
                assert_same_bits(again.short_bytes, first.short_bytes);
                assert_true(again.stage == first.stage && again.fits == first.fits);
                composed++;
            }
        }
        amm_lower_free(&b.lowered);
        amm_spec_free(spec);
    }
    assert_true(composed > 1000);
}

/* The plan of one config against all its partitions with all sets. */
static void check_config(brute *b, const amm_problem_desc *problem, const amm_plan_entry *plan,
                         tally *sum)
{
    const amm_config *c = &plan->config;
    amm_config open = *c;
    open.recompute = AMM_RECOMPUTE_PER_STAGE;
    open.stage_recompute = NULL;
    assert_int_equal(amm_space_reject(problem, &b->lowered.layout, &open), AMM_ACCEPTED);
    b->best_s = b->uniform_s = HUGE_VAL;
    brute_config(b, &open);
    assert_true(plan->time_s >= b->best_s * (1.0 - 1e-12));
    assert_true(plan->engine_s <= b->best_s * (1.0 + 1e-12));
    const bool exact = plan->engine_s >= plan->time_s * (1.0 - 1e-12);
    if (exact) {
        assert_close(plan->time_s, b->best_s, 1e-12, 0.0);
    }
    check_bounds(b, &open, b->best_s);
    sum->configs++;
    sum->exact += exact;
    sum->mixed += b->best_s < b->uniform_s * (1.0 - 1e-9);
    sum->direct += c->vpp > 1;
    sum->interleaved_exact += c->vpp > 1 && exact;
}

/* Every config's partition and sets together are the best ones, not the winner's alone; what does not
 * come out has no partition that fits. */
static void stages_choose_the_best_sets(void **state)
{
    uint64_t seed = 5;
    tally sum = { 0 };
    (void)state;
    for (int k = 0; k < 40; k++) {
        amm_spec *spec = choosing_spec(&seed);
        amm_result *result = NULL;
        amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
        brute b;
        amm_space_range space;
        options.top = AMM_TOP_ALL;
        const amm_status status = amm_plan(&result, spec, &options);
        assert_true(status == AMM_OK || status == AMM_NO_PLAN);
        brute_open(&b, &space, &spec->problem);
        for (size_t i = 0; i < result->plan_count; i++) {
            check_config(&b, &spec->problem, &result->plans[i], &sum);
        }
        size_t feasible = 0;
        for (uint64_t index = 0; index < space.count; index++) {
            amm_config c;
            if (amm_space_config(&space, &c, index) &&
                amm_space_reject(&spec->problem, &b.lowered.layout, &c) == AMM_ACCEPTED) {
                b.best_s = HUGE_VAL;
                brute_config(&b, &c);
                feasible += isfinite(b.best_s) ? 1 : 0;
            }
        }
        assert_int_equal(feasible, result->plan_count);
        amm_lower_free(&b.lowered);
        amm_result_free(result);
        amm_spec_free(spec);
    }
    printf("%d configs, %d exact, %d where stages differ, %d of %d interleaved ones exact\n",
           sum.configs, sum.exact, sum.mixed, sum.interleaved_exact, sum.direct);
    assert_true(sum.configs > 500 && 4 * sum.exact > 3 * sum.configs && sum.mixed > 50);
}

/* ---- results --------------------------------------------------------------------------------- */

static double sum_of(const amm_time_parts *t)
{
    return t->compute_s + t->bubble_s + t->tp_s + t->cp_s + t->ep_s + t->pp_s + t->dp_s +
           t->optimizer_s + t->other_s;
}

static void check_ledger(const amm_stage_plan *stage)
{
    const amm_ledger *m = &stage->ledger;
    assert_close(m->weights + m->gradients + m->optimizer + m->activations + m->working +
                     m->logits + m->gathered + m->context + m->reserve,
                 stage->memory_bytes, 1e-12, 0.0);
}

/* Times add up, stages fit, and the list is in order without a layout twice. */
static void plans_are_whole(void **state)
{
    uint64_t seed = 2;
    (void)state;
    for (int k = 0; k < 20; k++) {
        amm_spec *spec = random_spec(&seed);
        amm_result *all = NULL;
        amm_result *few = NULL;
        amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
        options.top = 3;
        (void)amm_plan(&few, spec, &options);
        options.top = AMM_TOP_ALL;
        (void)amm_plan(&all, spec, &options);
        for (size_t i = 0; i < all->plan_count; i++) {
            const amm_plan_entry *plan = &all->plans[i];
            assert_close(sum_of(&plan->time), plan->time_s, 1e-12, 0.0);
            assert_true(plan->fits && plan->engine_s <= plan->time_s * (1.0 + 1e-12));
            assert_true(i == 0 || all->plans[i - 1].time_s <= plan->time_s * (1.0 + 1e-12));
            for (int32_t s = 0; s < plan->config.pp; s++) {
                check_ledger(&plan->stages[s]);
            }
        }
        for (size_t i = 0; i < few->plan_count; i++) {
            assert_close(few->plans[i].time_s, all->plans[i].time_s, 1e-12, 0.0);
        }
        amm_result_free(all);
        amm_result_free(few);
        amm_spec_free(spec);
    }
}

/* The first plan is known against itself; what a class holds cannot be told from its fastest plan, and
 * a class after the first can be told from the first plan. Nothing of it where there is no posterior. */
static void check_classes(const amm_result *r)
{
    int32_t last = -1;
    for (size_t i = 0; i < r->plan_count; i++) {
        const amm_plan_entry *plan = &r->plans[i];
        const double ratio = plan->time_s / r->plans[0].time_s;
        if (isnan(r->plans[0].range.log_sd)) {
            assert_true(isnan(plan->vs_best.low) && plan->tie_class == -1);
            continue;
        }
        assert_close(plan->vs_best.low * plan->vs_best.high, ratio * ratio, 1e-9, 0.0);
        assert_true(plan->vs_best.low <= ratio * (1.0 + 1e-12) &&
                    ratio <= plan->vs_best.high * (1.0 + 1e-12));
        assert_true((plan->tie_class == 0) == (plan->vs_best.low <= 1.0));
        assert_true(plan->tie_class >= 0 && plan->tie_class <= last + 1);
        last = plan->tie_class > last ? plan->tie_class : last;
    }
    assert_true(r->plan_count == 0 || isnan(r->plans[0].range.log_sd) ||
                (r->plans[0].vs_best.low == 1.0 && r->plans[0].vs_best.high == 1.0));
}

static void classes_are_ties(void **state)
{
    uint64_t seed = 5;
    size_t ranged = 0;
    size_t classes = 0;
    (void)state;
    for (int k = 0; k < 20; k++) {
        amm_spec *spec = random_spec(&seed);
        amm_result *few = NULL;
        amm_result *all = NULL;
        amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
        options.top = 2;
        (void)amm_plan(&few, spec, &options);
        options.top = AMM_TOP_ALL;
        (void)amm_plan(&all, spec, &options);
        check_classes(all);
        check_classes(few);
        for (size_t i = 0; i < few->plan_count; i++) { /* what else is listed does not matter */
            if (!isnan(
                    few->plans[i].vs_best.low)) { /* equal times, to the last bits: any of them */
                assert_close(few->plans[i].vs_best.low, all->plans[i].vs_best.low, 1e-12, 0.0);
            }
        }
        if (all->plan_count > 0) {
            ranged += isnan(all->plans[0].range.log_sd) ? 0 : 1;
            classes += all->plans[all->plan_count - 1].tie_class > 0 ? 1 : 0;
        }
        amm_result_free(all);
        amm_result_free(few);
        amm_spec_free(spec);
    }
    assert_true(ranged > 5 && classes > 3); /* the cases say something */
}

/* The fullest stage of the ledgers is the one that amm_step_memory names. */
static void stages_hold_the_step_memory(void **state)
{
    uint64_t seed = 3;
    (void)state;
    for (int k = 0; k < 20; k++) {
        amm_spec *spec = random_spec(&seed);
        amm_lowered lowered;
        amm_space_range space;
        assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
        assert_int_equal(amm_space_open(&space, &lowered.arena, &spec->problem), AMM_OK);
        assert_int_equal(amm_space_choices(&lowered), AMM_OK);
        for (uint64_t index = 0; index < space.count; index += 7) {
            amm_config c;
            amm_run run;
            amm_ledger whole;
            amm_analytic_cost cost;
            int32_t cuts[64];
            if (!amm_space_config(&space, &c, index) ||
                amm_space_reject(&spec->problem, &lowered.layout, &c) != AMM_ACCEPTED) {
                continue;
            }
            int32_t sets[64];
            int32_t blocks[64];
            double gain_s = 0.0;
            amm_even_cuts(&lowered, cuts, &c);
            assert_int_equal(amm_analytic_choose(&lowered, sets, blocks, &c, cuts, &gain_s),
                             AMM_OK);
            c = amm_config_with_sets(&c, sets);
            amm_analytic_short(&lowered, &cost, &c, cuts);
            amm_lower_run(&run, lowered.analytic, &c, NULL);
            amm_step_memory(&whole, &lowered.analytic->network, &lowered.analytic->machine, &run);
            assert_same_bits(whole.total - lowered.analytic->room_bytes, cost.short_bytes);
            assert_int_equal(whole.stage, cost.stage);
        }
        amm_lower_free(&lowered);
        amm_spec_free(spec);
    }
}

/* A choice that the space varies, other than at its first value, and that changes nothing. */
static bool varies_nothing(const amm_space_range *space, const amm_config *c)
{
    for (int32_t i = AMM_RADIX_FIXED; i < space->digits; i++) {
        const amm_choice choice = (amm_choice)(space->dim_of[i] - AMM_DIM_FIRST_CHOICE);
        if (c->choice[choice] != space->values[i][0] - 1 && !amm_choice_matters(choice, c)) {
            return true;
        }
    }
    return false;
}

/* Every index of a run is a layout and has the run's answer, asked one by one. */
static void check_run(const amm_space_range *space, const amm_problem_desc *problem,
                      const amm_layout *layout, const amm_walk_run *run)
{
    for (uint64_t k = 0; k < run->count; k++) {
        amm_config c;
        assert_true(amm_space_config(space, &c, run->first + k));
        assert_int_equal(c.index, run->first + k);
        assert_int_equal((int64_t)c.tp * c.pp * c.cp * c.dp, space->devices);
        const amm_rejection reason = amm_space_reject(problem, layout, &c);
        if (run->reason == AMM_REJECT_REPEATED) {
            const bool whole = c.choice[AMM_CHOICE_SHARD_GROUP] == c.dp * c.cp;
            assert_true(varies_nothing(space, &c) || whole);
        } else {
            assert_int_equal(reason, run->reason);
            assert_true(reason != AMM_ACCEPTED || !varies_nothing(space, &c));
        }
    }
}

/* Between two runs of a walk there are holes only. */
static void check_walk(const amm_space_range *space, const amm_problem_desc *problem,
                       const amm_layout *layout, uint64_t first, uint64_t end)
{
    amm_walk walk;
    amm_walk_run run;
    uint64_t at = first;
    amm_walk_open(&walk, space, problem, layout, first, end);
    for (bool more = true; more;) {
        amm_config c;
        more = amm_walk_next(&walk, &run);
        for (const uint64_t next = more ? run.first : end; at < next; at++) {
            assert_false(amm_space_config(space, &c, at));
        }
        if (more) {
            assert_int_equal(at, run.first);
            assert_true(amm_space_config(space, &c, at));
            assert_memory_equal(&c, &walk.config, sizeof c);
            check_run(space, problem, layout, &run);
            at += run.count;
        }
    }
    assert_int_equal(at, end);
}

static void walks_meet_every_layout_once(void **state)
{
    uint64_t seed = 4;
    (void)state;
    for (int k = 0; k < 30; k++) {
        amm_spec *spec = random_spec(&seed);
        amm_space_range space;
        amm_layout layout;
        assert_int_equal(amm_space_open(&space, &test_arena, &spec->problem), AMM_OK);
        assert_int_equal(amm_layout_init(&layout, &test_arena, &spec->problem), AMM_OK);
        check_walk(&space, &spec->problem, &layout, 0, space.count);
        for (int part = 0; part < 20; part++) {
            const uint64_t first = amm_random_next(&seed) % space.count;
            const uint64_t end = first + amm_random_next(&seed) % (space.count - first + 1);
            check_walk(&space, &spec->problem, &layout, first, end);
        }
        amm_spec_free(spec);
    }
}

/* ---- failing memory -------------------------------------------------------------------------- */

static void plan_with(failing_allocator *memory, int64_t fail_at)
{
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_spec *spec = NULL;
    amm_result *result = NULL;
    char *text = NULL;
    options.allocator = failing_allocator_make(memory);
    memory->fail_at = -1;
    assert_int_equal(amm_context_create(&context, &options), AMM_OK);
    memory->fail_at = fail_at < 0 ? -1 : memory->calls + fail_at;
    amm_status status = amm_spec_create(&spec, context, NULL);
    const char *const keys[][2] = { { "model", random_models[0] },
                                    { "cluster", random_clusters[1] },
                                    { "global_batch", "8" },
                                    { "micro_batch", "1" },
                                    { "pp", "4" },
                                    { "runtime", "generic" },
                                    { "memory_margin", "0.81" } };
    for (size_t k = 0; status == AMM_OK && k < sizeof keys / sizeof keys[0]; k++) {
        status = amm_spec_set(spec, keys[k][0], keys[k][1]);
    }
    if (status == AMM_OK) {
        status = amm_plan(&result, spec, NULL);
    }
    if (status == AMM_OK) {
        status = amm_result_json(result, &text, 0);
    }
    amm_text_free(context, text);
    text = NULL;
    if (status == AMM_OK) {
        status = amm_result_table(result, &text, 1);
    }
    assert_true(status == AMM_OK || status == AMM_NO_MEMORY);
    assert_true(status != AMM_OK || result->plans[0].config.stage_recompute != NULL);
    assert_true(fail_at >= 0 || status == AMM_OK);
    amm_text_free(context, text);
    amm_result_free(result);
    amm_spec_free(spec);
    amm_context_free(context);
    assert_int_equal(memory->live, 0);
}

static void memory_that_fails_leaks_nothing(void **state)
{
    failing_allocator memory = { 0 };
    (void)state;
    plan_with(&memory, -1);
    const int64_t calls = memory.calls;
    for (int64_t k = 0; k < calls; k += 1 + calls / 400) {
        failing_allocator one = { 0 };
        plan_with(&one, k);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(winner_is_the_brute_force_one),
        cmocka_unit_test(stages_choose_the_best_sets),
        cmocka_unit_test_setup_teardown(composes_as_if_first, arena_start, arena_stop),
        cmocka_unit_test(plans_are_whole),
        cmocka_unit_test(classes_are_ties),
        cmocka_unit_test(stages_hold_the_step_memory),
        cmocka_unit_test_setup_teardown(walks_meet_every_layout_once, arena_start, arena_stop),
        cmocka_unit_test(memory_that_fails_leaks_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
