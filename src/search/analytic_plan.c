#include "search/planner.h"

#include "formula/cost/range.h"
#include <math.h>
#include <string.h>

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
            amm_strategy_reject(lowered->problem, &lowered->layout, &c, true) != AMM_ACCEPTED) {
            continue;
        }
        amm_analytic_short(lowered, &cost, &c, cuts);
        largest = cost.short_bytes <= 0.0 ? b : largest;
    }
    return largest;
}

/* Other partitions beside a given one: the scratch that they need, [stages] each. */
typedef struct trial {
    amm_lowered *lowered;
    const amm_config *config;
    int32_t *sets, *blocks;
} trial;

static amm_status trial_open(trial *out, amm_lowered *lowered, const amm_config *c)
{
    const size_t stages = (size_t)c->pp;
    out->lowered = lowered;
    out->config = c;
    out->sets = amm_arena_alloc(&lowered->scratch, stages, sizeof *out->sets);
    out->blocks = amm_arena_alloc(&lowered->scratch, stages, sizeof *out->blocks);
    return out->sets == NULL || out->blocks == NULL ? AMM_NO_MEMORY : AMM_OK;
}

static void evaluate(const trial *t, amm_analytic_cost *out, const int32_t *cuts,
                     const int32_t *sets)
{
    const amm_config c = amm_config_with_sets(t->config, sets);
    amm_analytic_evaluate(t->lowered, out, t->blocks, &c, cuts);
}

/* The same with the sets that the stages would choose, in t->sets. */
static amm_status try_cuts(const trial *t, amm_analytic_cost *out, const int32_t *cuts)
{
    double gain_s = 0.0;
    AMM_TRY(amm_analytic_choose(t->lowered, t->sets, t->blocks, t->config, cuts, &gain_s));
    evaluate(t, out, cuts, t->sets);
    return AMM_OK;
}

static void take_sets(const trial *t, int32_t *sets)
{
    if (amm_config_is_open(t->config)) {
        memcpy(sets, t->sets, (size_t)t->config->pp * sizeof *sets);
    }
}

/* Whether moving cut s by `by` helps; then it stays moved. */
static amm_status move_cut(const trial *t, int32_t *cuts, int32_t *sets, int32_t s, int32_t by,
                           amm_analytic_cost *best, bool *better)
{
    amm_analytic_cost cost;
    const int32_t to = cuts[s] + by;
    if (to <= cuts[s - 1] || to >= cuts[s + 1]) {
        return AMM_OK;
    }
    cuts[s] = to;
    AMM_TRY(try_cuts(t, &cost, cuts));
    if (cost.short_bytes <= 0.0 && cost.step.time_s < best->step.time_s * (1.0 - 1e-12)) {
        *best = cost;
        *better = true;
        take_sets(t, sets);
    } else {
        cuts[s] -= by;
    }
    return AMM_OK;
}

amm_status amm_analytic_refine(amm_lowered *lowered, int32_t *cuts, int32_t *sets,
                               const amm_config *c)
{
    amm_analytic_cost best;
    trial t;
    AMM_TRY(trial_open(&t, lowered, c));
    evaluate(&t, &best, cuts, sets);
    for (bool better = true; better;) {
        better = false;
        for (int32_t s = 1; s < c->pp; s++) {
            AMM_TRY(move_cut(&t, cuts, sets, s, -1, &best, &better));
            AMM_TRY(move_cut(&t, cuts, sets, s, 1, &best, &better));
        }
    }
    return AMM_OK;
}

static int32_t blocks_of(const amm_lowered *lowered, const int32_t *cuts, int32_t stage)
{
    const int32_t *before = lowered->analytic->blocks_before;
    return before[cuts[stage + 1]] - before[cuts[stage]];
}

/* Stage `to` gets a block more and `from` one fewer; those between keep their number. */
static void pass_block(int32_t *cuts, int32_t from, int32_t to)
{
    for (int32_t s = from + 1; s <= to; s++) {
        cuts[s]--;
    }
    for (int32_t s = to + 1; s <= from; s++) {
        cuts[s]++;
    }
}

/* Whether some stage can pass a block to one that has two fewer or less, and the step takes no
 * longer than `time_s`; then it is passed. */
static amm_status level_once(const trial *t, int32_t *cuts, int32_t *sets, double time_s,
                             bool *moved)
{
    amm_analytic_cost cost;
    *moved = false;
    for (int32_t k = 0; k < t->config->pp * t->config->pp; k++) {
        const int32_t from = k / t->config->pp;
        const int32_t to = k % t->config->pp;
        if (blocks_of(t->lowered, cuts, from) < blocks_of(t->lowered, cuts, to) + 2) {
            continue;
        }
        pass_block(cuts, from, to);
        AMM_TRY(try_cuts(t, &cost, cuts));
        if (cost.short_bytes <= 0.0 && cost.step.time_s <= time_s) {
            *moved = true;
            take_sets(t, sets);
            return AMM_OK;
        }
        pass_block(cuts, to, from);
    }
    return AMM_OK;
}

amm_status amm_analytic_level(amm_lowered *lowered, int32_t *cuts, int32_t *sets,
                              const amm_config *c)
{
    amm_analytic_cost given;
    amm_analytic_cost even;
    trial t;
    bool moved = true;
    int32_t *other = amm_arena_alloc(&lowered->scratch, (size_t)c->pp + 1, sizeof *other);
    AMM_TRY(trial_open(&t, lowered, c));
    if (other == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_even_cuts(lowered, other, c);
    evaluate(&t, &given, cuts, sets);
    const double same_s = given.step.time_s * (1.0 + 1e-12);
    AMM_TRY(try_cuts(&t, &even, other));
    if (even.short_bytes <= 0.0 && even.step.time_s <= same_s) {
        memcpy(cuts, other, ((size_t)c->pp + 1) * sizeof *cuts);
        take_sets(&t, sets);
        return AMM_OK;
    }
    while (moved) { /* each time the squares of the numbers of blocks sum to less */
        AMM_TRY(level_once(&t, cuts, sets, same_s, &moved));
    }
    return AMM_OK;
}

/* Cuts that memory had no say in come with the fastest sets: what is still short after the best that
 * sets can do is what there is to say. */
static amm_status choose_if_short(amm_lowered *lowered, const amm_config *c, const int32_t *cuts,
                                  int32_t *sets)
{
    amm_analytic_cost cost;
    trial t;
    AMM_TRY(trial_open(&t, lowered, c));
    evaluate(&t, &cost, cuts, sets);
    if (cost.short_bytes > 0.0) {
        AMM_TRY(try_cuts(&t, &cost, cuts));
        take_sets(&t, sets);
    }
    return AMM_OK;
}

amm_status amm_analytic_cuts(amm_lowered *lowered, const amm_config *c, int32_t *cuts,
                             int32_t *sets)
{
    if (amm_analytic_is_direct(c)) {
        trial t;
        double gain_s = 0.0;
        amm_even_cuts(lowered, cuts, c);
        AMM_TRY(trial_open(&t, lowered, c));
        return amm_analytic_choose(lowered, sets, t.blocks, c, cuts, &gain_s);
    }
    AMM_TRY(amm_best_cuts(lowered, c, cuts, sets));
    AMM_TRY(choose_if_short(lowered, c, cuts, sets));
    AMM_TRY(amm_analytic_refine(lowered, cuts, sets, c));
    return amm_analytic_level(lowered, cuts, sets, c);
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
    out->config = *c;
    out->stages = amm_arena_alloc(arena, (size_t)c->pp, sizeof *out->stages);
    if (blocks == NULL || out->stages == NULL) {
        return AMM_NO_MEMORY;
    }
    if (c->stage_recompute != NULL) {
        int32_t *sets = amm_arena_alloc(arena, (size_t)c->pp, sizeof *sets);
        if (sets == NULL) {
            return AMM_NO_MEMORY;
        }
        memcpy(sets, c->stage_recompute, (size_t)c->pp * sizeof *sets);
        out->config.stage_recompute = sets;
    }
    amm_blocks_of_cuts(a, blocks, cuts, c->pp);
    amm_lower_run(&run, a, c, blocks);
    amm_step_time(&step, &a->network, &a->machine, &run);
    amm_stage_costs(&a->stages, &a->network, &a->machine, &run);
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
