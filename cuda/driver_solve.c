#include "driver.h"

#include <string.h>

/* How a chunk of configs is launched. */
typedef struct plan {
    amm_kernel_id kernel;
    int32_t blocks;
    size_t shared_bytes;
} plan;

static amm_status scratch_of(amm_cuda_engine *e, size_t bytes)
{
    if (bytes > e->solve.scratch_bytes) {
        amm_device_release(e->device, e->solve.scratch);
        e->solve.scratch = NULL;
        e->solve.scratch_bytes = 0;
        AMM_TRY(amm_device_allocate(e->device, &e->solve.scratch, bytes));
        e->solve.scratch_bytes = bytes;
    }
    return AMM_OK;
}

/* Columns in shared memory where a block's fit. As many blocks as run at once, as there are configs, and
 * as a quarter of the memory has scratch for. */
static amm_status plan_of(amm_cuda_engine *e, plan *out, amm_solve_args *args, int32_t count)
{
    const amm_problem *p = e->base.problem;
    const amm_device_facts *facts = amm_device_facts_of(e->device);
    const int32_t warps = AMM_SOLVE_BLOCK / AMM_WARP;
    const size_t columns = AMM_SOLVE_COLUMN_BYTES(p->items, p->max_stages);
    const size_t starts =
        (((size_t)p->items + 1) * (size_t)p->max_stages * sizeof(uint16_t) + 15) / 16 * 16;
    const bool fits = (size_t)warps * columns <= facts->shared_bytes;
    out->kernel = fits ? AMM_KERNEL_SOLVE : AMM_KERNEL_SOLVE_LARGE;
    out->shared_bytes = fits ? (size_t)warps * columns : 0;
    args->scratch_bytes = fits ? starts : columns + starts;
    const size_t block_bytes = (size_t)args->scratch_bytes * (size_t)warps;
    const size_t room = facts->memory_bytes / 4 / block_bytes;
    if (room == 0) {
        return amm_fail(AMM_LIMIT,
                        "engine: got %d items and %d stages, whose solve needs %zu bytes of the "
                        "device's %zu",
                        p->items, p->max_stages, 4 * block_bytes, facts->memory_bytes);
    }
    AMM_TRY(amm_device_occupancy(e->device, &out->blocks, out->kernel, AMM_SOLVE_BLOCK,
                                 out->shared_bytes));
    const int32_t wanted = (count + warps - 1) / warps;
    out->blocks = out->blocks < wanted ? out->blocks : wanted;
    out->blocks = (size_t)out->blocks < room ? out->blocks : (int32_t)room;
    AMM_TRY(scratch_of(e, block_bytes * (size_t)out->blocks));
    args->scratch = e->solve.scratch;
    return AMM_OK;
}

static amm_status reserve(amm_cuda_engine *e, int32_t count)
{
    const size_t n = (size_t)count;
    const size_t row = (size_t)e->base.problem->max_stages + 1;
    AMM_TRY(amm_cuda_reserve(e, &e->solve.queue, n * sizeof(int32_t)));
    AMM_TRY(amm_cuda_reserve(e, &e->solve.ticket, sizeof(uint32_t)));
    AMM_TRY(amm_cuda_reserve(e, &e->solve.number, n * sizeof(int32_t)));
    AMM_TRY(amm_cuda_reserve(e, &e->solve.upper, n * sizeof(int64_t)));
    AMM_TRY(amm_cuda_reserve(e, &e->solve.state, n * sizeof(amm_solve_state)));
    AMM_TRY(amm_cuda_reserve(e, &e->solve.out, n * sizeof(amm_solved)));
    return amm_cuda_reserve(e, &e->solve.cuts, n * row * sizeof(uint16_t));
}

/* Launches until every config of the chunk is done. */
static amm_status run(amm_cuda_engine *e, const plan *x, amm_solve_args *args, int32_t count)
{
    int32_t *queue = e->solve.queue.host;
    const amm_solve_state *state = e->solve.state.host;
    args->queue_count = count;
    for (int32_t k = 0; k < count; k++) {
        queue[k] = k;
    }
    while (args->queue_count > 0) {
        const size_t left = (size_t)args->queue_count;
        AMM_TRY(amm_cuda_send(e, 0, &e->solve.queue, left * sizeof *queue));
        AMM_TRY(amm_device_zero(e->device, 0, args->ticket, sizeof *args->ticket));
        AMM_TRY(amm_device_launch(e->device, 0, x->kernel, x->blocks, AMM_SOLVE_BLOCK,
                                  x->shared_bytes, args, sizeof *args));
        AMM_TRY(amm_cuda_fetch(e, 0, &e->solve.state, (size_t)count * sizeof *state));
        AMM_TRY(amm_device_wait(e->device, 0));
        args->queue_count = 0;
        for (int32_t k = 0; k < count; k++) {
            if (state[k].phase != AMM_SOLVE_DONE) {
                queue[args->queue_count++] = k;
            }
        }
    }
    return AMM_OK;
}

/* Places [first, first + count) of the list; the other arrays begin at the first of these. */
static amm_status solve_chunk(amm_cuda_engine *e, amm_solved *out, uint16_t *cuts,
                              const int64_t *upper, const int32_t *configs, int32_t first,
                              int32_t count)
{
    const size_t n = (size_t)count;
    const size_t row = (size_t)e->base.problem->max_stages + 1;
    plan x;
    AMM_TRY(reserve(e, count));
    amm_solve_args args = { .problem = e->problem,
                            .number = e->solve.number.device,
                            .queue = e->solve.queue.device,
                            .ticket = e->solve.ticket.device,
                            .upper = e->solve.upper.device,
                            .state = e->solve.state.device,
                            .out = e->solve.out.device,
                            .cuts = e->solve.cuts.device,
                            .slice_ns = amm_device_facts_of(e->device)->slice_ns };
    AMM_TRY(plan_of(e, &x, &args, count));
    int32_t *number = e->solve.number.host;
    for (int32_t k = 0; k < count; k++) {
        number[k] = amm_config_at(configs, first + k);
    }
    AMM_TRY(amm_cuda_send(e, 0, &e->solve.number, n * sizeof *number));
    memcpy(e->solve.upper.host, upper, n * sizeof *upper);
    AMM_TRY(amm_cuda_send(e, 0, &e->solve.upper, n * sizeof *upper));
    AMM_TRY(amm_device_zero(e->device, 0, args.state, n * sizeof(amm_solve_state)));
    AMM_TRY(run(e, &x, &args, count));
    AMM_TRY(amm_cuda_fetch(e, 0, &e->solve.out, n * sizeof *out));
    AMM_TRY(amm_cuda_fetch(e, 0, &e->solve.cuts, n * row * sizeof *cuts));
    AMM_TRY(amm_device_wait(e->device, 0));
    memcpy(out, e->solve.out.host, n * sizeof *out);
    memcpy(cuts, e->solve.cuts.host, n * row * sizeof *cuts);
    return AMM_OK;
}

amm_status amm_cuda_solve(amm_engine *engine, amm_solved *out, uint16_t *cuts, const int64_t *upper,
                          const int32_t *configs, int32_t count)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    const int32_t most = amm_device_facts_of(e->device)->most_configs;
    const size_t row = (size_t)engine->problem->max_stages + 1;
    for (int32_t at = 0; at < count; at += most) {
        const int32_t step = count - at < most ? count - at : most;
        AMM_TRY(solve_chunk(e, out + at, cuts + (size_t)at * row, upper + at, configs, at, step));
    }
    return AMM_OK;
}
