/* What several kernels need: stages of a partition, the greedy probe, keys for the best list. */
#ifndef AMM_CUDA_KERNEL_COMMON_H
#define AMM_CUDA_KERNEL_COMMON_H

#include "kernel_language.h"
#include "formula/tick/objective.h"

enum { AMM_NO_LIMIT = 1 << 24 }; /* no sum of ticks reaches it */

AMM_DEVICE const float *amm_gpu_table(const amm_gpu_problem *p, int32_t table)
{
    return p->tables + (size_t)table * (size_t)p->stride;
}
AMM_DEVICE int32_t amm_gpu_window(const amm_gpu_problem *p, int32_t window, int32_t j)
{
    return (int32_t)p->windows[(size_t)window * (size_t)p->stride + (size_t)j];
}
AMM_DEVICE int32_t amm_gpu_reach(const amm_gpu_problem *p, int32_t window, int32_t i)
{
    return (int32_t)p->reaches[(size_t)window * (size_t)p->stride + (size_t)i];
}

/* The first of the stage's entries whose window admits (i, j], from number k on; or their count. */
AMM_DEVICE int32_t amm_gpu_entry(const amm_gpu_problem *p, const amm_problem_stage *stage,
                                 int32_t k, int32_t i, int32_t j)
{
    AMM_LOOP
    while (k < stage->entry_count &&
           amm_gpu_window(p, p->entries[stage->entry + k].window, j) > i) {
        k++;
    }
    return k;
}

/* Adds the stage over (i, j] through its entry k. */
AMM_DEVICE void amm_gpu_add_entry(amm_ticks *acc, const amm_gpu_problem *p,
                                  const amm_problem_config *c, const amm_problem_stage *stage,
                                  int32_t k, int32_t i, int32_t j)
{
    const amm_problem_entry x = p->entries[stage->entry + k];
    const float *t = amm_gpu_table(p, x.t);
    const float *u = amm_gpu_table(p, x.u);
    const float *d = amm_gpu_table(p, x.d);
    amm_ticks_stage(acc, t[j] - t[i], u[j] - u[i], amm_gpu_table(p, stage->e)[j],
                    d[j] - d[i] - amm_gpu_table(p, c->o)[i], x.rho);
}

/* Adds stage s over (i, j]; false: none of its entries admits it. */
AMM_DEVICE bool amm_gpu_add_stage(amm_ticks *acc, const amm_gpu_problem *p,
                                  const amm_problem_config *c, int32_t s, int32_t i, int32_t j)
{
    const amm_problem_stage stage = p->stages[c->stage + s];
    const int32_t k = amm_gpu_entry(p, &stage, 0, i, j);
    if (k == stage.entry_count) {
        return false;
    }
    amm_gpu_add_entry(acc, p, c, &stage, k, i, j);
    return true;
}

/* ---- limits on t and d: monotone in both ends of a stage ---------------------------------------- */

typedef struct amm_limits {
    float t, d;
} amm_limits;

/* Does entry x take (i, j] within the limits, its window and rho apart? */
AMM_DEVICE bool amm_gpu_within(const amm_gpu_problem *p, const amm_problem_config *c,
                               const amm_problem_entry *x, int32_t i, int32_t j, amm_limits limit)
{
    const float *t = amm_gpu_table(p, x->t);
    const float *d = amm_gpu_table(p, x->d);
    return t[j] - t[i] <= limit.t && d[j] - d[i] - amm_gpu_table(p, c->o)[i] <= limit.d;
}

/* Furthest end that the stage reaches from i (i: none), by one thread. */
AMM_DEVICE int32_t amm_gpu_furthest(const amm_gpu_problem *p, const amm_problem_config *c,
                                    int32_t s, int32_t i, amm_limits limit)
{
    const amm_problem_stage stage = p->stages[c->stage + s];
    int32_t best = i;
    for (int32_t k = 0; k < stage.entry_count; k++) {
        const amm_problem_entry x = p->entries[stage.entry + k];
        int32_t low = best; /* allowed, or the result so far */
        int32_t high = amm_gpu_reach(p, x.window, i) + 1;
        if (x.rho > limit.d) {
            break; /* rho does not fall */
        }
        while (high - low > 1) {
            const int32_t middle = low + (high - low) / 2;
            if (amm_gpu_within(p, c, &x, i, middle, limit)) {
                low = middle;
            } else {
                high = middle;
            }
        }
        best = low;
    }
    return best;
}

/* Every stage goes as far as it can: false: surely no partition within the limits. One thread. */
AMM_DEVICE bool amm_gpu_probe(const amm_gpu_problem *p, const amm_problem_config *c,
                              amm_limits limit)
{
    int32_t at = 0;
    for (int32_t s = 0; s < c->stages; s++) {
        const int32_t room = p->items - (c->stages - 1 - s);
        at = amm_min_i32(amm_gpu_furthest(p, c, s, at, limit), room);
        if (at < s + 1) {
            return false;
        }
    }
    return at == p->items;
}

AMM_DEVICE amm_limits amm_gpu_limits(int32_t t, int32_t d)
{
    const amm_limits limit = { (float)t, (float)d };
    return limit;
}

/* The least over stages and entries of what item l costs: t of which == 0, u of which == 1. Stages
 * that repeat the one before are looked at once. */
AMM_DEVICE float amm_gpu_least_item(const amm_gpu_problem *p, const amm_problem_config *c,
                                    int32_t l, int32_t which)
{
    float least = (float)AMM_NO_LIMIT;
    int32_t before = -1;
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_stage stage = p->stages[c->stage + s];
        /* Entries come in order of cost: the first is the cheapest for every item. */
        const amm_problem_entry x = p->entries[stage.entry];
        const int32_t table = which == 0 ? x.t : x.u;
        if (table != before) {
            const float *at = amm_gpu_table(p, table) + l;
            least = fminf(least, at[1] - at[0]);
            before = table;
        }
    }
    return least;
}

/* ---- the best list ------------------------------------------------------------------------------ */

/* A cost in a config's ticks, rounded to single precision, above which nothing is of use. */
AMM_DEVICE float amm_gpu_threshold(const amm_gpu_top *top, const amm_problem_config *c)
{
    return (float)(amm_min_i64(top->last.cost, top->upper) >> c->scale);
}

/* Takes up the keys of the lanes that want it, if they are below the last one. The whole warp. */
AMM_DEVICE void amm_gpu_push(const amm_gpu_top *top, bool want, amm_key key)
{
    want = want && key.cost <= top->upper && amm_key_less(&key, &top->last);
    const uint32_t takers = amm_warp_ballot(want);
    if (takers == 0) {
        return;
    }
    uint64_t base = 0;
    if (amm_lane() == 0) {
        base = amm_atomic_add_u64(top->count, (uint64_t)amm_bits(takers));
    }
    base = amm_warp_from_u64(base, 0);
    const uint64_t at = base + (uint64_t)amm_bits(takers & ((1u << amm_lane()) - 1u));
    if (want && at < top->capacity) {
        top->keys[at] = key;
    }
}

AMM_DEVICE bool amm_gpu_top_overflows(const amm_gpu_top *top)
{
    return amm_fresh_u64(top->count) > top->capacity;
}

AMM_DEVICE amm_key amm_gpu_key(const amm_problem_config *c, const amm_ticks *acc, uint64_t rank)
{
    const int64_t exact = amm_ticks_exact(acc->max_t, acc->sum + acc->max_d, c->a);
    const amm_key key = { (int64_t)((uint64_t)exact << c->scale), c->id, rank };
    return key;
}

#endif
