#include "emit/emit.h"
#include "formula/cost/op.h"
#include "formula/cost/range.h"

#include "search/enumerate.h"

#include <math.h>
#include <string.h>

bool amm_problem_has_experts(const amm_problem_desc *problem)
{
    for (int32_t l = 0; l < problem->model->layer_count; l++) {
        const amm_layer *x = &problem->model->layers[l];
        if (x->kind == AMM_LAYER_BLOCK && x->shape.experts > 0.0) {
            return true;
        }
    }
    return false;
}

double amm_problem_peak_flops(const amm_problem_desc *problem)
{
    int precision = AMM_PRECISION_BF16;
    (void)amm_precision_parse(&precision, problem->precision);
    return problem->cluster->types[0]->peaks[amm_precision_peak(precision)];
}

/* ---- header ---------------------------------------------------------------------------------- */

static void emit_flops(amm_text *out, double flops)
{
    static const char *const units[] = { "FLOP",  "kFLOP", "MFLOP", "GFLOP",
                                         "TFLOP", "PFLOP", "EFLOP", "ZFLOP" };
    size_t unit = 0;
    while (flops >= 1000.0 && unit + 1 < sizeof units / sizeof units[0]) {
        flops /= 1000.0;
        unit++;
    }
    amm_text_printf(out, "%.4g %s", flops, units[unit]);
}

void amm_emit_analytic_model(amm_text *out, const amm_result *r)
{
    const amm_problem_desc *p = &r->spec->problem;
    amm_block_counts counts;
    amm_block_counts_of(&counts, p->model);
    amm_emit_heading(out, "model");
    amm_text_printf(out, "%s · ", p->model->name);
    amm_emit_count(out, (uint64_t)amm_model_parameters(p->model));
    amm_text_printf(out, " parameters · %d blocks · ", counts.blocks);
    if (r->plan_count > 0) {
        emit_flops(out, r->plans[0].flops);
        amm_text_append(out, " per step (causal attention counted half) · ");
    }
    amm_emit_count(out, (uint64_t)p->global_batch);
    amm_text_append(out, " sequences of ");
    amm_emit_count(out, (uint64_t)p->model->seq_len);
    amm_text_append(out, " tokens\n");
}

void amm_emit_analytic_runtime(amm_text *out, const amm_problem_desc *p)
{
    static const char *const kernels[AMM_ATTENTION_COUNT] = {
#define AMM_ATTENTION_WORD(name, word) word,
        AMM_ATTENTION_LIST(AMM_ATTENTION_WORD)
#undef AMM_ATTENTION_WORD
    };
    const amm_constant *f = p->runtime->facts;
    int precision = AMM_PRECISION_BF16;
    (void)amm_precision_parse(&precision, p->precision);
    const double gradient = f[precision == AMM_PRECISION_FP16 ? AMM_FACT_gradient_bytes_fp16
                                                              : AMM_FACT_gradient_bytes_bf16]
                                .value;
    const int kernel = (int)f[AMM_FACT_attention_kernel].value;
    const bool given = p->precision != NULL && p->precision[0] != '\0';
    amm_emit_heading(out, "runtime");
    amm_text_printf(out, "%s · %s · AdamW%s · %g-byte gradients", p->runtime->name,
                    given ? p->precision : "bf16",
                    f[AMM_FACT_distributed_optimizer].value > 0.0 ? ", distributed optimizer" : "",
                    gradient);
    if (kernel >= 0 && kernel < (int)AMM_ATTENTION_COUNT) {
        amm_text_printf(out, " · %s attention", kernels[kernel]);
    }
    amm_text_append(out, f[AMM_FACT_sequence_parallel].value > 0.0 ? " · sequence parallel" : "");
    if (p->memory_margin > 0.0) {
        amm_text_printf(out, " · %g %% of memory left free", 100.0 * p->memory_margin);
    }
    amm_text_append(out, "\n");
}

/* ---- the table ------------------------------------------------------------------------------- */

typedef struct row {
    const amm_result *r;
    const amm_plan_entry *plan;
    size_t index;
} row;

/* A column, by its cells. One that says `neutral` in every row is left out of the table; what all
 * plans share is told above it under `shared`, unless that is NULL. */
typedef struct column {
    const char *head, *neutral, *shared;
    bool left;                                       /* text starts at the left */
    bool (*wanted)(const amm_problem_desc *problem); /* NULL: always */
    void (*emit)(amm_text *out, const row *x);
} column;

static void cell_rank(amm_text *out, const row *x)
{
    amm_text_printf(out, "%s%zu", x->index == 0 && !x->r->evaluated_only ? "▶  " : "",
                    x->index + 1);
}

#define DEGREE_CELL(member)                                                                        \
    static void cell_##member(amm_text *out, const row *x)                                         \
    {                                                                                              \
        amm_text_printf(out, "%d", x->plan->config.member);                                        \
    }
DEGREE_CELL(tp)
DEGREE_CELL(pp)
DEGREE_CELL(cp)
DEGREE_CELL(dp)
DEGREE_CELL(ep)
DEGREE_CELL(etp)
DEGREE_CELL(vpp)
#undef DEGREE_CELL

static void cell_micro_batch(amm_text *out, const row *x)
{
    amm_text_printf(out, "%lld", (long long)x->plan->config.micro_batch);
}

static void cell_sharding(amm_text *out, const row *x)
{
    amm_text_append(out, amm_sharding_word(x->plan->config.sharding));
}

static void cell_recompute(amm_text *out, const row *x)
{
    amm_emit_recompute(out, &x->plan->config);
}

static void cell_blocks(amm_text *out, const row *x)
{
    amm_emit_stage_counts(out, &x->r->spec->problem, x->plan);
}

static void cell_choices(amm_text *out, const row *x)
{
    amm_text text;
    amm_text_init(&text, x->r->context);
    amm_emit_choices(&text, &x->r->spec->problem, &x->plan->config, " ");
    amm_text_append(out, text.length > 0 ? text.data + 1 : "");
    amm_text_discard(&text);
}

static void cell_time(amm_text *out, const row *x)
{
    amm_text_printf(out, "%.4f", x->plan->time_s);
}

/* "1.034x (0.97-1.10)": time over that of #1 and its 80 % range. The range is against the fastest
 * plan, which #1 of plans that were asked for need not be. */
static void cell_pair(amm_text *out, const row *x)
{
    const amm_plan_entry *first = &x->r->plans[0];
    amm_text_printf(out, "%6.3fx", x->plan->time_s / first->time_s);
    if (!isnan(x->plan->vs_best.low) && first->time_s <= amm_result_best_s(x->r)) {
        amm_text_printf(out, " (%4.2f-%4.2f)", x->plan->vs_best.low, x->plan->vs_best.high);
    }
}

static void cell_class(amm_text *out, const row *x)
{
    char letters[AMM_TIE_CHARS];
    amm_tie_class_format(letters, x->plan->tie_class);
    amm_text_append(out, letters);
}

static double per_device_s(const row *x)
{
    return 1.0 / x->plan->time_s / (double)x->r->spec->problem.cluster->device_count;
}

static void cell_tokens(amm_text *out, const row *x)
{
    const amm_problem_desc *p = &x->r->spec->problem;
    amm_text_printf(out, "%.1f",
                    (double)p->global_batch * (double)p->model->seq_len * per_device_s(x));
}

static void cell_mfu(amm_text *out, const row *x)
{
    amm_text_printf(out, "%.1f %%",
                    100.0 * x->plan->flops * per_device_s(x) /
                        amm_problem_peak_flops(&x->r->spec->problem));
}

static void cell_peak(amm_text *out, const row *x)
{
    amm_text_printf(out, "%.2f", amm_plan_tightest(x->plan)->memory_bytes / AMM_GIB);
}

static void cell_capacity(amm_text *out, const row *x)
{
    amm_text_printf(out, "%.2f", amm_plan_tightest(x->plan)->capacity_bytes / AMM_GIB);
}

static void cell_fits(amm_text *out, const row *x)
{
    amm_text_append(out, amm_fit_word(x->r, x->plan));
}

static void cell_oom(amm_text *out, const row *x)
{
    amm_text_printf(out, "%.1f %%", 100.0 * x->plan->oom_probability);
}

#define ANY_VALUE "*" /* neutral of a column that is left out as soon as all rows agree */

static const column columns[] = {
    { "#", NULL, NULL, false, NULL, cell_rank },
    { "tp", NULL, NULL, false, NULL, cell_tp },
    { "pp", NULL, NULL, false, NULL, cell_pp },
    { "cp", "1", "cp", false, NULL, cell_cp },
    { "dp", NULL, NULL, false, NULL, cell_dp },
    { "ep", "1", "ep", false, amm_problem_has_experts, cell_ep },
    { "etp", "1", "etp", false, amm_problem_has_experts, cell_etp },
    { "vpp", "1", "vpp", false, NULL, cell_vpp },
    { "mb", NULL, NULL, false, NULL, cell_micro_batch },
    { "shard", ANY_VALUE, "sharding", true, NULL, cell_sharding },
    { "recompute", "none", "recompute", true, NULL, cell_recompute },
    { "blocks", NULL, NULL, true, NULL, cell_blocks },
    { "choices", "", NULL, true, NULL, cell_choices },
    { "s/step", NULL, NULL, false, NULL, cell_time },
    { " vs #1 (paired)", NULL, NULL, true, NULL, cell_pair },
    { "class", ANY_VALUE, "class", true, NULL, cell_class },
    { "tok/s/GPU", NULL, NULL, false, NULL, cell_tokens },
    { "MFU", NULL, NULL, false, NULL, cell_mfu },
    { "peak GiB", NULL, NULL, false, NULL, cell_peak },
    { "of GiB", ANY_VALUE, "GiB per device", false, NULL, cell_capacity },
    { "fits", NULL, NULL, true, NULL, cell_fits },
    { "P(OOM)", NULL, NULL, false, NULL, cell_oom },
};
enum { COLUMN_COUNT = sizeof columns / sizeof columns[0] };

/* Its text; a failure sticks in it. To be discarded. */
static amm_text cell(const column *c, const amm_result *r, size_t index)
{
    const row x = { r, &r->plans[index], index };
    amm_text text;
    amm_text_init(&text, r->context);
    c->emit(&text, &x);
    return text;
}

static const char *text_of(const amm_text *text)
{
    return text->length > 0 ? text->data : "";
}

/* Width of a column in characters, 0 when it is left out. */
static size_t width_of(const column *c, const amm_result *r)
{
    size_t width = amm_text_columns(c->head);
    amm_text first = cell(c, r, 0);
    bool same = c->neutral != NULL &&
                (strcmp(c->neutral, ANY_VALUE) == 0 || strcmp(c->neutral, text_of(&first)) == 0);
    for (size_t k = 0; k < r->plan_count; k++) {
        amm_text text = cell(c, r, k);
        const size_t columns_used = amm_text_columns(text_of(&text));
        width = columns_used > width ? columns_used : width;
        same = same && strcmp(text_of(&first), text_of(&text)) == 0;
        amm_text_discard(&text);
    }
    amm_text_discard(&first);
    return same ? 0 : width;
}

static bool wanted(const column *c, const amm_result *r)
{
    return c->wanted == NULL || c->wanted(&r->spec->problem);
}

/* "in all   cp 1 · sharding zero1": what the table does not repeat in every row. */
static void emit_shared(amm_text *out, const amm_result *r, const size_t width[COLUMN_COUNT])
{
    const char *separator = NULL;
    for (int k = 0; k < COLUMN_COUNT; k++) {
        if (width[k] > 0 || columns[k].shared == NULL || !wanted(&columns[k], r)) {
            continue;
        }
        amm_text text = cell(&columns[k], r, 0);
        if (text.length > 0) { /* "": not known, as the class without a posterior */
            if (separator == NULL) {
                amm_emit_heading(out, "in all");
            }
            amm_text_printf(out, "%s%s %s", separator == NULL ? "" : separator, columns[k].shared,
                            text_of(&text));
            separator = " · ";
        }
        amm_text_discard(&text);
    }
    amm_text_append(out, separator == NULL ? "" : "\n");
}

static void emit_cell(amm_text *out, const column *c, const char *text, size_t width, bool last)
{
    const size_t used = amm_text_columns(text);
    const int blanks = (int)(width - used);
    amm_text_append(out, "  ");
    amm_text_printf(out, "%*s%s", c->left ? 0 : blanks, "", text);
    amm_text_printf(out, "%*s", c->left && !last ? blanks : 0, "");
}

/* One row; `index` at the number of plans: the heads. */
static void emit_row(amm_text *out, const amm_result *r, size_t index,
                     const size_t width[COLUMN_COUNT])
{
    for (int k = 0; k < COLUMN_COUNT; k++) {
        if (width[k] == 0) {
            continue;
        }
        if (index == r->plan_count) {
            emit_cell(out, &columns[k], columns[k].head, width[k], k + 1 == COLUMN_COUNT);
        } else {
            amm_text text = cell(&columns[k], r, index);
            emit_cell(out, &columns[k], text_of(&text), width[k], k + 1 == COLUMN_COUNT);
            amm_text_discard(&text);
        }
    }
    amm_text_append(out, "\n");
}

/* Plans that the problem's runtime cannot start. */
static void emit_beyond(amm_text *out, const amm_result *r)
{
    const amm_runtime *runtime = r->spec->problem.runtime;
    const char *separator = "";
    for (size_t k = 0; k < r->plan_count; k++) {
        if (!amm_runtime_launches(runtime, &r->plans[k].config)) {
            if (separator[0] == '\0') {
                amm_emit_heading(out, "launch");
                amm_text_printf(out, "%s cannot start ", runtime->name);
            }
            amm_text_printf(out, "%s#%zu", separator, k + 1);
            separator = ", ";
        }
    }
    amm_text_append(out, separator[0] == '\0' ? "" : "\n");
}

/* That #1 may run out of memory, and which plan is the first that hardly does. */
static void emit_risk(amm_text *out, const amm_result *r)
{
    const amm_plan_entry *best = &r->plans[0];
    if (!best->fits || best->oom_probability < AMM_OOM_TIGHT) {
        return;
    }
    amm_emit_heading(out, "memory");
    amm_text_printf(out, "#1 runs out of memory in about %.0f %% of cases",
                    100.0 * best->oom_probability);
    size_t safe = 1;
    while (safe < r->plan_count && r->plans[safe].oom_probability >= AMM_OOM_TIGHT) {
        safe++;
    }
    if (!r->evaluated_only && safe < r->plan_count) {
        amm_text_printf(out, "; #%zu is the fastest below %g %%: %.4f s", safe + 1,
                        100.0 * AMM_OOM_TIGHT, r->plans[safe].time_s);
    } else if (!r->evaluated_only) {
        const double share = -expm1(-AMM_OOM_TIGHT_QUANTILE * AMM_MEMORY_LOG_SD);
        amm_text_printf(out, "; none listed is below %g %%: --memory-margin %.2g finds those",
                        100.0 * AMM_OOM_TIGHT, ceil(100.0 * share) / 100.0);
    }
    amm_text_append(out, "\n\n");
}

void amm_emit_analytic_plans(amm_text *out, const amm_result *r)
{
    size_t width[COLUMN_COUNT];
    for (int k = 0; k < COLUMN_COUNT; k++) {
        width[k] = wanted(&columns[k], r) ? width_of(&columns[k], r) : 0;
    }
    emit_shared(out, r, width);
    amm_text_append(out, "\n");
    emit_row(out, r, r->plan_count, width);
    for (size_t k = 0; k < r->plan_count; k++) {
        emit_row(out, r, k, width);
    }
    amm_text_append(out, "\n");
    emit_risk(out, r);
    emit_beyond(out, r);
}

/* ---- details --------------------------------------------------------------------------------- */

void amm_emit_analytic_ledger(amm_text *out, const amm_plan_entry *plan)
{
    amm_text_append(out, "\n    stage   layers     s/micro-batch  weights   grads   optim.  activ. "
                         "working  logits gather. context reserve   total  of GiB   P(OOM)\n");
    for (int32_t s = 0; s < plan->config.pp; s++) {
        const amm_stage_plan *x = &plan->stages[s];
        const amm_ledger *m = &x->ledger;
        const double parts[] = { m->weights, m->gradients, m->optimizer, m->activations, m->working,
                                 m->logits,  m->gathered,  m->context,   m->reserve };
        amm_text_printf(out, "    %5d   %4d-%-4d %14.6f ", s, x->first, x->end - 1, x->time_s);
        for (size_t k = 0; k < sizeof parts / sizeof parts[0]; k++) {
            amm_text_printf(out, " %7.2f", parts[k] / AMM_GIB);
        }
        amm_text_printf(out, " %7.2f %7.2f  %5.1f %%\n", x->memory_bytes / AMM_GIB,
                        x->capacity_bytes / AMM_GIB, 100.0 * x->oom_probability);
    }
    if (plan->largest_micro_batch > 0) {
        amm_text_printf(out, "    largest micro-batch that fits with these stages: %lld\n",
                        (long long)plan->largest_micro_batch);
    }
}

const char *amm_analytic_regime(const amm_problem_desc *problem, const amm_plan_entry *plan)
{
    for (int32_t k = 0; k < problem->cluster->type_count; k++) {
        if (strcmp(problem->cluster->types[k]->regime, "calibrated") != 0) {
            return "unvalidated";
        }
    }
    return plan->range.validated ? "calibrated" : "extrapolated";
}

/* "outside: sequence 16384, measured 1024 on T4-16GB; " */
static void emit_outside(amm_text *out, const amm_problem_desc *p, const amm_step_spread *range)
{
    static const char *const what[] = {
#define AMM_SIZE_WHAT(key, what) what,
        AMM_SIZE_LIST(AMM_SIZE_WHAT)
#undef AMM_SIZE_WHAT
    };
    const amm_device *device = p->constants != NULL ? p->constants : p->cluster->types[0];
    for (int32_t k = 0; k < (int32_t)AMM_SIZE_COUNT; k++) {
        const double *measured = device->posterior != NULL ? device->posterior->measured[k] : NULL;
        if ((range->outside >> k & 1) == 0 || measured == NULL) {
            continue;
        }
        amm_text_printf(out, "outside: %s %.0f, measured %.0f", what[k], range->size[k],
                        measured[0]);
        if (measured[1] > measured[0]) {
            amm_text_printf(out, " to %.0f", measured[1]);
        }
        amm_text_printf(out, " on %s; ", device->name);
    }
}

void amm_emit_analytic_sure(amm_text *out, const amm_result *r)
{
    const amm_problem_desc *p = &r->spec->problem;
    const amm_plan_entry *best = &r->plans[0];
    const char *regime = amm_analytic_regime(p, best);
    const char *why = "the device's constants are fitted to measured runs of this kind";
    if (strcmp(regime, "unvalidated") == 0) {
        why = "the device's constants come from datasheets and priors";
    } else if (strcmp(regime, "extrapolated") == 0) {
        why = "the device's constants are fitted to measured runs of other kinds or sizes";
    }
    amm_text_printf(out, "%s: %s; ", regime, why);
    emit_outside(out, p, &best->range);
    if (isfinite(best->range.low_s) && isfinite(best->range.high_s)) {
        amm_text_printf(out, "#1 takes %.4g to %.4g s in four of five cases\n", best->range.low_s,
                        best->range.high_s);
    } else {
        amm_text_append(out, "no range for this device\n");
    }
}

/* In any of the strategies. */
static int facts_move(const amm_result *r, int32_t fact)
{
    int moves = 0;
    for (size_t k = 0; k < r->plan_count; k++) {
        moves |= r->plans[k].used_facts != NULL ? r->plans[k].used_facts[fact] : 0;
    }
    return moves;
}

void amm_emit_analytic_constants(amm_text *out, const amm_result *r)
{
    const amm_problem_desc *p = &r->spec->problem;
    for (int32_t k = 0; k < p->cluster->type_count; k++) {
        const amm_device *device = p->constants != NULL ? p->constants : p->cluster->types[k];
        for (int32_t n = 0; n < (int32_t)AMM_RATE_COUNT; n++) {
            const amm_constant *x = &device->rates[n];
            amm_text_printf(out, "    %s: %s ", device->name, amm_rate_table[n].name);
            amm_emit_constant(out, x);
            amm_text_append(out, "\n");
        }
        amm_text_printf(out, "    %s: peaks, memory · %s\n", p->cluster->types[k]->name,
                        p->cluster->types[k]->source);
    }
    amm_text_printf(out, "    %s: the software · %s\n", p->runtime->name, p->runtime->source);
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        const int moves = facts_move(r, f);
        if (moves != 0) {
            amm_text_printf(out, "    %s: %s ", p->runtime->name, amm_fact_table[f].name);
            amm_emit_constant(out, &p->runtime->facts[f]);
            amm_text_printf(out, " · moves %s\n",
                            moves == AMM_USED_SECONDS ? "seconds"
                            : moves == AMM_USED_BYTES ? "bytes"
                                                      : "seconds and bytes");
        }
    }
    amm_text_append(out, "\n");
}
