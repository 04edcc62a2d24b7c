/* score: four candidates a thread, cuts by 32-bit loads, table rows in shared memory, each row
 * repeated so that lanes that look up different items rarely meet in a bank. */
#ifndef AMM_CUDA_KERNEL_SCORE_H
#define AMM_CUDA_KERNEL_SCORE_H

#include "kernel_common.h"

/* {t, u, d, d + o} of an item: the end of a stage needs the first three, the start t, u and the last. */
typedef amm_float4 amm_score_row;
typedef struct amm_score_cut {
    float e;
    int32_t first;
} __attribute__((aligned(8))) amm_score_cut;

/* Shared memory of a block. */
typedef struct amm_score_space {
    amm_score_row *rows; /* [class][item][replica] */
    amm_score_cut *cuts; /* [pair][item] */
    amm_score_entry *entries;
    amm_score_stage *stages;
    int32_t items, stages_count, shift, replica;
} amm_score_space;

AMM_DEVICE amm_score_space amm_score_fill(const amm_score_args *a, const amm_problem_config *c)
{
    const amm_gpu_problem *p = &a->problem;
    const amm_score_plan *plan = &a->plan;
    const int32_t values = p->items + 1;
    const int32_t replicas = 1 << plan->replicas_log;
    amm_score_space x;
    x.rows = (amm_score_row *)amm_shared();
    x.cuts = (amm_score_cut *)(x.rows + plan->class_count * values * replicas);
    x.entries = (amm_score_entry *)(x.cuts + plan->pair_count * values);
    x.stages = (amm_score_stage *)(x.entries + plan->entry_count);
    x.items = p->items;
    x.stages_count = c->stages;
    x.shift = plan->replicas_log;
    x.replica = amm_lane() & (replicas - 1);
    for (int32_t n = amm_thread(); n < plan->class_count * values * replicas; n += amm_threads()) {
        const int32_t at = n >> plan->replicas_log;
        const amm_score_class tables = plan->classes[at / values];
        const int32_t l = at % values;
        const float d = amm_gpu_table(p, tables.d)[l];
        const amm_score_row row = { amm_gpu_table(p, tables.t)[l], amm_gpu_table(p, tables.u)[l], d,
                                    d + amm_gpu_table(p, c->o)[l] };
        x.rows[n] = row;
    }
    for (int32_t n = amm_thread(); n < plan->pair_count * values; n += amm_threads()) {
        const amm_score_pair pair = plan->pairs[n / values];
        const int32_t l = n % values;
        x.cuts[n].e = amm_gpu_table(p, pair.e)[l];
        x.cuts[n].first = amm_gpu_window(p, pair.window, l);
    }
    for (int32_t n = amm_thread(); n < plan->entry_count; n += amm_threads()) {
        x.entries[n] = plan->entries[n];
    }
    for (int32_t n = amm_thread(); n < c->stages; n += amm_threads()) {
        x.stages[n] = plan->stages[n];
    }
    amm_block_sync();
    return x;
}

AMM_DEVICE amm_score_row amm_score_row_of(const amm_score_space *x, int32_t class_number,
                                          int32_t item)
{
    return x->rows[((class_number * (x->items + 1) + item) << x->shift) + x->replica];
}

/* A group of candidates, up to stage s. */
typedef struct amm_score_group {
    amm_ticks acc[AMM_GROUP];
    amm_score_row start[AMM_GROUP]; /* rows of the last cut in class `row` */
    uint32_t before;                /* the last cut, a byte each */
    uint32_t broken;                /* a bit each: no feasible entry */
    int32_t row;                    /* -1: `start` is not filled */
} amm_score_group;

/* A stage of one entry: the common case. */
AMM_DEVICE void amm_score_one(amm_score_group *g, const amm_score_space *x, uint32_t at,
                              const amm_score_entry *entry)
{
    if (g->row != entry->row) {
        AMM_UNROLL
        for (int32_t q = 0; q < AMM_GROUP; q++) {
            g->start[q] = amm_score_row_of(x, entry->row, (int32_t)(g->before >> (8 * q) & 0xffu));
        }
        g->row = entry->row;
    }
    AMM_UNROLL
    for (int32_t q = 0; q < AMM_GROUP; q++) {
        const int32_t i = (int32_t)(g->before >> (8 * q) & 0xffu);
        const int32_t j = (int32_t)(at >> (8 * q) & 0xffu);
        const amm_score_row end = amm_score_row_of(x, entry->row, j);
        const amm_score_cut cut = x->cuts[entry->pair * (x->items + 1) + j];
        amm_ticks_stage(&g->acc[q], end.x - g->start[q].x, end.y - g->start[q].y, cut.e,
                        end.z - g->start[q].w, entry->rho);
        g->broken |= cut.first > i ? 1u << q : 0u;
        g->start[q] = end;
    }
}

/* A stage of several: each candidate takes the first that admits it. */
AMM_DEVICE void amm_score_several(amm_score_group *g, const amm_score_space *x, uint32_t at,
                                  const amm_score_stage *stage)
{
    AMM_UNROLL
    for (int32_t q = 0; q < AMM_GROUP; q++) {
        const int32_t i = (int32_t)(g->before >> (8 * q) & 0xffu);
        const int32_t j = (int32_t)(at >> (8 * q) & 0xffu);
        bool found = false;
        for (int32_t k = 0; k < stage->entry_count && !found; k++) {
            const amm_score_entry entry = x->entries[stage->entry + k];
            const amm_score_cut cut = x->cuts[entry.pair * (x->items + 1) + j];
            if (cut.first <= i) {
                const amm_score_row start = amm_score_row_of(x, entry.row, i);
                const amm_score_row end = amm_score_row_of(x, entry.row, j);
                amm_ticks_stage(&g->acc[q], end.x - start.x, end.y - start.y, cut.e,
                                end.z - start.w, entry.rho);
                found = true;
            }
        }
        g->broken |= found ? 0u : 1u << q;
    }
    g->row = -1;
}

/* Scores and keys of the group of candidates from n on, at most four. */
AMM_DEVICE void amm_score_store(const amm_score_args *a, const amm_problem_config *c,
                                const amm_ticks *acc, const bool *broken, uint64_t n)
{
    const float threshold = amm_gpu_threshold(&a->top, c);
    bool hit = false;
    float values[AMM_GROUP];
    AMM_UNROLL
    for (int32_t q = 0; q < AMM_GROUP; q++) {
        values[q] = broken[q] ? INFINITY : amm_ticks_total(&acc[q], (float)c->a);
        hit = hit || values[q] <= threshold;
    }
    if (a->scores != NULL && n < a->count) {
        const amm_float4 t = { values[0], values[1], values[2], values[3] };
        *(amm_float4 *)(a->scores + n) = t;
    }
    if (a->top.keys != NULL && amm_warp_any(hit)) {
        AMM_UNROLL
        for (int32_t q = 0; q < AMM_GROUP; q++) {
            const uint64_t at = n + (uint64_t)q;
            amm_gpu_push(&a->top, at < a->count && values[q] <= threshold && values[q] < INFINITY,
                         amm_gpu_key(c, &acc[q], a->first + at));
        }
    }
}

/* Configs with a stage of several entries. */
AMM_KERNEL(score_several, amm_score_args, AMM_BLOCK, 3)
{
    const amm_problem_config c = a->problem.configs[a->config];
    const amm_score_space x = amm_score_fill(a, &c);
    const uint32_t *cuts = (const uint32_t *)a->cuts;
    const uint64_t pitch = a->pitch / AMM_GROUP;
    const uint64_t groups = (a->count + AMM_GROUP - 1) / AMM_GROUP;
    const uint64_t step = (uint64_t)amm_blocks() * (uint64_t)amm_threads();
    const uint64_t all = (groups + AMM_WARP - 1) / AMM_WARP * AMM_WARP; /* whole warps */
    for (uint64_t n = (uint64_t)amm_block() * (uint64_t)amm_threads() + (uint64_t)amm_thread();
         n < all; n += step) {
        const amm_score_row nothing = { 0.0f, 0.0f, 0.0f, 0.0f };
        amm_score_group g;
        AMM_UNROLL
        for (int32_t q = 0; q < AMM_GROUP; q++) {
            g.acc[q] = amm_ticks_start();
            g.start[q] = nothing;
        }
        g.before = 0;
        g.broken = 0;
        g.row = -1;
        for (int32_t s = 0; s < c.stages; s++) {
            uint32_t at = (uint32_t)x.items * 0x01010101u;
            if (s + 1 < c.stages) {
                at = n < groups ? cuts[(uint64_t)s * pitch + n] : 0;
            }
            const amm_score_stage stage = x.stages[s];
            if (stage.entry_count == 1) {
                const amm_score_entry entry = x.entries[stage.entry];
                amm_score_one(&g, &x, at, &entry);
            } else {
                amm_score_several(&g, &x, at, &stage);
            }
            g.before = at;
        }
        const bool broken[AMM_GROUP] = { (g.broken & 1u) != 0, (g.broken & 2u) != 0,
                                         (g.broken & 4u) != 0, (g.broken & 8u) != 0 };
        amm_score_store(a, &c, g.acc, broken, n * AMM_GROUP);
    }
}

/* ---- configs of one entry a stage ---------------------------------------------------------------- */

/* A stage as the loop needs it: bytes from the begin of shared memory to its class's row 0 (first
 * replica) and to its pair 0. */
typedef struct amm_score_step {
    uint32_t row, pair;
    float rho;
    int32_t fresh; /* the class is another than the stage before had */
} __attribute__((aligned(16))) amm_score_step;

static_assert(sizeof(amm_score_step) == AMM_SCORE_STEP_BYTES, "score: shared memory");

/* Steps, in shared memory after the stages; the whole block. */
AMM_DEVICE const amm_score_step *amm_score_steps(const amm_score_space *x)
{
    const size_t end = (size_t)((const uint8_t *)(x->stages + x->stages_count) - amm_shared());
    amm_score_step *steps = (amm_score_step *)(amm_shared() + (end + 15) / 16 * 16);
    for (int32_t s = amm_thread(); s < x->stages_count; s += amm_threads()) {
        const amm_score_entry entry = x->entries[s];
        const uint32_t values = (uint32_t)x->items + 1;
        amm_score_step step;
        step.row = ((uint32_t)entry.row * values << x->shift) * (uint32_t)sizeof(amm_score_row);
        step.pair = (uint32_t)((const uint8_t *)x->cuts - amm_shared()) +
                    (uint32_t)entry.pair * values * (uint32_t)sizeof(amm_score_cut);
        step.rho = entry.rho;
        step.fresh = s == 0 || x->entries[s - 1].row != entry.row;
        steps[s] = step;
    }
    amm_block_sync();
    return steps;
}

/* Four candidates up to a stage: parts, rows and items of the last cut. */
typedef struct amm_score_four {
    amm_ticks acc[AMM_GROUP];
    amm_score_row start[AMM_GROUP];
    int32_t before[AMM_GROUP];
    int32_t room[AMM_GROUP]; /* below 0: a stage begins before its window */
} amm_score_four;

AMM_DEVICE amm_score_row amm_score_row_at(uint32_t base, int32_t item, uint32_t row_bytes)
{
    return *(const amm_score_row *)(amm_shared() + (base + (uint32_t)item * row_bytes));
}

AMM_DEVICE amm_score_cut amm_score_cut_at(uint32_t base, int32_t item)
{
    return *(const amm_score_cut *)(amm_shared() +
                                    (base + (uint32_t)item * (uint32_t)sizeof(amm_score_cut)));
}

AMM_DEVICE void amm_score_add(amm_score_four *g, uint32_t replica, uint32_t row_bytes,
                              const amm_score_step *step, uint32_t at)
{
    const uint32_t base = step->row + replica;
    if (step->fresh != 0) {
        AMM_UNROLL
        for (int32_t q = 0; q < AMM_GROUP; q++) {
            g->start[q] = amm_score_row_at(base, g->before[q], row_bytes);
        }
    }
    AMM_UNROLL
    for (int32_t q = 0; q < AMM_GROUP; q++) {
        const int32_t j = (int32_t)(at >> (8 * q) & 0xffu);
        const amm_score_row end = amm_score_row_at(base, j, row_bytes);
        const amm_score_cut cut = amm_score_cut_at(step->pair, j);
        amm_ticks_stage(&g->acc[q], end.x - g->start[q].x, end.y - g->start[q].y, cut.e,
                        end.z - g->start[q].w, step->rho);
        g->room[q] |= g->before[q] - cut.first;
        g->start[q] = end;
        g->before[q] = j;
    }
}

AMM_KERNEL(score, amm_score_args, AMM_BLOCK, 3)
{
    const amm_problem_config c = a->problem.configs[a->config];
    const amm_score_space x = amm_score_fill(a, &c);
    const amm_score_step *steps = amm_score_steps(&x);
    const uint32_t replica = (uint32_t)x.replica * (uint32_t)sizeof(amm_score_row);
    const uint32_t row_bytes = (uint32_t)sizeof(amm_score_row) << x.shift;
    const uint32_t last = (uint32_t)x.items * 0x01010101u;
    const uint64_t pitch = a->pitch / AMM_GROUP;
    const uint64_t groups = (a->count + AMM_GROUP - 1) / AMM_GROUP;
    const uint64_t all = (groups + AMM_WARP - 1) / AMM_WARP * AMM_WARP; /* whole warps */
    const uint64_t step = (uint64_t)amm_blocks() * (uint64_t)amm_threads();
    AMM_LOOP
    for (uint64_t n = (uint64_t)amm_block() * (uint64_t)amm_threads() + (uint64_t)amm_thread();
         n < all; n += step) {
        /* Past the end: the last group again, and nobody takes it. */
        const uint32_t *plane = (const uint32_t *)a->cuts + (n < groups ? n : groups - 1);
        uint32_t at = c.stages > 1 ? *plane : last;
        amm_score_four g;
        AMM_UNROLL
        for (int32_t q = 0; q < AMM_GROUP; q++) {
            g.acc[q] = amm_ticks_start();
            g.before[q] = 0;
            g.room[q] = 0;
        }
        AMM_LOOP
        for (int32_t s = 0; s < c.stages; s++) {
            uint32_t next = last; /* on its way while this stage is formed */
            plane += pitch;
            if (s + 2 < c.stages) {
                next = *plane;
            }
            const amm_score_step now = steps[s];
            amm_score_add(&g, replica, row_bytes, &now, at);
            at = next;
        }
        const bool broken[AMM_GROUP] = { g.room[0] < 0, g.room[1] < 0, g.room[2] < 0,
                                         g.room[3] < 0 };
        amm_score_store(a, &c, g.acc, broken, n * AMM_GROUP);
    }
}

/* The same for configs whose tables do not fit in shared memory: a candidate a thread. */
AMM_KERNEL(score_direct, amm_score_args, AMM_BLOCK, 2)
{
    const amm_problem_config c = a->problem.configs[a->config];
    const float threshold = amm_gpu_threshold(&a->top, &c);
    const uint64_t step = (uint64_t)amm_blocks() * (uint64_t)amm_threads();
    const uint64_t all = (a->count + AMM_WARP - 1) / AMM_WARP * AMM_WARP;
    for (uint64_t n = (uint64_t)amm_block() * (uint64_t)amm_threads() + (uint64_t)amm_thread();
         n < all; n += step) {
        amm_ticks acc = amm_ticks_start();
        bool feasible = n < a->count;
        int32_t i = 0;
        for (int32_t s = 0; s < c.stages && feasible; s++) {
            const int32_t j =
                s + 1 < c.stages ? (int32_t)a->cuts[(uint64_t)s * a->pitch + n] : a->problem.items;
            feasible = amm_gpu_add_stage(&acc, &a->problem, &c, s, i, j);
            i = j;
        }
        const float score = feasible ? amm_ticks_total(&acc, (float)c.a) : INFINITY;
        if (a->scores != NULL && n < a->count) {
            a->scores[n] = score;
        }
        if (a->top.keys != NULL) {
            amm_gpu_push(&a->top, feasible && score <= threshold,
                         amm_gpu_key(&c, &acc, a->first + n));
        }
    }
}

#endif
