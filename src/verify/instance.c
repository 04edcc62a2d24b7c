#include "verify/instance.h"

#include <math.h>
#include <string.h>

amm_instance_shape amm_instance_random(uint64_t *seed, int32_t most_items, int32_t most_stages)
{
    static const int32_t as[] = { 0, 1, 3, 7, 63, 511, 100000 };
    static const int32_t costs[] = { 1, 2, 40, 1000, 8000 };
    static const int32_t jitters[] = { 0, 0, 10, 900 };
    amm_instance_shape x = { .items = amm_random_range(seed, 1, most_items) };
    x.stages = amm_random_range(seed, 1, x.items < most_stages ? x.items : most_stages);
    x.a = as[amm_random_range(seed, 0, 6)];
    x.cost = costs[amm_random_range(seed, 0, 4)];
    x.jitter = jitters[amm_random_range(seed, 0, 3)];
    x.head = amm_random_range(seed, 0, 4);
    x.classes = amm_random_range(seed, 1, AMM_INSTANCE_CLASSES);
    x.entries = amm_random_range(seed, 1, AMM_INSTANCE_ENTRIES);
    x.with_e = amm_random_range(seed, 0, 3) != 0;
    x.with_d = amm_random_range(seed, 0, 3) != 0;
    x.with_end = amm_random_range(seed, 0, 2) == 0;
    x.with_o = x.with_d && amm_random_range(seed, 0, 1) != 0;
    /* From too little for any cut to enough for all. */
    x.memory = amm_random_range(seed, 0, 2) == 0 ? 0 : amm_random_range(seed, 60, 250) / x.stages;
    x.memory = x.memory > 100 ? 0 : x.memory;
    return x;
}

/* What one config needs, by class and entry. */
typedef struct tables {
    double *t[AMM_INSTANCE_CLASSES][AMM_INSTANCE_ENTRIES];
    double *u[AMM_INSTANCE_CLASSES][AMM_INSTANCE_ENTRIES];
    double *d[AMM_INSTANCE_CLASSES];
    double *o, *weight;
} tables;

static double item_cost(const amm_instance_shape *x, uint64_t *seed, int32_t l)
{
    const double factor = l + 1 == x->items ? x->head : 1.0;
    return x->cost * factor * (1.0 + 1e-3 * amm_random_range(seed, -x->jitter, x->jitter));
}

static amm_status fill(tables *out, amm_arena *arena, const amm_instance_shape *x, uint64_t *seed)
{
    static const double slower[AMM_INSTANCE_CLASSES] = { 1.0, 1.7, 2.3 };
    const size_t n = (size_t)x->items + 1;
    const size_t count = (2 * AMM_INSTANCE_ENTRIES + 1) * AMM_INSTANCE_CLASSES + 2;
    double *at = amm_arena_alloc(arena, count * n, sizeof *at);
    if (at == NULL) {
        return AMM_NO_MEMORY;
    }
    out->o = at;
    out->weight = at + n;
    at += 2 * n;
    for (int32_t c = 0; c < AMM_INSTANCE_CLASSES; c++) {
        out->d[c] = at;
        at += n;
        for (int32_t k = 0; k < AMM_INSTANCE_ENTRIES; k++) {
            out->t[c][k] = at;
            out->u[c][k] = at + n;
            at += 2 * n;
        }
    }
    for (int32_t l = 0; l < x->items; l++) {
        const double cost = item_cost(x, seed, l);
        out->o[l + 1] = out->o[l] + rint(cost / 8);
        out->weight[l + 1] = out->weight[l] + 3 + amm_random_range(seed, 0, x->jitter > 0);
        for (int32_t c = 0; c < AMM_INSTANCE_CLASSES; c++) {
            out->d[c][l + 1] = out->d[c][l] + rint(0.9 * cost * (c + 1));
            for (int32_t k = 0; k < AMM_INSTANCE_ENTRIES; k++) {
                const double time = rint(cost * slower[c] * (1.0 + k / 6.0));
                out->t[c][k][l + 1] = out->t[c][k][l] + time;
                out->u[c][k][l + 1] = out->u[c][k][l] + time + rint(cost / 50);
            }
        }
    }
    return AMM_OK;
}

/* Stage s keeps `in_flight` micro-batches' activations beside its weights (a quarter of all bytes). */
static void fill_window(int32_t *first, const amm_instance_shape *x, const tables *t, int32_t s,
                        int32_t k)
{
    static const double kept[AMM_INSTANCE_ENTRIES] = { 1.0, 1.0 / 3, 1.0 / 9 };
    const double in_flight = (double)(x->stages - s) / x->stages;
    const double room = t->weight[x->items] * x->memory / 100.0;
    int32_t i = 0;
    for (int32_t j = 0; j <= x->items; j++) {
        while (i < j && (t->weight[j] - t->weight[i]) * (0.25 + kept[k] * in_flight) > room) {
            i++;
        }
        first[j] = i;
    }
}

static amm_status fill_stage(amm_solve_stage *out, amm_arena *arena, const amm_instance_shape *x,
                             const tables *t, uint64_t *seed, int32_t s)
{
    const size_t n = (size_t)x->items + 1;
    const int32_t class = s % x->classes;
    amm_solve_entry *entries = amm_arena_alloc(arena, (size_t)x->entries, sizeof *entries);
    int32_t *first = amm_arena_alloc(arena, (size_t)x->entries * n, sizeof *first);
    double *e = amm_arena_alloc(arena, n, sizeof *e);
    double *end = amm_arena_alloc(arena, n, sizeof *end);
    if (entries == NULL || first == NULL || e == NULL || end == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t j = 0; x->with_end && s == 0 && j <= x->items; j++) {
        end[j] = amm_random_range(seed, 0, 3 * x->cost);
    }
    for (int32_t k = 0; k < x->entries; k++) {
        fill_window(first + (size_t)k * n, x, t, s, k);
        entries[k] = (amm_solve_entry){ .t = t->t[class][k],
                                        .u = t->u[class][k],
                                        .d = x->with_d ? t->d[class] : NULL,
                                        .rho = x->with_o ? x->cost / 2 : 0,
                                        .first = x->memory > 0 ? first + (size_t)k * n : NULL,
                                        .end = x->with_end && s == 0 ? end : NULL };
    }
    for (int32_t j = 0; j <= x->items; j++) {
        e[j] = amm_random_range(seed, x->cost / 4, x->cost / 4 + (x->jitter > 0 ? x->cost : 0));
    }
    *out = (amm_solve_stage){ x->entries, entries, x->with_e ? e : NULL };
    return AMM_OK;
}

amm_status amm_instance_add(amm_problem_builder *builder, const amm_instance_shape *x,
                            uint64_t *seed, uint64_t id)
{
    tables t;
    amm_arena arena;
    amm_arena_init(&arena, builder->context);
    amm_solve_stage *stages = amm_arena_alloc(&arena, (size_t)x->stages, sizeof *stages);
    amm_status status = stages == NULL ? AMM_NO_MEMORY : fill(&t, &arena, x, seed);
    for (int32_t s = 0; s < x->stages && status == AMM_OK; s++) {
        status = fill_stage(&stages[s], &arena, x, &t, seed, s);
    }
    if (status == AMM_OK) {
        const amm_solve_config config = { x->items, x->stages, x->a, stages,
                                          x->with_o ? t.o : NULL };
        status = amm_problem_add(builder, &config, id, (int32_t)(id % 3));
    }
    amm_arena_free(&arena);
    return status;
}
