/* The backend cuda on the double of a device: the same driver and the same kernels, run on the host. */
#include "backend_compare.h"
#include "test_support.h"
#include "backend/cpu_ref/cpu_ref.h"
#include "double.h"
#include "driver.h"
#include "verify/instance.h"

#include <string.h>

/* Other chunks, other orders of threads, for every problem. */
static void settings_of(uint64_t *seed)
{
    const amm_double_options x = { .seed = amm_random_next(seed),
                                   .most_configs = amm_random_range(seed, 1, 40),
                                   .most_units = amm_random_range(seed, 1, 20),
                                   .most_pushed = amm_random_range(seed, 1025, 1500),
                                   .most_candidates = amm_random_range(seed, 1, 500),
                                   .unit_ranks = amm_random_range(seed, 1, 700),
                                   .slice = amm_random_range(seed, 0, 2) * 40 };
    amm_double_settings = x;
}

static void compare(const compare_shape *shape, uint64_t seed, int32_t problems)
{
    for (int32_t n = 0; n < problems; n++) {
        settings_of(&seed);
        compare_backend(&amm_backend_cuda, &seed, shape);
    }
    memset(&amm_double_settings, 0, sizeof amm_double_settings);
}

static void small_problems(void **state)
{
    (void)state;
    for (int32_t items = 1; items <= 9; items++) {
        const compare_shape shape = { items, items, 6, 40, 200, true };
        compare(&shape, (uint64_t)items, 8);
    }
}

static void middle_problems(void **state)
{
    (void)state;
    const compare_shape few = { 26, 5, 6, 100, 3000, true };
    const compare_shape many = { 40, 24, 4, 60, 1500, true };
    compare(&few, 1, 12);
    compare(&many, 2, 12);
}

static void long_problems(void **state)
{
    (void)state;
    const compare_shape byte = { 255, 10, 3, 60, 2500, false };
    const compare_shape tiles = { 150, 4, 3, 60, 20000, false };
    const compare_shape solved = { 600, 8, 2, 0, 0, true };
    compare(&byte, 3, 6);
    compare(&tiles, 4, 2);
    compare(&solved, 5, 2);
}

/* Tables that do not fit in shared memory: the other kernels. */
static void little_shared_memory(void **state)
{
    (void)state;
    const compare_shape shape = { 60, 6, 3, 60, 0, true };
    uint64_t seed = 6;
    for (int32_t n = 0; n < 4; n++) {
        settings_of(&seed);
        amm_double_settings.shared_bytes = n % 2 == 0 ? 2000 : 9000;
        compare_backend(&amm_backend_cuda, &seed, &shape);
    }
    memset(&amm_double_settings, 0, sizeof amm_double_settings);
}

/* More keys than the buffer takes by one, two, three: each lost one must be looked for again. With an
 * empty list all candidates of a launch are keys: as many as there are cuts of two stages. The last item
 * outweighs the others, so the best are those that find no place. */
enum { CUTS = 40, LISTED = 4 };

/* The best of all cuts, swept or scored. */
static void best_of(amm_engine *engine, amm_top *top, bool swept)
{
    uint8_t cuts[CUTS];
    const amm_score_segment all = { 0, 0, CUTS };
    const amm_score_batch batch = { 1, &all, cuts, CUTS };
    amm_sweep_count count = { 0, 0 };
    amm_place from = { 0, 0 };
    const amm_place to = { 1, 0 };
    for (int32_t n = 0; n < CUTS; n++) {
        cuts[n] = (uint8_t)(n + 1);
    }
    if (!swept) {
        assert_int_equal(engine->backend->score(engine, NULL, top, &batch), AMM_OK);
    }
    while (swept && amm_place_less(from, to)) {
        assert_int_equal(engine->backend->sweep(engine, top, &count, &from, to, AMM_TICKS_NONE),
                         AMM_OK);
    }
}

static void best_of_ref(const amm_problem *p, amm_top *top, bool swept)
{
    const amm_engine_options one = { 1, 0 };
    amm_engine *engine = NULL;
    assert_int_equal(amm_backend_cpu_ref.open(&engine, test_context(), p, &one), AMM_OK);
    best_of(engine, top, swept);
    amm_backend_cpu_ref.close(engine);
}

static void keys_overflow(void **state)
{
    (void)state;
    uint64_t seed = 11;
    for (int32_t n = 0; n < 60; n++) {
        const amm_engine_options one = { 1, 0 };
        const amm_instance_shape shape = { .items = CUTS + 1,
                                           .stages = 2,
                                           .a = 63,
                                           .cost = 400,
                                           .jitter = 10,
                                           .head = 60,
                                           .classes = 1,
                                           .entries = 1 };
        amm_problem_builder builder;
        amm_engine *engine = NULL;
        amm_key want_keys[LISTED];
        amm_key got_keys[LISTED];
        amm_top want = { LISTED, 0, want_keys };
        amm_top got = { LISTED, 0, got_keys };
        settings_of(&seed);
        amm_double_settings.most_pushed = CUTS - 1 - n % 3;
        amm_double_settings.most_candidates = CUTS;
        amm_double_settings.unit_ranks = CUTS;
        amm_double_settings.slice = 0;
        assert_int_equal(amm_problem_open(&builder, test_context(), CUTS + 1), AMM_OK);
        assert_int_equal(amm_instance_add(&builder, &shape, &seed, 1), AMM_OK);
        best_of_ref(&builder.view, &want, n % 2 == 0);
        assert_int_equal(amm_backend_cuda.open(&engine, test_context(), &builder.view, &one),
                         AMM_OK);
        best_of(engine, &got, n % 2 == 0);
        assert_int_equal(got.count, LISTED);
        for (int32_t k = 0; k < LISTED; k++) {
            assert_true(want_keys[k].cost == got_keys[k].cost &&
                        want_keys[k].rank == got_keys[k].rank);
        }
        amm_backend_cuda.close(engine);
        amm_problem_close(&builder);
    }
    memset(&amm_double_settings, 0, sizeof amm_double_settings);
}

/* One config of 300 items, so that score and sweep refuse; what a call says when the device fails. */
static void failures(void **state)
{
    (void)state;
    const amm_engine_options options = { 1, 0 };
    const amm_instance_shape shape = {
        .items = 300, .stages = 3, .a = 7, .cost = 40, .classes = 1, .entries = 1
    };
    amm_problem_builder builder;
    amm_engine *engine = NULL;
    amm_solved solved;
    uint16_t cuts[4];
    int64_t upper = AMM_TICKS_NONE;
    uint64_t seed = 9;
    assert_int_equal(amm_problem_open(&builder, test_context(), 300), AMM_OK);
    assert_int_equal(amm_instance_add(&builder, &shape, &seed, 1), AMM_OK);
    const amm_engine_options threads = { 2, 0 };
    const amm_engine_options device = { 1, 1 };
    const amm_backend *b = &amm_backend_cuda;
    assert_int_equal(b->open(&engine, test_context(), &builder.view, &threads), AMM_INPUT);
    assert_int_equal(b->open(&engine, test_context(), &builder.view, &device), AMM_INPUT);
    amm_double_settings.memory_bytes = 4000;
    assert_int_equal(b->open(&engine, test_context(), &builder.view, &options), AMM_NO_MEMORY);
    assert_null(engine);
    amm_double_settings.memory_bytes = 100000;
    assert_int_equal(b->open(&engine, test_context(), &builder.view, &options), AMM_OK);
    assert_int_equal(b->solve(engine, &solved, cuts, &upper, NULL, 1), AMM_OK);
    amm_place from = { 0, 0 };
    const amm_place to = { 1, 0 };
    amm_sweep_count count = { 0, 0 };
    amm_top top = { 0, 0, NULL };
    assert_int_equal(b->sweep(engine, &top, &count, &from, to, upper), AMM_LIMIT);
    const amm_score_batch batch = { 0, NULL, NULL, 0 };
    assert_int_equal(b->score(engine, NULL, &top, &batch), AMM_LIMIT);
    amm_double_settings.fail_at_launch = 2;
    assert_int_equal(b->solve(engine, &solved, cuts, &upper, NULL, 1), AMM_UNAVAILABLE);
    assert_int_equal(b->bound(engine, &upper, 0, 1), AMM_UNAVAILABLE); /* it stays lost */
    b->close(engine);
    amm_double_settings.fail_at_launch = 0;
    amm_double_settings.memory_bytes = 28000; /* the problem, but no scratch */
    assert_int_equal(b->open(&engine, test_context(), &builder.view, &options), AMM_OK);
    assert_int_equal(b->solve(engine, &solved, cuts, &upper, NULL, 1), AMM_LIMIT);
    b->close(engine);
    memset(&amm_double_settings, 0, sizeof amm_double_settings);
    amm_problem_close(&builder);
}

/* Memory of the host runs out at every place in turn: a status, nothing lost. */
static void failing_memory(void **state)
{
    (void)state;
    const amm_engine_options options = { 1, 0 };
    const amm_instance_shape shape = {
        .items = 8, .stages = 3, .a = 7, .cost = 40, .classes = 1, .entries = 1
    };
    amm_problem_builder builder;
    uint64_t seed = 9;
    assert_int_equal(amm_problem_open(&builder, test_context(), 8), AMM_OK);
    assert_int_equal(amm_instance_add(&builder, &shape, &seed, 1), AMM_OK);
    for (int64_t n = 0;; n++) {
        failing_allocator counts = { .fail_at = n };
        const amm_context context = { failing_allocator_make(&counts) };
        amm_engine *engine = NULL;
        int64_t bound = 0;
        counts.fail_at = n;
        counts.calls = 0;
        counts.live = 0;
        amm_status status = amm_backend_cuda.open(&engine, &context, &builder.view, &options);
        if (status == AMM_OK) {
            status = amm_backend_cuda.bound(engine, &bound, 0, 1);
            amm_backend_cuda.close(engine);
        }
        assert_int_equal(counts.live, 0);
        if (status == AMM_OK) {
            assert_true(n > 10);
            break;
        }
        assert_int_equal(status, AMM_NO_MEMORY);
    }
    amm_problem_close(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_problems), cmocka_unit_test(middle_problems),
        cmocka_unit_test(long_problems),  cmocka_unit_test(little_shared_memory),
        cmocka_unit_test(keys_overflow),  cmocka_unit_test(failures),
        cmocka_unit_test(failing_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
