#include "search/planner.h"

#include <math.h>
#include <string.h>

amm_config amm_config_with_sets(const amm_config *config, const int32_t *sets)
{
    amm_config out = *config;
    bool same = true;
    if (!amm_config_is_open(config)) {
        return out;
    }
    for (int32_t s = 1; s < config->pp; s++) {
        same = same && sets[s] == sets[0];
    }
    out.recompute = same ? sets[0] : AMM_RECOMPUTE_PER_STAGE;
    out.stage_recompute = same ? NULL : sets;
    return out;
}

/* A stage whose data parallelism ends last, under its own set or under another. */
typedef struct last_stage {
    int32_t stage;
    double time_s, dp_s; /* of one micro-batch; exposed, without what earlier stages hide */
    double slowest_s;    /* of all stages */
    bool exposed;        /* it makes the step longer at all */
} last_stage;

/* `stage` < 0: the one that ends last. */
static last_stage last_of(amm_analytic *a, const amm_run *run, int32_t stage)
{
    last_stage out = { 0, 0.0, 0.0, 0.0, false };
    double offset = 0.0;
    double latest = -HUGE_VAL;
    amm_stage_costs(&a->stages, &a->network, &a->machine, run);
    for (int32_t i = 0; i < a->stages.count; i++) {
        const amm_stage_seconds *s = &a->stages.stage[i];
        const double dp_s = amm_data_exposed(&a->machine, run, s);
        const double time_s = s->forward_s + s->backward_s;
        out.slowest_s = fmax(out.slowest_s, time_s);
        if (stage < 0 ? dp_s - offset > latest : i == stage) {
            latest = dp_s - offset;
            out.stage = i;
            out.time_s = time_s;
            out.dp_s = dp_s;
            out.exposed = latest > 0.0;
        }
        offset += s->backward_s / run->vpp;
    }
    return out;
}

/* Whether a longer backward pass could hide more seconds than it takes: not with plain stages, whose
 * gradients hide behind one pass at most, and whose transfers do not depend on passes. */
static bool may_hide_more(const amm_config *c)
{
    return (c->pp > 1 && amm_analytic_is_direct(c)) ||
           (c->dp * c->cp > 1 && c->sharding >= AMM_SHARDING_GRADIENTS);
}

/* What transfers beside longer passes could take less. */
static double gain_of_transfers(const amm_analytic *a, const amm_config *c, const amm_step *now)
{
    amm_run run;
    amm_lower_run(&run, a, c, NULL);
    return now->pp_s - amm_least_boundary_seconds(&a->network, &a->machine, &run);
}

/* What another set of the stage that ends last could gain at most, and that set. Whatever the other
 * stages do: each second by which one of them grows costs as much as it hides of later ones. */
static double gain_of_sets(const amm_lowered *lowered, const amm_config *c, const int32_t *sets,
                           const int32_t *blocks, const int32_t *cuts, int32_t *other,
                           int32_t *stage)
{
    amm_analytic *a = lowered->analytic;
    amm_run run;
    double most_s = 0.0;
    int32_t trial[AMM_MAX_STAGES];
    memcpy(trial, sets, (size_t)c->pp * sizeof *trial);
    amm_lower_run(&run, a, c, blocks);
    run.stage_recompute = trial;
    const last_stage now = last_of(a, &run, -1);
    *stage = now.stage;
    for (int32_t k = 0; k < a->choice_count && now.exposed; k++) {
        amm_ledger ledger;
        trial[now.stage] = a->choices[k];
        amm_lower_ledger(a, &ledger, &run, now.stage, cuts[now.stage], cuts[now.stage + 1]);
        if (a->choices[k] == sets[now.stage] || ledger.total > a->room_bytes) {
            continue;
        }
        const last_stage then = last_of(a, &run, now.stage);
        const double longer = then.time_s - now.time_s;
        const double gain =
            now.dp_s - then.dp_s - longer / run.vpp -
            (run.micro_batches - 1.0 / run.vpp) * fmax(0.0, then.time_s - now.slowest_s);
        if (gain > most_s) {
            most_s = gain;
            *other = a->choices[k];
        }
    }
    return most_s;
}

/* Takes other sets while they gain. Returns by how much the result may still be above the least time of
 * these cuts: known for the fastest sets, from which all others only grow. */
static double hide_more(const amm_lowered *lowered, const amm_config *open, int32_t *sets,
                        int32_t *blocks, const int32_t *cuts)
{
    amm_analytic_cost now;
    double floor_s = 0.0;
    amm_config c = amm_config_with_sets(open, sets);
    amm_analytic_evaluate(lowered, &now, blocks, &c, cuts);
    for (int32_t step = 0; now.short_bytes <= 0.0 && step < c.pp; step++) {
        amm_analytic_cost then;
        int32_t other = 0;
        int32_t stage = 0;
        const double gain = gain_of_sets(lowered, &c, sets, blocks, cuts, &other, &stage);
        const int32_t before = sets[stage];
        if (step == 0) {
            floor_s = now.step.time_s - gain -
                      fmax(0.0, gain_of_transfers(lowered->analytic, &c, &now.step));
        }
        if (gain <= 1e-12 * now.step.time_s) {
            break;
        }
        sets[stage] = other;
        c = amm_config_with_sets(open, sets);
        amm_analytic_evaluate(lowered, &then, blocks, &c, cuts);
        if (then.step.time_s >= now.step.time_s) {
            sets[stage] = before;
            break;
        }
        now = then;
    }
    return now.short_bytes <= 0.0 ? fmax(0.0, now.step.time_s - floor_s) : 0.0;
}

amm_status amm_analytic_choose(amm_lowered *lowered, int32_t *sets, int32_t *blocks,
                               const amm_config *config, const int32_t *cuts, double *gain_s)
{
    *gain_s = 0.0;
    if (!amm_config_is_open(config)) {
        return AMM_OK;
    }
    AMM_TRY(amm_choice_classes(lowered, config));
    for (int32_t s = 0; s < config->pp; s++) {
        sets[s] = amm_fastest_set(lowered, config, s, cuts[s], cuts[s + 1]);
    }
    if (may_hide_more(config)) {
        *gain_s = hide_more(lowered, config, sets, blocks, cuts);
    }
    return AMM_OK;
}
