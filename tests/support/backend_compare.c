#include "backend_compare.h"

#include "test_support.h"
#include "backend/cpu_ref/cpu_ref.h"
#include "verify/instance.h"

#include <stdlib.h>
#include <string.h>

/* Both engines on one problem. */
typedef struct pair {
    const amm_problem *p;
    amm_engine *ref, *other;
    uint64_t *seed;
} pair;

static void assert_ok(amm_status status)
{
    if (status != AMM_OK) {
        print_error("%s\n", amm_last_error());
    }
    assert_int_equal(status, AMM_OK);
}

static void *block(size_t count, size_t size)
{
    void *memory = test_malloc(count * size + 1);
    memset(memory, 0x5a, count * size + 1);
    return memory;
}

static void compare_bound(const pair *x)
{
    const int32_t n = x->p->config_count;
    int64_t *want = block((size_t)n, sizeof *want);
    int64_t *got = block((size_t)n, sizeof *got);
    assert_ok(x->ref->backend->bound(x->ref, want, 0, n));
    assert_ok(x->other->backend->bound(x->other, got, 0, n));
    for (int32_t k = 0; k < n; k++) {
        assert_true(want[k] == got[k]);
    }
    test_free(want);
    test_free(got);
}

/* Some of the configs in any order: what is known of them, in that order. */
static void compare_listed(const pair *x, const int64_t *upper, const amm_solved *want,
                           const uint16_t *want_cuts)
{
    const int32_t n = x->p->config_count;
    const size_t row = (size_t)x->p->max_stages + 1;
    const int32_t listed = amm_random_range(x->seed, 0, n);
    int32_t *list = block((size_t)n, sizeof *list);
    int64_t *limits = block((size_t)n, sizeof *limits);
    amm_solved *got = block((size_t)n, sizeof *got);
    uint16_t *cuts = block((size_t)n * row, sizeof *cuts);
    for (int32_t k = 0; k < n; k++) { /* a random permutation, of which the first few are taken */
        const int32_t other = amm_random_range(x->seed, 0, k);
        list[k] = list[other];
        list[other] = k;
    }
    for (int32_t k = 0; k < listed; k++) {
        limits[k] = upper[list[k]];
    }
    assert_ok(x->other->backend->solve(x->other, got, cuts, limits, list, listed));
    for (int32_t k = 0; k < listed; k++) {
        const amm_solved *one = &want[list[k]];
        assert_true(got[k].total == one->total);
        if (one->total != AMM_TICKS_NONE) {
            assert_memory_equal(want_cuts + (size_t)list[k] * row, cuts + (size_t)k * row,
                                ((size_t)x->p->configs[list[k]].stages + 1) * sizeof *cuts);
        }
    }
    test_free(list);
    test_free(limits);
    test_free(got);
    test_free(cuts);
}

static void compare_solved(const pair *x, const int64_t *upper, amm_solved *want)
{
    const int32_t n = x->p->config_count;
    const size_t row = (size_t)x->p->max_stages + 1;
    amm_solved *got = block((size_t)n, sizeof *got);
    uint16_t *want_cuts = block((size_t)n * row, sizeof *want_cuts);
    uint16_t *got_cuts = block((size_t)n * row, sizeof *got_cuts);
    assert_ok(x->ref->backend->solve(x->ref, want, want_cuts, upper, NULL, n));
    assert_ok(x->other->backend->solve(x->other, got, got_cuts, upper, NULL, n));
    for (int32_t k = 0; k < n; k++) {
        assert_true(want[k].total == got[k].total);
        if (want[k].total != AMM_TICKS_NONE) {
            assert_true(want[k].max_t == got[k].max_t && want[k].sum == got[k].sum &&
                        want[k].max_d == got[k].max_d);
            assert_memory_equal(want_cuts + (size_t)k * row, got_cuts + (size_t)k * row,
                                ((size_t)x->p->configs[k].stages + 1) * sizeof *got_cuts);
        }
    }
    compare_listed(x, upper, want, want_cuts);
    test_free(got);
    test_free(want_cuts);
    test_free(got_cuts);
}

/* Without a limit, then with limits on, just above and just below the optimum. */
static void compare_solve(const pair *x)
{
    const int32_t n = x->p->config_count;
    amm_solved *first = block((size_t)n, sizeof *first);
    amm_solved *again = block((size_t)n, sizeof *again);
    int64_t *upper = block((size_t)n, sizeof *upper);
    for (int32_t k = 0; k < n; k++) {
        upper[k] = AMM_TICKS_NONE;
    }
    compare_solved(x, upper, first);
    for (int32_t k = 0; k < n; k++) {
        upper[k] = first[k].total == AMM_TICKS_NONE
                       ? amm_random_range(x->seed, 0, 1000)
                       : first[k].total + amm_random_range(x->seed, -1, 1);
    }
    compare_solved(x, upper, again);
    test_free(first);
    test_free(again);
    test_free(upper);
}

static void same_top(const amm_top *want, const amm_top *got)
{
    assert_int_equal(want->count, got->count);
    for (int32_t k = 0; k < want->count; k++) {
        assert_false(amm_key_less(&want->keys[k], &got->keys[k]) ||
                     amm_key_less(&got->keys[k], &want->keys[k]));
    }
}

static int32_t random_capacity(uint64_t *seed)
{
    static const int32_t capacities[] = { 0, 1, 2, 17, 100, AMM_MAX_TOP };
    return capacities[amm_random_range(seed, 0, 5)];
}

/* ---- score -------------------------------------------------------------------------------------- */

static void random_cuts(const pair *x, uint8_t *cuts, size_t stride, size_t n, int32_t stages)
{
    int32_t before = 0;
    for (int32_t s = 1; s < stages; s++) { /* leave room for the stages that follow */
        before = amm_random_range(x->seed, before + 1, x->p->items - (stages - s));
        if (amm_random_range(x->seed, 0, 2) > 0) { /* mostly near the even cut */
            const int32_t even = x->p->items * s / stages;
            const int32_t least = s == 1 ? 1 : cuts[(size_t)(s - 2) * stride + n] + 1;
            before = even > least ? even : least;
        }
        cuts[(size_t)(s - 1) * stride + n] = (uint8_t)before;
    }
}

static amm_score_segment *random_segments(const pair *x, uint8_t *cuts, size_t stride,
                                          int32_t candidates)
{
    amm_score_segment *segments = block((size_t)x->p->config_count, sizeof *segments);
    uint64_t first = 0;
    for (int32_t k = 0; k < x->p->config_count; k++) {
        const uint64_t count = (uint64_t)amm_random_range(x->seed, 0, candidates);
        segments[k] = (amm_score_segment){ k, first, count };
        for (uint64_t n = first; n < first + count; n++) {
            random_cuts(x, cuts, stride, (size_t)n, x->p->configs[k].stages);
        }
        first += count;
    }
    return segments;
}

/* The same from a copy that the backend keeps; the caller's is overwritten meanwhile. */
static void compare_kept(const pair *x, const amm_score_batch *batch, uint8_t *cuts, size_t bytes,
                         const amm_top *want)
{
    const amm_backend *b = x->other->backend;
    amm_top got = { want->capacity, 0, block(AMM_MAX_TOP, sizeof(amm_key)) };
    assert_int_equal(b->score_kept(x->other, &got), AMM_INTERNAL); /* nothing yet */
    assert_ok(b->keep(x->other, batch));
    memset(cuts, 0xa5, bytes);
    assert_ok(b->score_kept(x->other, &got));
    same_top(want, &got);
    assert_ok(b->score_kept(x->other, &got)); /* nothing comes twice */
    same_top(want, &got);
    assert_ok(b->keep(x->other, NULL));
    assert_int_equal(b->score_kept(x->other, &got), AMM_INTERNAL);
    test_free(got.keys);
}

static void compare_score(const pair *x, int32_t candidates)
{
    const size_t stride = (size_t)x->p->config_count * (size_t)candidates + 3;
    uint8_t *cuts = block(stride * (size_t)x->p->max_stages, 1);
    amm_score_segment *segments = random_segments(x, cuts, stride, candidates);
    const amm_score_batch batch = { x->p->config_count, segments, cuts, stride };
    const amm_score_segment last = segments[x->p->config_count - 1];
    const size_t count = (size_t)(last.first + last.count);
    float *want = block(count, sizeof *want);
    float *got = block(count, sizeof *got);
    const int32_t capacity = random_capacity(x->seed);
    amm_top want_top = { capacity, 0, block(AMM_MAX_TOP, sizeof(amm_key)) };
    amm_top got_top = { capacity, 0, block(AMM_MAX_TOP, sizeof(amm_key)) };
    assert_ok(amm_check_batch(x->p, &batch));
    assert_ok(x->ref->backend->score(x->ref, want, &want_top, &batch));
    assert_ok(x->other->backend->score(x->other, got, &got_top, &batch));
    assert_memory_equal(want, got, count * sizeof *want);
    same_top(&want_top, &got_top);
    got_top.count = 0;
    assert_ok(x->other->backend->score(x->other, NULL, &got_top, &batch));
    same_top(&want_top, &got_top);
    assert_ok(x->other->backend->score(x->other, NULL, &got_top, &batch)); /* nothing comes twice */
    same_top(&want_top, &got_top);
    assert_ok(x->other->backend->score(x->other, got, NULL, &batch));
    assert_memory_equal(want, got, count * sizeof *want);
    if (x->other->backend->keep != NULL) {
        compare_kept(x, &batch, cuts, stride * (size_t)x->p->max_stages, &want_top);
    }
    test_free(want_top.keys);
    test_free(got_top.keys);
    test_free(want);
    test_free(got);
    test_free(segments);
    test_free(cuts);
}

/* ---- sweep -------------------------------------------------------------------------------------- */

static void sweep_all(amm_engine *engine, amm_top *top, amm_sweep_count *count, amm_place from,
                      amm_place to, int64_t upper)
{
    while (amm_place_less(from, to)) {
        const amm_place before = from;
        assert_ok(engine->backend->sweep(engine, top, count, &from, to, upper));
        assert_true(amm_place_less(before, from)); /* it gets on */
    }
    assert_true(from.config == to.config && from.rank == to.rank);
}

/* The same range again into the same list: nothing changes, whatever the capacity. */
static void sweep_again(amm_engine *engine, amm_top *top, amm_place from, amm_place to,
                        int64_t upper)
{
    amm_sweep_count count = { 0, 0 };
    amm_top before = { top->capacity, top->count, block(AMM_MAX_TOP, sizeof(amm_key)) };
    memcpy(before.keys, top->keys, (size_t)top->count * sizeof(amm_key));
    sweep_all(engine, top, &count, from, to, upper);
    same_top(&before, top);
    test_free(before.keys);
}

static void compare_range(const pair *x, amm_place from, amm_place to)
{
    const int32_t capacity = random_capacity(x->seed);
    amm_sweep_count want_count = { 0, 0 };
    amm_sweep_count got_count = { 0, 0 };
    amm_top want = { capacity, 0, block(AMM_MAX_TOP, sizeof(amm_key)) };
    amm_top got = { capacity, 0, block(AMM_MAX_TOP, sizeof(amm_key)) };
    int64_t upper = AMM_TICKS_NONE;
    sweep_all(x->ref, &want, &want_count, from, to, upper);
    if (want.count > 0 && amm_random_range(x->seed, 0, 1) == 0) { /* a limit inside the list */
        upper = want.keys[amm_random_range(x->seed, 0, want.count - 1)].cost;
        want.count = 0;
        want_count = (amm_sweep_count){ 0, 0 };
        sweep_all(x->ref, &want, &want_count, from, to, upper);
    }
    sweep_all(x->other, &got, &got_count, from, to, upper);
    assert_true(got_count.covered == want_count.covered);
    assert_true(got_count.scored <= got_count.covered);
    same_top(&want, &got);
    sweep_again(x->ref, &want, from, to, upper);
    sweep_again(x->other, &got, from, to, upper);
    test_free(want.keys);
    test_free(got.keys);
}

/* Part of one config from some rank on, or across configs when they are small. */
static void compare_sweep(const pair *x, int32_t most)
{
    for (int32_t k = 0; k < x->p->config_count; k++) {
        uint64_t ranks = 0;
        amm_place from = { k, 0 };
        amm_place to = { k, 0 };
        if (amm_config_ranks(&ranks, x->p, k) != AMM_OK) {
            amm_top none = { 0, 0, NULL };
            amm_sweep_count count = { 0, 0 };
            to.config = k + 1;
            assert_int_equal(x->other->backend->sweep(x->other, &none, &count, &from, to, 0),
                             AMM_LIMIT);
            continue;
        }
        if (ranks > (uint64_t)most) {
            from.rank = amm_random_next(x->seed) % (ranks - (uint64_t)most);
            to.rank = from.rank + (uint64_t)most;
        } else if (k + 1 < x->p->config_count) {
            from.rank = amm_random_next(x->seed) % ranks;
            to.config = k + 1;
        } else {
            to = (amm_place){ k + 1, 0 };
        }
        compare_range(x, from, to);
    }
}

/* ---- problems ----------------------------------------------------------------------------------- */

static void build(amm_problem_builder *builder, uint64_t *seed, const compare_shape *shape)
{
    assert_ok(amm_problem_open(builder, test_context(), shape->items));
    for (int32_t k = 0; k < shape->configs; k++) {
        amm_instance_shape x = amm_instance_random(seed, shape->items, shape->most_stages);
        x.items = shape->items;
        if (shape->items > 100) { /* sums of ticks stay below 2^24 */
            x.cost = x.cost > 1000 ? 1000 : x.cost;
            x.classes = 1;
        }
        assert_ok(amm_instance_add(builder, &x, seed, (uint64_t)(shape->configs - k)));
    }
}

void compare_backend(const amm_backend *backend, uint64_t *seed, const compare_shape *shape)
{
    const amm_engine_options options = { 1, 0 };
    amm_problem_builder builder;
    pair x = { &builder.view, NULL, NULL, seed };
    build(&builder, seed, shape);
    assert_ok(amm_backend_cpu_ref.open(&x.ref, test_context(), x.p, &options));
    assert_ok(backend->open(&x.other, test_context(), x.p, &options));
    compare_bound(&x);
    if (shape->solve) {
        compare_solve(&x);
    }
    if (shape->candidates > 0) {
        compare_score(&x, shape->candidates);
    }
    if (shape->ranks > 0) {
        compare_sweep(&x, shape->ranks);
    }
    x.ref->backend->close(x.ref);
    x.other->backend->close(x.other);
    amm_problem_close(&builder);
}
