#include "formula/cost/pipeline.h"
#include "search/planner.h"

#include <math.h>

/* Seconds of layers [first, end) for one micro-batch on the slowest replica of stage p. Exact where
 * the engine is conservative: it takes the slowest type at every layer, this the slowest replica. */
static double stage_time(const amm_lowered *lowered, double *layers, const amm_config *c, int32_t p,
                         int32_t first, int32_t end)
{
    double slowest = 0.0;
    uint32_t seen = 0;
    for (int32_t d = 0; d < c->dp; d++) {
        uint32_t mask = 0;
        for (int32_t t = 0; t < c->tp; t++) {
            mask |= UINT32_C(1) << lowered->layout.type_of[t + c->tp * (d + c->dp * p)];
        }
        if (d > 0 && mask == seen) {
            continue;
        }
        seen = mask;
        amm_lower_layer_times(lowered, layers, mask, c);
        double sum = 0.0;
        for (int32_t l = first; l < end; l++) {
            sum += layers[l];
        }
        slowest = fmax(slowest, sum);
    }
    return slowest;
}

static void stage_memory(amm_stage_plan *stage, const amm_lowered *lowered, const amm_config *c,
                         int32_t p)
{
    const amm_memory none = { 0.0, 0.0, 0.0, 0.0 };
    stage->memory = none;
    for (int32_t l = stage->first; l < stage->end; l++) {
        const amm_memory m = amm_lower_layer_memory(lowered, l, p, c);
        stage->memory.static_bytes += m.static_bytes;
        stage->memory.activation_bytes += m.activation_bytes;
        stage->memory.logit_bytes += m.logit_bytes;
    }
    const amm_room room = amm_lower_room(lowered, stage->type_mask);
    stage->memory.context_bytes = room.context_bytes;
    stage->memory_bytes = stage->memory.static_bytes + stage->memory.activation_bytes +
                          stage->memory.logit_bytes + stage->memory.context_bytes;
    stage->capacity_bytes = room.usable_bytes + room.context_bytes;
}

/* The stage whose gradients and optimizer end last. */
static void end_terms(amm_plan_entry *out, const amm_lowered *lowered,
                      const amm_lowered_config *exact)
{
    const amm_config *c = &exact->config;
    double latest = -1.0;
    for (int32_t p = 0; p < c->pp; p++) {
        double parameters = 0.0;
        for (int32_t l = out->stages[p].first; l < out->stages[p].end; l++) {
            parameters += amm_lower_parameters(lowered, l, c->pp);
        }
        const double reduce =
            parameters * amm_lower_all_reduce_s(lowered, c, exact->links.ring_bytes_per_s[p]);
        const double update =
            parameters * amm_lower_optimizer_s(lowered, c, exact->links.type_mask[p]);
        if (reduce + update > latest) {
            latest = reduce + update;
            out->time.dp_s = reduce;
            out->time.optimizer_s = update;
        }
    }
}

amm_status amm_rescore(amm_plan_entry *out, amm_arena *arena, amm_lowered *lowered,
                       const amm_lowered_config *exact, const int32_t *cuts)
{
    const amm_config *c = &exact->config;
    const amm_time_parts none = { 0 };
    double *layers =
        amm_arena_alloc(&lowered->scratch, (size_t)exact->solve.layers, sizeof *layers);
    out->config = *c;
    out->device_of_rank = NULL;
    out->flops = 0.0;
    out->time = none;
    out->fits = true;
    out->stages = amm_arena_alloc(arena, (size_t)c->pp, sizeof *out->stages);
    if (layers == NULL || out->stages == NULL) {
        return AMM_NO_MEMORY;
    }
    double slowest = 0.0;
    double sum = 0.0;
    for (int32_t p = 0; p < c->pp; p++) {
        amm_stage_plan *stage = &out->stages[p];
        stage->first = cuts[p];
        stage->end = cuts[p + 1];
        stage->counted = stage->end - stage->first;
        stage->type_mask = exact->links.type_mask[p];
        stage->time_s = stage_time(lowered, layers, c, p, stage->first, stage->end);
        stage_memory(stage, lowered, c, p);
        out->fits = out->fits && stage->memory_bytes <= stage->capacity_bytes;
        slowest = fmax(slowest, stage->time_s);
        sum += stage->time_s;
        if (p + 1 < c->pp) {
            out->time.pp_s += exact->solve.stage[p].e[stage->end];
        }
    }
    out->time.compute_s = amm_pipeline_compute((double)c->micro_batches, slowest);
    out->time.bubble_s = c->pp > 1 ? amm_pipeline_bubble(sum, slowest) : 0.0;
    end_terms(out, lowered, exact);
    out->time.other_s = exact->fixed_s;
    out->time_s = out->time.compute_s + out->time.bubble_s + out->time.pp_s + out->time.dp_s +
                  out->time.optimizer_s + out->time.other_s;
    return AMM_OK;
}
