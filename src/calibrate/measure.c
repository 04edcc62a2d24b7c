#include "calibrate/scores.h"

#include <math.h>

/* What is measured: some rows, judged by one predictor. */
typedef struct view {
    amm_scores *scores;
    const int64_t *members;
    int64_t count;
    amm_predictor predictor;
} view;

static const amm_scored *member(const view *v, int64_t i)
{
    return &v->scores->rows[v->members[i]];
}

static bool judged(const view *v, int64_t i)
{
    const amm_scored *row = member(v, i);
    return !isnan(row->measured_s) && !isnan(row->predicted_s[v->predictor]);
}

/* A ranking rule has an order of runs, not their seconds. */
static bool gives_times(amm_predictor predictor)
{
    return predictor != AMM_PREDICTOR_RULE;
}

/* NaN when it is a share of nothing. */
static double per(double sum, int64_t count)
{
    return count > 0 ? sum / (double)count : (double)NAN;
}

/* ---- times ----------------------------------------------------------------------------------- */

static void measure_errors(amm_score *out, const view *v)
{
    double *relative = v->scores->number[0];
    double *sizes = v->scores->number[1];
    double *logs = v->scores->number[2];
    int64_t n = 0;
    int64_t held = 0;
    for (int64_t i = 0; i < v->count; i++) {
        const amm_scored *row = member(v, i);
        const double p = row->predicted_s[v->predictor];
        out->timed += !isnan(row->measured_s);
        if (judged(v, i) && gives_times(v->predictor)) {
            relative[n] = (p - row->measured_s) / row->measured_s;
            sizes[n] = fabs(relative[n]);
            logs[n++] = fabs(log(p / row->measured_s));
            if (v->predictor == AMM_PREDICTOR_MODEL && !isnan(row->low_s)) {
                const bool inside = row->low_s <= row->measured_s && row->measured_s <= row->high_s;
                out->ranged += row->assumed == 0;
                held += row->assumed == 0 && inside;
                out->assumed += row->assumed != 0;
                out->assumed_held += row->assumed != 0 && inside;
            }
        }
    }
    out->predicted = n;
    out->coverage = per((double)n, out->timed);
    out->bias = amm_mean(relative, n);
    out->error_mean = amm_mean(sizes, n);
    out->error_median = amm_median(sizes, n);
    out->log_error = amm_mean(logs, n);
    out->range_holds = per((double)held, out->ranged);
}

/* ---- configurations -------------------------------------------------------------------------- */

void amm_score_configuration(amm_configuration *out, const amm_scores *scores,
                             const int64_t *members, int64_t first, int64_t count,
                             amm_predictor predictor)
{
    const int64_t configuration = scores->rows[members[first]].configuration;
    out->first = first;
    out->rows = 0;
    out->measured_s = out->predicted_s = 0.0;
    for (out->end = first; out->end < count; out->end++) {
        const amm_scored *row = &scores->rows[members[out->end]];
        if (row->configuration != configuration) {
            break;
        }
        if (!isnan(row->measured_s) && !isnan(row->predicted_s[predictor])) {
            out->rows++;
            out->measured_s += row->measured_s;
            out->predicted_s += row->predicted_s[predictor];
        }
    }
    out->measured_s = per(out->measured_s, out->rows);
    out->predicted_s = per(out->predicted_s, out->rows);
}

static void measure_configurations(amm_score *out, const view *v)
{
    double *errors = v->scores->number[0];
    amm_configuration c = { 0 };
    int64_t n = 0;
    while (c.end < v->count && gives_times(v->predictor)) {
        amm_score_configuration(&c, v->scores, v->members, c.end, v->count, v->predictor);
        if (c.rows > 0) {
            errors[n++] = fabs(c.predicted_s - c.measured_s) / c.measured_s;
        }
    }
    out->configurations = n;
    out->configuration_error_mean = amm_mean(errors, n);
    out->configuration_error_median = amm_median(errors, n);
}

/* ---- sweeps ---------------------------------------------------------------------------------- */

static double sweep_spearman(const view *v, int64_t first, int64_t end)
{
    double *predicted = v->scores->number[0];
    double *measured = v->scores->number[1];
    int64_t n = 0;
    for (int64_t i = first; i < end; i++) {
        if (judged(v, i)) {
            predicted[n] = member(v, i)->predicted_s[v->predictor];
            measured[n++] = member(v, i)->measured_s;
        }
    }
    return amm_spearman(predicted, measured, n, v->scores->ranked);
}

static int64_t judged_count(const view *v, int64_t first, int64_t end)
{
    int64_t n = 0;
    for (int64_t i = first; i < end; i++) {
        n += judged(v, i);
    }
    return n;
}

static amm_pick sweep_regret(double *regret, const view *v, int64_t first, int64_t end)
{
    amm_candidate *candidates = v->scores->candidates;
    for (int64_t i = first; i < end; i++) {
        const amm_scored *row = member(v, i);
        candidates[i - first].predicted_s = row->predicted_s[v->predictor];
        candidates[i - first].measured_s = row->measured_s;
        candidates[i - first].feasible = row->feasible != 0;
        candidates[i - first].oom = row->oom == 1;
    }
    return amm_regret(regret, candidates, end - first);
}

static int64_t sweep_end(const view *v, int64_t first)
{
    int64_t end = first;
    while (end < v->count && member(v, end)->sweep == member(v, first)->sweep) {
        end++;
    }
    return end;
}

static void measure_sweeps(amm_score *out, const view *v)
{
    double *regrets = v->scores->number[2];
    double correlations = 0.0;
    int64_t ranked = 0;
    out->regret_max = (double)NAN;
    for (int64_t first = 0, end = 0; first < v->count; first = end) {
        double regret = (double)NAN;
        end = sweep_end(v, first);
        const amm_pick pick = sweep_regret(&regret, v, first, end);
        out->no_pick += pick == AMM_PICK_NONE;
        out->picked_oom += pick == AMM_PICK_OOM;
        if (pick == AMM_PICK_NONE || pick == AMM_PICK_OOM || pick == AMM_PICK_RUN) {
            regrets[out->sweeps++] = regret;
            out->regret_max = fmax(out->regret_max, regret);
        }
        /* Where nothing is predicted to fit, there is no choice to judge the order of. */
        if (pick != AMM_PICK_FEW && pick != AMM_PICK_NONE &&
            judged_count(v, first, end) >= AMM_SWEEP_RUNS) {
            correlations += sweep_spearman(v, first, end);
            ranked++;
        }
    }
    out->spearman = per(correlations, ranked);
    out->regret_mean = amm_mean(regrets, out->sweeps);
    out->regret_median = amm_median(regrets, out->sweeps);
}

/* ---- memory ---------------------------------------------------------------------------------- */

static void measure_memory(amm_score *out, const view *v)
{
    int64_t failed = 0;
    int64_t failed_called = 0;
    int64_t fitted = 0;
    int64_t fitted_called = 0;
    double error = 0.0;
    for (int64_t i = 0; i < v->count; i++) {
        const amm_scored *row = member(v, i);
        if (row->feasible >= 0) {
            failed += row->oom == 1;
            failed_called += row->oom == 1 && row->feasible == 0;
            fitted += row->oom == 0;
            fitted_called += row->oom == 0 && row->feasible == 1;
        }
        if (!isnan(row->measured_gib) && row->predicted_gib > 0.0) {
            out->memory_rows++;
            error += fabs(row->predicted_gib - row->measured_gib) / row->measured_gib;
        }
    }
    out->oom_balanced = amm_balanced(failed, failed_called, fitted, fitted_called);
    out->memory_error = per(error, out->memory_rows);
}

void amm_score_measure(amm_score *out, amm_scores *scores, const int64_t *members, int64_t count,
                       amm_predictor predictor)
{
    const view v = { scores, members, count, predictor };
    const amm_score none = { 0 };
    *out = none;
    out->rows = count;
    measure_errors(out, &v);
    measure_configurations(out, &v);
    measure_sweeps(out, &v);
    measure_memory(out, &v);
}
