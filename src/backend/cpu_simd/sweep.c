/* Every partition: one config after the other, its ranks in ranges that threads share. */
#include "backend/cpu_simd/cpu_simd.h"
#include "backend/cpu_simd/threads.h"

#include <string.h>

/* ---- a config made ready ----------------------------------------------------------------------- */

/* Hands out parts of one block; counts when `at` is NULL. */
typedef struct layout {
    char *at;
    size_t bytes;
} layout;

static void *part(layout *x, size_t count, size_t size)
{
    void *out = x->at == NULL ? NULL : x->at + x->bytes;
    x->bytes += (count * size + 63) / 64 * 64;
    return out;
}

static void lay_out(amm_simd_walk *w, layout *x, size_t items, size_t stages)
{
    w->ranks = part(x, (stages + 1) * (items + 1), sizeof *w->ranks);
    w->least = part(x, stages * 3 * w->stride, sizeof *w->least);
    w->middle = part(x, items * 3 * w->stride, sizeof *w->middle);
    w->last = part(x, 3 * w->stride, sizeof *w->last);
    w->pair = part(x, items + 1, sizeof *w->pair);
    w->vectors = part(x, items, sizeof *w->vectors);
    w->from = part(x, items, sizeof *w->from);
    w->count = part(x, items, sizeof *w->count);
    w->counts = part(x, items + 1, sizeof *w->counts);
}

amm_status amm_simd_walk_ready(amm_simd_engine *e, int32_t config)
{
    amm_simd_walk *w = &e->walk;
    const amm_problem *p = e->base.problem;
    const size_t items = (size_t)p->items;
    /* Rows of 1, 2, … c, each filled up to whole lanes. */
    const size_t pairs = 3 * (items * (items + 1) / 2 + items * AMM_SIMD_PAD);
    if (w->number == config) {
        return AMM_OK;
    }
    if (w->memory == NULL || w->pairs == NULL) {
        layout size = { NULL, 0 };
        w->problem = p;
        w->number = -1;
        w->stride = (size_t)p->stride + AMM_SIMD_PAD;
        lay_out(w, &size, items, (size_t)p->max_stages);
        amm_release(e->base.context, w->memory);
        w->memory = amm_alloc(e->base.context, size.bytes, 1);
        w->pairs = amm_alloc(e->base.context, pairs, sizeof *w->pairs);
        if (w->memory == NULL || w->pairs == NULL) {
            amm_release(e->base.context, w->pairs);
            w->pairs = NULL;
            return AMM_NO_MEMORY;
        }
        lay_out(w, &(layout){ w->memory, 0 }, items, (size_t)p->max_stages);
    }
    w->number = config;
    e->path->prepare(w);
    return AMM_OK;
}

/* ---- ranges ------------------------------------------------------------------------------------ */

enum {
    FIRST_SLICE = 1 << 14,    /* ranks of the first range: little is known of the costs yet */
    MOST_WORK = 1 << 22,      /* costs that a range forms before it stops: milliseconds */
    WORK_OF_A_CALL = 1 << 25, /* costs of a call, at most and about */
    ALONE = 1 << 20           /* ranks left that one thread is done with before others are awake */
};

static void set_range(amm_simd_engine *e, amm_simd_range *r, uint64_t from, uint64_t to,
                      const amm_top *top, int64_t upper, size_t number)
{
    r->from = from;
    r->to = to;
    r->work = MOST_WORK;
    r->prune = e->prune;
    r->upper = upper;
    r->worst = amm_top_full(top) && top->count > 0 ? &top->keys[top->count - 1] : NULL;
    r->top = (amm_top){ top->capacity, 0, e->keys + number * (size_t)top->capacity };
    r->count = (amm_sweep_count){ 0, 0 };
}

/* Sweeps ranks from *from to `to` of the config that is ready, or less. What a range did counts only when
 * all ranges before it were finished, so that the place reached is one number. Returns the work done. */
static uint64_t sweep_ranges(amm_simd_engine *e, amm_top *top, amm_sweep_count *count,
                             uint64_t *from, uint64_t to, int64_t upper)
{
    uint64_t done = 0;
    int32_t used = 0;
    uint64_t at = *from;
    const bool together = to - at > ALONE;
    (void)together; /* builds without OpenMP have one thread */
    for (; used < e->range_count && at < to; used++) {
        const uint64_t end = to - at < e->slice ? to : at + e->slice;
        set_range(e, &e->ranges[used], at, end, top, upper, (size_t)used);
        at = end;
    }
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic)                                                         \
    num_threads(e->base.options.threads) if (used > 1 && together)
#endif
    for (int32_t k = 0; k < used; k++) {
        amm_simd_range own = e->ranges[k]; /* on cache lines that no other thread writes to */
        e->path->walk(&e->walk, &own);
        e->ranges[k] = own;
    }
    bool whole = true;
    for (int32_t k = 0; k < used && whole; k++) {
        const amm_simd_range *r = &e->ranges[k];
        for (int32_t n = 0; n < r->top.count; n++) {
            amm_top_offer(top, r->top.keys[n]);
        }
        count->scored += r->count.scored;
        count->covered += r->count.covered;
        done += MOST_WORK - r->work;
        *from = r->from;
        whole = r->from == r->to;
    }
    /* Ranges as large as can be finished. */
    if (!whole) {
        e->slice = e->slice > 2 * FIRST_SLICE ? e->slice / 2 : FIRST_SLICE;
    } else if (done < (uint64_t)used * MOST_WORK / 4 && e->slice < UINT64_MAX >> 3) {
        e->slice *= 4;
    }
    return done;
}

amm_status amm_simd_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count, amm_place *from,
                          amm_place to, int64_t upper)
{
    amm_simd_engine *e = (amm_simd_engine *)engine;
    uint64_t left = WORK_OF_A_CALL;
    AMM_TRY(amm_check_score_items(engine->problem));
    AMM_TRY(amm_simd_lists(e, (size_t)e->range_count, top->capacity));
    while (left > 0 && amm_place_less(*from, to)) {
        uint64_t ranks = 0;
        AMM_TRY(amm_config_ranks(&ranks, engine->problem, from->config));
        AMM_TRY(amm_simd_walk_ready(e, from->config));
        if (from->rank == 0 || e->slice == 0) {
            e->slice = FIRST_SLICE;
        }
        const uint64_t end = from->config < to.config ? ranks : to.rank;
        /* A config costs some work even when all of it is left out. */
        const uint64_t cost = (uint64_t)engine->problem->items * (uint64_t)engine->problem->items;
        while (left > 0 && from->rank < end) {
            const uint64_t done = sweep_ranges(e, top, count, &from->rank, end, upper);
            left -= done < left ? done : left;
        }
        left -= cost < left ? cost : left;
        if (from->rank == ranks) {
            *from = (amm_place){ from->config + 1, 0 };
        }
    }
    return AMM_OK;
}
