/* Candidates: tables of rows per config, and shares of a batch for threads. */
#include "backend/cpu_simd/cpu_simd.h"
#include "backend/cpu_simd/threads.h"

#include <string.h>

/* ---- rows -------------------------------------------------------------------------------------- */

enum { TABLE = 4 * AMM_SIMD_ROWS };

static amm_status room(const amm_context *context, void **array, size_t *capacity, size_t count,
                       size_t size)
{
    if (count > *capacity) {
        void *fresh = amm_resize(context, *array, count, size);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        *array = fresh;
        *capacity = count;
    }
    return AMM_OK;
}

static void put(float *table, bool columns, int32_t item, int32_t column, float value)
{
    table[columns ? column * AMM_SIMD_ROWS + item : 4 * item + column] = value;
}

/* o as far as it counts: a stage that finishes earlier than its d takes adds rho and no less. With that,
 * d + o stays within d of all items, so below 2^24 and exact. */
static float offset(const float *d, const float *o, int32_t i, int32_t items)
{
    const float most = amm_simd_at(d, items) - amm_simd_at(d, i);
    const float value = amm_simd_at(o, i);
    return value < most ? value : most;
}

/* What a stage adds to by its end. */
static void fill_end(float *out, const amm_problem *p, const amm_problem_entry *x, const float *e,
                     bool columns)
{
    const float *t = amm_problem_table(p, x->t);
    const float *u = amm_problem_table(p, x->u);
    const float *d = amm_simd_table(p, x->d);
    const uint16_t *window = amm_simd_window(p, x->window);
    for (int32_t j = 0; j <= p->items; j++) {
        put(out, columns, j, 0, t[j]);
        put(out, columns, j, 1, u[j] + amm_simd_at(e, j));
        put(out, columns, j, 2, amm_simd_at(d, j));
        put(out, columns, j, 3, window == NULL ? 0.0f : (float)window[j]);
    }
}

/* What it takes off by its start; no window is never above 0. */
static void fill_start(float *out, const amm_problem *p, const amm_problem_entry *x, const float *o,
                       bool columns)
{
    const float *t = amm_problem_table(p, x->t);
    const float *u = amm_problem_table(p, x->u);
    const float *d = amm_simd_table(p, x->d);
    for (int32_t i = 0; i <= p->items; i++) {
        put(out, columns, i, 0, t[i]);
        put(out, columns, i, 1, u[i]);
        put(out, columns, i, 2, amm_simd_at(d, i) + offset(d, o, i, p->items));
        put(out, columns, i, 3, (float)i);
    }
}

/* Takes the rows of an entry before entry `number` (of stage `last`) that has the same: caches see them
 * once. */
static void share_rows(amm_simd_score *x, const amm_problem_config *c, int32_t last, int32_t number,
                       const amm_problem_entry *entry, int32_t e)
{
    const amm_problem *p = x->problem;
    for (int32_t s = 0; s <= last; s++) {
        const amm_problem_stage *stage = &p->stages[c->stage + s];
        for (int32_t k = 0; k < stage->entry_count && x->first[s] + k < number; k++) {
            const amm_problem_entry *y = &p->entries[stage->entry + k];
            if (entry->t == y->t && entry->u == y->u && entry->d == y->d) {
                x->rows[number].start = x->rows[x->first[s] + k].start;
                if (entry->window == y->window && e == stage->e) {
                    x->rows[number].end = x->rows[x->first[s] + k].end;
                    return;
                }
            }
        }
    }
}

static void fill_stages(amm_simd_score *x, const amm_problem_config *c, bool columns)
{
    const amm_problem *p = x->problem;
    float *values = x->values;
    int32_t number = 0;
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_stage *stage = &p->stages[c->stage + s];
        x->first[s] = number;
        for (int32_t k = 0; k < stage->entry_count; k++, number++) {
            const amm_problem_entry *entry = &p->entries[stage->entry + k];
            x->rows[number] = (amm_simd_rows){ NULL, NULL, entry->rho };
            share_rows(x, c, s, number, entry, stage->e);
            if (x->rows[number].end == NULL) {
                fill_end(values, p, entry, amm_simd_table(p, stage->e), columns);
                x->rows[number].end = values;
                values += TABLE;
            }
            if (x->rows[number].start == NULL) {
                fill_start(values, p, entry, amm_simd_table(p, c->o), columns);
                x->rows[number].start = values;
                values += TABLE;
            }
        }
    }
    x->first[c->stages] = number;
}

static const amm_problem_entry *only_entry(const amm_problem *p, const amm_problem_config *c,
                                           int32_t s)
{
    return &p->entries[p->stages[c->stage + s].entry];
}

static amm_simd_chain chain_of(const amm_problem *p, const amm_problem_config *c)
{
    const amm_problem_entry *one = only_entry(p, c, 0);
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_entry *x = only_entry(p, c, s);
        if (p->stages[c->stage + s].entry_count > 1 || x->window != AMM_NO_TABLE ||
            x->t != one->t || x->d != one->d) {
            return AMM_SIMD_STAGES;
        }
    }
    return one->d == AMM_NO_TABLE ? AMM_SIMD_CHAIN
           : c->o == AMM_NO_TABLE ? AMM_SIMD_CHAIN_D
                                  : AMM_SIMD_CHAIN_O;
}

/* Boundary s: t, u + e of the stage before less u of the one after, d, d + o. */
static void fill_boundary(float *out, const amm_problem *p, const amm_problem_config *c, int32_t s,
                          bool columns)
{
    const amm_problem_entry *before = only_entry(p, c, s - 1);
    const amm_problem_entry *after = only_entry(p, c, s);
    const float *t = amm_problem_table(p, before->t);
    const float *u = amm_problem_table(p, before->u);
    const float *v = amm_problem_table(p, after->u);
    const float *d = amm_simd_table(p, before->d);
    const float *e = amm_simd_table(p, p->stages[c->stage + s - 1].e);
    const float *o = amm_simd_table(p, c->o);
    for (int32_t j = 0; j <= p->items; j++) {
        put(out, columns, j, 0, t[j]);
        put(out, columns, j, 1, u[j] + amm_simd_at(e, j) - v[j]);
        put(out, columns, j, 2, amm_simd_at(d, j));
        put(out, columns, j, 3, amm_simd_at(d, j) + offset(d, o, j, p->items));
    }
}

static int32_t same_boundary(const amm_problem *p, const amm_problem_config *c, int32_t s)
{
    for (int32_t r = 1; r < s; r++) {
        if (only_entry(p, c, r - 1)->u == only_entry(p, c, s - 1)->u &&
            only_entry(p, c, r)->u == only_entry(p, c, s)->u &&
            p->stages[c->stage + r - 1].e == p->stages[c->stage + s - 1].e) {
            return r;
        }
    }
    return 0;
}

/* rows[s].end: boundary s; rows[s].rho: of the stage before it; rows[0].start: d + o of item 0, and t, u
 * of the last stage, d of all items. */
static void fill_chain(amm_simd_score *x, const amm_problem_config *c, bool columns)
{
    const amm_problem *p = x->problem;
    const amm_problem_entry *last = only_entry(p, c, c->stages - 1);
    const float *d = amm_simd_table(p, last->d);
    float *values = x->values;
    values[0] = offset(d, amm_simd_table(p, c->o), 0, p->items);
    values[1] = amm_problem_table(p, last->t)[p->items];
    values[2] = amm_problem_table(p, last->u)[p->items];
    values[3] = amm_simd_at(d, p->items);
    x->rows[0].start = values;
    values += TABLE;
    for (int32_t s = 1; s <= c->stages; s++) {
        const int32_t same = s < c->stages ? same_boundary(p, c, s) : 0;
        x->rows[s].end = same > 0 ? x->rows[same].end : values;
        x->rows[s].rho = only_entry(p, c, s - 1)->rho;
        if (s < c->stages && same == 0) {
            fill_boundary(values, p, c, s, columns);
            values += TABLE;
        }
    }
}

amm_status amm_simd_score_ready(amm_simd_engine *e, int32_t config)
{
    amm_simd_score *x = &e->score;
    const amm_problem *p = e->base.problem;
    const amm_problem_config *c = &p->configs[config];
    const size_t stages = (size_t)c->stages + 1;
    if (x->number == config) {
        return AMM_OK;
    }
    x->number = -1;
    x->problem = p;
    x->chain = chain_of(p, c);
    size_t entries = stages;
    for (int32_t s = 0; x->chain == AMM_SIMD_STAGES && s < c->stages; s++) {
        entries += (size_t)p->stages[c->stage + s].entry_count;
    }
    AMM_TRY(room(e->base.context, (void **)&x->rows, &x->row_capacity, entries, sizeof *x->rows));
    AMM_TRY(
        room(e->base.context, (void **)&x->first, &x->first_capacity, stages, sizeof *x->first));
    AMM_TRY(room(e->base.context, (void **)&x->values, &x->value_capacity, 2 * TABLE * entries,
                 sizeof *x->values));
    if (x->chain == AMM_SIMD_STAGES) {
        fill_stages(x, c, e->path->columns);
    } else {
        fill_chain(x, c, e->path->columns);
    }
    x->number = config;
    return AMM_OK;
}

/* ---- a batch ----------------------------------------------------------------------------------- */

enum { CHUNK = 1 << 16 }; /* candidates that a thread takes at a time */

static void score_chunk(amm_simd_engine *e, float *scores, amm_top *top,
                        const amm_score_batch *batch, uint64_t first, uint64_t count)
{
    const amm_simd_span span = { scores, top, batch->cuts, batch->stride, first, count };
    e->path->score(&e->score, &span);
}

/* Every thread has a list of its own; in the end all keys meet in one order. */
static amm_status score_shared(amm_simd_engine *e, float *scores, amm_top *top,
                               const amm_score_batch *batch, uint64_t first, uint64_t count)
{
    const int32_t threads = e->base.options.threads;
    const int32_t capacity = top == NULL ? 0 : top->capacity;
    const int64_t chunks = (int64_t)((count + CHUNK - 1) / CHUNK);
    AMM_TRY(amm_simd_lists(e, (size_t)threads, capacity));
    for (int32_t k = 0; k < threads; k++) {
        e->ranges[k].top = (amm_top){ capacity, 0, e->keys + (size_t)k * (size_t)capacity };
    }
#ifdef _OPENMP
#pragma omp parallel for schedule(dynamic) num_threads(threads)
#endif
    for (int64_t k = 0; k < chunks; k++) {
        const uint64_t at = (uint64_t)k * CHUNK;
        score_chunk(e, scores, top == NULL ? NULL : &e->ranges[amm_simd_thread()].top, batch,
                    first + at, count - at < CHUNK ? count - at : CHUNK);
    }
    for (int32_t k = 0; top != NULL && k < threads; k++) {
        for (int32_t n = 0; n < e->ranges[k].top.count; n++) {
            amm_top_offer(top, e->ranges[k].top.keys[n]);
        }
    }
    return AMM_OK;
}

amm_status amm_simd_score_batch(amm_engine *engine, float *scores, amm_top *top,
                                const amm_score_batch *batch)
{
    amm_simd_engine *e = (amm_simd_engine *)engine;
    AMM_TRY(amm_check_score_items(engine->problem));
    for (int32_t k = 0; k < batch->segment_count; k++) {
        const amm_score_segment *segment = &batch->segments[k];
        AMM_TRY(amm_simd_score_ready(e, segment->config));
        if (engine->options.threads > 1 && segment->count >= 2 * CHUNK) {
            AMM_TRY(score_shared(e, scores, top, batch, segment->first, segment->count));
        } else {
            score_chunk(e, scores, top, batch, segment->first, segment->count);
        }
    }
    return AMM_OK;
}
