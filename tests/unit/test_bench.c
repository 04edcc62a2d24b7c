/* bench: the work it times is the same for every backend, its figures and ceilings add up. */
#include "bench/workload.h"

#include "backend/cpu_ref/cpu_ref.h"
#include "backend/cpu_simd/cpu_simd.h"
#include "test_support.h"
#include <ammeter/ammeter.h>
#include <math.h>
#include <string.h>

static void options_are_checked(void **state)
{
    (void)state;
    const amm_bench_options a = AMM_BENCH_OPTIONS_INIT;
    amm_bench_options b;
    amm_bench *bench = NULL;
    amm_bench_options_init(&b);
    assert_true(a.size == b.size && a.size == sizeof a && a.backends == b.backends);
    assert_true(a.threads == b.threads && a.device == b.device && a.quick == b.quick);
    b.size = 1;
    assert_int_equal(amm_bench_run(&bench, test_context(), &b), AMM_INPUT);
    b = a;
    b.quick = 2;
    assert_int_equal(amm_bench_run(&bench, test_context(), &b), AMM_INPUT);
    const char *const bad[][2] = {
        { "gpu", "1" }, { "", "1" }, { "cpu/ref", "0" }, { "cpu/ref", "" }, { "cpu/ref", "40000" }
    };
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        b = a;
        b.backends = bad[k][0];
        b.threads = bad[k][1];
        assert_int_equal(amm_bench_run(&bench, test_context(), &b), AMM_INPUT);
        assert_null(bench);
    }
    b = a;
    b.quick = 1;
    b.backends = "cpu/ref"; /* takes one thread: nothing is left to time */
    b.threads = "2";
    assert_int_equal(amm_bench_run(&bench, test_context(), &b), AMM_UNAVAILABLE);
    assert_non_null(strstr(amm_last_error(), "cpu/ref runs on 1"));
    amm_bench_free(NULL);
}

/* Twice the amount is twice the work, with the same results where the work is the same again. */
static void amounts_are_work(void **state)
{
    (void)state;
    const amm_engine_options one = { 1, 0 };
    for (int32_t k = 0; k < amm_bench_case_count; k++) {
        amm_workload w;
        amm_work_done first;
        amm_work_done again;
        amm_work_done twice;
        amm_engine *engine = NULL;
        const amm_backend *ref = &amm_backend_cpu_ref;
        assert_int_equal(amm_workload_open(&w, test_context(), &amm_bench_cases[k], true, false),
                         AMM_OK);
        if (w.c->kind != AMM_BENCH_LOOK) {
            assert_int_equal(ref->open(&engine, test_context(), &w.builder.view, &one), AMM_OK);
        }
        assert_int_equal(amm_workload_run(&w, &first, ref, engine, 1), AMM_OK);
        assert_int_equal(amm_workload_run(&w, &again, ref, engine, 1), AMM_OK);
        assert_int_equal(amm_workload_run(&w, &twice, ref, engine, 2), AMM_OK);
        assert_true(first.checksum == again.checksum);
        assert_true(first.units > 0.0 && first.covered >= first.units);
        assert_true(first.units == again.units);
        if (w.c->kind == AMM_BENCH_SWEEP || w.c->kind == AMM_BENCH_SWEEP_KEPT) {
            assert_true(first.units >= 1 << 17 && twice.units >= 2 << 17);
            assert_true(first.units == first.covered);
        } else {
            assert_true(twice.units == 2.0 * first.units && twice.passes == 2.0 * first.passes);
            assert_true(twice.checksum == first.checksum);
        }
        if (engine != NULL) {
            ref->close(engine);
        }
        amm_workload_close(&w);
    }
}

static const amm_bench_case *case_of(amm_bench_kind kind)
{
    for (int32_t k = 0; k < amm_bench_case_count; k++) {
        if (amm_bench_cases[k].kind == kind) {
            return &amm_bench_cases[k];
        }
    }
    fail_msg("no case of kind %d", (int)kind);
    return NULL;
}

/* sweep forms the cost of every partition it covers; sweep-kept covers as many and forms few. */
static void sweeps_form_all_or_few(void **state)
{
    (void)state;
    const amm_backend *simd = &amm_backend_cpu_simd;
    const amm_engine_options one = { 1, 0 };
    const amm_bench_kind kinds[] = { AMM_BENCH_SWEEP, AMM_BENCH_SWEEP_KEPT };
    for (int32_t k = 0; k < 2; k++) {
        amm_workload w;
        amm_key key;
        amm_top top = { 1, 0, &key };
        amm_engine *engine = NULL;
        amm_sweep_count count = { 0, 0 };
        amm_place from = { 0, 0 };
        const amm_place to = { 0, 1 << 24 };
        assert_int_equal(amm_workload_open(&w, test_context(), case_of(kinds[k]), true, false),
                         AMM_OK);
        assert_int_equal(simd->open(&engine, test_context(), &w.builder.view, &one), AMM_OK);
        assert_int_equal(amm_workload_prepare(&w, simd, engine), AMM_OK);
        while (amm_place_less(from, to)) {
            assert_int_equal(simd->sweep(engine, &top, &count, &from, to, AMM_TICKS_NONE), AMM_OK);
        }
        assert_true(count.covered == 1 << 24);
        assert_true(k == 0 ? count.scored == count.covered : count.scored < count.covered / 100);
        simd->close(engine);
        amm_workload_close(&w);
    }
}

/* A look counts what it composes, for every number of threads the same; another space has another checksum. */
static void looks_compose(void **state)
{
    (void)state;
    amm_workload w;
    amm_work_done done[3];
    assert_int_equal(amm_workload_open(&w, test_context(), case_of(AMM_BENCH_LOOK), true, false),
                     AMM_OK);
    assert_int_equal(amm_workload_run(&w, &done[0], &amm_backend_cpu_ref, NULL, 1), AMM_OK);
    w.threads = 2;
    assert_int_equal(amm_workload_run(&w, &done[1], &amm_backend_cpu_simd, NULL, 1), AMM_OK);
    assert_true(done[0].checksum == done[1].checksum && done[0].units == done[1].units);
    assert_true(done[0].units > 1000.0);
    assert_int_equal(amm_spec_set(w.spec, "tp", "4"), AMM_OK);
    assert_int_equal(amm_workload_run(&w, &done[2], &amm_backend_cpu_ref, NULL, 1), AMM_OK);
    assert_true(done[2].checksum != done[0].checksum);
    amm_workload_close(&w);
}

/* A case is told by what it is about: a space has no stages and layers of its own. */
static void cases_say_what_they_are(void **state)
{
    char words[AMM_BENCH_SHAPE_BYTES];
    (void)state;
    assert_string_equal(amm_bench_shape_words(words, case_of(AMM_BENCH_LOOK)), "gpt3-175b-4096");
    assert_string_equal(amm_bench_shape_words(words, case_of(AMM_BENCH_BOUND)),
                        "16 stages and 128 layers");
}

/* One wrong bit of a result is another checksum. */
static amm_status spoilt_score(amm_engine *engine, float *scores, amm_top *top,
                               const amm_score_batch *batch)
{
    AMM_TRY(amm_backend_cpu_ref.score(engine, scores, top, batch));
    scores[12345] = nextafterf(scores[12345], 0.0f);
    return AMM_OK;
}

static void checksums_see_a_bit(void **state)
{
    (void)state;
    const amm_engine_options one = { 1, 0 };
    amm_backend spoilt = amm_backend_cpu_ref;
    amm_workload w;
    amm_work_done right;
    amm_work_done wrong;
    amm_engine *engine = NULL;
    spoilt.score = spoilt_score;
    assert_int_equal(amm_bench_cases[0].kind, AMM_BENCH_SCORE);
    assert_int_equal(amm_workload_open(&w, test_context(), &amm_bench_cases[0], true, false),
                     AMM_OK);
    assert_int_equal(spoilt.open(&engine, test_context(), &w.builder.view, &one), AMM_OK);
    assert_int_equal(amm_workload_run(&w, &right, &amm_backend_cpu_ref, engine, 1), AMM_OK);
    assert_int_equal(amm_workload_run(&w, &wrong, &spoilt, engine, 1), AMM_OK);
    assert_true(right.checksum != wrong.checksum);
    /* Something is there to be scored: most random candidates fit. */
    int32_t finite = 0;
    for (uint64_t n = 0; n < w.candidates; n++) {
        finite += isfinite(w.scores[n]) != 0;
    }
    assert_true(finite > (int32_t)(w.candidates / 2));
    spoilt.close(engine);
    amm_workload_close(&w);
}

/* A sweep's candidate: 5 additions, 5 maxima. The scarcer of the two decides. */
static void ceilings_by_hand(void **state)
{
    (void)state;
    amm_workload w;
    amm_bench_ceiling by = AMM_CEILING_COUNT;
    amm_ceilings rates = { .threads = 1 };
    int32_t entries = 0;
    int32_t vector_bytes = 0;
    (void)amm_ceilings_isa(&entries, &vector_bytes);
    assert_int_equal(amm_bench_cases[2].kind, AMM_BENCH_SWEEP);
    assert_int_equal(amm_workload_open(&w, test_context(), &amm_bench_cases[2], true, false),
                     AMM_OK);
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 0.0);
    assert_int_equal(by, AMM_CEILING_COUNT);
    rates.per_s[AMM_CEILING_FMA] = 100.0;
    rates.per_s[AMM_CEILING_MAX] = 50.0;
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 10.0);
    assert_int_equal(by, AMM_CEILING_MAX);
    rates.per_s[AMM_CEILING_FMA] = 20.0;
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 4.0);
    assert_int_equal(by, AMM_CEILING_FMA);
    amm_workload_close(&w);
    /* score, 16 stages: 15 cuts, t, u, d and e of each: 60 numbers; gathered where that is fastest. */
    assert_int_equal(amm_workload_open(&w, test_context(), &amm_bench_cases[0], true, false),
                     AMM_OK);
    rates = (amm_ceilings){ 1, { 1e9, 1e9, 1.0, 600.0, 300.0 * vector_bytes } };
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 10.0);
    assert_int_equal(by, AMM_CEILING_GATHER);
    rates.per_s[AMM_CEILING_LOAD] = 1200.0 * vector_bytes; /* a load a number is twice as fast */
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 20.0);
    assert_int_equal(by, AMM_CEILING_LOAD);
    rates.per_s[AMM_CEILING_PERMUTE] = 1800.0; /* rows: 15 loads and 60 permutations */
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 30.0);
    assert_int_equal(by, AMM_CEILING_PERMUTE);
    rates.per_s[AMM_CEILING_PERMUTE] = 6000.0;
    assert_true(amm_workload_ceiling(&w, &rates, 0.0, &by) == 80.0);
    assert_int_equal(by, AMM_CEILING_LOAD);
    amm_workload_close(&w);
}

/* An accelerator's: score-kept, 16 stages: 82 additions, 32 maxima, 15 rows, 15 bytes; score sends them. */
static void device_ceilings_by_hand(void **state)
{
    (void)state;
    amm_workload w;
    const char *by = NULL;
    amm_ceiling rates[] = { { AMM_CEILING_ISSUE, "issue", "", 1140.0 },
                            { AMM_CEILING_MAXIMA, "maxima", "", 640.0 },
                            { AMM_CEILING_COPIES, "copies", "", 450.0 },
                            { AMM_CEILING_SEND, "send", "", 15.0 } };
    assert_int_equal(amm_bench_cases[1].kind, AMM_BENCH_SCORE_KEPT);
    assert_int_equal(amm_workload_open(&w, test_context(), &amm_bench_cases[1], true, false),
                     AMM_OK);
    assert_true(amm_workload_device_ceiling(&w, rates, 0, 0.0, &by) == 0.0 && by == NULL);
    assert_true(amm_workload_device_ceiling(&w, rates, 4, 0.0, &by) == 10.0);
    assert_string_equal(by, "issue");
    rates[1].value = 256.0;
    assert_true(amm_workload_device_ceiling(&w, rates, 4, 0.0, &by) == 8.0);
    assert_string_equal(by, "maxima");
    rates[2].value = 45.0;
    assert_true(amm_workload_device_ceiling(&w, rates, 4, 0.0, &by) == 3.0);
    assert_string_equal(by, "copies");
    amm_workload_close(&w);
    assert_int_equal(amm_workload_open(&w, test_context(), &amm_bench_cases[0], true, false),
                     AMM_OK);
    assert_true(amm_workload_device_ceiling(&w, rates, 4, 0.0, &by) == 1.0);
    assert_string_equal(by, "send");
    amm_workload_close(&w);
}

/* Wide calls: the same results for amount 1, as many units as asked for. */
static void wide_is_more_of_the_same(void **state)
{
    (void)state;
    const amm_engine_options one = { 1, 0 };
    const amm_backend *ref = &amm_backend_cpu_ref;
    for (int32_t k = 0; k < amm_bench_case_count && amm_bench_cases[k].problem == NULL; k++) {
        amm_work_done done[3];
        for (int32_t n = 0; n < 3; n++) {
            amm_workload w;
            amm_engine *engine = NULL;
            assert_int_equal(
                amm_workload_open(&w, test_context(), &amm_bench_cases[k], true, n > 0), AMM_OK);
            assert_int_equal(ref->open(&engine, test_context(), &w.builder.view, &one), AMM_OK);
            assert_int_equal(amm_workload_run(&w, &done[n], ref, engine, n == 2 ? 33 : 1), AMM_OK);
            ref->close(engine);
            amm_workload_close(&w);
        }
        const bool kept = amm_bench_cases[k].kind == AMM_BENCH_SCORE_KEPT;
        if (amm_bench_cases[k].kind != AMM_BENCH_SWEEP &&
            amm_bench_cases[k].kind != AMM_BENCH_SWEEP_KEPT) {
            assert_true(kept || done[0].checksum == done[1].checksum);
            assert_true(done[1].units == done[0].units * (kept ? AMM_BENCH_WIDE : 1));
            assert_true(done[2].units == 33.0 * done[1].units);
        }
    }
}

/* What is measured is no less than a slow processor's, and rises with a second kernel. */
static void rates_are_measured(void **state)
{
    (void)state;
    amm_ceilings one;
    int32_t entries = -1;
    int32_t vector_bytes = 0;
    const char *isa = amm_ceilings_isa(&entries, &vector_bytes);
    assert_true(strlen(isa) > 2 && entries >= 0);
    assert_int_equal(amm_ceilings_measure(&one, 1, 0.005), AMM_OK);
    for (int32_t k = 0; k < (int32_t)AMM_CEILING_COUNT; k++) {
        const bool there = amm_ceiling_kernel((amm_bench_ceiling)k, 1) > 0.0;
        assert_true(there == (one.per_s[k] > 0.0));
        assert_true(!there || (one.per_s[k] > 1e7 && one.per_s[k] < 1e13));
    }
    assert_int_equal(amm_ceilings_measure(&one, 5000, 0.005), AMM_INPUT);
}

static void every_allocation_may_fail(void **state)
{
    (void)state;
    failing_allocator failing = { -1, 0, 0 };
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_workload w;
    options.allocator = failing_allocator_make(&failing);
    assert_int_equal(amm_context_create(&context, &options), AMM_OK);
    const int64_t before = failing.live;
    int64_t n = 0;
    for (amm_status status = AMM_NO_MEMORY; status != AMM_OK; n++) {
        failing.fail_at = n;
        failing.calls = 0;
        status = amm_workload_open(&w, context, &amm_bench_cases[2], true, false);
        assert_true(status == AMM_OK || (status == AMM_NO_MEMORY && failing.live == before));
    }
    assert_true(n > 10);
    amm_workload_close(&w);
    assert_int_equal(failing.live, before);
    amm_bench_options bench = AMM_BENCH_OPTIONS_INIT;
    amm_bench *figures = NULL;
    bench.quick = 1;
    bench.backends = "cpu/ref";
    bench.threads = "1";
    for (n = 0; n < 4; n++) {
        failing.fail_at = n;
        failing.calls = 0;
        assert_int_equal(amm_bench_run(&figures, context, &bench), AMM_NO_MEMORY);
        assert_int_equal(failing.live, before);
    }
    failing.fail_at = -1;
    assert_int_equal(amm_bench_run(&figures, context, &bench), AMM_OK);
    char *text = NULL;
    const int64_t held = failing.live;
    for (n = 0; text == NULL; n++) {
        failing.fail_at = n;
        failing.calls = 0;
        const amm_status status = amm_bench_text(figures, &text, (int)(n % 2));
        assert_true((status == AMM_OK) == (text != NULL));
        assert_true(status == AMM_OK || failing.live == held);
    }
    amm_text_free(context, text);
    amm_bench_free(figures);
    amm_context_free(context);
    assert_int_equal(failing.live, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_are_checked),       cmocka_unit_test(amounts_are_work),
        cmocka_unit_test(sweeps_form_all_or_few),    cmocka_unit_test(looks_compose),
        cmocka_unit_test(cases_say_what_they_are),   cmocka_unit_test(checksums_see_a_bit),
        cmocka_unit_test(ceilings_by_hand),          cmocka_unit_test(device_ceilings_by_hand),
        cmocka_unit_test(wide_is_more_of_the_same),  cmocka_unit_test(rates_are_measured),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
