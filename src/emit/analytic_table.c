#include "emit/emit.h"
#include "formula/cost/op.h"

#include "search/enumerate.h"

#include <math.h>
#include <string.h>

int32_t amm_problem_blocks(const amm_problem_desc *problem)
{
    int32_t blocks = 0;
    for (int32_t l = 0; l < problem->model->layer_count; l++) {
        blocks += problem->model->layers[l].kind == AMM_LAYER_BLOCK;
    }
    return blocks;
}

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
    amm_emit_heading(out, "model");
    amm_text_printf(out, "%s · ", p->model->name);
    amm_emit_count(out, (uint64_t)amm_model_parameters(p->model));
    amm_text_printf(out, " parameters · %d blocks · ", amm_problem_blocks(p));
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

/* ---- plans ----------------------------------------------------------------------------------- */

/* Widths of the columns whose text varies. */
typedef struct columns {
    size_t recompute, blocks;
    size_t choices; /* 0: all plans have the runtime's usual ones */
    bool experts, sharding;
} columns;

static columns columns_of(const amm_result *r)
{
    const amm_problem_desc *p = &r->spec->problem;
    columns c = { strlen("recompute"), strlen("blocks"), 0, amm_problem_has_experts(p), false };
    for (size_t k = 0; k < r->plan_count; k++) {
        const amm_plan_entry *plan = &r->plans[k];
        amm_text text;
        amm_text_init(&text, r->context);
        amm_emit_recompute(&text, &plan->config);
        c.recompute = text.length > c.recompute ? text.length : c.recompute;
        amm_text_discard(&text);
        const size_t blocks = amm_stage_counts_width(r, plan);
        c.blocks = blocks > c.blocks ? blocks : c.blocks;
        amm_text_init(&text, r->context);
        amm_emit_choices(&text, p, &plan->config, " ");
        c.choices = text.length > c.choices ? text.length : c.choices;
        amm_text_discard(&text);
        c.sharding = c.sharding || plan->config.sharding != r->plans[0].config.sharding ||
                     p->space.full || p->space.dims[AMM_DIM_SHARDING].count > 0;
    }
    return c;
}

enum { DEGREES_COLUMN = 36, EXPERTS_WIDTH = 9, SHARDING_WIDTH = 8 };

static size_t after_degrees(const columns *c)
{
    return (size_t)DEGREES_COLUMN + (c->experts ? (size_t)EXPERTS_WIDTH : 0) +
           (c->sharding ? (size_t)SHARDING_WIDTH : 0);
}

/* Where the text of the blocks ends. */
static size_t after_blocks(const columns *c)
{
    return after_degrees(c) + c->recompute + 2 + c->blocks;
}

static size_t choices_width(const columns *c)
{
    const size_t head = strlen(" choices");
    return c->choices == 0 ? 0 : 1 + (c->choices > head ? c->choices : head);
}

/* "1.034x (0.97-1.10)  A": time over that of #1, its 80 % range, the tie class. The range is against the
 * fastest plan, which #1 of plans that were asked for need not be. */
static void emit_pair(amm_text *out, const amm_result *r, const amm_plan_entry *plan)
{
    const amm_plan_entry *first = &r->plans[0];
    char letters[AMM_TIE_CHARS];
    amm_tie_class_format(letters, plan->tie_class);
    amm_text_printf(out, "  %6.3fx ", plan->time_s / first->time_s);
    if (isnan(plan->vs_best.low) || first->time_s > amm_result_best_s(r)) {
        amm_text_printf(out, "%-11s", "");
    } else {
        amm_text_printf(out, "(%4.2f-%4.2f)", plan->vs_best.low, plan->vs_best.high);
    }
    amm_text_printf(out, "  %-5s", letters);
}

static void emit_plan(amm_text *out, const amm_result *r, size_t index, const columns *w)
{
    const amm_plan_entry *plan = &r->plans[index];
    const amm_problem_desc *p = &r->spec->problem;
    const amm_config *c = &plan->config;
    const amm_stage_plan *stage = amm_plan_tightest(plan);
    const double per_device = 1.0 / plan->time_s / (double)p->cluster->device_count;
    amm_text_append(out, index == 0 && !r->evaluated_only ? " ▶" : "  ");
    amm_text_printf(out, "%3zu %4d %4d %4d %4d", index + 1, c->tp, c->pp, c->cp, c->dp);
    if (w->experts) {
        amm_text_printf(out, " %4d %3d", c->ep, c->etp);
    }
    amm_text_printf(out, " %3d %4lld", c->vpp, (long long)c->micro_batch);
    if (w->sharding) {
        amm_text_printf(out, "  %-6s", amm_sharding_word(c->sharding));
    }
    amm_text_append(out, "  ");
    amm_emit_recompute(out, c);
    amm_text_pad(out, after_degrees(w) + w->recompute);
    amm_text_append(out, "  ");
    amm_emit_stage_counts(out, p, plan);
    amm_text_pad(out, after_blocks(w));
    if (w->choices > 0) {
        amm_text_append(out, " ");
        amm_emit_choices(out, p, c, " ");
        amm_text_pad(out, after_blocks(w) + choices_width(w));
    }
    amm_text_printf(out, "  %9.4f", plan->time_s);
    emit_pair(out, r, plan);
    amm_text_printf(out, "  %9.1f  %5.1f %%  %6.2f of %6.2f  %-5s %5.1f %%\n",
                    (double)p->global_batch * (double)p->model->seq_len * per_device,
                    100.0 * plan->flops * per_device / amm_problem_peak_flops(p),
                    stage->memory_bytes / AMM_GIB, stage->capacity_bytes / AMM_GIB,
                    amm_fit_word(plan, stage), 100.0 * plan->oom_probability);
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

void amm_emit_analytic_plans(amm_text *out, const amm_result *r)
{
    const columns w = columns_of(r);
    amm_text_append(out, "\n    #   tp   pp   cp   dp");
    amm_text_append(out, w.experts ? "   ep etp" : "");
    amm_text_append(out, " vpp   mb");
    amm_text_append(out, w.sharding ? "  shard " : "");
    amm_text_append(out, "  recompute");
    amm_text_pad(out, after_degrees(&w) + w.recompute);
    amm_text_append(out, "  blocks");
    amm_text_pad(out, after_blocks(&w));
    amm_text_append(out, w.choices > 0 ? "  choices" : "");
    amm_text_pad(out, after_blocks(&w) + choices_width(&w));
    amm_text_printf(out, "  %9s  %-19s  %-5s  %9s  %7s  %s\n", "s/step", " vs #1 (paired)", "class",
                    "tok/s/GPU", "MFU", "peak GiB of cap.  fits   P(OOM)");
    for (size_t k = 0; k < r->plan_count; k++) {
        emit_plan(out, r, k, &w);
    }
    amm_text_append(out, "\n");
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
