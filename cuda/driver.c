#include "driver.h"
#include "formula/tick/partition.h"

#include <string.h>

/* ---- buffers ------------------------------------------------------------------------------------ */

amm_status amm_cuda_reserve(amm_cuda_engine *e, amm_cuda_buffer *b, size_t bytes)
{
    if (bytes <= b->bytes) {
        return AMM_OK;
    }
    amm_device_release(e->device, b->host);
    amm_device_release(e->device, b->device);
    memset(b, 0, sizeof *b);
    AMM_TRY(amm_device_allocate_host(e->device, &b->host, bytes));
    AMM_TRY(amm_device_allocate(e->device, &b->device, bytes));
    b->bytes = bytes;
    return AMM_OK;
}

amm_status amm_cuda_send(amm_cuda_engine *e, int32_t stream, amm_cuda_buffer *b, size_t bytes)
{
    return amm_device_copy_in(e->device, stream, b->device, b->host, bytes);
}

amm_status amm_cuda_fetch(amm_cuda_engine *e, int32_t stream, amm_cuda_buffer *b, size_t bytes)
{
    return amm_device_copy_out(e->device, stream, b->host, b->device, bytes);
}

/* ---- keys --------------------------------------------------------------------------------------- */

amm_status amm_cuda_top_begin(amm_cuda_engine *e, int32_t stream, amm_gpu_top *out,
                              amm_cuda_pushed *pushed, const amm_top *top, int64_t upper)
{
    const uint64_t capacity = (uint64_t)amm_device_facts_of(e->device)->most_pushed;
    const amm_key none = { INT64_MAX, UINT64_MAX, UINT64_MAX };
    AMM_TRY(amm_cuda_reserve(e, &pushed->keys, (size_t)capacity * sizeof(amm_key)));
    AMM_TRY(amm_cuda_reserve(e, &pushed->count, sizeof(uint64_t)));
    *out = (amm_gpu_top){ .keys = top == NULL ? NULL : pushed->keys.device,
                          .count = pushed->count.device,
                          .capacity = capacity,
                          .last = none,
                          .upper = upper };
    if (top != NULL && amm_top_full(top)) {
        const amm_key nothing = { INT64_MIN, 0, 0 };
        out->last = top->count == 0 ? nothing : top->keys[top->count - 1];
    }
    return amm_device_zero(e->device, stream, pushed->count.device, sizeof(uint64_t));
}

amm_status amm_cuda_top_fetch(amm_cuda_engine *e, int32_t stream, amm_cuda_pushed *pushed)
{
    return amm_cuda_fetch(e, stream, &pushed->count, sizeof(uint64_t));
}

amm_status amm_cuda_top_take(amm_cuda_engine *e, int32_t stream, amm_cuda_pushed *pushed,
                             amm_top *top, bool *complete)
{
    const uint64_t capacity = (uint64_t)amm_device_facts_of(e->device)->most_pushed;
    const uint64_t count = *(const uint64_t *)pushed->count.host;
    const uint64_t kept = count < capacity ? count : capacity;
    const amm_key *keys = pushed->keys.host;
    *complete = count <= capacity;
    if (kept == 0) {
        return AMM_OK;
    }
    AMM_TRY(amm_cuda_fetch(e, stream, &pushed->keys, (size_t)kept * sizeof *keys));
    AMM_TRY(amm_device_wait(e->device, stream));
    for (uint64_t k = 0; k < kept; k++) {
        amm_top_offer(top, keys[k]);
    }
    return AMM_OK;
}

/* ---- the problem, uploaded ---------------------------------------------------------------------- */

/* Host copies that live until they are uploaded. */
typedef struct upload {
    amm_arena arena;
    float *tables;
    uint16_t *windows, *reaches;
    amm_problem_entry *entries;
    amm_problem_stage *stages;
    amm_problem_config *configs;
    uint64_t *choose;
} upload;

static size_t table_count(const amm_problem *p)
{
    return (size_t)p->table_count + 1; /* the last: zeros */
}

static size_t window_count(const amm_problem *p)
{
    return (size_t)p->window_count + 1;
}

static size_t choose_count(const amm_problem *p)
{
    return p->items > AMM_MAX_SCORE_ITEMS ? 1 /* not swept */
                                          : ((size_t)p->items + 1) * ((size_t)p->max_stages + 1);
}

static void fill_rows(upload *u, const amm_problem *p)
{
    const size_t stride = (size_t)p->stride;
    if (p->table_count > 0) {
        memcpy(u->tables, p->tables, (size_t)p->table_count * stride * sizeof *u->tables);
    }
    if (p->window_count > 0) {
        memcpy(u->windows, p->windows, (size_t)p->window_count * stride * sizeof *u->windows);
    }
    for (size_t w = 0; w < window_count(p); w++) {
        int32_t j = 0;
        for (int32_t i = 0; i <= p->items; i++) {
            while (j < p->items && u->windows[w * stride + (size_t)j + 1] <= i) {
                j++;
            }
            u->reaches[w * stride + (size_t)i] = (uint16_t)j;
        }
    }
    for (int32_t n = 0; choose_count(p) > 1 && n <= p->items; n++) {
        for (int32_t k = 0; k <= p->max_stages; k++) {
            u->choose[(size_t)n * ((size_t)p->max_stages + 1) + (size_t)k] = amm_binomial(n, k);
        }
    }
}

static void fill_records(upload *u, const amm_problem *p)
{
    for (int32_t k = 0; k < p->entry_count; k++) {
        u->entries[k] = p->entries[k];
        u->entries[k].d = amm_cuda_or_last(p->entries[k].d, p->table_count);
        u->entries[k].window = amm_cuda_or_last(p->entries[k].window, p->window_count);
    }
    for (int32_t k = 0; k < p->stage_count; k++) {
        u->stages[k] = p->stages[k];
        u->stages[k].e = amm_cuda_or_last(p->stages[k].e, p->table_count);
    }
    for (int32_t k = 0; k < p->config_count; k++) {
        u->configs[k] = p->configs[k];
        u->configs[k].o = amm_cuda_or_last(p->configs[k].o, p->table_count);
    }
}

static amm_status fill(upload *u, const amm_problem *p)
{
    const size_t stride = (size_t)p->stride;
    u->tables = amm_arena_alloc(&u->arena, table_count(p) * stride, sizeof *u->tables);
    u->windows = amm_arena_alloc(&u->arena, window_count(p) * stride, sizeof *u->windows);
    u->reaches = amm_arena_alloc(&u->arena, window_count(p) * stride, sizeof *u->reaches);
    u->entries = amm_arena_alloc(&u->arena, (size_t)p->entry_count + 1, sizeof *u->entries);
    u->stages = amm_arena_alloc(&u->arena, (size_t)p->stage_count + 1, sizeof *u->stages);
    u->configs = amm_arena_alloc(&u->arena, (size_t)p->config_count + 1, sizeof *u->configs);
    u->choose = amm_arena_alloc(&u->arena, choose_count(p), sizeof *u->choose);
    if (u->tables == NULL || u->windows == NULL || u->reaches == NULL || u->entries == NULL ||
        u->stages == NULL || u->configs == NULL || u->choose == NULL) {
        return AMM_NO_MEMORY;
    }
    fill_rows(u, p);
    fill_records(u, p);
    return AMM_OK;
}

static amm_status put(amm_cuda_engine *e, const void **out, const void *from, size_t count,
                      size_t size)
{
    void *to = NULL;
    AMM_TRY(amm_device_allocate(e->device, &to, (count + 1) * size));
    *out = to;
    return amm_device_copy_in(e->device, 0, to, from, count * size);
}

static amm_status send_all(amm_cuda_engine *e, const upload *u)
{
    const amm_problem *p = e->base.problem;
    const size_t stride = (size_t)p->stride;
    amm_gpu_problem *g = &e->problem;
    g->items = p->items;
    g->stride = p->stride;
    g->max_stages = p->max_stages;
    AMM_TRY(
        put(e, (const void **)&g->tables, u->tables, table_count(p) * stride, sizeof *u->tables));
    AMM_TRY(put(e, (const void **)&g->windows, u->windows, window_count(p) * stride,
                sizeof *u->windows));
    AMM_TRY(put(e, (const void **)&g->reaches, u->reaches, window_count(p) * stride,
                sizeof *u->reaches));
    AMM_TRY(
        put(e, (const void **)&g->entries, u->entries, (size_t)p->entry_count, sizeof *u->entries));
    AMM_TRY(
        put(e, (const void **)&g->stages, u->stages, (size_t)p->stage_count, sizeof *u->stages));
    AMM_TRY(put(e, (const void **)&g->configs, u->configs, (size_t)p->config_count,
                sizeof *u->configs));
    AMM_TRY(put(e, (const void **)&g->choose, u->choose, choose_count(p), sizeof *u->choose));
    return amm_device_wait(e->device, 0);
}

static amm_status upload_problem(amm_cuda_engine *e)
{
    upload u;
    memset(&u, 0, sizeof u);
    amm_arena_init(&u.arena, e->base.context);
    amm_status status = fill(&u, e->base.problem);
    status = status == AMM_OK ? send_all(e, &u) : status;
    amm_arena_free(&u.arena);
    return status;
}

/* ---- open, close, bound ------------------------------------------------------------------------- */

static void cuda_close(amm_engine *engine)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    amm_device_close(e->device);
    amm_release(engine->context, e->kept);
    amm_release(engine->context, e);
}

static amm_status cuda_open(amm_engine **out, const amm_context *context,
                            const amm_problem *problem, const amm_engine_options *options)
{
    *out = NULL;
    if (options->threads != 1) {
        return amm_fail(AMM_INPUT, "threads: got %d, cuda is driven by 1", options->threads);
    }
    amm_cuda_engine *e = amm_alloc(context, 1, sizeof *e);
    if (e == NULL) {
        return AMM_NO_MEMORY;
    }
    e->base = (amm_engine){ &amm_backend_cuda, context, problem, *options };
    amm_status status = amm_device_open(&e->device, context, options->device);
    status = status == AMM_OK ? upload_problem(e) : status;
    if (status != AMM_OK) {
        cuda_close(&e->base);
        return status;
    }
    *out = &e->base;
    return AMM_OK;
}

static amm_status cuda_bound(amm_engine *engine, int64_t *out, int32_t first, int32_t count)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    const int32_t most = amm_device_facts_of(e->device)->most_configs;
    for (int32_t at = 0; at < count; at += most) {
        const int32_t step = count - at < most ? count - at : most;
        const size_t bytes = (size_t)step * sizeof *out;
        AMM_TRY(amm_cuda_reserve(e, &e->bounds, bytes));
        const amm_bound_args args = { e->problem, first + at, step, e->bounds.device };
        AMM_TRY(amm_device_launch(e->device, 0, AMM_KERNEL_BOUND,
                                  (step + AMM_BLOCK - 1) / AMM_BLOCK, AMM_BLOCK, 0, &args,
                                  sizeof args));
        AMM_TRY(amm_cuda_fetch(e, 0, &e->bounds, bytes));
        AMM_TRY(amm_device_wait(e->device, 0));
        memcpy(out + at, e->bounds.host, bytes);
    }
    return AMM_OK;
}

const amm_backend amm_backend_cuda = {
    .version = AMM_BACKEND_VERSION,
    .name = "cuda",
    .open = cuda_open,
    .close = cuda_close,
    .bound = cuda_bound,
    .solve = amm_cuda_solve,
    .score = amm_cuda_score,
    .sweep = amm_cuda_sweep,
    .keep = amm_cuda_keep,
    .score_kept = amm_cuda_score_kept,
    .ceilings = amm_cuda_ceilings,
};
