/* From indices to configs: any one of them, or all of a range in order, skipping at once what a
 * rule rejects by its leading digits. */
#include "search/enumerate.h"

#include "formula/tick/index.h"

static bool wanted(const amm_list *list, int64_t value)
{
    for (int32_t k = 0; k < list->count; k++) {
        if (list->values[k] == value) {
            return true;
        }
    }
    return list->count == 0;
}

/* Gives the config the value of one digit. */
static void set_digit(const amm_space_range *space, amm_config *c, int32_t digit, int32_t position)
{
    const int64_t value = space->values[digit][position];
    switch (space->dim_of[digit]) {
    case AMM_DIM_MICRO_BATCH:
        c->micro_batch = value;
        break;
    case AMM_DIM_TP:
        c->tp = (int32_t)value;
        break;
    case AMM_DIM_DP:
        c->dp = (int32_t)value;
        break;
    case AMM_DIM_CP:
        c->cp = (int32_t)value;
        break;
    case AMM_DIM_EP:
        c->ep = (int32_t)value;
        break;
    case AMM_DIM_ETP:
        c->etp = (int32_t)value;
        break;
    case AMM_DIM_VPP:
        c->vpp = (int32_t)value;
        break;
    case AMM_DIM_RECOMPUTE:
        c->recompute = (int32_t)value - 1;
        break;
    case AMM_DIM_SHARDING:
        c->sharding = (int32_t)value - 1;
        break;
    default:
        c->choice[space->dim_of[digit] - AMM_DIM_FIRST_CHOICE] = (int32_t)value - 1;
        break;
    }
}

/* What follows from the degrees. False: a hole. */
static bool set_pipeline(const amm_space_range *space, amm_config *c)
{
    const int64_t used = (int64_t)c->tp * c->dp * c->cp; /* each divides the devices, below 2^21 */
    if (used > space->devices || space->devices % used != 0 ||
        !wanted(&space->pp, space->devices / used)) {
        return false;
    }
    c->pp = (int32_t)(space->devices / used);
    c->micro_batches = space->batch / c->dp / c->micro_batch; /* exact unless rejected */
    return true;
}

bool amm_space_config(const amm_space_range *space, amm_config *out, uint64_t index)
{
    int32_t position[AMM_RADIX_MOST];
    amm_index_decode(position, index, space->radix, space->digits);
    *out = space->usual;
    out->index = index;
    for (int32_t i = 0; i < space->digits; i++) {
        set_digit(space, out, i, position[i]);
    }
    return set_pipeline(space, out);
}

/* ---- walking --------------------------------------------------------------------------------- */

void amm_walk_open(amm_walk *out, const amm_space_range *space, const amm_problem_desc *problem,
                   const amm_layout *layout, uint64_t first, uint64_t end)
{
    out->space = space;
    out->problem = problem;
    out->layout = layout;
    out->at = first;
    out->end = end;
    out->changed = 0;
    out->config = space->usual;
    amm_index_decode(out->position, first, space->radix, space->digits);
}

/* The digit is not its first value, and the value changes nothing here. */
static bool repeats(const amm_space_range *space, const amm_config *c, int32_t digit)
{
    if (digit < (int32_t)AMM_RADIX_FIXED) {
        return false;
    }
    const amm_choice choice = (amm_choice)(space->dim_of[digit] - AMM_DIM_FIRST_CHOICE);
    const int32_t value = c->choice[choice];
    const int32_t first = (int32_t)space->values[digit][0] - 1;
    const bool all =
        choice == AMM_CHOICE_SHARD_GROUP && first == AMM_SHARD_ALL && value == c->dp * c->cp;
    return value != first && (all || !amm_choice_matters(choice, c));
}

/* What this digit decides, given those before it: its own dimension's rules, and those of the
 * dimensions without a digit between it and the next one. */
static amm_rejection decide(const amm_walk *w, int32_t digit)
{
    const amm_dim *dim_of = w->space->dim_of;
    for (int dim = (int)dim_of[digit]; dim < (int)dim_of[digit + 1]; dim++) {
        const amm_rejection reason =
            amm_dim_reject(w->problem, w->layout, &w->config, (amm_dim)dim);
        if (reason != AMM_ACCEPTED) {
            return reason;
        }
    }
    return repeats(w->space, &w->config, digit) ? AMM_REJECT_REPEATED : AMM_ACCEPTED;
}

/* To the next index that differs in the first `digits` digits. */
static void step_over(amm_walk *w, int32_t digits)
{
    const amm_space_range *space = w->space;
    int32_t i = digits - 1;
    w->at = (w->at / space->stride[digits] + 1) * space->stride[digits];
    for (int32_t k = digits; k < space->digits; k++) {
        w->position[k] = 0;
    }
    while (i > 0 && w->position[i] + 1 == space->radix[i]) {
        w->position[i--] = 0;
    }
    w->position[i]++; /* beyond its values only behind the last index */
    w->changed = i;
}

/* Digits that changed since the step before are read and checked again. False: a hole. */
static bool read_digits(amm_walk *w)
{
    for (int32_t i = w->changed; i < w->space->digits; i++) {
        set_digit(w->space, &w->config, i, w->position[i]);
    }
    w->config.index = w->at;
    return w->changed >= AMM_DEGREE_DIGITS || set_pipeline(w->space, &w->config);
}

bool amm_walk_next(amm_walk *w, amm_walk_run *out)
{
    while (w->at < w->end) {
        if (!read_digits(w)) {
            step_over(w, AMM_DEGREE_DIGITS);
            continue;
        }
        int32_t digit = w->changed;
        out->first = w->at;
        out->reason = decide(w, digit);
        while (out->reason == AMM_ACCEPTED && ++digit < w->space->digits) {
            out->reason = decide(w, digit);
        }
        step_over(w, digit < w->space->digits ? digit + 1 : digit);
        out->count = (w->at < w->end ? w->at : w->end) - out->first;
        return true;
    }
    return false;
}
