#include "driver.h"

#include <string.h>

/* Units from *place on, until the window is full or `to`; *place moves on. */
static amm_status fill_units(const amm_cuda_engine *e, amm_sweep_unit *units, int32_t *count,
                             amm_place *place, amm_place to)
{
    const amm_device_facts *facts = amm_device_facts_of(e->device);
    *count = 0;
    while (*count < facts->most_units && amm_place_less(*place, to)) {
        uint64_t ranks = 0;
        AMM_TRY(amm_config_ranks(&ranks, e->base.problem, place->config));
        const uint64_t end = place->config < to.config ? ranks : to.rank;
        const uint64_t left = end - place->rank;
        const uint64_t most = (uint64_t)facts->unit_ranks;
        const uint64_t step = left < most ? left : most;
        if (step > 0) {
            units[(*count)++] = (amm_sweep_unit){ place->config, place->rank, step };
            place->rank += step;
        }
        if (place->rank == ranks) {
            *place = (amm_place){ place->config + 1, 0 };
        }
    }
    return AMM_OK;
}

static amm_status launch(amm_cuda_engine *e, amm_top *top, amm_sweep_args *args, int64_t upper,
                         int32_t units)
{
    const amm_problem *p = e->base.problem;
    const size_t warps = AMM_SWEEP_BLOCK / AMM_WARP;
    const size_t shared = AMM_SWEEP_SHARED_BYTES(p->max_stages) * warps;
    int32_t blocks = 0;
    bool complete;
    AMM_TRY(amm_device_occupancy(e->device, &blocks, AMM_KERNEL_SWEEP, AMM_SWEEP_BLOCK, shared));
    const int32_t wanted = (args->queue_count + (int32_t)warps - 1) / (int32_t)warps;
    blocks = blocks < wanted ? blocks : wanted;
    AMM_TRY(amm_cuda_top_begin(e, 0, &args->top, &e->sweep.pushed, top, upper));
    AMM_TRY(amm_cuda_send(e, 0, &e->sweep.queue, (size_t)args->queue_count * sizeof(int32_t)));
    AMM_TRY(amm_device_zero(e->device, 0, args->ticket, sizeof *args->ticket));
    AMM_TRY(amm_device_launch(e->device, 0, AMM_KERNEL_SWEEP, blocks, AMM_SWEEP_BLOCK, shared, args,
                              sizeof *args));
    AMM_TRY(amm_cuda_fetch(e, 0, &e->sweep.scored, (size_t)units * sizeof(uint64_t)));
    AMM_TRY(amm_cuda_top_fetch(e, 0, &e->sweep.pushed));
    AMM_TRY(amm_device_wait(e->device, 0));
    return amm_cuda_top_take(e, 0, &e->sweep.pushed, top, &complete);
}

/* Units below *done_to and not done: into the queue. *done_to: just past the last one that is done. None
 * is when keys overflowed at once: then all go again, against the list that those keys have filled. */
static int32_t fill_queue(amm_cuda_engine *e, int32_t units, int32_t *done_to)
{
    const uint64_t *scored = e->sweep.scored.host;
    int32_t *queue = e->sweep.queue.host;
    int32_t count = 0;
    *done_to = units;
    while (*done_to > 0 && scored[*done_to - 1] == 0) {
        (*done_to)--;
    }
    for (int32_t k = 0; k < (*done_to == 0 ? units : *done_to); k++) {
        if (scored[k] == 0) {
            queue[count++] = k;
        }
    }
    return count;
}

/* Launches until what is done begins with the first unit and has no gap: *done units of it. */
static amm_status sweep_units(amm_cuda_engine *e, amm_top *top, int32_t units, int64_t upper,
                              int32_t *done)
{
    int32_t *queue = e->sweep.queue.host;
    amm_sweep_args args = { .problem = e->problem,
                            .queue_count = units,
                            .queue = e->sweep.queue.device,
                            .ticket = e->sweep.ticket.device,
                            .units = e->sweep.units.device,
                            .scored = e->sweep.scored.device,
                            .slice_ns = amm_device_facts_of(e->device)->slice_ns };
    for (int32_t k = 0; k < units; k++) {
        queue[k] = k;
    }
    AMM_TRY(amm_cuda_send(e, 0, &e->sweep.units, (size_t)units * sizeof(amm_sweep_unit)));
    AMM_TRY(amm_device_zero(e->device, 0, args.scored, (size_t)units * sizeof(uint64_t)));
    *done = 0;
    do {
        AMM_TRY(launch(e, top, &args, upper, units));
        args.queue_count = fill_queue(e, units, done);
    } while (args.queue_count > 0);
    return AMM_OK;
}

static amm_status reserve(amm_cuda_engine *e)
{
    const size_t n = (size_t)amm_device_facts_of(e->device)->most_units;
    AMM_TRY(amm_cuda_reserve(e, &e->sweep.queue, n * sizeof(int32_t)));
    AMM_TRY(amm_cuda_reserve(e, &e->sweep.ticket, sizeof(uint32_t)));
    AMM_TRY(amm_cuda_reserve(e, &e->sweep.units, n * sizeof(amm_sweep_unit)));
    return amm_cuda_reserve(e, &e->sweep.scored, n * sizeof(uint64_t));
}

amm_status amm_cuda_sweep(amm_engine *engine, amm_top *top, amm_sweep_count *count, amm_place *from,
                          amm_place to, int64_t upper)
{
    amm_cuda_engine *e = (amm_cuda_engine *)engine;
    int32_t units = 0;
    int32_t done = 0;
    amm_place place = *from;
    AMM_TRY(amm_check_score_items(engine->problem));
    AMM_TRY(reserve(e));
    amm_sweep_unit *list = e->sweep.units.host;
    AMM_TRY(fill_units(e, list, &units, &place, to));
    if (units > 0) {
        AMM_TRY(sweep_units(e, top, units, upper, &done));
    }
    const uint64_t *scored = e->sweep.scored.host;
    for (int32_t k = 0; k < done; k++) {
        count->scored += scored[k] - 1;
        count->covered += list[k].count;
    }
    *from = done < units ? (amm_place){ list[done].config, list[done].rank } : place;
    return AMM_OK;
}
