/* cpu/ref itself: its engine against brute force, formed here with integers. */
#include "backend/cpu_ref/cpu_ref.h"
#include "test_support.h"
#include "verify/instance.h"

#include <math.h>
#include <string.h>

enum { ITEMS = 11, CONFIGS = 40, TOP = 50 };

static int64_t tick(const amm_problem *p, int32_t table, int32_t at)
{
    return table == AMM_NO_TABLE ? 0 : (int64_t)amm_problem_table(p, table)[at];
}

static int64_t span(const amm_problem *p, int32_t table, int32_t i, int32_t j)
{
    return tick(p, table, j) - tick(p, table, i);
}

/* T of a partition, every part by its definition; -1: not feasible. `parts`: max t, sum, max d. */
static int64_t cost_of(const amm_problem *p, const amm_problem_config *c, const int32_t *cuts,
                       int64_t parts[3])
{
    memset(parts, 0, 3 * sizeof *parts);
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_stage *stage = &p->stages[c->stage + s];
        const int32_t i = cuts[s];
        const int32_t j = cuts[s + 1];
        int32_t k = 0;
        while (k < stage->entry_count) {
            const int32_t w = p->entries[stage->entry + k].window;
            if (w == AMM_NO_TABLE || amm_problem_window(p, w)[j] <= i) {
                break;
            }
            k++;
        }
        if (k == stage->entry_count) {
            return -1;
        }
        const amm_problem_entry *x = &p->entries[stage->entry + k];
        const int64_t t = span(p, x->t, i, j);
        int64_t d = span(p, x->d, i, j) - tick(p, c->o, i);
        d = d > (int64_t)x->rho ? d : (int64_t)x->rho;
        parts[0] = t > parts[0] ? t : parts[0];
        parts[1] += span(p, x->u, i, j) + tick(p, stage->e, j);
        parts[2] = d > parts[2] ? d : parts[2];
    }
    return c->a * parts[0] + parts[1] + parts[2];
}

typedef struct best {
    int64_t total, parts[3];
    int32_t cuts[ITEMS + 1];
} best;

/* Smallest T, max d, max t, then starts from the last stage backwards. */
static bool better(const best *a, const best *b, int32_t stages)
{
    const int64_t x[] = { a->total, a->parts[2], a->parts[0] };
    const int64_t y[] = { b->total, b->parts[2], b->parts[0] };
    for (int k = 0; k < 3; k++) {
        if (x[k] != y[k]) {
            return x[k] < y[k];
        }
    }
    for (int32_t s = stages - 1; s > 0; s--) {
        if (a->cuts[s] != b->cuts[s]) {
            return a->cuts[s] < b->cuts[s];
        }
    }
    return false;
}

/* Tries everything: the optimum, the k best, and that score agrees. */
static void brute_force(const amm_problem *p, amm_engine *engine, int32_t number, best *out,
                        amm_top *top)
{
    const amm_problem_config *c = &p->configs[number];
    best one;
    amm_partition_unrank(one.cuts, 0, p->items, c->stages);
    out->total = AMM_TICKS_NONE;
    for (uint64_t rank = 0; rank < amm_partitions(p->items, c->stages); rank++) {
        int32_t again[ITEMS + 1];
        uint8_t cuts[ITEMS];
        float score = 0.0f;
        amm_partition_unrank(again, rank, p->items, c->stages);
        assert_memory_equal(again, one.cuts, ((size_t)c->stages + 1) * sizeof *again);
        assert_true(amm_partition_rank(one.cuts, p->items, c->stages) == rank);
        for (int32_t s = 1; s < c->stages; s++) {
            cuts[s - 1] = (uint8_t)one.cuts[s];
        }
        const amm_score_segment segment = { number, 0, 1 };
        const amm_score_batch batch = { 1, &segment, cuts, 1 };
        assert_int_equal(amm_check_batch(p, &batch), AMM_OK);
        assert_int_equal(engine->backend->score(engine, &score, NULL, &batch), AMM_OK);
        one.total = cost_of(p, c, one.cuts, one.parts);
        assert_true(one.total < 0 ? isinf(score) : score == (float)one.total);
        if (one.total >= 0) {
            amm_top_offer(top, (amm_key){ one.total << c->scale, c->id, rank });
            if (out->total == AMM_TICKS_NONE || better(&one, out, c->stages)) {
                *out = one;
            }
        }
        (void)amm_partition_next(one.cuts, p->items, c->stages);
    }
}

static void check_solved(const amm_problem *p, amm_engine *engine, int32_t number, const best *want)
{
    const amm_backend *backend = engine->backend;
    amm_solved got;
    int64_t bound = 0;
    int64_t upper = AMM_TICKS_NONE;
    uint16_t cuts[ITEMS + 1];
    assert_int_equal(backend->bound(engine, &bound, number, 1), AMM_OK);
    assert_int_equal(backend->solve(engine, &got, cuts, &upper, &number, 1), AMM_OK);
    assert_true(got.total == want->total && bound <= want->total);
    if (want->total == AMM_TICKS_NONE) {
        return;
    }
    assert_true((int64_t)got.max_t == want->parts[0] && (int64_t)got.sum == want->parts[1] &&
                (int64_t)got.max_d == want->parts[2]);
    for (int32_t s = 0; s <= p->configs[number].stages; s++) {
        assert_int_equal(cuts[s], want->cuts[s]);
    }
    upper = want->total;
    assert_int_equal(backend->solve(engine, &got, cuts, &upper, &number, 1), AMM_OK);
    assert_true(got.total == want->total);
    upper--;
    assert_int_equal(backend->solve(engine, &got, cuts, &upper, &number, 1), AMM_OK);
    assert_true(got.total == AMM_TICKS_NONE);
}

static void check_problem(const amm_problem *p)
{
    const amm_engine_options options = { 1, 0 };
    amm_key wanted[TOP];
    amm_key found[TOP];
    amm_top want = { TOP, 0, wanted };
    amm_top got = { TOP, 0, found };
    amm_sweep_count count = { 0, 0 };
    amm_place from = { 0, 0 };
    const amm_place to = { CONFIGS, 0 };
    uint64_t all = 0;
    amm_engine *engine = NULL;
    assert_int_equal(amm_backend_cpu_ref.open(&engine, test_context(), p, &options), AMM_OK);
    for (int32_t k = 0; k < CONFIGS; k++) {
        best optimum = { 0 };
        brute_force(p, engine, k, &optimum, &want);
        check_solved(p, engine, k, &optimum);
        all += amm_partitions(p->items, p->configs[k].stages);
    }
    while (amm_place_less(from, to)) {
        assert_int_equal(engine->backend->sweep(engine, &got, &count, &from, to, AMM_TICKS_NONE),
                         AMM_OK);
    }
    assert_true(count.covered == all && count.scored <= all);
    assert_int_equal(got.count, want.count);
    for (int32_t k = 0; k < want.count; k++) {
        assert_false(amm_key_less(&found[k], &wanted[k]) || amm_key_less(&wanted[k], &found[k]));
    }
    engine->backend->close(engine);
}

static void random_problems(void **state)
{
    (void)state;
    uint64_t seed = 20;
    for (int32_t n = 0; n < 60; n++) {
        amm_problem_builder builder;
        assert_int_equal(amm_problem_open(&builder, test_context(), ITEMS), AMM_OK);
        for (int32_t k = 0; k < CONFIGS; k++) {
            amm_instance_shape shape = amm_instance_random(&seed, ITEMS, 6);
            shape.items = ITEMS;
            assert_int_equal(amm_instance_add(&builder, &shape, &seed, (uint64_t)(CONFIGS - k)),
                             AMM_OK);
        }
        check_problem(&builder.view);
        amm_problem_close(&builder);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(random_problems) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
