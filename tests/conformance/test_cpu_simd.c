/* cpu/simd against cpu/ref: the same bits on every path, from any place, with any number of threads.
 *
 * The AVX-512 text cannot run everywhere: here the same kernel text runs over sixteen lanes of plain C
 * that look tables up in the same way, so that what stays untested without such a processor is what the
 * intrinsics themselves do. */
#define _POSIX_C_SOURCE 200809L /* setenv */
#include "backend/cpu_ref/cpu_ref.h"
#include "test_support.h"
#include "verify/instance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define AMM_LANES_EMULATED
#include "backend/cpu_simd/path.h"

enum { TOP = 60, CANDIDATES = 333 };

static const amm_simd_path emulated = AMM_SIMD_PATH("emulated", "sixteen lanes of plain C");

/* Every path there is; where AMM_SIMD names one, no other. */
static const amm_simd_path *path_at(int32_t k)
{
    const amm_simd_path *paths[] = { amm_simd_path_portable(), &emulated, amm_simd_path_avx2(),
                                     amm_simd_path_avx512() };
    const char *only = getenv("AMM_SIMD");
    const bool every = only == NULL || only[0] == '\0';
    return every || (paths[k] != NULL && strcmp(only, paths[k]->name) == 0) ? paths[k] : NULL;
}
enum { PATHS = 4 };

/* The path of the widest lanes that this processor has. */
static const amm_simd_path *widest_path(void)
{
    const amm_simd_path *path = path_at(3) != NULL ? path_at(3) : path_at(2);
    return path != NULL ? path : amm_simd_path_portable();
}

/* Two threads where the library has them. */
static int32_t most_threads(void)
{
    amm_engine *engine = NULL;
    const amm_problem empty = { .items = 1, .stride = 16, .max_stages = 1 };
    const amm_engine_options two = { 2, 0 };
    const amm_status status =
        amm_simd_open(&engine, test_context(), &empty, &two, amm_simd_path_portable());
    if (status == AMM_OK) {
        engine->backend->close(engine);
        return 2;
    }
    assert_int_equal(status, AMM_UNAVAILABLE);
    return 1;
}

static void build(amm_problem_builder *builder, uint64_t *seed, int32_t items, int32_t stages,
                  int32_t configs)
{
    assert_int_equal(amm_problem_open(builder, test_context(), items), AMM_OK);
    for (int32_t k = 0; k < configs;) {
        amm_instance_shape shape = amm_instance_random(seed, items, stages);
        shape.items = items;
        const amm_status status =
            amm_instance_add(builder, &shape, seed, (uint64_t)(3 * configs - k));
        assert_true(status == AMM_OK || status == AMM_LIMIT); /* more ticks than it takes */
        k += status == AMM_OK;
    }
}

static void open_ref(amm_engine **out, const amm_problem *p)
{
    const amm_engine_options one = { 1, 0 };
    assert_int_equal(amm_backend_cpu_ref.open(out, test_context(), p, &one), AMM_OK);
}

static void open_simd(amm_engine **out, const amm_problem *p, const amm_simd_path *path,
                      int32_t threads)
{
    const amm_engine_options options = { threads, 0 };
    assert_int_equal(amm_simd_open(out, test_context(), p, &options, path), AMM_OK);
}

static void assert_same_top(const amm_top *got, const amm_top *want)
{
    assert_int_equal(got->count, want->count);
    for (int32_t k = 0; k < want->count; k++) {
        assert_false(amm_key_less(&got->keys[k], &want->keys[k]) ||
                     amm_key_less(&want->keys[k], &got->keys[k]));
    }
}

/* ---- bound and solve --------------------------------------------------------------------------- */

static void check_solve(const amm_problem *p, amm_engine *ref, amm_engine *simd)
{
    const int32_t count = p->config_count;
    const size_t row = (size_t)p->max_stages + 1;
    int64_t bound[2][64];
    int64_t upper[64];
    int64_t back[64]; /* the same for a list from the last config to the first */
    int32_t list[64];
    amm_solved solved[2][64];
    uint16_t *cuts[2] = { calloc(64 * row, sizeof **cuts), calloc(64 * row, sizeof **cuts) };
    assert_true(count <= 64 && cuts[0] != NULL && cuts[1] != NULL);
    assert_int_equal(ref->backend->bound(ref, bound[0], 0, count), AMM_OK);
    assert_int_equal(simd->backend->bound(simd, bound[1], 0, count), AMM_OK);
    assert_memory_equal(bound[0], bound[1], (size_t)count * sizeof bound[0][0]);
    for (int32_t round = 0; round < 3; round++) {
        for (int32_t k = 0; k < count; k++) { /* no limit; the optimum; just below it */
            upper[k] = round == 0 || solved[0][k].total == AMM_TICKS_NONE
                           ? AMM_TICKS_NONE
                           : solved[0][k].total - (round - 1);
            list[count - 1 - k] = k;
            back[count - 1 - k] = upper[k];
        }
        assert_int_equal(ref->backend->solve(ref, solved[0], cuts[0], upper, NULL, count), AMM_OK);
        assert_int_equal(simd->backend->solve(simd, solved[1], cuts[1], back, list, count), AMM_OK);
        for (int32_t k = 0; k < count; k++) {
            const amm_solved *a = &solved[0][k];
            const int32_t at = count - 1 - k;
            const amm_solved *b = &solved[1][at];
            assert_true(a->total == b->total);
            if (a->total != AMM_TICKS_NONE) {
                assert_true(a->max_t == b->max_t && a->sum == b->sum && a->max_d == b->max_d);
                assert_memory_equal(cuts[0] + (size_t)k * row, cuts[1] + (size_t)at * row,
                                    ((size_t)p->configs[k].stages + 1) * sizeof **cuts);
            }
        }
    }
    free(cuts[0]);
    free(cuts[1]);
}

static void solves(void **state)
{
    (void)state;
    uint64_t seed = 31;
    const int32_t threads = most_threads();
    for (int32_t n = 0; n < 60; n++) {
        amm_problem_builder builder;
        amm_engine *ref = NULL;
        const int32_t items = n % 3 == 0   ? amm_random_range(&seed, 1, 300)
                              : n % 3 == 1 ? amm_random_range(&seed, 1, 40)
                                           : 15 + n % 3;
        build(&builder, &seed, items, 24, 12);
        open_ref(&ref, &builder.view);
        for (int32_t k = 0; k < PATHS; k++) {
            amm_engine *simd = NULL;
            if (path_at(k) != NULL) {
                open_simd(&simd, &builder.view, path_at(k), 1 + n % threads);
                check_solve(&builder.view, ref, simd);
                simd->backend->close(simd);
            }
        }
        ref->backend->close(ref);
        amm_problem_close(&builder);
    }
}

/* More items than the lanes' solver takes. */
static void solves_many_items(void **state)
{
    (void)state;
    uint64_t seed = 5;
    amm_problem_builder builder;
    amm_engine *ref = NULL;
    amm_engine *simd = NULL;
    build(&builder, &seed, AMM_SIMD_SOLVE_ITEMS + 1, 5, 4);
    open_ref(&ref, &builder.view);
    open_simd(&simd, &builder.view, amm_simd_path_portable(), most_threads());
    check_solve(&builder.view, ref, simd);
    ref->backend->close(ref);
    simd->backend->close(simd);
    amm_problem_close(&builder);
}

/* ---- score ------------------------------------------------------------------------------------- */

static void random_cuts(uint8_t *cuts, uint64_t stride, uint64_t n, int32_t items, int32_t stages,
                        uint64_t *seed)
{
    int32_t left = stages - 1;
    int32_t s = 0;
    for (int32_t at = 1; at < items && left > 0; at++) {
        if (amm_random_range(seed, 1, items - at) <= left) {
            cuts[(uint64_t)s++ * stride + n] = (uint8_t)at;
            left--;
        }
    }
}

static void check_score(const amm_problem *p, amm_engine *ref, amm_engine *simd, uint64_t *seed,
                        uint64_t candidates)
{
    const uint64_t stride = (uint64_t)p->config_count * candidates;
    uint8_t *cuts = calloc((size_t)p->max_stages, stride);
    float *scores[2] = { calloc(stride, sizeof(float)), calloc(stride, sizeof(float)) };
    amm_score_segment segments[64];
    amm_key keys[2][TOP];
    assert_true(cuts != NULL && scores[0] != NULL && scores[1] != NULL);
    uint64_t at = 0;
    for (int32_t k = 0; k < p->config_count; k++) {
        const uint64_t count = candidates - (uint64_t)amm_random_range(seed, 0, 40);
        segments[k] = (amm_score_segment){ k, at, count };
        for (uint64_t n = 0; n < count; n++) {
            random_cuts(cuts, stride, at + n, p->items, p->configs[k].stages, seed);
        }
        at += count;
    }
    const amm_score_batch batch = { p->config_count, segments, cuts, stride };
    assert_int_equal(amm_check_batch(p, &batch), AMM_OK);
    for (int32_t top = 1; top <= TOP; top += TOP - 1) {
        amm_top want = { top, 0, keys[0] };
        amm_top got = { top, 0, keys[1] };
        memset(scores[1], 0, stride * sizeof(float));
        assert_int_equal(ref->backend->score(ref, scores[0], &want, &batch), AMM_OK);
        assert_int_equal(simd->backend->score(simd, scores[1], &got, &batch), AMM_OK);
        assert_memory_equal(scores[0], scores[1], stride * sizeof(float));
        assert_same_top(&got, &want);
        got.count = 0;
        assert_int_equal(simd->backend->score(simd, NULL, &got, &batch), AMM_OK);
        assert_same_top(&got, &want);
    }
    assert_int_equal(simd->backend->score(simd, scores[1], NULL, &batch), AMM_OK);
    free(cuts);
    free(scores[0]);
    free(scores[1]);
}

static void scores(void **state)
{
    (void)state;
    uint64_t seed = 77;
    for (int32_t n = 0; n < 40; n++) {
        amm_problem_builder builder;
        amm_engine *ref = NULL;
        const int32_t items = n < 4        ? AMM_MAX_SCORE_ITEMS - n
                              : n % 2 == 0 ? amm_random_range(&seed, 1, 140)
                                           : amm_random_range(&seed, 20, 40);
        build(&builder, &seed, items, n % 5 == 0 ? items : 24, 12);
        open_ref(&ref, &builder.view);
        for (int32_t k = 0; k < PATHS; k++) {
            amm_engine *simd = NULL;
            if (path_at(k) != NULL) {
                open_simd(&simd, &builder.view, path_at(k), 1);
                check_score(&builder.view, ref, simd, &seed, CANDIDATES);
                simd->backend->close(simd);
            }
        }
        ref->backend->close(ref);
        amm_problem_close(&builder);
    }
}

/* Enough candidates for threads to share. */
static void scores_shared(void **state)
{
    (void)state;
    uint64_t seed = 8;
    amm_problem_builder builder;
    amm_engine *ref = NULL;
    amm_engine *simd = NULL;
    const amm_instance_shape ties = { 30, 6, 7, 2, 0, 1, 1, 1, true, true, true, 0, false };
    assert_int_equal(amm_problem_open(&builder, test_context(), ties.items), AMM_OK);
    assert_int_equal(amm_instance_add(&builder, &ties, &seed, 1), AMM_OK);
    open_ref(&ref, &builder.view);
    open_simd(&simd, &builder.view, widest_path(), most_threads());
    check_score(&builder.view, ref, simd, &seed, 300000);
    ref->backend->close(ref);
    simd->backend->close(simd);
    amm_problem_close(&builder);
}

/* ---- sweep ------------------------------------------------------------------------------------- */

/* Every partition in [from, to), the calls cut at random places. */
static void sweep_in_pieces(amm_engine *engine, amm_top *top, amm_sweep_count *count,
                            amm_place from, amm_place to, int64_t upper, uint64_t *seed)
{
    const amm_problem *p = engine->problem;
    while (amm_place_less(from, to)) {
        amm_place stop = to;
        const int32_t pieces = amm_random_range(seed, 0, 3);
        if (pieces > 0) {
            uint64_t ranks = 0;
            assert_int_equal(amm_config_ranks(&ranks, p, from.config), AMM_OK);
            stop = (amm_place){ from.config, from.rank + (ranks - from.rank) / (uint64_t)pieces };
            stop = amm_place_less(to, stop) ? to : stop;
            if (stop.rank == ranks) {
                stop = (amm_place){ from.config + 1, 0 };
            }
            stop = amm_place_less(to, stop) ? to : stop;
        }
        const amm_place before = from;
        assert_int_equal(engine->backend->sweep(engine, top, count, &from, stop, upper), AMM_OK);
        assert_false(amm_place_less(stop, from));
        assert_true(amm_place_less(before, from) || !amm_place_less(before, stop));
    }
}

static void check_sweep(const amm_problem *p, amm_engine *ref, amm_engine *simd, uint64_t *seed)
{
    amm_key keys[2][AMM_MAX_TOP] = { { { 0, 0, 0 } } };
    amm_place to = { p->config_count, 0 };
    for (int32_t round = 0; round < 4; round++) {
        const int32_t capacity = (int32_t[]){ 1, TOP, AMM_MAX_TOP, 7 }[round];
        amm_top want = { capacity, 0, keys[0] };
        amm_top got = { capacity, 0, keys[1] };
        amm_sweep_count counts[2] = { { 0, 0 }, { 0, 0 } };
        amm_place from = { 0, 0 };
        int64_t upper = AMM_TICKS_NONE;
        if (round == 3) { /* a limit, and a part */
            upper = got.keys[0].cost + amm_random_range(seed, -2, 1000);
            uint64_t ranks = 0;
            assert_int_equal(amm_config_ranks(&ranks, p, p->config_count / 2), AMM_OK);
            from = (amm_place){ p->config_count / 4, 0 };
            to = (amm_place){ p->config_count / 2, ranks / 2 };
        }
        sweep_in_pieces(ref, &want, &counts[0], from, to, upper, seed);
        for (int32_t prune = 1; prune >= 0; prune--) {
            got.count = 0;
            counts[1] = (amm_sweep_count){ 0, 0 };
            ((amm_simd_engine *)simd)->prune = prune != 0;
            sweep_in_pieces(simd, &got, &counts[1], from, to, upper, seed);
            assert_same_top(&got, &want);
            assert_true(counts[1].covered == counts[0].covered);
            assert_true(counts[1].scored <= counts[0].scored || prune == 0);
        }
    }
}

static void sweeps(void **state)
{
    (void)state;
    uint64_t seed = 4;
    const int32_t threads = most_threads();
    for (int32_t n = 0; n < 48; n++) {
        amm_problem_builder builder;
        amm_engine *ref = NULL;
        const int32_t most = (int32_t[]){ 12, 17, 24, 36, 60, 255 }[n % 6];
        const int32_t stages = (int32_t[]){ 12, 8, 5, 4, 3, 3 }[n % 6];
        build(&builder, &seed, n < 12 ? most : amm_random_range(&seed, 1, most), stages, 6);
        open_ref(&ref, &builder.view);
        for (int32_t k = 0; k < PATHS; k++) {
            amm_engine *simd = NULL;
            if (path_at(k) != NULL) {
                open_simd(&simd, &builder.view, path_at(k), 1 + n % threads);
                check_sweep(&builder.view, ref, simd, &seed);
                simd->backend->close(simd);
            }
        }
        ref->backend->close(ref);
        amm_problem_close(&builder);
    }
}

/* Far more partitions than anyone can form: the call returns. What is left out makes up for it. */
static void sweeps_in_slices(void **state)
{
    (void)state;
    uint64_t seed = 9;
    amm_problem_builder builder;
    const amm_instance_shape shape = { 96, 12, 63, 1000, 10, 2, 1, 1, true, true, false, 0, false };
    assert_int_equal(amm_problem_open(&builder, test_context(), shape.items), AMM_OK);
    assert_int_equal(amm_instance_add(&builder, &shape, &seed, 1), AMM_OK);
    for (int32_t threads = 1; threads <= most_threads(); threads++) {
        amm_engine *simd = NULL;
        amm_key keys[3];
        amm_top top = { 3, 0, keys };
        amm_sweep_count count = { 0, 0 };
        amm_place from = { 0, 0 };
        const amm_place to = { 1, 0 };
        open_simd(&simd, &builder.view, widest_path(), threads);
        ((amm_simd_engine *)simd)->prune = false;
        for (int32_t call = 0; call < 3; call++) {
            const amm_place before = from;
            assert_int_equal(simd->backend->sweep(simd, &top, &count, &from, to, AMM_TICKS_NONE),
                             AMM_OK);
            assert_true(amm_place_less(before, from) && amm_place_less(from, to));
            assert_true(count.covered == from.rank && count.scored <= count.covered);
        }
        ((amm_simd_engine *)simd)->prune = true;
        for (int32_t call = 0; call < 1000 && amm_place_less(from, to); call++) {
            assert_int_equal(simd->backend->sweep(simd, &top, &count, &from, to, AMM_TICKS_NONE),
                             AMM_OK);
        }
        assert_false(amm_place_less(from, to));
        assert_true(count.covered == amm_partitions(shape.items, shape.stages));
        amm_solved optimum;
        uint16_t cuts[16];
        const int64_t upper = AMM_TICKS_NONE;
        assert_int_equal(simd->backend->solve(simd, &optimum, cuts, &upper, NULL, 1), AMM_OK);
        assert_true(optimum.total << builder.view.configs[0].scale == keys[0].cost);
        simd->backend->close(simd);
    }
    amm_problem_close(&builder);
}

/* ---- what is refused, and what fails ----------------------------------------------------------- */

static void limits_and_options(void **state)
{
    (void)state;
    uint64_t seed = 1;
    amm_problem_builder builder;
    amm_engine *simd = NULL;
    const amm_engine_options none = { 0, 0 };
    amm_key keys[1];
    amm_top top = { 1, 0, keys };
    amm_sweep_count count = { 0, 0 };
    amm_place from = { 0, 0 };
    const amm_place to = { 1, 0 };
    const amm_score_segment segment = { 0, 0, 0 };
    const amm_score_batch batch = { 1, &segment, NULL, 0 };
    const amm_instance_shape many = { 256, 2, 1, 1, 0, 1, 1, 1, false, false, false, 0, false };
    const amm_instance_shape deep = { 200, 60, 1, 1, 0, 1, 1, 1, false, false, false, 0, false };
    assert_int_equal(amm_problem_open(&builder, test_context(), 256), AMM_OK);
    assert_int_equal(amm_instance_add(&builder, &many, &seed, 1), AMM_OK);
    assert_int_equal(
        amm_simd_open(&simd, test_context(), &builder.view, &none, amm_simd_path_portable()),
        AMM_INPUT);
    open_simd(&simd, &builder.view, amm_simd_path_portable(), 1);
    assert_int_equal(simd->backend->score(simd, NULL, &top, &batch), AMM_LIMIT);
    assert_int_equal(simd->backend->sweep(simd, &top, &count, &from, to, 0), AMM_LIMIT);
    simd->backend->close(simd);
    amm_problem_close(&builder);
    assert_int_equal(amm_problem_open(&builder, test_context(), 200), AMM_OK);
    assert_int_equal(amm_instance_add(&builder, &deep, &seed, 1), AMM_OK);
    open_simd(&simd, &builder.view, amm_simd_path_portable(), 1);
    assert_int_equal(simd->backend->sweep(simd, &top, &count, &from, to, 0), AMM_LIMIT);
    simd->backend->close(simd);
    amm_problem_close(&builder);
}

/* The environment names a path. */
static void path_by_name(void **state)
{
    (void)state;
    const amm_simd_path *path = NULL;
    const char *note = NULL;
    assert_int_equal(setenv("AMM_SIMD", "portable", 1), 0);
    assert_int_equal(amm_simd_path_find(&path), AMM_OK);
    assert_string_equal(path->name, "portable");
    assert_true(amm_simd_note(&note));
    assert_int_equal(setenv("AMM_SIMD", "avx512", 1), 0);
    assert_int_equal(amm_simd_path_find(&path),
                     amm_simd_path_avx512() != NULL ? AMM_OK : AMM_UNAVAILABLE);
    assert_int_equal(setenv("AMM_SIMD", "neon", 1), 0);
    assert_int_equal(amm_simd_path_find(&path), AMM_INPUT);
    assert_false(amm_simd_note(&note));
    assert_int_equal(unsetenv("AMM_SIMD"), 0);
    assert_int_equal(amm_simd_path_find(&path), AMM_OK);
    const amm_backend *backend = NULL;
    assert_int_equal(amm_backend_find(&backend, NULL), AMM_OK);
    assert_ptr_equal(backend, &amm_backend_cpu_simd);
}

/* Whatever allocation fails: a status, nothing leaks. */
static void allocations(void **state)
{
    (void)state;
    uint64_t seed = 12;
    amm_problem_builder builder;
    build(&builder, &seed, 20, 5, 3);
    uint8_t cuts[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
    const amm_score_segment segment = { 0, 0, 1 };
    const amm_score_batch batch = { 1, &segment, cuts, 1 };
    bool through = false;
    for (int64_t n = 0; !through; n++) {
        failing_allocator failing = { -1, 0, 0 };
        amm_context_options chosen = AMM_CONTEXT_OPTIONS_INIT;
        amm_context *context = NULL;
        chosen.allocator = failing_allocator_make(&failing);
        assert_int_equal(amm_context_create(&context, &chosen), AMM_OK);
        const int64_t before = failing.live;
        failing.fail_at = n;
        const amm_engine_options one = { 1, 0 };
        amm_key keys[4];
        amm_top top = { 4, 0, keys };
        amm_sweep_count count = { 0, 0 };
        amm_place from = { 0, 0 };
        const amm_place to = { 3, 0 };
        amm_engine *simd = NULL;
        amm_status status =
            amm_simd_open(&simd, context, &builder.view, &one, amm_simd_path_portable());
        if (status == AMM_OK) {
            status = simd->backend->score(simd, NULL, &top, &batch);
            while (status == AMM_OK && amm_place_less(from, to)) {
                status = simd->backend->sweep(simd, &top, &count, &from, to, AMM_TICKS_NONE);
            }
            simd->backend->close(simd);
        }
        through = status == AMM_OK;
        assert_true(through || status == AMM_NO_MEMORY);
        assert_true(failing.live == before);
        amm_context_free(context);
    }
    amm_problem_close(&builder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves),
        cmocka_unit_test(solves_many_items),
        cmocka_unit_test(scores),
        cmocka_unit_test(scores_shared),
        cmocka_unit_test(sweeps),
        cmocka_unit_test(sweeps_in_slices),
        cmocka_unit_test(limits_and_options),
        cmocka_unit_test(path_by_name),
        cmocka_unit_test(allocations),
    };
    int32_t paths = 0;
    for (int32_t k = 0; k < PATHS; k++) {
        paths += path_at(k) != NULL;
    }
    if (paths == 0) {
        printf("AMM_SIMD asks for a path that this processor or build lacks\n");
        return 77;
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
