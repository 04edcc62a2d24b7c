#include "emit/emit.h"

#include "io/io.h"
#include <math.h>
#include <string.h>

static bool reference_mode(const amm_result *r)
{
    return r->spec->problem.cost_model == AMM_COST_AMP_REFERENCE;
}

void amm_emit_heading(amm_text *out, const char *word)
{
    enum { COLUMN = 9 };
    amm_text_append(out, word);
    amm_text_pad(out, COLUMN);
}

/* ---- header ---------------------------------------------------------------------------------- */

static void emit_model(amm_text *out, const amm_problem_desc *p)
{
    const int64_t tokens = amm_problem_tokens(p);
    amm_emit_heading(out, "model");
    amm_text_printf(out, "%s · ", p->model->name);
    amm_emit_count(out, (uint64_t)amm_model_parameters(p->model));
    amm_text_printf(out, " parameters · %d layers · ", p->model->layer_count);
    amm_emit_count(out, (uint64_t)p->global_batch);
    amm_text_append(out, " samples of ");
    amm_emit_count(out, (uint64_t)tokens);
    amm_text_append(out, tokens == 1 ? " token per step\n" : " tokens per step\n");
}

/* Smallest and largest of a bandwidth over the nodes: "6.25 GB/s" or "1.25 … 21.2 GB/s". */
static void emit_rates(amm_text *out, const amm_cluster *cluster, bool inter)
{
    double low = HUGE_VAL;
    double high = 0.0;
    for (int32_t n = 0; n < cluster->node_count; n++) {
        const double rate =
            inter ? cluster->nodes[n].inter_bytes_per_s : cluster->nodes[n].intra_bytes_per_s;
        low = fmin(low, rate);
        high = fmax(high, rate);
    }
    amm_emit_rate(out, low);
    if (high > low) {
        amm_text_append(out, " to ");
        amm_emit_rate(out, high);
    }
}

void amm_emit_network(amm_text *out, const amm_cluster *cluster)
{
    amm_emit_heading(out, "cluster");
    amm_emit_cluster(out, cluster);
    amm_text_append(out, " · ");
    emit_rates(out, cluster, false);
    amm_text_append(out, " in a node, ");
    emit_rates(out, cluster, true);
    amm_text_append(out, " per node, one way");
}

void amm_emit_runtime(amm_text *out, const amm_problem_desc *p)
{
    if (amm_problem_is_analytic(p)) {
        amm_emit_analytic_runtime(out, p);
        return;
    }
    amm_emit_heading(out, "runtime");
    amm_text_append(out, p->runtime == NULL ? "none" : p->runtime->name);
    if (p->precision != NULL) {
        amm_text_printf(out, " · %s", p->precision);
    }
    amm_text_printf(out, " · profile %s", p->profile->name);
    if (p->cost_model == AMM_COST_AMP_REFERENCE) {
        amm_text_append(out, " · cost model amp-reference");
    } else if (p->memory_margin > 0.0) {
        amm_text_printf(out, " · %g %% of memory left free", 100.0 * p->memory_margin);
    }
    amm_text_append(out, "\n");
}

static const char *status_sentence(const amm_result *r)
{
    if (r->interrupted) {
        return "interrupted: the best so far";
    }
    if (r->annealed) {
        return "annealed with the explicit tensor term: nothing is proven";
    }
    if (!r->proven) {
        return "not proven";
    }
    if (reference_mode(r)) {
        return "all evaluated, with the reference's own partitions";
    }
    return r->plan_count > 0 ? "optimal in the model" : "none of all is feasible";
}

static void emit_search(amm_text *out, const amm_result *r)
{
    uint64_t rejected = 0;
    amm_emit_heading(out, "search");
    if (r->evaluated_only) {
        amm_text_printf(out, "none: %zu given %s evaluated\n", r->plan_count,
                        r->plan_count == 1 ? "strategy" : "strategies");
        return;
    }
    for (amm_rejection k = (amm_rejection)0; k < AMM_REJECTION_COUNT; k++) {
        rejected += r->rejected[k].count;
    }
    amm_emit_count(out, r->configs);
    amm_text_append(out, " layouts: ");
    amm_emit_count(out, rejected);
    amm_text_append(out, " rejected · ");
    amm_emit_count(out, r->bounded_out);
    amm_text_append(out, " bounded out · ");
    amm_emit_count(out, r->solved);
    amm_text_printf(out, " solved · %s", status_sentence(r));
    if (r->gap > 0.0) {
        amm_text_printf(out, " (%s a gap of at most %.2g %%)",
                        amm_problem_is_analytic(&r->spec->problem)
                            ? "later stages whose gradients end last leave"
                            : "stages of mixed devices leave",
                        100.0 * r->gap);
    }
    amm_text_printf(out, " · %.3g s\n", r->wall_s);
}

/* ---- the plans ------------------------------------------------------------------------------- */

/* Width of the column of stage layers. */
static size_t layers_width(const amm_result *r)
{
    size_t width = strlen("stage layers");
    for (size_t k = 0; k < r->plan_count; k++) {
        const size_t length = amm_stage_counts_width(r, &r->plans[k]);
        width = length > width ? length : width;
    }
    return width;
}

enum { LAYERS_COLUMN = 29 }; /* where the layers start, after the fixed columns below */

static void emit_plan(amm_text *out, const amm_result *r, size_t index, size_t width)
{
    const amm_plan_entry *plan = &r->plans[index];
    const amm_config *c = &plan->config;
    const double against = r->plans[0].time_s;
    amm_text_append(out, index == 0 && !r->evaluated_only ? " ▶" : "  ");
    amm_text_printf(out, "%3zu %4d %4d %4d %6lld  ", index + 1, c->tp, c->pp, c->dp,
                    (long long)c->micro_batch);
    amm_emit_stage_counts(out, &r->spec->problem, plan);
    amm_text_pad(out, LAYERS_COLUMN + width);
    amm_text_printf(out, "  %10.4f  %6.3fx  %9.3f", plan->time_s, plan->time_s / against,
                    (double)r->spec->problem.global_batch / plan->time_s);
    if (!reference_mode(r)) {
        const amm_stage_plan *stage = amm_plan_tightest(plan);
        amm_text_printf(out, "  %7.2f of %6.2f  %s", stage->memory_bytes / AMM_GIB,
                        stage->capacity_bytes / AMM_GIB, amm_fit_word(r, plan));
    }
    amm_text_append(out, "\n");
}

static void emit_plans(amm_text *out, const amm_result *r)
{
    const size_t width = layers_width(r);
    amm_text_printf(out, "\n    # %4s %4s %4s %6s  stage layers", "tp", "pp", "dp", "mb");
    amm_text_pad(out, LAYERS_COLUMN + width);
    amm_text_printf(out, "  %10s  %7s  %9s", "s/step", "vs #1", "samples/s");
    amm_text_append(out, reference_mode(r) ? "\n" : "  peak GiB of cap.  fits\n");
    for (size_t k = 0; k < r->plan_count; k++) {
        emit_plan(out, r, k, width);
    }
    amm_text_append(out, "\n");
}

/* ---- why, how sure, what was rejected, what next --------------------------------------------- */

static void emit_change(amm_text *out, const char *word, int64_t from, int64_t to)
{
    if (from != to) {
        amm_text_printf(out, " %s %lld→%lld", word, (long long)from, (long long)to);
    }
}

static bool same_recompute(const amm_config *a, const amm_config *b)
{
    bool same = amm_config_is_open(a) == amm_config_is_open(b);
    const int32_t stages = a->stage_recompute == NULL && b->stage_recompute == NULL ? 1 : a->pp;
    for (int32_t s = 0; s < stages && same && a->pp == b->pp; s++) {
        same = amm_recompute_at(a->recompute, a->stage_recompute, s) ==
               amm_recompute_at(b->recompute, b->stage_recompute, s);
    }
    return same && (a->pp == b->pp || a->recompute == b->recompute);
}

void amm_emit_changes(amm_text *out, const amm_config *a, const amm_config *b)
{
    emit_change(out, "tp", a->tp, b->tp);
    emit_change(out, "pp", a->pp, b->pp);
    emit_change(out, "dp", a->dp, b->dp);
    emit_change(out, "mb", a->micro_batch, b->micro_batch);
    emit_change(out, "cp", a->cp, b->cp);
    emit_change(out, "ep", a->ep, b->ep);
    emit_change(out, "etp", a->etp, b->etp);
    emit_change(out, "vpp", a->vpp, b->vpp);
    if (!same_recompute(a, b)) {
        amm_text_append(out, " recompute ");
        amm_emit_recompute(out, a);
        amm_text_append(out, "→");
        amm_emit_recompute(out, b);
    }
    if (a->sharding != b->sharding) {
        amm_text_printf(out, " sharding %s→%s", amm_sharding_word(a->sharding),
                        amm_sharding_word(b->sharding));
    }
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        const amm_choice choice = (amm_choice)k;
        if (a->choice[k] != b->choice[k] &&
            (amm_choice_matters(choice, a) || amm_choice_matters(choice, b))) {
            char from[AMM_RECOMPUTE_CHARS];
            char to[AMM_RECOMPUTE_CHARS];
            amm_choice_format(from, choice, a->choice[k]);
            amm_choice_format(to, choice, b->choice[k]);
            amm_text_printf(out, " %s %s→%s", amm_choice_option(choice), from, to);
        }
    }
}

/* The parts that differ, largest first; below a hundredth of the difference they are noise. */
static void emit_deltas(amm_text *out, const amm_plan_entry *best, const amm_plan_entry *other)
{
    amm_time_term a[AMM_TIME_TERMS];
    amm_time_term b[AMM_TIME_TERMS];
    bool told[AMM_TIME_TERMS] = { false };
    const double least = 0.01 * fabs(other->time_s - best->time_s);
    amm_time_terms(a, &best->time);
    amm_time_terms(b, &other->time);
    const char *separator = ": ";
    for (int n = 0; n < AMM_TIME_TERMS; n++) {
        int largest = -1;
        for (int k = 0; k < AMM_TIME_TERMS; k++) {
            const double size = fabs(b[k].value_s - a[k].value_s);
            if (!told[k] && size > least &&
                (largest < 0 || size > fabs(b[largest].value_s - a[largest].value_s))) {
                largest = k;
            }
        }
        if (largest < 0) {
            break;
        }
        told[largest] = true;
        amm_text_printf(out, "%s%s %+.4f", separator, a[largest].word,
                        b[largest].value_s - a[largest].value_s);
        separator = ", ";
    }
}

static void emit_loss(amm_text *out, const amm_plan_entry *best, const amm_plan_entry *other)
{
    if (other->time_s == best->time_s) {
        amm_text_append(out, " takes the same time");
    } else {
        amm_text_printf(out, " %s %.4f s", other->time_s > best->time_s ? "loses" : "gains",
                        fabs(other->time_s - best->time_s));
    }
    emit_deltas(out, best, other);
    amm_text_append(out, "\n");
}

/* What changing one choice does to the best plan. */
static void emit_neighbours(amm_text *out, const amm_result *r)
{
    const amm_plan_entry *best = &r->plans[0];
    for (int32_t k = 0; k < r->neighbour_count; k++) {
        const amm_plan_entry *other = &r->neighbours[k].plan;
        amm_text change;
        amm_text_init(&change, r->context);
        amm_emit_changes(&change, &best->config, &other->config);
        amm_emit_heading(out, k > 0 ? "" : "why #1");
        amm_text_append(out, change.length > 0 ? change.data + 1 : "");
        amm_text_discard(&change);
        if (!other->fits) {
            int32_t stage = 0;
            const double over = amm_plan_short_bytes(other, &stage);
            amm_text_printf(out, " does not fit: short %.2f GiB on stage %d\n", over / AMM_GIB,
                            stage);
        } else {
            emit_loss(out, best, other);
        }
    }
}

/* What the next two plans do differently, and what it costs them. */
static void emit_why(amm_text *out, const amm_result *r)
{
    const amm_plan_entry *best = &r->plans[0];
    if (r->neighbour_count > 0) {
        emit_neighbours(out, r);
        return;
    }
    for (size_t k = 1; k < r->plan_count && k <= 2; k++) {
        amm_emit_heading(out, k > 1 ? "" : (r->evaluated_only ? "compare" : "why #1"));
        amm_text_printf(out, "#%zu", k + 1);
        amm_emit_changes(out, &best->config, &r->plans[k].config);
        emit_loss(out, best, &r->plans[k]);
    }
}

static void emit_sure(amm_text *out, const amm_result *r)
{
    const char *regime = amm_result_regime(r);
    amm_emit_heading(out, "sure?");
    if (reference_mode(r)) {
        amm_text_printf(out,
                        "%s: amp-reference repeats the AMP reference code, quirks included; "
                        "memory is not modelled\n",
                        regime);
        return;
    }
    if (amm_problem_is_analytic(&r->spec->problem)) {
        amm_emit_analytic_sure(out, r);
        return;
    }
    const char *why = "not every device in use has constants fitted to measured steps";
    if (strcmp(regime, "calibrated") == 0) {
        why = "the devices' constants are fitted to measured steps of this very problem "
              "(docs/validation-amp.md)";
    } else if (strcmp(regime, "extrapolated") == 0) {
        why = "the devices' constants are fitted to measured steps of another problem";
    }
    amm_text_printf(out, "%s: %s; no range in this version\n", regime, why);
}

static void emit_rejected(amm_text *out, const amm_result *r)
{
    const char *word = "rejected";
    for (amm_rejection k = (amm_rejection)0; k < AMM_REJECTION_COUNT; k++) {
        const amm_rejected *rejected = &r->rejected[k];
        if (rejected->count == 0) {
            continue;
        }
        amm_emit_heading(out, word);
        word = "";
        amm_emit_count(out, rejected->count);
        amm_text_printf(out, " %s: %s", amm_rejection_word(k), amm_rejection_sentence(k));
        if (rejected->has_nearest) {
            amm_text_append(out, "; nearest ");
            amm_emit_strategy(out, &r->spec->problem, &rejected->nearest);
        }
        if (rejected->has_nearest && k == AMM_REJECT_MEMORY) {
            amm_text_printf(out, " is short %.2f GiB on stage %d", rejected->short_bytes / AMM_GIB,
                            rejected->stage);
        }
        amm_text_append(out, "\n");
    }
}

/* ---- details --------------------------------------------------------------------------------- */

static void emit_terms(amm_text *out, const amm_result *r, const amm_plan_entry *plan)
{
    amm_time_term terms[AMM_TIME_TERMS];
    amm_time_terms(terms, &plan->time);
    for (int k = 0; k < AMM_TIME_TERMS; k++) {
        const char *what = amm_problem_is_analytic(&r->spec->problem) ? terms[k].analytic
                           : reference_mode(r)                        ? terms[k].reference
                                                                      : terms[k].formula;
        if (what != NULL) {
            amm_text_printf(out, "    %-10s %12.6f s  %5.1f %%  %s\n", terms[k].word,
                            terms[k].value_s, 100.0 * terms[k].value_s / plan->time_s, what);
        }
    }
    amm_text_printf(out, "    %-10s %12.6f s  100.0 %%\n", "step", plan->time_s);
    if (amm_problem_is_analytic(&r->spec->problem) && isfinite(plan->simulated_s)) {
        amm_text_printf(out, "    %-10s %12.6f s  (closed form %+.2f %%)\n", "simulated",
                        plan->simulated_s, 100.0 * (plan->time_s / plan->simulated_s - 1.0));
    }
}

static void emit_device_types(amm_text *out, const amm_cluster *cluster, uint32_t mask)
{
    const char *separator = "";
    for (int32_t type = 0; type < cluster->type_count; type++) {
        if ((mask >> type & 1U) != 0) {
            amm_text_printf(out, "%s%s", separator, cluster->types[type]->name);
            separator = "+";
        }
    }
}

static void emit_short(amm_text *out, const amm_plan_entry *plan)
{
    if (!plan->fits) {
        int32_t stage = 0;
        const double over = amm_plan_short_bytes(plan, &stage);
        amm_text_printf(out, "    does not fit: short %.2f GiB on stage %d\n", over / AMM_GIB,
                        stage);
    }
}

static void emit_ledger(amm_text *out, const amm_result *r, const amm_plan_entry *plan)
{
    const bool memory = !reference_mode(r);
    if (amm_problem_is_analytic(&r->spec->problem)) {
        amm_emit_analytic_ledger(out, plan);
        emit_short(out, plan);
        return;
    }
    amm_text_append(out, "\n    stage   layers     s/micro-batch");
    amm_text_append(out, memory ? "   static  activ.  logits  context    total  of GiB  devices\n"
                                : "\n");
    for (int32_t p = 0; p < plan->config.pp; p++) {
        const amm_stage_plan *s = &plan->stages[p];
        amm_text_printf(out, "    %5d   %4d-%-4d %14.6f", p, s->first, s->end - 1, s->time_s);
        if (memory) {
            amm_text_printf(out, "  %7.2f %7.2f %7.2f  %7.2f  %7.2f  %6.2f  ",
                            s->memory.static_bytes / AMM_GIB, s->memory.activation_bytes / AMM_GIB,
                            s->memory.logit_bytes / AMM_GIB, s->memory.context_bytes / AMM_GIB,
                            s->memory_bytes / AMM_GIB, s->capacity_bytes / AMM_GIB);
            emit_device_types(out, r->spec->problem.cluster, s->type_mask);
        }
        amm_text_append(out, "\n");
    }
    emit_short(out, plan);
}

static void emit_constant(amm_text *out, const amm_device *device, const char *what, int32_t tp,
                          const amm_constant *x)
{
    char number[AMM_NUMBER_CHARS];
    amm_number_format(number, x->value);
    amm_text_printf(out, "    %s: %s", device->name, what);
    if (tp > 0) {
        amm_text_printf(out, ", tp %d", tp);
    }
    amm_text_printf(out, " %s", number);
    if (x->sd >= 0.0) {
        amm_number_format(number, x->sd);
        amm_text_printf(out, " ± %s", number);
    }
    amm_text_printf(out, " · %s\n", x->source);
}

/* Every number that the terms above use, with its source. */
static void emit_constants(amm_text *out, const amm_result *r)
{
    const amm_problem_desc *p = &r->spec->problem;
    amm_text_append(out, "constants\n");
    if (amm_problem_is_analytic(p)) {
        amm_emit_analytic_constants(out, r);
        return;
    }
    amm_text_printf(out, "    layer times: profile %s · %s\n", p->profile->name,
                    p->profile->source);
    if (reference_mode(r)) {
        amm_text_append(out, "    backward 2 x forward, linear in the micro-batch · "
                             "AMP reference code, docs/amp-reference.md\n\n");
        return;
    }
    for (int32_t k = 0; k < p->cluster->type_count; k++) {
        const amm_device *device = p->cluster->types[k];
        for (int32_t n = 0; n < device->overhead_count; n++) {
            emit_constant(out, device, "overhead share", device->overhead_tp[n],
                          &device->overhead_share[n]);
        }
        emit_constant(out, device, "link efficiency in a node", 0, &device->intra_efficiency);
        emit_constant(out, device, "link efficiency between nodes", 0, &device->inter_efficiency);
        amm_text_printf(out, "    %s: memory, bandwidth · %s\n", device->name, device->source);
    }
    amm_text_printf(out, "    bytes per parameter, element and logit: runtime %s · %s\n\n",
                    p->runtime->name, p->runtime->source);
}

static void emit_details(amm_text *out, const amm_result *r)
{
    for (size_t k = 0; k < r->plan_count; k++) {
        const amm_plan_entry *plan = &r->plans[k];
        amm_text_printf(out, "#%zu ", k + 1);
        amm_emit_strategy(out, &r->spec->problem, &plan->config);
        for (int32_t p = 0; p < plan->config.pp && !reference_mode(r); p++) {
            amm_text_printf(out, "%s%d", p == 0 ? ",stage-layers=" : "-", plan->stages[p].counted);
        }
        amm_text_printf(out, " · %lld micro-batches\n", (long long)plan->config.micro_batches);
        emit_terms(out, r, plan);
        emit_ledger(out, r, plan);
        amm_text_append(out, "\n");
    }
    emit_constants(out, r);
}

amm_status amm_result_table(const amm_result *result, char **out, int details)
{
    amm_text text;
    amm_text_init(&text, result->context);
    const bool analytic = amm_problem_is_analytic(&result->spec->problem);
    if (analytic) {
        amm_emit_analytic_model(&text, result);
    } else {
        emit_model(&text, &result->spec->problem);
    }
    amm_emit_network(&text, result->spec->problem.cluster);
    amm_text_append(&text, "\n");
    amm_emit_runtime(&text, &result->spec->problem);
    if (result->nodes_given > 0 && result->plan_count > 0) {
        amm_emit_heading(&text, "nodes");
        amm_text_printf(&text, "%d of the %d given: fewer hold no plan",
                        result->spec->problem.cluster->node_count, result->nodes_given);
        if (analytic) {
            amm_text_printf(&text, " · P(OOM) of #1 %.1f %%",
                            100.0 * result->plans[0].oom_probability);
        }
        amm_text_append(&text, "\n");
    }
    emit_search(&text, result);
    if (result->plan_count > 0) {
        if (analytic) {
            amm_emit_analytic_plans(&text, result);
        } else {
            emit_plans(&text, result);
        }
        if (details != 0) {
            emit_details(&text, result);
        }
        amm_emit_partitions(&text, result);
        amm_emit_draws(&text, result);
        emit_why(&text, result);
        emit_sure(&text, result);
    } else {
        amm_text_append(&text,
                        result->interrupted ? "\nno plan yet\n\n" : "\nno feasible plan\n\n");
    }
    emit_rejected(&text, result);
    amm_emit_next(&text, result);
    return amm_text_take(&text, out);
}
