#include "search/space_problem.h"

#include "search/planner.h"
#include <stdio.h>
#include <string.h>

/* One walk over the space. */
typedef struct walk {
    amm_space_problem *out;
    amm_lowered lowered;
    amm_space_range space;
    const amm_spec *spec;
} walk;

/* The engine's range of ticks, or of items and stages. */
static void note_beyond(amm_space_problem *out, const char *why)
{
    if (out->beyond++ == 0) {
        (void)snprintf(out->beyond_text, sizeof out->beyond_text, "%s", why);
    }
}

static amm_status add(walk *w, const amm_config *config)
{
    amm_lowered_config ticks;
    amm_space_problem *out = w->out;
    amm_status status = amm_lower_config(&w->lowered, &ticks, config, false, true);
    if (status == AMM_OK) {
        status = amm_problem_add(&out->builder, &ticks.solve, config->index, ticks.scale);
    }
    if (status == AMM_LIMIT) {
        note_beyond(out, amm_last_error());
        return AMM_OK;
    }
    AMM_TRY(status);
    out->configs[out->taken++] = *config;
    return AMM_OK;
}

/* Calls `add` for every out->step-th config that an engine solves; counts only, when that is 0. */
static amm_status visit(walk *w)
{
    amm_space_problem *out = w->out;
    const bool analytic = w->lowered.analytic != NULL;
    uint64_t number = 0;
    amm_walk each;
    amm_walk_run run;
    amm_walk_open(&each, &w->space, w->lowered.problem, &w->lowered.layout, 0, w->space.count);
    while (amm_walk_next(&each, &run)) {
        if (run.reason != AMM_ACCEPTED) {
            continue;
        }
        const bool direct = analytic && amm_analytic_is_direct(&each.config);
        if (out->step == 0) {
            out->accepted++;
            out->direct += direct;
        } else if (!direct && number++ % out->step == 0) {
            AMM_TRY(add(w, &each.config));
        }
    }
    return AMM_OK;
}

static amm_status fill(walk *w)
{
    amm_space_problem *out = w->out;
    AMM_TRY(amm_space_open(&w->space, &w->lowered.arena, &w->spec->problem));
    AMM_TRY(visit(w));
    const uint64_t left = out->accepted - out->direct;
    out->step = left / AMM_SPACE_CONFIGS + (left % AMM_SPACE_CONFIGS != 0 || left == 0);
    out->configs = amm_arena_alloc(&out->arena, AMM_SPACE_CONFIGS, sizeof *out->configs);
    return out->configs == NULL ? AMM_NO_MEMORY : visit(w);
}

amm_status amm_space_problem_open(amm_space_problem *out, const amm_spec *spec)
{
    walk w = { .out = out, .spec = spec };
    memset(out, 0, sizeof *out);
    AMM_TRY(amm_spec_check(spec));
    if (spec->problem.cost_model == AMM_COST_AMP_REFERENCE) {
        return amm_fail(AMM_INPUT,
                        "%s: cost_model: amp-reference is not searched by backends, "
                        "allowed default",
                        spec->file);
    }
    AMM_TRY(amm_lower_init(&w.lowered, spec->context, &spec->problem));
    amm_arena_init(&out->arena, spec->context);
    amm_status status =
        amm_problem_open(&out->builder, spec->context, spec->problem.model->layer_count);
    if (status == AMM_OK) {
        status = fill(&w);
        if (status != AMM_OK) {
            amm_problem_close(&out->builder);
        }
    }
    if (status != AMM_OK) {
        amm_arena_free(&out->arena);
    }
    amm_lower_free(&w.lowered);
    return status;
}

void amm_space_problem_close(amm_space_problem *problem)
{
    amm_problem_close(&problem->builder);
    amm_arena_free(&problem->arena);
}
