#include "emit/emit.h"

#include <string.h>

bool amm_plan_same_cuts(const amm_plan_entry *a, const amm_plan_entry *b)
{
    bool same = a->config.pp == b->config.pp;
    for (int32_t s = 0; same && s < a->config.pp; s++) {
        same = a->stages[s].end == b->stages[s].end;
    }
    return same;
}

int32_t amm_partition_ties(const amm_partition_list *list)
{
    int32_t ties = 0;
    while (ties < list->count && list->items[ties].plan.engine_s == list->items[0].plan.engine_s) {
        ties++;
    }
    return ties;
}

enum { COUNTS_COLUMN = 19 };

/* `number` 0: a partition that is not among those listed. */
static void emit_one(amm_text *out, const amm_result *r, const amm_plan_entry *plan, int32_t number,
                     size_t width)
{
    const amm_stage_plan *stage = amm_plan_tightest(plan);
    amm_text_append(out, amm_plan_same_cuts(plan, &r->plans[0]) ? " ▶" : "  ");
    if (number > 0) {
        amm_text_printf(out, "%4d", number);
    } else {
        amm_text_append(out, "   -");
    }
    amm_text_printf(out, "  %9.6f", plan->time_s);
    amm_text_pad(out, COUNTS_COLUMN);
    amm_emit_stage_counts(out, &r->spec->problem, plan);
    amm_text_pad(out, COUNTS_COLUMN + width);
    amm_text_printf(out, "  %7.2f of %6.2f  %s\n", stage->memory_bytes / AMM_GIB,
                    stage->capacity_bytes / AMM_GIB, amm_fit_word(r, plan));
}

/* Of partitions that tie the engine takes the first by rank and the search the evenest: the plan's
 * own may be beyond the list. */
static void emit_list(amm_text *out, const amm_result *r)
{
    const amm_partition_list *list = &r->partitions;
    const char *head = amm_problem_is_analytic(&r->spec->problem) ? "blocks" : "stage layers";
    size_t width = strlen(head);
    bool met = false;
    for (int32_t k = 0; k < list->count; k++) {
        const size_t length = amm_stage_counts_width(r, &list->items[k].plan);
        width = length > width ? length : width;
        met = met || amm_plan_same_cuts(&list->items[k].plan, &r->plans[0]);
    }
    const size_t own = amm_stage_counts_width(r, &r->plans[0]);
    width = !met && own > width ? own : width;
    amm_text_printf(out, "     #     s/step  %s", head);
    amm_text_pad(out, COUNTS_COLUMN + width);
    amm_text_append(out, "  peak GiB of cap.  fits\n");
    for (int32_t k = 0; k < list->count; k++) {
        emit_one(out, r, &list->items[k].plan, k + 1, width);
    }
    if (!met) {
        emit_one(out, r, &r->plans[0], 0, width);
    }
}

/* What the listed ones have in common, and where the plan's own is. */
static void emit_ties(amm_text *out, const amm_partition_list *list)
{
    const int32_t ties = amm_partition_ties(list);
    const bool all = ties == list->count && (uint64_t)list->count < list->all;
    amm_text_printf(out, "         %d of the %d shown tie with the %s%s; ▶ is the one of plan #1\n",
                    ties, list->count, list->complete ? "optimum" : "best so far",
                    all ? ", and more may" : "");
}

/* What keeps the layout from being cut otherwise, and what would not. */
static void emit_only(amm_text *out, const amm_config *c)
{
    char word[AMM_RECOMPUTE_CHARS];
    amm_text_append(out, "one partition only");
    if (c->pp == 1) {
        amm_text_append(out, " at pp 1; more stages have more\n\n");
    } else if (c->vpp > 1) {
        amm_text_printf(out, " at vpp %d, the even one; --vpp 1 has more\n\n", c->vpp);
    } else {
        amm_choice_format(word, AMM_CHOICE_SCHEDULE, c->choice[AMM_CHOICE_SCHEDULE]);
        amm_text_printf(out, " by schedule %s, the even one; --schedule 1f1b has more\n\n", word);
    }
}

void amm_emit_partitions(amm_text *out, const amm_result *r)
{
    const amm_partition_list *list = &r->partitions;
    if (!list->asked) {
        return;
    }
    amm_emit_heading(out, "parts #1");
    if (list->all == 0 || list->only) {
        if (list->only) {
            emit_only(out, &r->plans[0].config);
        } else {
            amm_text_append(out, "none swept: stopped by an error\n\n");
        }
        return;
    }
    amm_emit_count(out, list->covered);
    if (list->complete) {
        amm_text_append(out, " partitions swept, all there are: the solver's optimum is theirs\n");
    } else {
        amm_text_append(out, " of ");
        amm_emit_count(out, list->all);
        amm_text_append(out, " partitions swept, then stopped: the best so far\n");
    }
    if (list->count > 0) {
        emit_ties(out, list);
        emit_list(out, r);
    }
    amm_text_append(out, "\n");
}
