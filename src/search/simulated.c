#include "search/planner.h"

#include <math.h>

/* Blocks of every virtual stage: those of its stage, shared out among the chunks. */
static void share_blocks(int32_t *out, const amm_analytic *a, const amm_plan_entry *plan)
{
    const int32_t p = plan->config.pp;
    const int32_t v = plan->config.vpp;
    for (int32_t s = 0; s < p; s++) {
        const amm_stage_plan *stage = &plan->stages[s];
        const int32_t blocks = a->blocks_before[stage->end] - a->blocks_before[stage->first];
        for (int32_t chunk = 0; chunk < v; chunk++) {
            out[chunk * p + s] = blocks / v + (chunk < blocks % v);
        }
    }
}

/* Into [4][chunks of all stages]: forward passes, backward passes, transfers, the weights' part of
 * backward passes: half, as in amm_step_time. `sets`: what every chunk recomputes. */
static void fill_seconds(double *seconds, const int32_t *blocks, const int32_t *sets,
                         amm_analytic *a, const amm_config *c)
{
    const int32_t count = c->pp * c->vpp;
    amm_machine machine = a->machine;
    amm_run run;
    amm_lower_run(&run, a, c, blocks);
    const double held_s =
        amm_exposed_share(&a->machine, &run) * amm_transfer_seconds(&a->network, &a->machine, &run);
    run.pp = count;
    run.stage_recompute = sets;
    machine.facts.micro_batch_host_s /= c->vpp; /* per stage, not per chunk */
    amm_stage_costs(&a->stages, &a->network, &machine, &run);
    for (int32_t s = 0; s < count; s++) {
        seconds[s] = a->stages.stage[s].forward_s;
        seconds[count + s] = a->stages.stage[s].backward_s;
        seconds[2 * count + s] = held_s;
        seconds[3 * count + s] = AMM_WEIGHT_SHARE * a->stages.stage[s].backward_s;
    }
}

amm_status amm_analytic_schedule(amm_schedule_input *out, amm_arena *arena,
                                 const amm_lowered *lowered, const amm_plan_entry *plan)
{
    const amm_config *c = &plan->config;
    const int32_t count = c->pp * c->vpp;
    if (count > AMM_MAX_STAGES) {
        return amm_fail(AMM_LIMIT, "schedule: %d chunks exceed %d", count, AMM_MAX_STAGES);
    }
    int32_t *blocks = amm_arena_alloc(arena, (size_t)count, sizeof *blocks);
    double *seconds = amm_arena_alloc(arena, (size_t)count * 4, sizeof *seconds);
    int32_t *sets = amm_arena_alloc(arena, (size_t)count, sizeof *sets);
    if (blocks == NULL || seconds == NULL || sets == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t i = 0; i < count; i++) {
        sets[i] = amm_recompute_at(c->recompute, c->stage_recompute, i % c->pp);
    }
    share_blocks(blocks, lowered->analytic, plan);
    fill_seconds(seconds, blocks, sets, lowered->analytic, c);
    amm_run run;
    amm_lower_run(&run, lowered->analytic, c, NULL);
    const amm_schedule_kind kind = (amm_schedule_kind)run.schedule;
    const bool split = amm_schedule_splits(kind);
    const amm_schedule_input in = { .kind = kind,
                                    .transfer = AMM_TRANSFER_BLOCKING,
                                    .stages = c->pp,
                                    .chunks = c->vpp,
                                    .micro_batches = (int32_t)c->micro_batches,
                                    .forward_s = seconds,
                                    .backward_s = seconds + count,
                                    .weight_s = split ? seconds + 3 * (size_t)count : NULL,
                                    .transfer_s = seconds + 2 * (size_t)count };
    *out = in;
    return AMM_OK;
}

amm_status amm_analytic_simulate(amm_plan_entry *plan, const amm_lowered *lowered)
{
    const amm_config *c = &plan->config;
    const amm_analytic *a = lowered->analytic;
    amm_arena arena;
    amm_schedule_input in;
    double pipeline_s = 0.0;
    if (c->pp == 1) {
        return AMM_OK; /* nothing to simulate: one pass after the other */
    }
    amm_arena_init(&arena, lowered->arena.context);
    amm_status status = amm_analytic_schedule(&in, &arena, lowered, plan);
    if (status == AMM_OK) {
        status = amm_simulate_makespan(&pipeline_s, arena.context, &in);
    }
    amm_arena_free(&arena);
    if (status == AMM_OK) {
        amm_run run;
        amm_lower_run(&run, a, c, NULL);
        const double transfer_s = amm_transfer_seconds(&a->network, &a->machine, &run);
        plan->simulated_s =
            pipeline_s +
            amm_unexposed_hops(c->pp, transfer_s, amm_exposed_share(&a->machine, &run)) +
            plan->time.dp_s + plan->time.optimizer_s + plan->time.other_s;
    }
    return status == AMM_LIMIT ? AMM_OK : status; /* stays unknown */
}
