#include "calibrate/scores.h"

#include <ammeter/spec.h>
#include <math.h>

static const char *const predictor_keys[AMM_PREDICTOR_COUNT] = {
#define AMM_PREDICTOR_KEY(name, key, what) key,
    AMM_PREDICTOR_LIST(AMM_PREDICTOR_KEY)
#undef AMM_PREDICTOR_KEY
};
static const char *const predictor_words[AMM_PREDICTOR_COUNT] = {
#define AMM_PREDICTOR_WORD(name, key, what) what,
    AMM_PREDICTOR_LIST(AMM_PREDICTOR_WORD)
#undef AMM_PREDICTOR_WORD
};
static const char *const technique_keys[AMM_TECHNIQUE_COUNT] = {
#define AMM_TECHNIQUE_KEY(name, key, word) key,
    AMM_TECHNIQUE_LIST(AMM_TECHNIQUE_KEY)
#undef AMM_TECHNIQUE_KEY
};
static const char *const class_words[AMM_PRECISION_CLASS_COUNT] = {
#define AMM_PRECISION_CLASS_WORD(name, word) word,
    AMM_PRECISION_CLASS_LIST(AMM_PRECISION_CLASS_WORD)
#undef AMM_PRECISION_CLASS_WORD
};

/* ---- figures --------------------------------------------------------------------------------- */

static void write_errors(amm_json *j, const amm_score *s)
{
    amm_json_integer(j, "predicted", s->predicted);
    amm_json_number(j, "coverage", s->coverage);
    amm_json_number(j, "error_mean", s->error_mean);
    amm_json_number(j, "error_median", s->error_median);
    amm_json_number(j, "bias", s->bias);
    amm_json_number(j, "log_error", s->log_error);
    amm_json_integer(j, "configurations", s->configurations);
    amm_json_number(j, "configuration_error_mean", s->configuration_error_mean);
    amm_json_number(j, "configuration_error_median", s->configuration_error_median);
}

static void write_choice(amm_json *j, const amm_score *s)
{
    amm_json_integer(j, "sweeps", s->sweeps);
    amm_json_number(j, "spearman", s->spearman);
    amm_json_number(j, "regret_mean", s->regret_mean);
    amm_json_number(j, "regret_median", s->regret_median);
    amm_json_number(j, "regret_max", s->regret_max);
    amm_json_integer(j, "picked_oom", s->picked_oom);
    amm_json_integer(j, "no_pick", s->no_pick);
}

static void write_score(amm_json *j, const amm_score *s)
{
    amm_json_integer(j, "rows", s->rows);
    amm_json_integer(j, "timed", s->timed);
    write_errors(j, s);
    amm_json_integer(j, "ranged", s->ranged);
    amm_json_number(j, "range_holds", s->range_holds);
    amm_json_integer(j, "assumed", s->assumed);
    amm_json_integer(j, "assumed_held", s->assumed_held);
    write_choice(j, s);
    amm_json_number(j, "oom_balanced", s->oom_balanced);
    amm_json_integer(j, "memory_rows", s->memory_rows);
    amm_json_number(j, "memory_error", s->memory_error);
}

/* This model's figures, and those of the baselines inside. */
static void write_scores(amm_json *j, amm_scores *scores, const int64_t *members, int64_t count)
{
    amm_score s;
    amm_score_measure(&s, scores, members, count, AMM_PREDICTOR_MODEL);
    write_score(j, &s);
    amm_json_open(j, "baselines", '{');
    for (amm_predictor p = AMM_PREDICTOR_RULE; p < AMM_PREDICTOR_COUNT; p++) {
        amm_json_open(j, predictor_keys[p], '{');
        amm_score_measure(&s, scores, members, count, p);
        if (p != AMM_PREDICTOR_RULE) {
            write_errors(j, &s);
        }
        write_choice(j, &s);
        amm_json_close(j, '}');
    }
    amm_json_close(j, '}');
}

/* ---- parts ----------------------------------------------------------------------------------- */

static void write_sources(amm_json *j, amm_scores *scores)
{
    amm_score_group group = { 0 };
    amm_json_open(j, "sources", '[');
    while (amm_score_next(&group, scores)) {
        amm_json_open(j, NULL, '{');
        amm_json_string(j, "source", group.source);
        amm_json_string(j, "family", group.family);
        write_scores(j, scores, scores->all + group.first, group.end - group.first);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
}

static void write_regimes(amm_json *j, const amm_regimes *regimes)
{
    amm_json_open(j, "regimes", '[');
    for (int64_t i = 0; i < regimes->count; i++) {
        const amm_regime *r = &regimes->list[i];
        for (int t = 0; t < AMM_TECHNIQUE_COUNT; t++) {
            const amm_score *s = &r->technique[t];
            amm_json_open_row(j, NULL, '{');
            amm_json_string(j, "family", r->family);
            amm_json_string(j, "network", r->moe ? "moe" : "dense");
            amm_json_string(j, "technique", technique_keys[t]);
            amm_json_string(j, "precision", class_words[r->precision_class]);
            amm_json_string(j, "status", s->predicted > 0 ? "measured" : "unvalidated");
            amm_json_integer(j, "rows", s->predicted);
            amm_json_integer(j, "configurations", s->configurations);
            amm_json_number(j, "error_mean", s->error_mean);
            amm_json_number(j, "error_median", s->error_median);
            amm_json_number(j, "configuration_error_mean", s->configuration_error_mean);
            amm_json_close(j, '}');
        }
    }
    amm_json_close(j, ']');
}

static void write_configurations(amm_json *j, const amm_scores *scores)
{
    amm_configuration c = { 0 };
    amm_json_open(j, "configurations", '[');
    while (c.end < scores->count) {
        amm_score_configuration(&c, scores, scores->all, c.end, scores->count, AMM_PREDICTOR_MODEL);
        if (c.rows > 0) {
            const amm_scored *first = &scores->rows[c.first];
            amm_json_open_row(j, NULL, '{');
            amm_json_string(j, "source", first->source_name);
            amm_json_integer(j, "record", first->row + 2); /* the header is record 1 */
            amm_json_integer(j, "rows", c.rows);
            amm_json_number(j, "measured_s", c.measured_s);
            amm_json_number(j, "predicted_s", c.predicted_s);
            amm_json_number(j, "error", (c.predicted_s - c.measured_s) / c.measured_s);
            amm_json_close(j, '}');
        }
    }
    amm_json_close(j, ']');
}

static void write_reasons(amm_json *j, const amm_report *report)
{
    amm_json_open(j, "not_modelled", '[');
    for (int64_t i = 0; i < report->reason_count; i++) {
        amm_json_open_row(j, NULL, '{');
        amm_json_string(j, "reason", report->reasons[i].reason);
        amm_json_integer(j, "rows", report->reasons[i].rows);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
}

static void write_head(amm_json *j, const amm_report *report)
{
    const amm_runs *runs = report->scores->runs;
    amm_json_string(j, "format", "ammeter-validation");
    amm_json_integer(j, "version", 1);
    amm_json_open(j, "program", '{');
    amm_json_string(j, "name", "ammeter");
    amm_json_string(j, "version", amm_version());
    amm_json_string(j, "commit", amm_commit());
    amm_json_close(j, '}');
    amm_json_string(j, "file", runs->file);
    amm_json_integer(j, "file_rows", runs->csv.rows);
    amm_json_string(j, "source", report->source);
    amm_json_open(j, "predictors", '{');
    for (int p = 0; p < AMM_PREDICTOR_COUNT; p++) {
        amm_json_string(j, predictor_keys[p], predictor_words[p]);
    }
    amm_json_close(j, '}');
}

void amm_report_json(amm_json *j, const amm_report *report)
{
    amm_scores *scores = report->scores;
    amm_json_open(j, NULL, '{');
    write_head(j, report);
    amm_json_open(j, "total", '{');
    write_scores(j, scores, scores->all, scores->count);
    amm_json_close(j, '}');
    write_reasons(j, report);
    if ((report->parts & AMM_BY_SOURCE) != 0) {
        write_sources(j, scores);
    }
    if ((report->parts & AMM_BY_REGIME) != 0) {
        write_regimes(j, report->regimes);
    }
    if ((report->parts & AMM_BY_CONFIGURATION) != 0) {
        write_configurations(j, scores);
    }
    amm_json_close(j, '}');
}
