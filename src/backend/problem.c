#include "backend/problem.h"

#include <math.h>
#include <string.h>

enum { TABLES, WINDOWS, ENTRIES, STAGES, CONFIGS, SLOTS };
enum { FREE = -1, WINDOW_TAG = -2 }; /* in slots */

amm_status amm_problem_open(amm_problem_builder *out, const amm_context *context, int32_t items)
{
    memset(out, 0, sizeof *out);
    out->context = context;
    if (items < 1 || items > AMM_MAX_ITEMS) {
        return amm_fail(AMM_LIMIT, "engine: got %d items, allowed 1 to %d", items, AMM_MAX_ITEMS);
    }
    out->view.items = items;
    out->view.stride = (items + AMM_TABLE_ALIGN) / AMM_TABLE_ALIGN * AMM_TABLE_ALIGN;
    out->row = amm_alloc(context, (size_t)out->view.stride, sizeof *out->row);
    return out->row == NULL ? AMM_NO_MEMORY : AMM_OK;
}

void amm_problem_close(amm_problem_builder *b)
{
    amm_release(b->context, (void *)b->view.tables);
    amm_release(b->context, (void *)b->view.windows);
    amm_release(b->context, (void *)b->view.entries);
    amm_release(b->context, (void *)b->view.stages);
    amm_release(b->context, (void *)b->view.configs);
    amm_release(b->context, b->slots);
    amm_release(b->context, b->row);
    memset(b, 0, sizeof *b);
}

/* Room for one more element; the array may move. */
static void *room(amm_problem_builder *b, const void *array, int which, size_t count, size_t size)
{
    if (count < b->capacity[which]) {
        return (void *)array;
    }
    const size_t capacity = b->capacity[which] == 0 ? 16 : 2 * b->capacity[which];
    void *fresh =
        count >= INT32_MAX / 2 ? NULL : amm_resize(b->context, (void *)array, capacity, size);
    if (fresh != NULL) {
        b->capacity[which] = capacity;
    }
    return fresh;
}

/* ---- interning --------------------------------------------------------------------------------- */

static const void *slot_content(const amm_problem_builder *b, int32_t slot)
{
    return slot >= 0 ? (const void *)amm_problem_table(&b->view, slot)
                     : (const void *)amm_problem_window(&b->view, WINDOW_TAG - slot);
}

static size_t content_bytes(const amm_problem_builder *b, bool window)
{
    return (size_t)b->view.stride * (window ? sizeof *b->view.windows : sizeof *b->view.tables);
}

/* The slot that holds this content, or a free one. */
static size_t find_slot(const amm_problem_builder *b, const void *content, bool window)
{
    const size_t bytes = content_bytes(b, window);
    size_t at = amm_hash(AMM_HASH_START + window, content, bytes) % b->capacity[SLOTS];
    while (b->slots[at] != FREE && ((b->slots[at] <= WINDOW_TAG) != window ||
                                    memcmp(slot_content(b, b->slots[at]), content, bytes) != 0)) {
        at = at + 1 < b->capacity[SLOTS] ? at + 1 : 0;
    }
    return at;
}

/* Half of the slots stay free. */
static amm_status grow_slots(amm_problem_builder *b)
{
    const size_t used = (size_t)b->view.table_count + (size_t)b->view.window_count;
    if (2 * used < b->capacity[SLOTS]) {
        return AMM_OK;
    }
    const size_t capacity = b->capacity[SLOTS] == 0 ? 64 : 2 * b->capacity[SLOTS];
    amm_release(b->context, b->slots);
    b->capacity[SLOTS] = 0;
    b->slots = amm_alloc(b->context, capacity, sizeof *b->slots);
    if (b->slots == NULL) {
        return AMM_NO_MEMORY;
    }
    b->capacity[SLOTS] = capacity;
    memset(b->slots, 0xff, capacity * sizeof *b->slots); /* FREE */
    for (int32_t k = 0; k < b->view.table_count; k++) {
        b->slots[find_slot(b, amm_problem_table(&b->view, k), false)] = k;
    }
    for (int32_t k = 0; k < b->view.window_count; k++) {
        b->slots[find_slot(b, amm_problem_window(&b->view, k), true)] = WINDOW_TAG - k;
    }
    return AMM_OK;
}

/* The number of b->row's content among tables (or windows). */
static amm_status intern(amm_problem_builder *b, int32_t *out, bool window)
{
    AMM_TRY(grow_slots(b));
    const size_t at = find_slot(b, b->row, window);
    if (b->slots[at] == FREE) {
        int32_t *count = window ? &b->view.window_count : &b->view.table_count;
        const void *array = window ? (const void *)b->view.windows : (const void *)b->view.tables;
        const size_t bytes = content_bytes(b, window);
        char *fresh = room(b, array, window ? WINDOWS : TABLES, (size_t)*count, bytes);
        if (fresh == NULL) {
            return AMM_NO_MEMORY;
        }
        memcpy(fresh + (size_t)*count * bytes, b->row, bytes);
        *(window ? (const void **)&b->view.windows : (const void **)&b->view.tables) = fresh;
        b->slots[at] = window ? WINDOW_TAG - *count : *count;
        (*count)++;
    }
    *out = b->slots[at] >= 0 ? b->slots[at] : WINDOW_TAG - b->slots[at];
    return AMM_OK;
}

/* False: the content of the array has to be looked up; NULL is no table. The latest of the arrays that
 * share a place is remembered. */
static bool find_seen(amm_problem_builder *b, int32_t *out, const void *array,
                      amm_problem_seen **seen)
{
    *seen = &b->seen[(uintptr_t)array / 16 % AMM_PROBLEM_SEEN];
    *out = array == NULL ? AMM_NO_TABLE : (*seen)->number;
    return array == NULL || (*seen)->array == array;
}

static amm_status intern_table(amm_problem_builder *b, int32_t *out, const double *ticks)
{
    memset(b->row, 0, content_bytes(b, false));
    for (int32_t i = 0; i <= b->view.items; i++) {
        if (!(ticks[i] >= 0.0 && ticks[i] < 16777216.0) || ticks[i] != floor(ticks[i])) {
            return amm_fail(AMM_INTERNAL, "engine: %g is no tick", ticks[i]);
        }
        b->row[i] = (float)ticks[i];
    }
    return intern(b, out, false);
}

static amm_status table_of(amm_problem_builder *b, int32_t *out, const double *ticks)
{
    amm_problem_seen *seen = NULL;
    if (!find_seen(b, out, ticks, &seen)) {
        AMM_TRY(intern_table(b, out, ticks));
        *seen = (amm_problem_seen){ ticks, *out };
    }
    return AMM_OK;
}

static amm_status window_of(amm_problem_builder *b, int32_t *out, const int32_t *first)
{
    uint16_t *row = (uint16_t *)b->row;
    amm_problem_seen *seen = NULL;
    if (find_seen(b, out, first, &seen)) {
        return AMM_OK;
    }
    memset(row, 0, content_bytes(b, true));
    for (int32_t j = 0; j <= b->view.items; j++) {
        row[j] = (uint16_t)first[j];
    }
    AMM_TRY(intern(b, out, true));
    *seen = (amm_problem_seen){ first, *out };
    return AMM_OK;
}

/* ---- checks ------------------------------------------------------------------------------------ */

static double item(const double *table, int32_t l)
{
    return table == NULL ? 0.0 : table[l + 1] - table[l];
}

/* Seconds of the first stage up to j, with what it pays for ending there. */
static double first_stage(const amm_solve_entry *x, int32_t j)
{
    return x->u[j] + (x->end == NULL ? 0.0 : x->end[j]);
}

/* Wherever the first stage ends, it starts at 0. */
static bool first_in_order(const amm_solve_entry *x, const amm_solve_entry *after, int32_t layers)
{
    bool ordered = after->rho >= x->rho;
    for (int32_t j = 1; j <= layers && ordered; j++) {
        ordered = after->t[j] >= x->t[j] && first_stage(after, j) >= first_stage(x, j) &&
                  (after->d == NULL ? 0.0 : after->d[j]) >= (x->d == NULL ? 0.0 : x->d[j]);
    }
    return ordered;
}

static bool in_order(const amm_solve_entry *x, const amm_solve_entry *after, int32_t layers)
{
    bool ordered = after->rho >= x->rho && x->end == NULL && after->end == NULL;
    for (int32_t l = 0; l < layers && ordered; l++) {
        ordered = item(after->t, l) >= item(x->t, l) && item(after->u, l) >= item(x->u, l) &&
                  item(after->d, l) >= item(x->d, l);
    }
    return ordered;
}

static amm_status check(const amm_problem_builder *b, const amm_solve_config *c, int32_t scale)
{
    const double limit = 16777216.0;
    const double worst = amm_solve_worst(c);
    if (c->layers != b->view.items || c->stages < 1 || c->stages > c->layers) {
        return amm_fail(AMM_INTERNAL, "engine: %d stages of %d items in a problem of %d", c->stages,
                        c->layers, b->view.items);
    }
    if (!(worst < limit && c->a >= 0.0 && c->a < limit && c->a == floor(c->a))) {
        return amm_fail(AMM_LIMIT, "engine: got %g ticks times %g, allowed less than 2^24 each",
                        worst, c->a);
    }
    if (scale < 0 || !(ldexp((c->a + 1.0) * worst, scale) < 0x1p63)) {
        return amm_fail(AMM_LIMIT, "engine: a cost of %g ticks of 2^%d is beyond 63 bits",
                        (c->a + 1.0) * worst, scale);
    }
    for (int32_t s = 0; s < c->stages; s++) {
        for (int32_t k = 1; k < c->stage[s].entry_count; k++) {
            const amm_solve_entry *x = &c->stage[s].entries[k];
            if (!(s == 0 ? first_in_order : in_order)(x - 1, x, c->layers)) {
                return amm_fail(AMM_LIMIT,
                                "engine: alternative %d of stage %d is cheaper than the one before "
                                "it for some layers only; name one with --recompute",
                                k, s);
            }
        }
    }
    return AMM_OK;
}

/* ---- configs ----------------------------------------------------------------------------------- */

/* The first stage starts at 0, so what it pays for its end can be part of its u. */
static amm_status fold_end(amm_problem_builder *b, int32_t *out, const amm_solve_entry *x)
{
    const size_t n = (size_t)b->view.items + 1;
    double *sum = amm_alloc(b->context, n, sizeof *sum);
    if (sum == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t j = 1; j <= b->view.items; j++) {
        sum[j] = first_stage(x, j);
    }
    const amm_status status = intern_table(b, out, sum);
    amm_release(b->context, sum);
    return status;
}

static amm_status add_entry(amm_problem_builder *b, const amm_solve_entry *x)
{
    amm_problem_entry one = { .rho = (float)x->rho };
    AMM_TRY(table_of(b, &one.t, x->t));
    AMM_TRY(x->end == NULL ? table_of(b, &one.u, x->u) : fold_end(b, &one.u, x));
    AMM_TRY(table_of(b, &one.d, x->d));
    AMM_TRY(window_of(b, &one.window, x->first));
    amm_problem_entry *entries =
        room(b, b->view.entries, ENTRIES, (size_t)b->view.entry_count, sizeof *entries);
    if (entries == NULL) {
        return AMM_NO_MEMORY;
    }
    entries[b->view.entry_count++] = one;
    b->view.entries = entries;
    return AMM_OK;
}

static amm_status add_stage(amm_problem_builder *b, const amm_solve_stage *x, bool first, bool last)
{
    amm_problem_stage one = { b->view.entry_count, x->entry_count, AMM_NO_TABLE };
    for (int32_t k = 0; k < x->entry_count; k++) {
        if (x->entries[k].end != NULL && !first) {
            return amm_fail(AMM_INTERNAL, "engine: a later stage has a cost for its end");
        }
        AMM_TRY(add_entry(b, &x->entries[k]));
    }
    AMM_TRY(table_of(b, &one.e, last ? NULL : x->e));
    amm_problem_stage *stages =
        room(b, b->view.stages, STAGES, (size_t)b->view.stage_count, sizeof *stages);
    if (stages == NULL) {
        return AMM_NO_MEMORY;
    }
    stages[b->view.stage_count++] = one;
    b->view.stages = stages;
    return AMM_OK;
}

amm_status amm_problem_add(amm_problem_builder *b, const amm_solve_config *c, uint64_t id,
                           int32_t scale)
{
    AMM_TRY(check(b, c, scale));
    memset(b->seen, 0, sizeof b->seen);
    amm_problem_config one = { .id = id,
                               .stage = b->view.stage_count,
                               .stages = c->stages,
                               .a = (int32_t)c->a,
                               .scale = scale };
    AMM_TRY(table_of(b, &one.o, c->o));
    for (int32_t s = 0; s < c->stages; s++) {
        AMM_TRY(add_stage(b, &c->stage[s], s == 0, s + 1 == c->stages));
    }
    amm_problem_config *configs =
        room(b, b->view.configs, CONFIGS, (size_t)b->view.config_count, sizeof *configs);
    if (configs == NULL) {
        return AMM_NO_MEMORY;
    }
    configs[b->view.config_count++] = one;
    b->view.configs = configs;
    b->view.max_stages = b->view.max_stages > c->stages ? b->view.max_stages : c->stages;
    return AMM_OK;
}
