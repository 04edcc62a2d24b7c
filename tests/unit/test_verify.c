/* verify finds every way of being wrong: a backend that is cpu/ref but for one fault. */
#include "verify/check.h"

#include "backend/cpu_ref/cpu_ref.h"
#include "backend/names.h"
#include "search/strategy.h"
#include "test_support.h"
#include "verify/candidates.h"
#include "verify/synthetic.h"
#include "verify/tops.h"
#include <ammeter/ammeter.h>
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- a backend with a fault -------------------------------------------------------------------- */

typedef enum fault {
    NONE,
    BOUND_HIGH,
    BOUND_FAILS,
    SOLVE_OTHER_CUT,
    SOLVE_OTHER_PART,
    SOLVE_UPPER,
    SOLVE_ROWS,
    SCORE_ULP,
    SCORE_NO_ROOM,
    SCORE_TAIL,
    SCORE_TIES,
    SCORE_TOP_ALONE,
    SWEEP_TIES,
    SWEEP_LOSES,
    SWEEP_UPPER,
    SWEEP_STALLS,
    SWEEP_PAST,
    SWEEP_COUNT,
    LIMITS
} fault;
static fault wrong;

static const amm_backend *ref(void)
{
    return &amm_backend_cpu_ref;
}

static amm_status fake_bound(amm_engine *engine, int64_t *out, int32_t first, int32_t count)
{
    if (wrong == LIMITS) {
        return amm_fail(AMM_LIMIT, "fake: no");
    }
    if (wrong == BOUND_FAILS) {
        return amm_fail(AMM_INTERNAL, "fake: broken");
    }
    AMM_TRY(ref()->bound(engine, out, first, count));
    for (int32_t k = 0; k < count && wrong == BOUND_HIGH; k++) {
        out[k] += (first + k) % 7 == 3 && out[k] != AMM_TICKS_NONE;
    }
    return AMM_OK;
}

/* Moves one cut where that costs nothing. */
static void move_cut(amm_engine *engine, uint16_t *cuts, int32_t number, int64_t total)
{
    const amm_problem *p = engine->problem;
    const int32_t stages = p->configs[number].stages;
    const amm_score_segment segment = { number, 0, 1 };
    for (int32_t s = 1; s < stages && p->items <= AMM_MAX_SCORE_ITEMS; s++) {
        uint8_t bytes[AMM_MAX_SCORE_ITEMS];
        float score = 0.0f;
        for (int32_t n = 1; n < stages; n++) {
            bytes[n - 1] = (uint8_t)(cuts[n] + (n == s));
        }
        const amm_score_batch batch = { 1, &segment, bytes, 1 };
        if (cuts[s] + 1 < cuts[s + 1] && ref()->score(engine, &score, NULL, &batch) == AMM_OK &&
            score == (float)total) {
            cuts[s]++;
            return;
        }
    }
}

/* The configs before those of a list. */
static const int32_t *before(const int32_t *configs, int32_t count)
{
    static int32_t list[AMM_SYNTHETIC_CONFIGS];
    for (int32_t k = 0; k < count; k++) {
        list[k] = configs[k] - 1;
    }
    return list;
}

static amm_status fake_solve(amm_engine *engine, amm_solved *out, uint16_t *cuts,
                             const int64_t *upper, const int32_t *configs, int32_t count)
{
    static int64_t none[AMM_SYNTHETIC_CONFIGS];
    const size_t row = (size_t)engine->problem->max_stages + 1;
    for (int32_t k = 0; k < AMM_SYNTHETIC_CONFIGS; k++) {
        none[k] = AMM_TICKS_NONE;
    }
    if (wrong == LIMITS) {
        return amm_fail(AMM_LIMIT, "fake: no");
    }
    const bool shifted = wrong == SOLVE_ROWS && configs != NULL && configs[0] > 0;
    AMM_TRY(ref()->solve(engine, out, cuts, wrong == SOLVE_UPPER ? none : upper,
                         shifted ? before(configs, count) : configs, count));
    for (int32_t k = 0; k < count; k++) {
        if (out[k].total == AMM_TICKS_NONE) {
            continue;
        }
        if (wrong == SOLVE_OTHER_CUT) {
            move_cut(engine, cuts + (size_t)k * row, amm_config_at(configs, k), out[k].total);
        } else if (wrong == SOLVE_OTHER_PART && amm_config_at(configs, k) % 5 == 0) {
            out[k].max_d++;
            out[k].sum--;
        }
    }
    return AMM_OK;
}

/* The last two of the first pair of equal costs change places. */
static void swap_ties(amm_top *top)
{
    for (int32_t k = 1; top != NULL && k < top->count; k++) {
        if (top->keys[k].cost == top->keys[k - 1].cost) {
            const amm_key key = top->keys[k];
            top->keys[k] = top->keys[k - 1];
            top->keys[k - 1] = key;
            return;
        }
    }
}

static void spoil_scores(float *scores, const amm_score_segment *segment)
{
    for (uint64_t n = segment->first; n < segment->first + segment->count; n++) {
        if (wrong == SCORE_ULP && n % 997 == 500 && isfinite(scores[n])) {
            scores[n] = nextafterf(scores[n], INFINITY);
        } else if (wrong == SCORE_NO_ROOM && isinf(scores[n])) {
            scores[n] = FLT_MAX;
        }
    }
}

static amm_status fake_score(amm_engine *engine, float *scores, amm_top *top,
                             const amm_score_batch *batch)
{
    if (wrong == LIMITS) {
        return amm_fail(AMM_LIMIT, "fake: no");
    }
    for (int32_t k = 0; k < batch->segment_count; k++) {
        amm_score_segment one = batch->segments[k];
        const amm_score_batch part = { 1, &one, batch->cuts, batch->stride };
        if (wrong == SCORE_TAIL && one.count > 16) { /* whole vectors only */
            one.count -= one.count % 16;
        } else if (wrong == SCORE_TOP_ALONE && scores == NULL) {
            one.count--;
        }
        AMM_TRY(ref()->score(engine, scores, top, &part));
        if (scores != NULL) {
            spoil_scores(scores, &one);
        }
    }
    if (wrong == SCORE_TIES) {
        swap_ties(top);
    }
    return AMM_OK;
}

/* Skips the first candidate of a call that begins inside a config, and counts it all the same. */
static amm_status lose_first(amm_engine *engine, amm_sweep_count *count, amm_place *from)
{
    uint64_t ranks = 0;
    AMM_TRY(amm_config_ranks(&ranks, engine->problem, from->config));
    if (from->rank > 0) {
        from->rank++;
        count->scored++;
        count->covered++;
        *from = from->rank == ranks ? (amm_place){ from->config + 1, 0 } : *from;
    }
    return AMM_OK;
}

static amm_status fake_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count,
                             amm_place *from, amm_place to, int64_t upper)
{
    if (wrong == LIMITS) {
        return amm_fail(AMM_LIMIT, "fake: no");
    }
    if (wrong == SWEEP_STALLS && from->rank > 0) {
        return AMM_OK;
    }
    if (wrong == SWEEP_LOSES) {
        AMM_TRY(lose_first(engine, count, from));
    }
    AMM_TRY(ref()->sweep(engine, top, count, from, to,
                         upper - (wrong == SWEEP_UPPER && upper != AMM_TICKS_NONE)));
    count->covered += wrong == SWEEP_COUNT && to.rank > 0;
    from->rank += wrong == SWEEP_PAST && to.rank > 0;
    if (wrong == SWEEP_TIES) {
        swap_ties(top);
    }
    return AMM_OK;
}

/* Engines are cpu/ref's own. */
static amm_status fake_open(amm_engine **out, const amm_context *context,
                            const amm_problem *problem, const amm_engine_options *options)
{
    return ref()->open(out, context, problem, options);
}

static void fake_close(amm_engine *engine)
{
    ref()->close(engine);
}

static const amm_backend fake = {
    .version = AMM_BACKEND_VERSION,
    .name = "fake",
    .open = fake_open,
    .close = fake_close,
    .bound = fake_bound,
    .solve = fake_solve,
    .score = fake_score,
    .sweep = fake_sweep,
};

/* ---- is it found? ------------------------------------------------------------------------------ */

enum { PROBLEMS = 12 };

static void describe(amm_text *out, const void *payload, int32_t config)
{
    amm_synthetic_describe(out, &((const amm_synthetic *)payload)->shapes[config]);
}

static void run_problem(amm_verification *v, uint64_t seed)
{
    amm_synthetic synthetic;
    assert_int_equal(amm_synthetic_open(&synthetic, test_context(), seed), AMM_OK);
    const amm_verify_case c = { &synthetic.builder.view,
                                seed,
                                synthetic.random / 16,
                                synthetic.exhaustive / 16,
                                "synthetic problem",
                                describe,
                                &synthetic };
    assert_int_equal(amm_verify_run(v, &c), AMM_OK);
    amm_synthetic_close(&synthetic);
}

static amm_verification *verify_fake(amm_subject *subjects, int32_t count)
{
    amm_verification *v = NULL;
    assert_int_equal(amm_verification_create(&v, test_context()), AMM_OK);
    for (int32_t k = 0; k < count; k++) {
        subjects[k] =
            (amm_subject){ .name = "fake", .note = "wrong", .backend = &fake, .threads = 1 };
    }
    v->subjects = subjects;
    v->subject_count = count;
    return v;
}

/* Runs until a difference, of the operation expected; then that problem alone gives it again. */
static void expect_fault(fault kind, amm_operation operation, const char *in_report)
{
    amm_subject subjects[2];
    amm_verification *v = verify_fake(subjects, 2);
    char *text = NULL;
    wrong = kind;
    for (uint64_t seed = 100; seed < 100 + PROBLEMS && !v->differs; seed++) {
        run_problem(v, seed);
    }
    if (!v->differs) {
        fail_msg("fault %d was not found", (int)kind);
    }
    assert_int_equal(v->first.operation, operation);
    assert_true(amm_verification_mismatches(v) > 0);
    assert_string_not_equal(v->first.expected, v->first.got);
    assert_int_equal(amm_verification_text(v, &text, 0), AMM_OK);
    if (strstr(text, in_report) == NULL) {
        fail_msg("fault %d: no '%s' in:\n%s", (int)kind, in_report, text);
    }
    assert_non_null(strstr(text, "first mismatch"));
    assert_non_null(strstr(text, "again     ammeter verify --seed"));
    amm_subject alone[1];
    amm_verification *again = verify_fake(alone, 1);
    run_problem(again, v->first.seed);
    assert_true(again->differs);
    assert_string_equal(again->first.expected, v->first.expected);
    assert_string_equal(again->first.got, v->first.got);
    assert_string_equal(again->first.cuts, v->first.cuts);
    assert_string_equal(again->first.shape, v->first.shape);
    amm_text_free(test_context(), text);
    amm_verification_free(v);
    amm_verification_free(again);
}

static void bounds_that_are_wrong(void **state)
{
    (void)state;
    expect_fault(BOUND_HIGH, AMM_OPERATION_BOUND, "bound of fake");
    expect_fault(BOUND_FAILS, AMM_OPERATION_BOUND, "fake: broken");
}

static void solutions_that_are_wrong(void **state)
{
    (void)state;
    expect_fault(SOLVE_OTHER_CUT, AMM_OPERATION_SOLVE, "cuts 0 ");
    expect_fault(SOLVE_OTHER_PART, AMM_OPERATION_SOLVE, "max d");
    expect_fault(SOLVE_UPPER, AMM_OPERATION_SOLVE, "cpu/ref   no partition");
    expect_fault(SOLVE_ROWS, AMM_OPERATION_SOLVE, "solve of fake");
}

static void scores_that_are_wrong(void **state)
{
    (void)state;
    expect_fault(SCORE_ULP, AMM_OPERATION_SCORE, "  cuts      ");
    expect_fault(SCORE_NO_ROOM, AMM_OPERATION_SCORE, "cpu/ref   inf");
    expect_fault(SCORE_TAIL, AMM_OPERATION_SCORE, "score of fake");
    expect_fault(SCORE_TIES, AMM_OPERATION_SCORE, "base ticks");
    expect_fault(SCORE_TOP_ALONE, AMM_OPERATION_SCORE, "score of fake");
}

static void sweeps_that_are_wrong(void **state)
{
    (void)state;
    expect_fault(SWEEP_TIES, AMM_OPERATION_SWEEP, "base ticks");
    expect_fault(SWEEP_LOSES, AMM_OPERATION_SWEEP, "place ");
    expect_fault(SWEEP_UPPER, AMM_OPERATION_SWEEP, "sweep of fake");
    expect_fault(SWEEP_STALLS, AMM_OPERATION_SWEEP, "returned at config");
    expect_fault(SWEEP_PAST, AMM_OPERATION_SWEEP, "returned at config");
    expect_fault(SWEEP_COUNT, AMM_OPERATION_SWEEP, "partitions covered");
}

/* cpu/ref takes one, and that is said; what no backend takes is refused, not run on one. */
static void threads_are_said_or_refused(void **state)
{
    amm_verify_options options = AMM_VERIFY_OPTIONS_INIT;
    amm_verification *v = NULL;
    (void)state;
    options.backends = "cpu/ref";
    options.candidates = 10;
    options.threads = 4;
    assert_int_equal(amm_verify(&v, test_context(), NULL, &options), AMM_OK);
    assert_int_equal(v->subjects[0].threads, 1);
    amm_verification_free(v);
    options.backends = NULL;
    options.threads = AMM_MAX_THREADS + 1;
    assert_int_equal(amm_verify(&v, test_context(), NULL, &options), AMM_INPUT);
    assert_string_equal(amm_last_error(), "threads: got 1025, allowed 1 to 1024");
}

static void nothing_is_found_where_nothing_is_wrong(void **state)
{
    (void)state;
    amm_subject subjects[1];
    amm_verification *v = verify_fake(subjects, 1);
    wrong = NONE;
    for (uint64_t seed = 100; seed < 100 + PROBLEMS; seed++) {
        run_problem(v, seed);
    }
    assert_false(v->differs);
    assert_int_equal(amm_verification_mismatches(v), 0);
    for (int32_t k = 0; k < (int32_t)AMM_OPERATION_COUNT; k++) {
        assert_true(subjects[0].checked[k] > 0);
    }
    amm_verification_free(v);
}

/* A backend that does nothing is not called right. */
static void limits_are_no_comparison(void **state)
{
    (void)state;
    amm_subject subjects[1];
    amm_verification *v = verify_fake(subjects, 1);
    char *text = NULL;
    wrong = LIMITS;
    run_problem(v, 100);
    assert_false(v->differs);
    assert_int_equal(amm_verification_checked(v), 0);
    assert_true(subjects[0].beyond > 0);
    assert_int_equal(amm_verification_text(v, &text, 0), AMM_OK);
    assert_non_null(strstr(text, "nothing was compared"));
    assert_non_null(strstr(text, "fake: no"));
    amm_text_free(test_context(), text);
    amm_verification_free(v);
}

/* ---- what it is made of ------------------------------------------------------------------------ */

/* Every partition of 5 items into 3 stages equally often: 6 of them, 60,000 draws, sd 91. */
static void candidates_are_uniform(void **state)
{
    (void)state;
    enum { DRAWS = 60000 };
    static uint8_t cuts[2 * DRAWS];
    int32_t seen[6] = { 0 };
    uint64_t seed = 3;
    amm_candidates_random(cuts, DRAWS, 0, DRAWS, 5, 3, &seed);
    for (int32_t n = 0; n < DRAWS; n++) {
        const int32_t all[4] = { 0, cuts[n], cuts[DRAWS + n], 5 };
        assert_true(all[0] < all[1] && all[1] < all[2] && all[2] < all[3]);
        seen[amm_partition_rank(all, 5, 3)]++;
    }
    for (int32_t k = 0; k < 6; k++) {
        assert_true(seen[k] > 9500 && seen[k] < 10500);
    }
    amm_candidates_random(cuts, 1, 0, 1, 255, 255, &seed);
    for (int32_t k = 0; k < 254; k++) {
        assert_int_equal(cuts[k], k + 1);
    }
}

static void lists_are_compared(void **state)
{
    (void)state;
    char text[AMM_KEY_CHARS];
    amm_key one[] = { { 1, 2, 3 }, { 4, 5, 6 } };
    amm_key two[] = { { 1, 2, 3 }, { 4, 5, 7 } };
    const amm_top a = { 2, 2, one };
    amm_top b = { 2, 2, one };
    assert_int_equal(amm_tops_differ(&a, &b), -1);
    b.keys = two;
    assert_int_equal(amm_tops_differ(&a, &b), 1);
    b.count = 1;
    assert_int_equal(amm_tops_differ(&a, &b), 1);
    amm_top_text(text, &b, 1);
    assert_string_equal(text, "1 entries, nothing at place 2");
    amm_top_text(text, &a, 1);
    assert_string_equal(text, "place 2 of 2: T 4 base ticks, config id 5, rank 6");
}

/* Problems of many kinds are met: with ties, without room, small, large, wide. */
static void problems_differ(void **state)
{
    (void)state;
    int32_t small = 0;
    int32_t wide = 0;
    int32_t infeasible = 0;
    int32_t configs = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        amm_synthetic s;
        amm_engine *engine = NULL;
        const amm_engine_options options = { 1, 0 };
        int64_t bounds[AMM_SYNTHETIC_CONFIGS];
        assert_int_equal(amm_synthetic_open(&s, test_context(), seed), AMM_OK);
        const amm_problem *p = &s.builder.view;
        small += p->items < 14;
        wide += p->items > AMM_MAX_SCORE_ITEMS;
        assert_int_equal(ref()->open(&engine, test_context(), p, &options), AMM_OK);
        assert_int_equal(ref()->bound(engine, bounds, 0, p->config_count), AMM_OK);
        for (int32_t k = 0; k < p->config_count; k++) {
            infeasible += bounds[k] == AMM_TICKS_NONE;
        }
        configs += p->config_count;
        ref()->close(engine);
        amm_synthetic_close(&s);
    }
    assert_true(small > 10 && wide > 1 && configs > 500);
    assert_true(infeasible > configs / 50 && infeasible < configs / 2);
}

/* ---- the public side --------------------------------------------------------------------------- */

static void options_are_checked(void **state)
{
    (void)state;
    const amm_verify_options a = AMM_VERIFY_OPTIONS_INIT;
    amm_verify_options b;
    amm_verification *v = NULL;
    amm_verify_options_init(&b);
    assert_true(a.size == b.size && a.size == sizeof a && a.backends == b.backends);
    assert_true(a.candidates == b.candidates && a.seed == b.seed && a.threads == b.threads &&
                a.device == b.device);
    b.size = 8;
    assert_int_equal(amm_verify(&v, test_context(), NULL, &b), AMM_INPUT);
    b = a;
    b.candidates = UINT64_C(1000000000001);
    assert_int_equal(amm_verify(&v, test_context(), NULL, &b), AMM_INPUT);
    b = a;
    b.threads = -1;
    assert_int_equal(amm_verify(&v, test_context(), NULL, &b), AMM_INPUT);
    const char *const names[] = { "", "gpu", "cpu/ref,", "cpu/ref,cpu/ref", " cpu/ref" };
    for (size_t k = 0; k < sizeof names / sizeof names[0]; k++) {
        b = a;
        b.backends = names[k];
        assert_int_equal(amm_verify(&v, test_context(), NULL, &b), AMM_INPUT);
        assert_null(v);
    }
    amm_verification_free(NULL);
}

static void a_problem_of_a_space(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    amm_verification *v = NULL;
    amm_verify_options options = AMM_VERIFY_OPTIONS_INIT;
    options.backends = "cpu/ref";
    options.candidates = 1000;
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-homogeneous"), AMM_OK);
    assert_int_equal(amm_verify(&v, test_context(), spec, &options), AMM_OK);
    assert_int_equal(amm_verification_mismatches(v), 0);
    /* 53 layouts: each bounded once and solved twice. */
    assert_true(amm_verification_checked(v) >= 3 * 53 + 2000);
    amm_verification_free(v);
    assert_int_equal(amm_spec_set(spec, "cost_model", "amp-reference"), AMM_OK);
    assert_int_equal(amm_verify(&v, test_context(), spec, &options), AMM_INPUT);
    amm_spec_free(spec);
}

/* What the engine solves is what the search solves, config by config. */
static void the_lowered_space_is_the_searched_one(void **state)
{
    (void)state;
    amm_spec *spec = NULL;
    amm_space_problem space;
    amm_lowered lowered;
    amm_solver solver;
    amm_engine *engine = NULL;
    const amm_engine_options one = { 1, 0 };
    assert_int_equal(amm_spec_create(&spec, test_context(), "amp-het-cluster"), AMM_OK);
    assert_int_equal(amm_space_problem_open(&space, spec), AMM_OK);
    const amm_problem *p = &space.builder.view;
    assert_true(p->config_count == space.taken && space.taken > 20 && p->max_stages < 64);
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    amm_solver_init(&solver, test_context());
    assert_int_equal(ref()->open(&engine, test_context(), p, &one), AMM_OK);
    for (int32_t k = 0; k < p->config_count; k++) {
        amm_lowered_config ticks;
        amm_solution want;
        amm_solved got;
        uint16_t cuts[65];
        int32_t want_cuts[65];
        int32_t entry[65];
        const int64_t upper = AMM_TICKS_NONE;
        assert_int_equal(amm_lower_config(&lowered, &ticks, &space.configs[k], false, true),
                         AMM_OK);
        assert_int_equal(amm_solve(&solver, &want, want_cuts, entry, &ticks.solve, HUGE_VAL),
                         AMM_OK);
        assert_int_equal(ref()->solve(engine, &got, cuts, &upper, &k, 1), AMM_OK);
        assert_true(p->configs[k].id == space.configs[k].index);
        assert_int_equal(p->configs[k].scale, ticks.scale);
        assert_int_equal(got.total != AMM_TICKS_NONE, want.feasible);
        assert_true(!want.feasible || (double)got.total == want.total);
    }
    ref()->close(engine);
    amm_solver_free(&solver);
    amm_lower_free(&lowered);
    amm_space_problem_close(&space);
    amm_spec_free(spec);
}

/* What a mismatch names is the layout, with every choice: read again it is the same one. */
static void layouts_are_named_as_they_are_read(void **state)
{
    (void)state;
    static const char *const keys[][2] = { { "model", "llama-3-8b" },
                                           { "cluster", "1xdgx-h100" },
                                           { "runtime", "megatron-core" },
                                           { "global_batch", "16" },
                                           { "cp", "1" },
                                           { "vpp", "1" },
                                           { "schedule", "1f1b,gpipe" },
                                           { "tp_overlap", "0,1" } };
    amm_spec *spec = NULL;
    amm_space_problem space;
    amm_arena arena;
    amm_arena_init(&arena, test_context());
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        assert_int_equal(amm_spec_set(spec, keys[k][0], keys[k][1]), AMM_OK);
    }
    assert_int_equal(amm_space_problem_open(&space, spec), AMM_OK);
    const amm_described_space described = { spec, &space };
    int32_t choosing = 0;
    for (int32_t k = 0; k < space.taken; k++) {
        const amm_config *want = &space.configs[k];
        amm_strategy got;
        amm_text text;
        amm_text_init(&text, test_context());
        amm_describe_space(&text, &described, k);
        assert_int_equal(amm_strategy_parse(&got, &arena, text.data, &spec->problem), AMM_OK);
        amm_text_discard(&text);
        assert_true(got.config.tp == want->tp && got.config.pp == want->pp &&
                    got.config.dp == want->dp && got.config.micro_batch == want->micro_batch &&
                    got.config.recompute == want->recompute &&
                    got.config.sharding == want->sharding);
        for (int n = 0; n < (int)AMM_CHOICE_COUNT; n++) {
            assert_true(got.config.choice[n] == want->choice[n] ||
                        !amm_choice_matters((amm_choice)n, want));
            choosing += want->choice[n] != amm_choice_usual((amm_choice)n, spec->problem.runtime);
        }
    }
    assert_true(choosing > 10);
    amm_space_problem_close(&space);
    amm_arena_free(&arena);
    amm_spec_free(spec);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    failing_allocator failing = { -1, 0, 0 };
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_verify_options verify = AMM_VERIFY_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_verification *v = NULL;
    char *text = NULL;
    options.allocator = failing_allocator_make(&failing);
    assert_int_equal(amm_context_create(&context, &options), AMM_OK);
    const int64_t before = failing.live;
    verify.backends = "cpu/ref";
    verify.candidates = 1;
    int64_t n = 0;
    for (amm_status status = AMM_NO_MEMORY; status != AMM_OK; n++) {
        failing.fail_at = n;
        failing.calls = 0;
        status = amm_verify(&v, context, NULL, &verify);
        assert_true(status == AMM_OK || (status == AMM_NO_MEMORY && failing.live == before));
    }
    assert_true(n > 30);
    const int64_t held = failing.live;
    for (int64_t k = 0; text == NULL; k++) {
        failing.fail_at = k;
        failing.calls = 0;
        const amm_status status = amm_verification_text(v, &text, 1);
        assert_true((status == AMM_OK) == (text != NULL));
        assert_true(status == AMM_OK || failing.live == held);
    }
    amm_text_free(context, text);
    amm_verification_free(v);
    amm_context_free(context);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_that_are_wrong),
        cmocka_unit_test(solutions_that_are_wrong),
        cmocka_unit_test(scores_that_are_wrong),
        cmocka_unit_test(sweeps_that_are_wrong),
        cmocka_unit_test(threads_are_said_or_refused),
        cmocka_unit_test(nothing_is_found_where_nothing_is_wrong),
        cmocka_unit_test(limits_are_no_comparison),
        cmocka_unit_test(candidates_are_uniform),
        cmocka_unit_test(lists_are_compared),
        cmocka_unit_test(problems_differ),
        cmocka_unit_test(options_are_checked),
        cmocka_unit_test(a_problem_of_a_space),
        cmocka_unit_test(the_lowered_space_is_the_searched_one),
        cmocka_unit_test(layouts_are_named_as_they_are_read),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
