/* sweep: a warp per unit of ranks, taken from a queue. A partition is a prefix (all cuts but the last
 * two), a row (the last cut but one, b) and a column (the last cut, x). Prefixes are walked in order
 * with a stack of their sums; 32 rows at a time are formed by the lanes; columns stay in registers,
 * four a lane, for all prefixes of the unit. Windows, limits and the unit's ends are the bounds of a
 * row's columns. */
#ifndef AMM_CUDA_KERNEL_SWEEP_H
#define AMM_CUDA_KERNEL_SWEEP_H

#include "kernel_common.h"

enum { AMM_TILE = AMM_WARP * AMM_TILE_COLUMNS };

/* A row: the sums of all stages before the last two, less the prefix values at b of the stage that
 * begins there; the columns [first, first + width). */
typedef struct amm_sweep_row {
    float max_t, sum, max_d, t;
    float d;
    int32_t first, width;
    uint32_t blocks; /* of 32 columns from the pass's base: a bit for each that the row touches */
} __attribute__((aligned(16))) amm_sweep_row;

/* A column: prefix values of the last stage but one at x, and what the last stage costs from x. */
typedef struct amm_sweep_column {
    float t, u, d, last_t, last_d;
} amm_sweep_column;

/* A prefix up to its cut s: the cut, the sums, the rank of the first partition that begins so. */
typedef struct amm_sweep_level {
    uint64_t rank;
    amm_ticks acc;
    int32_t cut;
} amm_sweep_level;

static_assert(sizeof(amm_sweep_row) == 32 && sizeof(amm_sweep_level) == 24, "sweep: shared memory");

/* What is the same for all rows of a pass over the unit. */
typedef struct amm_sweep_pass {
    const amm_problem_stage *stage; /* the last but one */
    const amm_problem_entry *entry;
    int32_t k, base, last_start; /* number of the entry, first column, bound of x */
} amm_sweep_pass;

/* What is the same for a warp: in shared memory, registers are for the columns. */
typedef struct amm_sweep_warp {
    const amm_gpu_problem *p;
    const amm_gpu_top *top;
    const amm_problem_config *c;
    uint64_t first, end;  /* ranks of the unit */
    int64_t begin;        /* of the launch, ns */
    int32_t number, turn; /* of the unit, of the pass over it */
    amm_sweep_pass pass;
    float threshold;
    uint32_t scored[AMM_WARP]; /* by lane */
    amm_sweep_row rows[AMM_WARP];
    amm_sweep_level levels[1]; /* [stages] */
} amm_sweep_warp;

AMM_DEVICE uint64_t amm_sweep_choose(const amm_gpu_problem *p, int32_t n, int32_t k)
{
    return p->choose[(size_t)n * ((size_t)p->max_stages + 1) + (size_t)k];
}

/* Partitions that begin with cut s of the config at b. */
AMM_DEVICE uint64_t amm_sweep_under(const amm_sweep_warp *w, int32_t s, int32_t b)
{
    return amm_sweep_choose(w->p, w->p->items - b - 1, w->c->stages - s - 1);
}

static_assert(sizeof(amm_sweep_warp) <= AMM_SWEEP_SHARED_BYTES(1), "sweep: shared memory");

/* ---- columns ------------------------------------------------------------------------------------ */

/* Smallest start from which the last stage reaches the end. */
AMM_DEVICE int32_t amm_sweep_last_start(const amm_sweep_warp *w)
{
    const amm_problem_stage stage = w->p->stages[w->c->stage + w->c->stages - 1];
    int32_t first = w->p->items;
    AMM_LOOP
    for (int32_t k = 0; k < stage.entry_count; k++) {
        const int32_t window = w->p->entries[stage.entry + k].window;
        first = amm_min_i32(first, amm_gpu_window(w->p, window, w->p->items));
    }
    return first;
}

/* Column x with entry k of the last stage but one; zeros where no row looks. */
AMM_DEVICE amm_sweep_column amm_sweep_column_of(const amm_sweep_warp *w,
                                                const amm_problem_stage *stage,
                                                const amm_problem_entry *entry, int32_t x)
{
    amm_sweep_column column = { 0.0f, 0.0f, 0.0f, 0.0f, 0.0f };
    amm_ticks last = amm_ticks_start();
    if (x < 1 || x >= w->p->items ||
        !amm_gpu_add_stage(&last, w->p, w->c, w->c->stages - 1, x, w->p->items)) {
        return column;
    }
    column.t = amm_gpu_table(w->p, entry->t)[x];
    column.u = amm_gpu_table(w->p, entry->u)[x] + amm_gpu_table(w->p, stage->e)[x] + last.sum;
    column.d = amm_gpu_table(w->p, entry->d)[x];
    column.last_t = last.max_t;
    column.last_d = fmaxf(last.max_d, entry->rho);
    return column;
}

/* ---- rows --------------------------------------------------------------------------------------- */

/* Columns (low, high] of a row. */
typedef struct amm_sweep_span {
    int32_t low, high;
} amm_sweep_span;

/* The prefix that is looked at. In shared memory, registers are for the columns. */
AMM_DEVICE const amm_sweep_level *amm_sweep_top_level(const amm_sweep_warp *w)
{
    return &w->levels[w->c->stages - 3];
}

/* Rank of the prefix with row b and column b + 1, in the unit or not. */
AMM_DEVICE int64_t amm_sweep_rank_of(const amm_sweep_warp *w, int32_t b)
{
    const amm_sweep_level *prefix = amm_sweep_top_level(w);
    const int32_t above = b - 1 - prefix->cut; /* rows */
    return (int64_t)prefix->rank + above * (w->p->items - 1) - above * (prefix->cut + b) / 2;
}

/* The columns of row b that entry k serves: where it is the first that admits (b, x]. */
AMM_DEVICE amm_sweep_span amm_sweep_serves(const amm_sweep_warp *w, const amm_sweep_pass *pass,
                                           int32_t b)
{
    amm_sweep_span span;
    span.low = amm_max_i32(b, amm_max_i32(pass->base, pass->last_start) - 1);
    AMM_LOOP
    for (int32_t k = 0; k < pass->k; k++) {
        const int32_t window = w->p->entries[pass->stage->entry + k].window;
        span.low = amm_max_i32(span.low, amm_gpu_reach(w->p, window, b));
    }
    span.high = amm_min_i32(amm_gpu_reach(w->p, pass->entry->window, b),
                            amm_min_i32(w->p->items - 1, pass->base + AMM_TILE - 1));
    return span;
}

/* Cuts the columns to the unit: `here` is the rank of column b + 1. */
AMM_DEVICE void amm_sweep_clip(const amm_sweep_warp *w, int64_t here, int32_t b,
                               amm_sweep_span *span)
{
    const int64_t skip = (int64_t)w->first - here;
    const int64_t left = (int64_t)w->end - here;
    if (skip > 0) {
        span->low = skip > w->p->items ? span->high : amm_max_i32(span->low, b + (int32_t)skip);
    }
    if (left < w->p->items) {
        span->high = left <= 0 ? span->low : amm_min_i32(span->high, b + (int32_t)left);
    }
}

/* Row b of the prefix into `row`, its width: 0 when there is nothing in it, then the rest is not set. */
AMM_DEVICE int32_t amm_sweep_row_of(const amm_sweep_warp *w, const amm_sweep_pass *pass,
                                    amm_sweep_row *row, int32_t b)
{
    const amm_sweep_level *prefix = amm_sweep_top_level(w);
    amm_ticks acc = prefix->acc;
    if (b > w->p->items - 2 ||
        !amm_gpu_add_stage(&acc, w->p, w->c, w->c->stages - 3, prefix->cut, b) ||
        amm_ticks_total(&acc, (float)w->c->a) > w->threshold) {
        return 0;
    }
    row->max_t = acc.max_t;
    row->sum = acc.sum - amm_gpu_table(w->p, pass->entry->u)[b];
    row->max_d = acc.max_d;
    row->t = amm_gpu_table(w->p, pass->entry->t)[b];
    row->d = amm_gpu_table(w->p, pass->entry->d)[b] + amm_gpu_table(w->p, w->c->o)[b];
    amm_sweep_span span = amm_sweep_serves(w, pass, b);
    amm_sweep_clip(w, amm_sweep_rank_of(w, b), b, &span);
    if (span.low >= span.high) {
        return 0;
    }
    const int32_t from = (span.low + 1 - pass->base) / AMM_WARP;
    row->first = span.low + 1;
    row->width = span.high - span.low;
    row->blocks = (2u << ((span.high - pass->base) / AMM_WARP)) - (1u << from);
    return row->width;
}

/* ---- candidates --------------------------------------------------------------------------------- */

AMM_DEVICE amm_ticks amm_sweep_candidate(const amm_sweep_row *row, const amm_sweep_column *column)
{
    amm_ticks acc = { row->max_t, row->sum, row->max_d };
    /* Both stages at once: of t the longer, u of both (with the boundary between), d's floor from the
     * last. -0 adds nothing. */
    amm_ticks_stage(&acc, fmaxf(column->t - row->t, column->last_t), column->u, -0.0f,
                    column->d - row->d, column->last_d);
    return acc;
}

AMM_DEVICE bool amm_sweep_inside(const amm_sweep_row *row, int32_t x)
{
    return (uint32_t)(x - row->first) < (uint32_t)row->width;
}

/* The rare case: a candidate of the row is below the threshold. Columns are formed anew: registers are
 * for the common one. */
AMM_DEVICE void amm_sweep_take(const amm_sweep_warp *w, const amm_sweep_pass *pass,
                               const amm_sweep_row *row, int32_t b)
{
    const int64_t here = amm_sweep_rank_of(w, b) - b - 1; /* of column 0, there or not */
    AMM_LOOP
    for (int32_t x = pass->base + amm_lane(); x - amm_lane() < row->first + row->width;
         x += AMM_WARP) {
        const amm_sweep_column column = amm_sweep_column_of(w, pass->stage, pass->entry, x);
        const amm_ticks acc = amm_sweep_candidate(row, &column);
        const bool want =
            amm_sweep_inside(row, x) && amm_ticks_total(&acc, (float)w->c->a) <= w->threshold;
        amm_gpu_push(w->top, want, amm_gpu_key(w->c, &acc, (uint64_t)(here + x)));
    }
}

/* The rows whose bit is set, against the columns of this lane. Blocks of 32 columns that a row does not
 * touch are left out by the whole warp; in the others lanes outside the row count for nothing: no
 * branch parts the lanes. */
AMM_DEVICE void amm_sweep_tile(const amm_sweep_warp *w, const amm_sweep_pass *pass,
                               const amm_sweep_column *columns, int32_t first_b, uint32_t rows)
{
    const float a = (float)w->c->a;
    const float threshold = w->threshold;
    const int32_t x = pass->base + amm_lane();
    while (rows != 0) {
        const int32_t r = amm_lowest_bit(rows);
        const amm_sweep_row row = w->rows[r];
        float least = INFINITY;
        rows &= rows - 1;
        AMM_UNROLL
        for (int32_t q = 0; q < AMM_TILE_COLUMNS; q++) {
            if ((row.blocks >> q & 1u) != 0) {
                const amm_ticks acc = amm_sweep_candidate(&row, &columns[q]);
                const float total = amm_ticks_total(&acc, a);
                least = fminf(least, amm_sweep_inside(&row, x + AMM_WARP * q) ? total : INFINITY);
            }
        }
        if (amm_warp_any(least <= threshold)) {
            amm_sweep_take(w, pass, &w->rows[r], first_b + r);
        }
    }
}

/* All rows of the prefix. */
AMM_DEVICE void amm_sweep_prefix(amm_sweep_warp *w, const amm_sweep_pass *pass,
                                 const amm_sweep_column *columns)
{
    AMM_LOOP
    for (int32_t b = amm_sweep_top_level(w)->cut + 1;
         b <= amm_min_i32(w->p->items, pass->base + AMM_TILE) - 2; b += AMM_WARP) {
        const int32_t width = amm_sweep_row_of(w, pass, &w->rows[amm_lane()], b + amm_lane());
        const uint32_t rows = amm_warp_ballot(width > 0);
        if (rows == 0) {
            continue;
        }
        w->scored[amm_lane()] += (uint32_t)width;
        amm_warp_sync();
        amm_sweep_tile(w, pass, columns, b, rows);
        amm_warp_sync(); /* before the rows change */
    }
}

/* ---- prefixes ----------------------------------------------------------------------------------- */

/* Moves cut s - 1, or the first before it that can still move: its number, 0 when there is none. */
AMM_DEVICE int32_t amm_sweep_carry(amm_sweep_warp *w, int32_t s)
{
    for (s--; s > 0; s--) {
        const int32_t b = w->levels[s].cut;
        if (b < w->p->items - w->c->stages + s) {
            w->levels[s].rank += amm_sweep_under(w, s, b);
            w->levels[s].cut = b + 1;
            break;
        }
    }
    return s;
}

/* Cuts of the prefix of rank `first`, by one lane. */
AMM_DEVICE void amm_sweep_unrank(amm_sweep_warp *w)
{
    uint64_t rank = w->first;
    w->levels[0].rank = 0;
    w->levels[0].cut = 0;
    w->levels[0].acc = amm_ticks_start();
    for (int32_t s = 1; s <= w->c->stages - 3; s++) {
        int32_t b = w->levels[s - 1].cut + 1;
        for (uint64_t under = amm_sweep_under(w, s, b); rank >= under;
             under = amm_sweep_under(w, s, b)) {
            rank -= under;
            b++;
        }
        w->levels[s].cut = b;
        w->levels[s].rank = w->first - rank;
    }
}

/* Sums of the levels from s to the last; cuts are set up to level `set`, later ones start anew. Where
 * a level cannot be part of anything of use, nor can one with a later cut there: goes on after them.
 * By one lane; false: past the last prefix of the unit. */
AMM_DEVICE bool amm_sweep_climb(amm_sweep_warp *w, int32_t s, int32_t set)
{
    while (s <= w->c->stages - 3) {
        amm_sweep_level *level = &w->levels[s];
        if (s > set) {
            level->cut = w->levels[s - 1].cut + 1;
            level->rank = w->levels[s - 1].rank;
        }
        level->acc = w->levels[s - 1].acc;
        const bool use =
            amm_gpu_add_stage(&level->acc, w->p, w->c, s - 1, w->levels[s - 1].cut, level->cut);
        const float *e = amm_gpu_table(w->p, w->p->stages[w->c->stage + s - 1].e);
        amm_ticks least = level->acc;
        least.sum = least.sum - e[level->cut]; /* the one part that may fall */
        if (use && amm_ticks_total(&least, (float)w->c->a) <= w->threshold) {
            s++;
            continue;
        }
        s = amm_sweep_carry(w, s);
        set = s;
        if (s == 0 || w->levels[s].rank >= w->end) {
            return false;
        }
    }
    return true;
}

/* To the first prefix of the unit, or the next one. The whole warp. */
AMM_DEVICE bool amm_sweep_move(amm_sweep_warp *w, bool first)
{
    const int32_t last = w->c->stages - 3;
    bool more = false;
    if (amm_lane() == 0) {
        if (first) {
            amm_sweep_unrank(w);
            more = amm_sweep_climb(w, 1, last);
        } else {
            const int32_t s = amm_sweep_carry(w, last + 1);
            more = s > 0 && w->levels[s].rank < w->end && amm_sweep_climb(w, s, s);
        }
    }
    return amm_warp_any(more);
}

/* ---- units -------------------------------------------------------------------------------------- */

/* Configs of one or two stages: a partition a lane. */
AMM_DEVICE void amm_sweep_few(amm_sweep_warp *w)
{
    const int32_t items = w->p->items;
    for (uint64_t rank = w->first; rank < w->end; rank += AMM_WARP) {
        const uint64_t mine = rank + (uint64_t)amm_lane();
        const int32_t b = w->c->stages == 1 ? items : (int32_t)mine + 1;
        amm_ticks acc = amm_ticks_start();
        bool use = mine < w->end && amm_gpu_add_stage(&acc, w->p, w->c, 0, 0, b);
        if (use && w->c->stages == 2) {
            use = amm_gpu_add_stage(&acc, w->p, w->c, 1, b, items);
        }
        w->scored[amm_lane()] += use ? 1 : 0;
        amm_gpu_push(w->top, use, amm_gpu_key(w->c, &acc, mine));
    }
}

/* One pass over the unit: the columns from `base` on through one entry. False: keys overflow. */
AMM_DEVICE bool amm_sweep_run(amm_sweep_warp *w, const amm_sweep_pass *pass)
{
    amm_sweep_column columns[AMM_TILE_COLUMNS];
    AMM_UNROLL
    for (int32_t q = 0; q < AMM_TILE_COLUMNS; q++) {
        columns[q] = amm_sweep_column_of(w, pass->stage, pass->entry,
                                         pass->base + AMM_WARP * q + amm_lane());
    }
    for (bool more = amm_sweep_move(w, true); more; more = amm_sweep_move(w, false)) {
        if (amm_warp_any(amm_gpu_top_overflows(w->top))) {
            return false;
        }
        amm_sweep_prefix(w, pass, columns);
        amm_warp_sync(); /* before the levels change */
    }
    return true;
}

/* Makes pass `turn` over the unit ready: an entry of the last stage but one, some columns. */
AMM_DEVICE void amm_sweep_turn(amm_sweep_warp *w, int32_t turn)
{
    amm_warp_sync(); /* the pass before is over */
    if (amm_lane() == 0) {
        const amm_problem_stage *stage = &w->p->stages[w->c->stage + w->c->stages - 2];
        w->turn = turn;
        w->pass.stage = stage;
        w->pass.k = turn % stage->entry_count;
        w->pass.entry = &w->p->entries[stage->entry + w->pass.k];
        w->pass.base = turn / stage->entry_count * AMM_TILE;
        w->pass.last_start = amm_sweep_last_start(w);
    }
    amm_warp_sync();
}

AMM_DEVICE bool amm_sweep_unit_of(amm_sweep_warp *w)
{
    w->scored[amm_lane()] = 0;
    if (w->c->stages < 3) {
        amm_sweep_few(w);
        return true;
    }
    bool done = true;
    for (amm_sweep_turn(w, 0); done && w->pass.base < w->p->items; amm_sweep_turn(w, w->turn + 1)) {
        done = amm_sweep_run(w, &w->pass);
    }
    return done;
}

/* Blocks of a processor at once, as registers allow without a spill (tools/sass_counts.py). */
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 1000
#define AMM_SWEEP_BLOCKS 3
#else
#define AMM_SWEEP_BLOCKS 4
#endif

AMM_KERNEL(sweep, amm_sweep_args, AMM_SWEEP_BLOCK, AMM_SWEEP_BLOCKS)
{
    const size_t bytes = AMM_SWEEP_SHARED_BYTES(a->problem.max_stages);
    amm_sweep_warp *w = (amm_sweep_warp *)(amm_shared() + (size_t)amm_warp() * bytes);
    if (amm_lane() == 0) {
        w->begin = amm_now_ns();
    }
    amm_warp_sync();
    for (;;) {
        /* Units are taken in order: what is left undone is the end of the queue. */
        const bool late = amm_now_ns() - w->begin > a->slice_ns || amm_gpu_top_overflows(&a->top);
        const uint32_t ticket = amm_warp_any(late) ? UINT32_MAX : amm_warp_ticket(a->ticket);
        if (ticket >= (uint32_t)a->queue_count) {
            return;
        }
        if (amm_lane() == 0) {
            const int32_t number = a->queue[ticket];
            const amm_sweep_unit unit = a->units[number];
            w->number = number;
            w->p = &a->problem;
            w->top = &a->top;
            w->c = &a->problem.configs[unit.config];
            w->threshold = amm_gpu_threshold(&a->top, w->c);
            w->first = unit.rank;
            w->end = unit.rank + unit.count;
        }
        amm_warp_sync();
        const bool done = amm_sweep_unit_of(w);
        const uint64_t scored = amm_warp_sum_u64(w->scored[amm_lane()]);
        amm_warp_sync();
        /* A key that found no place is lost: looked at after all keys of the unit are counted. */
        if (amm_lane() == 0 && done && !amm_gpu_top_overflows(&a->top)) {
            a->scored[w->number] = scored + 1;
        }
        amm_warp_sync();
    }
}

#endif
