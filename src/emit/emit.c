#include "emit/emit.h"

#include <stdio.h>
#include "io/io.h"
#include <string.h>

void amm_time_terms(amm_time_term out[AMM_TIME_TERMS], const amm_time_parts *parts)
{
    const amm_time_term terms[AMM_TIME_TERMS] = {
#define AMM_TIME_TERM(field, word, formula, reference, analytic)                                   \
    { word, formula, reference, analytic, parts->field },
        AMM_TIME_LIST(AMM_TIME_TERM)
#undef AMM_TIME_TERM
    };
    memcpy(out, terms, sizeof terms);
}

const char *amm_result_status_word(const amm_result *result)
{
    if (result->evaluated_only) {
        return "evaluated";
    }
    if (result->interrupted) {
        return "interrupted";
    }
    return result->proven ? "optimal-in-model" : "gap";
}

static bool fitted(const amm_constant *constant)
{
    return constant->source != NULL && strncmp(constant->source, "fitted", strlen("fitted")) == 0;
}

static bool device_fitted(const amm_device *device)
{
    bool all = device->overhead_count > 0 && fitted(&device->intra_efficiency) &&
               fitted(&device->inter_efficiency);
    for (int32_t k = 0; k < device->overhead_count; k++) {
        all = all && fitted(&device->overhead_share[k]);
    }
    return all;
}

static amm_status problem_text(char **out, const amm_context *context, amm_problem_desc problem,
                               bool whole)
{
    amm_text text;
    amm_json json;
    if (!whole) {
        memset(&problem.space, 0, sizeof problem.space);
        problem.memory_margin = 0.0;
    }
    amm_text_init(&text, context);
    amm_json_init(&json, &text, false);
    amm_write_problem(&json, NULL, &problem);
    return amm_text_take(&text, out);
}

/* Where it cannot be told for want of memory, the answer is no: it only makes words more careful. */
bool amm_spec_is_preset(const amm_spec *spec, bool whole)
{
    amm_arena arena;
    amm_problem_desc preset;
    amm_reader reader = { .context = spec->context, .arena = &arena, .hash = AMM_HASH_START };
    char *texts[2] = { NULL, NULL };
    bool known = false;
    for (int32_t k = 0; spec->problem.name != NULL && amm_preset("problem", k) != NULL; k++) {
        known = known || strcmp(amm_preset("problem", k), spec->problem.name) == 0;
    }
    if (!known) {
        return false;
    }
    amm_arena_init(&arena, spec->context);
    const bool same = amm_get_problem(&reader, &preset, spec->problem.name, "problem") == AMM_OK &&
                      problem_text(&texts[0], spec->context, preset, whole) == AMM_OK &&
                      problem_text(&texts[1], spec->context, spec->problem, whole) == AMM_OK &&
                      strcmp(texts[0], texts[1]) == 0;
    amm_release(spec->context, texts[0]);
    amm_release(spec->context, texts[1]);
    amm_arena_free(&arena);
    return same;
}

/* Constants are fitted on presets: calibrated is what is one of them, unchanged. */
const char *amm_result_regime(const amm_result *result)
{
    const amm_problem_desc *problem = &result->spec->problem;
    bool all = problem->cost_model == AMM_COST_DEFAULT;
    if (amm_problem_is_analytic(problem)) {
        return result->plan_count > 0 ? amm_analytic_regime(problem, &result->plans[0])
                                      : "unvalidated";
    }
    for (int32_t k = 0; k < problem->cluster->type_count; k++) {
        all = all && device_fitted(problem->cluster->types[k]);
    }
    if (!all) {
        return "unvalidated";
    }
    return amm_spec_is_preset(result->spec, false) ? "calibrated" : "extrapolated";
}

void amm_emit_constant(amm_text *out, const amm_constant *constant)
{
    const bool sourced = constant->source != NULL && constant->source[0] != '\0';
    amm_text_printf(out, "%.4g", constant->value);
    if (constant->sd >= 0.0) {
        amm_text_printf(out, " ± %.2g", constant->sd);
    }
    amm_text_printf(out, " · %s", sourced ? constant->source : "default");
}

double amm_result_best_s(const amm_result *result)
{
    double best = 0.0;
    for (size_t k = 0; k < result->plan_count; k++) {
        const double time_s = result->plans[k].time_s;
        best = k == 0 || time_s < best ? time_s : best;
    }
    return best;
}

void amm_tie_class_format(char out[AMM_TIE_CHARS], int32_t tie_class)
{
    char backwards[AMM_TIE_CHARS];
    int32_t n = 0;
    for (int32_t rest = tie_class; rest >= 0 && n < AMM_TIE_CHARS - 1; rest = rest / 26 - 1) {
        backwards[n++] = (char)('A' + rest % 26);
    }
    for (int32_t i = 0; i < n; i++) {
        out[i] = backwards[n - 1 - i];
    }
    out[n] = '\0';
}

/* Blocks of a stage, or layers as the cost model counts them. */
static int32_t stage_count(const amm_problem_desc *p, const amm_stage_plan *stage)
{
    int32_t blocks = 0;
    if (!amm_problem_is_analytic(p)) {
        return stage->counted;
    }
    for (int32_t l = stage->first; l < stage->end; l++) {
        blocks += p->model->layers[l].kind == AMM_LAYER_BLOCK;
    }
    return blocks;
}

void amm_emit_stage_counts(amm_text *out, const amm_problem_desc *p, const amm_plan_entry *plan)
{
    for (int32_t first = 0; first < plan->config.pp;) {
        const int32_t count = stage_count(p, &plan->stages[first]);
        int32_t end = first + 1;
        while (end < plan->config.pp && stage_count(p, &plan->stages[end]) == count) {
            end++;
        }
        amm_text_append(out, first > 0 ? "," : "");
        if (end - first > 1) {
            amm_text_printf(out, "%dx", end - first);
        }
        amm_text_printf(out, "%d", count);
        first = end;
    }
}

size_t amm_stage_counts_width(const amm_result *r, const amm_plan_entry *plan)
{
    amm_text text;
    amm_text_init(&text, r->context);
    amm_emit_stage_counts(&text, &r->spec->problem, plan);
    const size_t width = text.length;
    amm_text_discard(&text);
    return width;
}

const amm_stage_plan *amm_plan_tightest(const amm_plan_entry *plan)
{
    const amm_stage_plan *worst = &plan->stages[0];
    for (int32_t p = 1; p < plan->config.pp; p++) {
        const amm_stage_plan *stage = &plan->stages[p];
        if (stage->memory_bytes * worst->capacity_bytes >
            worst->memory_bytes * stage->capacity_bytes) {
            worst = stage;
        }
    }
    return worst;
}

double amm_plan_short_bytes(const amm_plan_entry *plan, int32_t *stage)
{
    double worst = 0.0;
    for (int32_t p = 0; p < plan->config.pp; p++) {
        const double over = plan->stages[p].memory_bytes - plan->stages[p].capacity_bytes;
        if (p == 0 || over > worst) {
            worst = over;
            *stage = p;
        }
    }
    return worst;
}

/* With a profile there is no probability. A plan this full may fail in fact: of the measured runs
 * behind docs/validation-amp.md, the one at 98 % did. A word for people only; nothing is ranked by
 * it. */
#define TIGHT_SHARE 0.95

const char *amm_fit_word(const amm_result *r, const amm_plan_entry *plan)
{
    const amm_stage_plan *stage = amm_plan_tightest(plan);
    const bool tight = amm_problem_is_analytic(&r->spec->problem)
                           ? plan->oom_probability >= AMM_OOM_TIGHT
                           : stage->memory_bytes > TIGHT_SHARE * stage->capacity_bytes;
    return !plan->fits ? "no" : tight ? "tight" : "yes";
}

int64_t amm_problem_tokens(const amm_problem_desc *problem)
{
    return problem->seq_len > 0 ? problem->seq_len : problem->model->seq_len;
}

void amm_emit_recompute(amm_text *out, const amm_config *c)
{
    char word[AMM_RECOMPUTE_CHARS];
    if (amm_config_is_open(c)) {
        amm_text_append(out, AMM_RECOMPUTE_AUTO);
        return;
    }
    const int32_t stages = c->stage_recompute == NULL ? 1 : c->pp;
    for (int32_t first = 0; first < stages;) {
        const int32_t set = amm_recompute_at(c->recompute, c->stage_recompute, first);
        int32_t end = first + 1;
        while (end < stages && c->stage_recompute[end] == set) {
            end++;
        }
        amm_recompute_format(word, set);
        amm_text_append(out, first > 0 ? "/" : "");
        if (end - first > 1) {
            amm_text_printf(out, "%dx", end - first);
        }
        amm_text_append(out, word);
        first = end;
    }
}

void amm_emit_strategy(amm_text *out, const amm_problem_desc *problem, const amm_config *c)
{
    const struct {
        const char *word;
        int32_t value;
    } more[] = { { "cp", c->cp }, { "ep", c->ep }, { "etp", c->etp }, { "vpp", c->vpp } };
    amm_text_printf(out, "tp=%d,pp=%d,dp=%d,micro-batch=%lld", c->tp, c->pp, c->dp,
                    (long long)c->micro_batch);
    if (!amm_problem_is_analytic(problem)) {
        return;
    }
    for (size_t k = 0; k < sizeof more / sizeof more[0]; k++) {
        if (more[k].value > 1) {
            amm_text_printf(out, ",%s=%d", more[k].word, more[k].value);
        }
    }
    if (c->recompute != AMM_RECOMPUTE_NONE) {
        amm_text_append(out, ",recompute=");
        amm_emit_recompute(out, c);
    }
    amm_text_printf(out, ",sharding=%s", amm_sharding_word(c->sharding));
    amm_emit_choices(out, problem, c, ",");
}

void amm_emit_choices(amm_text *out, const amm_problem_desc *problem, const amm_config *c,
                      const char *before)
{
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        const amm_choice choice = (amm_choice)k;
        char word[AMM_RECOMPUTE_CHARS];
        if (c->choice[k] != amm_choice_usual(choice, problem->runtime) &&
            amm_choice_matters(choice, c)) {
            amm_choice_format(word, choice, c->choice[k]);
            amm_text_printf(out, "%s%s=%s", before, amm_choice_option(choice), word);
        }
    }
}

void amm_emit_count(amm_text *out, uint64_t value)
{
    char digits[24];
    const int length = snprintf(digits, sizeof digits, "%llu", (unsigned long long)value);
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) {
            amm_text_append(out, ",");
        }
        amm_text_append_bytes(out, digits + i, 1);
    }
}

void amm_emit_rate(amm_text *out, double bytes_per_s)
{
    static const char *const units[] = { "B/s", "kB/s", "MB/s", "GB/s", "TB/s" };
    size_t unit = 0;
    while (bytes_per_s >= 1000.0 && unit + 1 < sizeof units / sizeof units[0]) {
        bytes_per_s /= 1000.0;
        unit++;
    }
    amm_text_printf(out, "%.3g %s", bytes_per_s, units[unit]);
}

bool amm_nodes_equal(const amm_node *a, const amm_node *b)
{
    return a->device_count == b->device_count && a->intra_bytes_per_s == b->intra_bytes_per_s &&
           a->inter_bytes_per_s == b->inter_bytes_per_s &&
           memcmp(a->device_type, b->device_type,
                  (size_t)a->device_count * sizeof *a->device_type) == 0;
}

/* "4 T4-16GB" or "2 A + 2 B": runs of equal devices. */
static void emit_node(amm_text *out, const amm_cluster *cluster, const amm_node *node)
{
    for (int32_t first = 0; first < node->device_count;) {
        int32_t end = first + 1;
        while (end < node->device_count && node->device_type[end] == node->device_type[first]) {
            end++;
        }
        amm_text_printf(out, "%s%d %s", first > 0 ? "/" : "", end - first,
                        cluster->types[node->device_type[first]]->name);
        first = end;
    }
}

void amm_emit_cluster(amm_text *out, const amm_cluster *cluster)
{
    for (int32_t first = 0; first < cluster->node_count;) {
        int32_t end = first + 1;
        while (end < cluster->node_count &&
               amm_nodes_equal(&cluster->nodes[first], &cluster->nodes[end])) {
            end++;
        }
        amm_text_printf(out, "%s%d node%s × ", first > 0 ? " + " : "", end - first,
                        end - first > 1 ? "s" : "");
        emit_node(out, cluster, &cluster->nodes[first]);
        first = end;
    }
    amm_text_append(out, " = ");
    amm_emit_count(out, (uint64_t)cluster->device_count);
    amm_text_append(out, cluster->device_count == 1 ? " device" : " devices");
}
