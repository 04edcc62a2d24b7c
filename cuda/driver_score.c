#include "driver.h"

#include <string.h>

/* ---- the plan of a config: which of its tables share a row -------------------------------------- */

typedef struct plan_host {
    amm_score_class *classes;
    amm_score_pair *pairs;
    amm_score_entry *entries;
    amm_score_stage *stages;
} plan_host;

static int32_t entries_of(const amm_problem *p, const amm_problem_config *c)
{
    int32_t count = 0;
    for (int32_t s = 0; s < c->stages; s++) {
        count += p->stages[c->stage + s].entry_count;
    }
    return count;
}

static int32_t find_class(amm_score_plan *plan, amm_score_class *list, amm_score_class x)
{
    for (int32_t k = plan->class_count - 1; k >= 0; k--) {
        if (list[k].t == x.t && list[k].u == x.u && list[k].d == x.d) {
            return k;
        }
    }
    list[plan->class_count] = x;
    return plan->class_count++;
}

static int32_t find_pair(amm_score_plan *plan, amm_score_pair *list, amm_score_pair x)
{
    for (int32_t k = plan->pair_count - 1; k >= 0; k--) {
        if (list[k].e == x.e && list[k].window == x.window) {
            return k;
        }
    }
    list[plan->pair_count] = x;
    return plan->pair_count++;
}

static void fill_plan(amm_score_plan *plan, const plan_host *out, const amm_problem *p,
                      const amm_problem_config *c)
{
    for (int32_t s = 0; s < c->stages; s++) {
        const amm_problem_stage *stage = &p->stages[c->stage + s];
        out->stages[s] = (amm_score_stage){ plan->entry_count, stage->entry_count };
        for (int32_t k = 0; k < stage->entry_count; k++) {
            const amm_problem_entry *x = &p->entries[stage->entry + k];
            const amm_score_class row = { x->t, x->u, amm_cuda_or_last(x->d, p->table_count) };
            const amm_score_pair pair = { amm_cuda_or_last(stage->e, p->table_count),
                                          amm_cuda_or_last(x->window, p->window_count) };
            out->entries[plan->entry_count++] =
                (amm_score_entry){ find_class(plan, out->classes, row),
                                   find_pair(plan, out->pairs, pair), x->rho };
        }
    }
}

static size_t shared_bytes_of(const amm_problem *p, const amm_score_plan *plan, int32_t stages)
{
    const size_t values = (size_t)p->items + 1;
    return (((size_t)plan->class_count * values * 16) << plan->replicas_log) +
           (size_t)plan->pair_count * values * 8 +
           (size_t)plan->entry_count * sizeof(amm_score_entry) +
           (size_t)stages * (sizeof(amm_score_stage) + AMM_SCORE_STEP_BYTES) + 16;
}

/* The plan into the lane's buffer, and how it is launched. */
static amm_status plan_config(amm_cuda_engine *e, amm_cuda_lane *lane, int32_t stream,
                              const amm_problem_config *c, size_t *shared)
{
    const amm_problem *p = e->base.problem;
    const size_t most = (size_t)entries_of(p, c);
    const size_t bytes =
        most * (sizeof(amm_score_class) + sizeof(amm_score_pair) + sizeof(amm_score_entry)) +
        (size_t)c->stages * sizeof(amm_score_stage);
    AMM_TRY(amm_cuda_reserve(e, &lane->plan, bytes));
    plan_host host;
    host.classes = lane->plan.host;
    host.pairs = (amm_score_pair *)(host.classes + most);
    host.entries = (amm_score_entry *)(host.pairs + most);
    host.stages = (amm_score_stage *)(host.entries + most);
    amm_score_plan *plan = &lane->args.plan;
    *plan = (amm_score_plan){ .replicas_log = AMM_MOST_REPLICAS_LOG };
    fill_plan(plan, &host, p, c);
    plan->classes = lane->plan.device;
    plan->pairs = (const amm_score_pair *)(plan->classes + most);
    plan->entries = (const amm_score_entry *)(plan->pairs + most);
    plan->stages = (const amm_score_stage *)(plan->entries + most);
    /* Fewer replicas, more blocks: at least two a processor. */
    const size_t limit = amm_device_facts_of(e->device)->shared_bytes;
    while (plan->replicas_log > 0 && shared_bytes_of(p, plan, c->stages) > limit / 2) {
        plan->replicas_log--;
    }
    *shared = shared_bytes_of(p, plan, c->stages);
    *shared = *shared <= limit ? *shared : 0;
    return amm_cuda_send(e, stream, &lane->plan, bytes);
}

/* ---- chunks ------------------------------------------------------------------------------------- */

/* What is asked for. */
typedef struct request {
    float *scores;
    amm_top *top;
    const amm_score_batch *batch;
    uint64_t most; /* candidates of a chunk */
} request;

static amm_status launch(amm_cuda_engine *e, amm_cuda_lane *lane, int32_t stream, size_t shared)
{
    const amm_problem_config *c = &e->base.problem->configs[lane->args.config];
    const bool single = lane->args.plan.entry_count == c->stages;
    const amm_kernel_id kernel = shared == 0 ? AMM_KERNEL_SCORE_DIRECT
                                 : single    ? AMM_KERNEL_SCORE
                                             : AMM_KERNEL_SCORE_SEVERAL;
    const uint64_t per_block = shared > 0 ? AMM_BLOCK * AMM_GROUP : AMM_BLOCK;
    int32_t blocks = 0;
    AMM_TRY(amm_device_occupancy(e->device, &blocks, kernel, AMM_BLOCK, shared));
    const uint64_t wanted = (lane->args.count + per_block - 1) / per_block;
    blocks = (uint64_t)blocks < wanted ? blocks : (int32_t)wanted;
    return amm_device_launch(e->device, stream, kernel, blocks, AMM_BLOCK, shared, &lane->args,
                             sizeof lane->args);
}

/* Copies candidates [first, first + count) in, launches, asks for the results. */
static amm_status start(amm_cuda_engine *e, int32_t stream, const request *r, int32_t config,
                        uint64_t first, uint64_t count, size_t *shared)
{
    const amm_problem_config *c = &e->base.problem->configs[config];
    amm_cuda_lane *lane = &e->lanes[stream];
    const uint64_t pitch = (count + 15) / 16 * 16;
    const size_t planes = (size_t)c->stages - 1;
    AMM_TRY(amm_cuda_reserve(e, &lane->cuts, (planes + 1) * (size_t)pitch));
    AMM_TRY(amm_cuda_reserve(e, &lane->scores, (size_t)r->most * sizeof(float)));
    AMM_TRY(plan_config(e, lane, stream, c, shared));
    for (size_t s = 0; s < planes; s++) {
        uint8_t *to = (uint8_t *)lane->cuts.host + s * (size_t)pitch;
        memcpy(to, r->batch->cuts + s * r->batch->stride + first, (size_t)count);
        memset(to + count, 0, (size_t)(pitch - count));
    }
    AMM_TRY(amm_cuda_send(e, stream, &lane->cuts, planes * (size_t)pitch));
    lane->args.problem = e->problem;
    lane->args.config = config;
    lane->args.first = first;
    lane->args.count = count;
    lane->args.pitch = pitch;
    lane->args.cuts = lane->cuts.device;
    lane->args.scores = r->scores == NULL ? NULL : lane->scores.device;
    AMM_TRY(amm_cuda_top_begin(e, stream, &lane->args.top, &lane->pushed, r->top, INT64_MAX));
    AMM_TRY(launch(e, lane, stream, *shared));
    if (r->scores != NULL) {
        AMM_TRY(amm_cuda_fetch(e, stream, &lane->scores, (size_t)count * sizeof(float)));
    }
    lane->busy = true;
    return amm_cuda_top_fetch(e, stream, &lane->pushed);
}

/* Waits for what the lane was given. Keys that found no place: the same chunk again, with the list so
 * far as its limit, which keeps out all but what was missed. */
static amm_status finish(amm_cuda_engine *e, int32_t stream, const request *r, size_t shared)
{
    amm_cuda_lane *lane = &e->lanes[stream];
    bool complete = true;
    if (!lane->busy) {
        return AMM_OK;
    }
    lane->busy = false;
    AMM_TRY(amm_device_wait(e->device, stream));
    if (r->scores != NULL) {
        memcpy(r->scores + lane->args.first, lane->scores.host,
               (size_t)lane->args.count * sizeof(float));
    }
    if (r->top == NULL) {
        return AMM_OK;
    }
    AMM_TRY(amm_cuda_top_take(e, stream, &lane->pushed, r->top, &complete));
    while (!complete) {
        AMM_TRY(amm_cuda_top_begin(e, stream, &lane->args.top, &lane->pushed, r->top, INT64_MAX));
        AMM_TRY(launch(e, lane, stream, shared));
        AMM_TRY(amm_cuda_top_fetch(e, stream, &lane->pushed));
        AMM_TRY(amm_device_wait(e->device, stream));
        AMM_TRY(amm_cuda_top_take(e, stream, &lane->pushed, r->top, &complete));
    }
    return AMM_OK;
}

static amm_status score_all(amm_cuda_engine *e, const request *r)
{
    size_t shared[AMM_DEVICE_STREAMS] = { 0 };
    int32_t stream = 0;
    for (int32_t k = 0; k < r->batch->segment_count; k++) {
        const amm_score_segment *segment = &r->batch->segments[k];
        for (uint64_t at = 0; at < segment->count; at += r->most) {
            const uint64_t left = segment->count - at;
            AMM_TRY(finish(e, stream, r, shared[stream]));
            AMM_TRY(start(e, stream, r, segment->config, segment->first + at,
                          left < r->most ? left : r->most, &shared[stream]));
            stream = (stream + 1) % AMM_DEVICE_STREAMS;
        }
    }
    for (int32_t k = 0; k < AMM_DEVICE_STREAMS; k++) {
        AMM_TRY(finish(e, k, r, shared[k]));
    }
    return AMM_OK;
}

amm_status amm_cuda_score(amm_engine *engine, float *scores, amm_top *top,
                          const amm_score_batch *batch)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    const request r = { scores, top, batch,
                        (uint64_t)amm_device_facts_of(e->device)->most_candidates };
    AMM_TRY(amm_check_score_items(engine->problem));
    for (int32_t k = 0; k < AMM_DEVICE_STREAMS; k++) {
        e->lanes[k].busy = false;
    }
    return score_all(e, &r);
}

/* ---- candidates kept on the device -------------------------------------------------------------- */

static void let_go(amm_cuda_engine *e)
{
    for (int32_t k = 0; k < e->kept_count; k++) {
        amm_device_release(e->device, e->kept[k].cuts);
    }
    amm_release(e->base.context, e->kept);
    e->kept = NULL;
    e->kept_count = 0;
}

/* Planes that begin at multiples of 16, zeros after the last candidate. */
static amm_status keep_segment(amm_cuda_engine *e, const amm_score_batch *batch,
                               const amm_score_segment *segment)
{
    const size_t planes = (size_t)e->base.problem->configs[segment->config].stages - 1;
    amm_cuda_kept *kept = &e->kept[e->kept_count++];
    *kept = (amm_cuda_kept){ *segment, (segment->count + 15) / 16 * 16, NULL };
    const size_t bytes = (planes + 1) * (size_t)kept->pitch;
    AMM_TRY(amm_device_allocate(e->device, &kept->cuts, bytes));
    AMM_TRY(amm_device_zero(e->device, 0, kept->cuts, bytes));
    for (size_t s = 0; s < planes; s++) {
        AMM_TRY(amm_device_copy_in(e->device, 0, (uint8_t *)kept->cuts + s * (size_t)kept->pitch,
                                   batch->cuts + s * batch->stride + segment->first,
                                   (size_t)segment->count));
    }
    return amm_device_wait(e->device, 0);
}

amm_status amm_cuda_keep(amm_engine *engine, const amm_score_batch *batch)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    let_go(e);
    if (batch == NULL) {
        return AMM_OK;
    }
    AMM_TRY(amm_check_score_items(engine->problem));
    e->kept = amm_alloc(engine->context, (size_t)batch->segment_count + 1, sizeof *e->kept);
    amm_status status = e->kept == NULL ? AMM_NO_MEMORY : AMM_OK;
    for (int32_t k = 0; k < batch->segment_count && status == AMM_OK; k++) {
        status = keep_segment(e, batch, &batch->segments[k]);
    }
    if (status != AMM_OK) {
        let_go(e);
    }
    return status;
}

/* Candidates [at, at + count) of the segment. */
static amm_status score_part(amm_cuda_engine *e, const request *r, const amm_cuda_kept *kept,
                             uint64_t at, uint64_t count)
{
    amm_cuda_lane *lane = &e->lanes[0];
    const int32_t config = kept->segment.config;
    size_t shared = 0;
    AMM_TRY(plan_config(e, lane, 0, &e->base.problem->configs[config], &shared));
    lane->args.problem = e->problem;
    lane->args.config = config;
    lane->args.first = kept->segment.first + at;
    lane->args.count = count;
    lane->args.pitch = kept->pitch;
    lane->args.cuts = (const uint8_t *)kept->cuts + at;
    lane->args.scores = NULL;
    AMM_TRY(amm_cuda_top_begin(e, 0, &lane->args.top, &lane->pushed, r->top, INT64_MAX));
    AMM_TRY(launch(e, lane, 0, shared));
    AMM_TRY(amm_cuda_top_fetch(e, 0, &lane->pushed));
    lane->busy = true;
    return finish(e, 0, r, shared);
}

/* An empty list lets all keys through: first as many candidates as the buffer has room for, then so many
 * more that of a random order half the buffer is filled. A full list: all at once. More keys than fit
 * cost time, nothing else. */
static amm_status score_segment(amm_cuda_engine *e, const request *r, const amm_cuda_kept *kept)
{
    const uint64_t room = (uint64_t)amm_device_facts_of(e->device)->most_pushed;
    const uint64_t listed = r->top->capacity > 0 ? (uint64_t)r->top->capacity : 1;
    const uint64_t all = kept->segment.count;
    uint64_t step = amm_top_full(r->top) ? all : room;
    for (uint64_t at = 0; at < all;) {
        const uint64_t left = all - at;
        step = step < 16 ? 16 : step / 16 * 16; /* the next part begins aligned */
        AMM_TRY(score_part(e, r, kept, at, left < step ? left : step));
        at += left < step ? left : step;
        step = amm_top_full(r->top) && at < all ? at * (room / listed + 1) / 2 : room;
    }
    return AMM_OK;
}

amm_status amm_cuda_score_kept(amm_engine *engine, amm_top *top)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    const request r = { NULL, top, NULL, 0 };
    if (e->kept == NULL) {
        return amm_fail(AMM_INTERNAL, "cuda: score_kept: nothing is kept");
    }
    for (int32_t k = 0; k < e->kept_count; k++) {
        AMM_TRY(score_segment(e, &r, &e->kept[k]));
    }
    return AMM_OK;
}
