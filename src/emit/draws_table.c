#include "emit/emit.h"

#include <math.h>

/* Where the plan's text starts. */
enum { PLAN_COLUMN = 74 };

static void emit_share(amm_text *out, double share, const char *format)
{
    if (isfinite(share)) {
        amm_text_printf(out, format, 100.0 * share);
        amm_text_append(out, " %");
    } else {
        amm_text_append(out, "  no fit");
    }
}

static void emit_one(amm_text *out, const amm_result *r, int32_t k)
{
    const amm_draws *list = &r->draws;
    const amm_draw_candidate *one = &list->items[k];
    if (one->rank >= 0) {
        amm_text_printf(out, "  %3d", one->rank + 1);
    } else {
        amm_text_append(out, "    -");
    }
    amm_text_printf(out, "  %5.1f %%   ", 100.0 * one->wins / list->done);
    emit_share(out, one->mean_regret, "%6.2f");
    amm_text_append(out, "  ");
    emit_share(out, one->regret_95, "%6.2f");
    amm_text_append(out, "  ");
    emit_share(out, one->largest_regret, "%6.2f");
    amm_text_printf(out, "  %9.4f  %s%s", one->plan.time_s, k == list->minimax ? "M" : " ",
                    k == list->least_mean ? "E" : " ");
    amm_text_pad(out, PLAN_COLUMN);
    amm_emit_strategy(out, &r->spec->problem, &one->plan.config);
    amm_text_append(out, "\n");
}

static void emit_heading(amm_text *out, const amm_result *r)
{
    const amm_problem_desc *p = &r->spec->problem;
    const amm_draws *list = &r->draws;
    const amm_device *device = p->constants != NULL ? p->constants : p->cluster->types[0];
    amm_emit_heading(out, "draws");
    amm_text_printf(out, "%d of %d", list->done, list->asked);
    amm_text_append(out, list->done < list->asked ? ", interrupted, " : " ");
    amm_text_printf(out, "of %d constants of %s and %d facts of %s: seed %llu, ", list->rate_count,
                    device->name, list->fact_count, p->runtime->name, (unsigned long long)r->seed);
    amm_emit_count(out, list->redrawn);
    amm_text_append(out, " outside the bounds and drawn again\n");
    if (list->without_plan > 0) {
        amm_text_printf(out, "         nothing fits in %d of them\n", list->without_plan);
    }
}

void amm_emit_draws(amm_text *out, const amm_result *r)
{
    enum { MOST = 10 };
    const amm_draws *list = &r->draws;
    int32_t left_out = 0;
    if (list->asked == 0) {
        return;
    }
    if (list->done == 0) {
        amm_emit_heading(out, "draws");
        amm_text_printf(out, "none of %d: interrupted\n\n", list->asked);
        return;
    }
    emit_heading(out, r);
    amm_text_append(out, "    #  best in   regret: mean   in 95 %   largest     s/step");
    amm_text_pad(out, PLAN_COLUMN);
    amm_text_append(out, "plan (M: least largest regret, E: least mean regret)\n");
    for (int32_t k = 0; k < list->count; k++) {
        const amm_draw_candidate *one = &list->items[k];
        const bool named = one->rank == 0 || k == list->minimax || k == list->least_mean;
        if (named || (one->wins > 0 && k < MOST)) {
            emit_one(out, r, k);
        } else {
            left_out += one->wins > 0 ? 1 : 0;
        }
    }
    if (left_out > 0) {
        amm_text_printf(out, "       %d more that are the best in some draw\n", left_out);
    }
    amm_text_append(out, "\n");
}
