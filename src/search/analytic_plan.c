#include "search/planner.h"

#include "formula/cost/range.h"
#include <math.h>
#include <string.h>

bool amm_analytic_is_direct(const amm_config *c)
{
    return c->pp == 1 || c->vpp > 1;
}

void amm_analytic_short(const amm_lowered *lowered, amm_analytic_cost *out, const amm_config *c,
                        const int32_t *cuts)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    amm_lower_run(&run, a, c, NULL);
    out->short_bytes = -HUGE_VAL;
    for (int32_t s = 0; s < c->pp; s++) {
        amm_ledger ledger;
        amm_lower_ledger(a, &ledger, &run, s, cuts[s], cuts[s + 1]);
        if (ledger.total - a->room_bytes > out->short_bytes) {
            out->short_bytes = ledger.total - a->room_bytes;
            out->stage = s;
        }
    }
}

void amm_analytic_evaluate(const amm_lowered *lowered, amm_analytic_cost *out, int32_t *blocks,
                           const amm_config *c, const int32_t *cuts)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    amm_blocks_of_cuts(a, blocks, cuts, c->pp);
    amm_lower_run(&run, a, c, blocks);
    amm_step_time(&out->step, &a->network, &a->machine, &run);
    amm_analytic_short(lowered, out, c, cuts);
}

int64_t amm_analytic_largest(const amm_lowered *lowered, const amm_config *config,
                             const int32_t *cuts)
{
    amm_config c = *config;
    const int64_t samples = lowered->problem->global_batch / c.dp;
    int64_t largest = 0;
    for (int64_t b = 1; b <= samples; b++) {
        amm_analytic_cost cost;
        c.micro_batch = b;
        c.micro_batches = samples / b;
        if (samples % b != 0 ||
            amm_space_reject(lowered->problem, &lowered->layout, &c) != AMM_ACCEPTED) {
            continue;
        }
        amm_analytic_short(lowered, &cost, &c, cuts);
        largest = cost.short_bytes <= 0.0 ? b : largest;
    }
    return largest;
}

/* Whether moving cut s by `by` helps; then it stays moved. */
static bool move_cut(const amm_lowered *lowered, int32_t *cuts, int32_t *blocks,
                     const amm_config *c, int32_t s, int32_t by, amm_analytic_cost *best)
{
    amm_analytic_cost cost;
    const int32_t to = cuts[s] + by;
    if (to <= cuts[s - 1] || to >= cuts[s + 1]) {
        return false;
    }
    cuts[s] = to;
    amm_analytic_evaluate(lowered, &cost, blocks, c, cuts);
    if (cost.short_bytes <= 0.0 && cost.step.time_s < best->step.time_s * (1.0 - 1e-12)) {
        *best = cost;
        return true;
    }
    cuts[s] -= by;
    return false;
}

amm_status amm_analytic_refine(amm_lowered *lowered, int32_t *cuts, const amm_config *c)
{
    amm_analytic_cost best;
    int32_t *blocks = amm_arena_alloc(&lowered->scratch, (size_t)c->pp, sizeof *blocks);
    if (blocks == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_analytic_evaluate(lowered, &best, blocks, c, cuts);
    for (bool better = true; better;) {
        better = false;
        for (int32_t s = 1; s < c->pp; s++) {
            better = move_cut(lowered, cuts, blocks, c, s, -1, &best) || better;
            better = move_cut(lowered, cuts, blocks, c, s, 1, &best) || better;
        }
    }
    return AMM_OK;
}

amm_status amm_analytic_prefer_even(amm_lowered *lowered, int32_t *cuts, const amm_config *c)
{
    amm_analytic_cost given;
    amm_analytic_cost even;
    int32_t *other = amm_arena_alloc(&lowered->scratch, (size_t)c->pp + 1, sizeof *other);
    int32_t *blocks = amm_arena_alloc(&lowered->scratch, (size_t)c->pp, sizeof *blocks);
    if (other == NULL || blocks == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_even_cuts(lowered, other, c);
    amm_analytic_evaluate(lowered, &even, blocks, c, other);
    amm_analytic_evaluate(lowered, &given, blocks, c, cuts);
    if (even.short_bytes <= 0.0 && even.step.time_s <= given.step.time_s * (1.0 + 1e-12)) {
        memcpy(cuts, other, ((size_t)c->pp + 1) * sizeof *cuts);
    }
    return AMM_OK;
}

amm_status amm_analytic_cuts(amm_lowered *lowered, const amm_config *c, int32_t *cuts)
{
    if (amm_analytic_is_direct(c)) {
        amm_even_cuts(lowered, cuts, c);
        return AMM_OK;
    }
    AMM_TRY(amm_best_cuts(lowered, c, cuts));
    AMM_TRY(amm_analytic_refine(lowered, cuts, c));
    return amm_analytic_prefer_even(lowered, cuts, c);
}

static void set_stage(amm_stage_plan *stage, const amm_lowered *lowered, const amm_run *run,
                      int32_t s)
{
    const amm_analytic *a = lowered->analytic;
    amm_lower_ledger(a, &stage->ledger, run, s, stage->first, stage->end);
    stage->counted = stage->end - stage->first;
    stage->type_mask = UINT32_C(1) << lowered->layout.type_of[0];
    stage->time_s = a->stages.stage[s].forward_s + a->stages.stage[s].backward_s;
    stage->memory_bytes = stage->ledger.total;
    stage->capacity_bytes = a->room_bytes;
    /* What is left free is there when it is needed. */
    stage->oom_probability =
        amm_oom_probability(stage->ledger.total, a->machine.memory_bytes, AMM_MEMORY_LOG_SD);
}

amm_status amm_analytic_rescore(amm_plan_entry *out, amm_arena *arena, amm_lowered *lowered,
                                const amm_config *c, const int32_t *cuts)
{
    amm_analytic *a = lowered->analytic;
    amm_run run;
    amm_step step;
    int32_t *blocks = amm_arena_alloc(arena, (size_t)c->pp, sizeof *blocks);
    memset(out, 0, sizeof *out);
    out->stages = amm_arena_alloc(arena, (size_t)c->pp, sizeof *out->stages);
    if (blocks == NULL || out->stages == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_blocks_of_cuts(a, blocks, cuts, c->pp);
    amm_lower_run(&run, a, c, blocks);
    amm_step_time(&step, &a->network, &a->machine, &run);
    amm_stage_costs(&a->stages, &a->network, &a->machine, &run);
    out->config = *c;
    out->time_s = step.time_s;
    out->engine_s = step.time_s;
    out->simulated_s = (double)NAN;
    out->flops = step.flops;
    out->fits = true;
    const amm_time_parts parts = { step.compute_s, step.bubble_s,    step.tp_s,
                                   step.cp_s,      step.ep_s,        step.pp_s,
                                   step.dp_s,      step.optimizer_s, step.other_s };
    out->time = parts;
    for (int32_t s = 0; s < c->pp; s++) {
        out->stages[s].first = cuts[s];
        out->stages[s].end = cuts[s + 1];
        set_stage(&out->stages[s], lowered, &run, s);
        out->fits = out->fits && out->stages[s].memory_bytes <= out->stages[s].capacity_bytes;
        out->oom_probability = fmax(out->oom_probability, out->stages[s].oom_probability);
    }
    return AMM_OK;
}
