/* solve: a warp per config, taken from a queue. The search is that of backend/cpu_ref/solve.c in
 * integers: for limits on t and d the least sum by a dynamic programme over stages, lanes over ends;
 * the limits descend over the Pareto points. Sums carry the max t and max d of their partition along,
 * so only the last pass, for the cuts, keeps starts. */
#ifndef AMM_CUDA_KERNEL_SOLVE_H
#define AMM_CUDA_KERNEL_SOLVE_H

#include "kernel_common.h"

/* The least sums of partitions of the first items, by end, with max t and max d beside. */
typedef struct amm_solve_column {
    amm_ticks *from, *to; /* [items + 1] after the stage before, after this one */
} amm_solve_column;

typedef struct amm_solve_warp {
    const amm_gpu_problem *p;
    const amm_problem_config *c;
    amm_solve_column column;
    uint16_t *low, *high; /* [stages + 1] bounds of the cuts */
    uint16_t *start;      /* [stages][items + 1] */
} amm_solve_warp;

/* ---- reach, by a warp --------------------------------------------------------------------------- */

/* The greatest length in [0, most] for which entry x takes `length` items onwards from `at` (or back
 * from it); what fits is monotone, 0 fits. */
AMM_DEVICE int32_t amm_solve_longest(const amm_solve_warp *w, const amm_problem_entry *x,
                                     int32_t at, int32_t low, int32_t most, bool back,
                                     amm_limits limit)
{
    while (most > low) {
        const int32_t step = (most - low + AMM_WARP - 1) / AMM_WARP;
        const int32_t length = low + step * (amm_lane() + 1);
        const int32_t i = back ? at - length : at;
        const bool fits = length <= most && amm_gpu_within(w->p, w->c, x, i, i + length, limit);
        low += step * amm_bits(amm_warp_ballot(fits));
        most = amm_min_i32(most, low + step - 1);
    }
    return low;
}

/* Furthest end from i, or smallest start of a stage that ends at i, over the stage's entries. */
AMM_DEVICE int32_t amm_solve_reach(const amm_solve_warp *w, int32_t s, int32_t i, bool back,
                                   amm_limits limit)
{
    const amm_problem_stage stage = w->p->stages[w->c->stage + s];
    int32_t best = 0;
    for (int32_t k = 0; k < stage.entry_count; k++) {
        const amm_problem_entry x = w->p->entries[stage.entry + k];
        const int32_t most =
            back ? i - amm_gpu_window(w->p, x.window, i) : amm_gpu_reach(w->p, x.window, i) - i;
        if (x.rho > limit.d) {
            break;
        }
        best = amm_solve_longest(w, &x, i, best, most, back, limit);
    }
    return back ? i - best : i + best;
}

/* Between which items each cut must lie: greedy from both ends. False: no partition. */
AMM_DEVICE bool amm_solve_bounds(const amm_solve_warp *w, amm_limits limit)
{
    const int32_t items = w->p->items;
    const int32_t stages = w->c->stages;
    int32_t at = 0;
    amm_warp_sync(); /* nobody reads the bounds of the pass before any more */
    for (int32_t s = 0; s < stages; s++) {
        if (amm_lane() == 0) {
            w->high[s] = (uint16_t)at;
        }
        at = amm_min_i32(amm_solve_reach(w, s, at, false, limit), items - (stages - 1 - s));
        if (at < s + 1) {
            return false;
        }
    }
    if (at < items) {
        return false;
    }
    if (amm_lane() == 0) {
        w->high[stages] = (uint16_t)items;
        w->low[stages] = (uint16_t)items;
    }
    amm_warp_sync();
    for (int32_t s = stages - 1; s >= 0; s--) {
        at = amm_max_i32(amm_solve_reach(w, s, at, true, limit), s);
        if (at > (int32_t)w->high[s]) {
            return false;
        }
        if (amm_lane() == 0) {
            w->low[s] = (uint16_t)at;
        }
    }
    amm_warp_sync();
    return true;
}

/* ---- one pass ----------------------------------------------------------------------------------- */

/* The best start of stage s that ends at j: least sum, then smallest. Starts are walked downwards; a
 * longer stage costs more, and its entry is the first that its window admits. Sum AMM_NO_LIMIT: none. */
AMM_DEVICE amm_ticks amm_solve_end(const amm_solve_warp *w, const amm_problem_stage *stage,
                                   int32_t low, int32_t high, int32_t j, amm_limits limit,
                                   int32_t *start)
{
    const amm_gpu_problem *p = w->p;
    float best = (float)AMM_NO_LIMIT;
    int32_t best_i = -1;
    int32_t best_k = 0;
    int32_t i = amm_min_i32(j - 1, high);
    for (int32_t k = 0; k < stage->entry_count && i >= low; k++) {
        const amm_problem_entry x = p->entries[stage->entry + k];
        const int32_t first = amm_max_i32(low, amm_gpu_window(p, x.window, j));
        const float *u = amm_gpu_table(p, x.u);
        if (x.rho > limit.d) {
            break;
        }
        for (; i >= first; i--) {
            if (!amm_gpu_within(p, w->c, &x, i, j, limit)) {
                i = -1; /* nor does any longer stage, through any entry */
                break;
            }
            const float sum = w->column.from[i].sum + (u[j] - u[i]);
            if (w->column.from[i].sum < (float)AMM_NO_LIMIT && sum <= best) {
                best = sum;
                best_i = i;
                best_k = k;
            }
        }
    }
    amm_ticks end = { 0.0f, (float)AMM_NO_LIMIT, 0.0f };
    *start = best_i;
    if (best_i >= 0) {
        end = w->column.from[best_i];
        amm_gpu_add_entry(&end, p, w->c, stage, best_k, best_i, j);
    }
    return end;
}

/* The least sum under the limits, ties to the smallest starts from the last stage on. `keep`: also
 * stores starts. False: no partition. */
AMM_DEVICE bool amm_solve_pass(amm_solve_warp *w, amm_ticks *out, amm_limits limit, bool keep)
{
    const int32_t items = w->p->items;
    if (!amm_solve_bounds(w, limit)) {
        return false;
    }
    if (amm_lane() == 0) {
        w->column.from[0] = amm_ticks_start();
    }
    amm_warp_sync();
    for (int32_t s = 0; s < w->c->stages; s++) {
        const amm_problem_stage stage = w->p->stages[w->c->stage + s];
        const int32_t last = (int32_t)w->high[s + 1];
        for (int32_t j = (int32_t)w->low[s + 1] + amm_lane(); j <= last; j += AMM_WARP) {
            int32_t start;
            w->column.to[j] =
                amm_solve_end(w, &stage, (int32_t)w->low[s], (int32_t)w->high[s], j, limit, &start);
            if (keep) {
                w->start[(size_t)s * ((size_t)items + 1) + (size_t)j] = (uint16_t)start;
            }
        }
        amm_ticks *swap = w->column.from;
        w->column.from = w->column.to;
        w->column.to = swap;
        amm_warp_sync();
    }
    *out = w->column.from[items];
    amm_warp_sync(); /* before the next pass writes */
    return out->sum < (float)AMM_NO_LIMIT;
}

/* ---- descent ------------------------------------------------------------------------------------ */

/* The least t (or d) in (low, high] that the probe lets through under the other limit; `high` is. 32
 * thresholds at a time, one a lane. */
AMM_DEVICE int32_t amm_solve_least(const amm_solve_warp *w, int32_t low, int32_t high,
                                   int32_t other, bool on_d)
{
    while (high - low > 1) {
        const int32_t step = (high - low + AMM_WARP) / (AMM_WARP + 1);
        const int32_t at = low + step * (amm_lane() + 1);
        bool fails = false;
        if (at < high) {
            fails = !amm_gpu_probe(w->p, w->c,
                                   on_d ? amm_gpu_limits(other, at) : amm_gpu_limits(at, other));
        }
        const int32_t failing = amm_bits(amm_warp_ballot(fails));
        high = amm_min_i32(high, low + step * (failing + 1));
        low += step * failing;
    }
    return high;
}

/* What no max t is below: the mean over stages of the cheapest t of every item, rounded up. */
AMM_DEVICE int32_t amm_solve_mean(const amm_solve_warp *w)
{
    int32_t sum = 0;
    for (int32_t l = amm_lane(); l < w->p->items; l += AMM_WARP) {
        sum += (int32_t)amm_gpu_least_item(w->p, w->c, l, 0);
    }
    return (amm_warp_sum_i32(sum) + w->c->stages - 1) / w->c->stages;
}

AMM_DEVICE bool amm_solve_has_d(const amm_solve_warp *w)
{
    const amm_problem_config *c = w->c;
    bool has = false;
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_stage stage = w->p->stages[c->stage + s];
        for (int32_t k = 0; k < stage.entry_count; k++) {
            const amm_problem_entry x = w->p->entries[stage.entry + k];
            has = has || x.rho > 0.0f || amm_gpu_table(w->p, x.d)[w->p->items] > 0.0f;
        }
    }
    return has;
}

AMM_DEVICE void amm_solve_new(const amm_solve_warp *w, amm_solve_state *x, int64_t upper)
{
    x->total = upper;
    x->v = upper;
    x->found = 0;
    x->v_found = 0;
    x->with_d = amm_solve_has_d(w) ? 1 : 0;
    x->d_limit = AMM_NO_LIMIT;
    x->d_floor = -1;
    x->mean_t = amm_solve_mean(w);
    x->passes = 0;
    x->phase = AMM_SOLVE_WIDE;
}

/* Takes the solution up when it is the best under d_limit: less v, or the same with a smaller max t. */
AMM_DEVICE void amm_solve_keep(const amm_solve_warp *w, amm_solve_state *x, const amm_ticks *got)
{
    const int64_t v = amm_ticks_exact(got->max_t, got->sum, w->c->a);
    if (v < x->v || (v == x->v && (x->v_found == 0 || (int32_t)got->max_t < x->v_t))) {
        x->v_found = 1;
        x->v = v;
        x->v_t = (int32_t)got->max_t;
        x->v_d = (int32_t)got->max_d;
    }
}

/* The best under d_limit is known: lowers d_limit below its d while that may still help. */
AMM_DEVICE void amm_solve_close(const amm_solve_warp *w, amm_solve_state *x)
{
    x->phase = AMM_SOLVE_LAST;
    if (x->v_found == 0) {
        return;
    }
    const int64_t total = x->v + x->v_d;
    if (total < x->total || (total == x->total && (x->found == 0 || x->v_d < x->max_d))) {
        x->found = 1;
        x->total = total;
        x->max_t = x->v_t;
        x->max_d = x->v_d;
    }
    if (x->with_d == 0) {
        return;
    }
    if (x->d_floor < 0) {
        x->d_floor = amm_solve_least(w, -1, x->v_d, AMM_NO_LIMIT, true);
    }
    const int64_t room = x->total - x->v;
    x->d_limit = room < x->v_d - 1 ? (int32_t)room : x->v_d - 1;
    if (x->d_limit >= x->d_floor && x->v + x->d_floor <= x->total) {
        x->phase = AMM_SOLVE_WIDE;
    }
}

/* The next limit on t: below what the last pass found, and where A t + sum may still be <= v. */
AMM_DEVICE void amm_solve_narrow(const amm_solve_warp *w, amm_solve_state *x, int32_t below)
{
    x->m = below - 1;
    if (w->c->a > 0) {
        const int64_t room = (x->v - x->sum) / w->c->a;
        x->m = room < x->m ? (int32_t)room : x->m;
    }
    x->phase = AMM_SOLVE_DESCEND;
    if (x->m <= x->t_floor) {
        amm_solve_close(w, x);
    }
}

AMM_DEVICE void amm_solve_wide(const amm_solve_warp *w, amm_solve_state *x, bool feasible,
                               const amm_ticks *got)
{
    x->v_found = 0;
    x->v = x->d_floor > 0 ? x->total - x->d_floor : x->total;
    x->sum = (int32_t)got->sum;
    if (!feasible || x->sum > x->v) {
        x->phase = AMM_SOLVE_LAST;
        return;
    }
    amm_solve_keep(w, x, got);
    x->widest = (int32_t)got->max_t;
    x->narrow =
        amm_solve_least(w, amm_min_i32(x->mean_t, x->widest) - 1, x->widest, x->d_limit, false);
    x->t_floor = x->narrow - 1;
    if (w->c->a > 0 && x->narrow < x->widest) {
        x->phase = AMM_SOLVE_NARROW;
        x->m = x->narrow;
    } else {
        amm_solve_narrow(w, x, x->widest);
    }
}

/* Result and cuts of config n of the arrays; `parts` of the last pass, where there was one. */
AMM_DEVICE void amm_solve_finish(const amm_solve_warp *w, const amm_solve_args *a,
                                 amm_solve_state *x, int32_t n, const amm_ticks *parts)
{
    x->phase = AMM_SOLVE_DONE;
    if (amm_lane() != 0) {
        return;
    }
    amm_solved out = { AMM_TICKS_NONE, 0.0f, 0.0f, 0.0f, x->passes };
    if (x->found != 0) {
        uint16_t *cuts = a->cuts + (size_t)n * ((size_t)w->p->max_stages + 1);
        int32_t at = w->p->items;
        out.total = x->total;
        out.max_t = parts->max_t;
        out.sum = parts->sum;
        out.max_d = parts->max_d;
        for (int32_t s = w->c->stages - 1; s >= 0; s--) {
            cuts[s + 1] = (uint16_t)at;
            at = (int32_t)w->start[(size_t)s * ((size_t)w->p->items + 1) + (size_t)at];
        }
        cuts[0] = 0;
    }
    a->out[n] = out;
}

/* What a pass under a limit on t tells. */
AMM_DEVICE void amm_solve_descend(const amm_solve_warp *w, amm_solve_state *x, bool feasible,
                                  const amm_ticks *got)
{
    if (feasible) {
        amm_solve_keep(w, x, got);
    }
    if (x->phase == AMM_SOLVE_NARROW) {
        amm_solve_narrow(w, x, x->widest);
        return;
    }
    const bool rose = w->c->a == 0 && feasible && (int64_t)got->sum > x->v;
    if (!feasible || rose) { /* with A = 0 no smaller max t has the least sum any more */
        amm_solve_close(w, x);
        return;
    }
    x->sum = (int32_t)got->sum;
    amm_solve_narrow(w, x, (int32_t)got->max_t);
}

/* One pass of the search. All lanes hold the same state. */
AMM_DEVICE void amm_solve_step(amm_solve_warp *w, const amm_solve_args *a, amm_solve_state *x,
                               int32_t n)
{
    const bool last = x->phase == AMM_SOLVE_LAST;
    amm_limits limit = amm_gpu_limits(x->m, x->d_limit);
    amm_ticks got = amm_ticks_start();
    if (last) {
        limit = amm_gpu_limits(x->max_t, x->max_d);
    } else if (x->phase == AMM_SOLVE_WIDE) {
        limit.t = (float)AMM_NO_LIMIT;
    }
    bool feasible = false;
    if (!last || x->found != 0) {
        feasible = amm_solve_pass(w, &got, limit, last);
        x->passes++;
    }
    if (last) {
        amm_solve_finish(w, a, x, n, &got);
    } else if (x->phase == AMM_SOLVE_WIDE) {
        amm_solve_wide(w, x, feasible, &got);
    } else {
        amm_solve_descend(w, x, feasible, &got);
    }
}

/* ---- kernels ------------------------------------------------------------------------------------ */

/* Configs from the queue until it is empty or the time is over. */
AMM_DEVICE void amm_solve_queue(const amm_solve_args *a, amm_solve_warp *w)
{
    const int64_t begin = amm_now_ns();
    for (;;) {
        const uint32_t ticket = amm_warp_ticket(a->ticket);
        if (ticket >= (uint32_t)a->queue_count) {
            return;
        }
        const int32_t n = a->queue[ticket];
        amm_solve_state x = a->state[n];
        w->c = &a->problem.configs[a->number[n]];
        amm_warp_sync(); /* all have read the state */
        if (x.phase == AMM_SOLVE_NEW) {
            amm_solve_new(w, &x, a->upper[n]);
        }
        bool late = false;
        while (x.phase != AMM_SOLVE_DONE && !late) {
            amm_solve_step(w, a, &x, n);
            late = amm_warp_any(amm_now_ns() - begin > a->slice_ns);
        }
        if (amm_lane() == 0) {
            a->state[n] = x;
        }
        if (late) {
            return;
        }
    }
}

/* Bytes of a warp: two columns, the bounds of the cuts. AMM_SOLVE_COLUMN_BYTES. */
AMM_DEVICE void amm_solve_place(amm_solve_warp *w, const amm_gpu_problem *p, uint8_t *memory)
{
    const size_t values = (size_t)p->items + 1;
    w->column.from = (amm_ticks *)memory;
    w->column.to = w->column.from + values;
    w->low = (uint16_t *)(w->column.to + values);
    w->high = w->low + p->max_stages + 1;
}

AMM_KERNEL(solve, amm_solve_args, AMM_SOLVE_BLOCK, 4)
{
    const amm_gpu_problem *p = &a->problem;
    amm_solve_warp w;
    w.p = p;
    amm_solve_place(&w, p,
                    amm_shared() +
                        (size_t)amm_warp() * (AMM_SOLVE_COLUMN_BYTES(p->items, p->max_stages)));
    w.start = (uint16_t *)(a->scratch + (size_t)amm_grid_warp() * a->scratch_bytes);
    amm_solve_queue(a, &w);
}

/* The same for problems whose columns do not fit in shared memory. */
AMM_KERNEL(solve_large, amm_solve_args, AMM_SOLVE_BLOCK, 4)
{
    const amm_gpu_problem *p = &a->problem;
    uint8_t *memory = a->scratch + (size_t)amm_grid_warp() * a->scratch_bytes;
    amm_solve_warp w;
    w.p = p;
    amm_solve_place(&w, p, memory);
    w.start = (uint16_t *)(memory + (AMM_SOLVE_COLUMN_BYTES(p->items, p->max_stages)));
    amm_solve_queue(a, &w);
}

#endif
