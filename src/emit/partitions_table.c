#include "emit/emit.h"

static void emit_one(amm_text *out, const amm_result *r, int32_t k)
{
    const amm_partition *one = &r->partitions.items[k];
    amm_text_printf(out, " %3d  %.6f  ", k + 1, one->time_s);
    for (int32_t s = 0; s < r->plans[0].config.pp; s++) {
        amm_text_printf(out, "%s%d", s == 0 ? "" : "-", one->cuts[s + 1] - one->cuts[s]);
    }
    amm_text_append(out, "\n");
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
    amm_text_append(out, "      s/step    layers by stage\n");
    for (int32_t k = 0; k < list->count; k++) {
        emit_one(out, r, k);
    }
    amm_text_append(out, "\n");
}
