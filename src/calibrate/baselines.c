/* What one would do without a model of the step: three predictors on the same rows. All of them
 * borrow this program's memory estimate, so that what differs is the time. */
#include "calibrate/scores.h"

#include <math.h>
#include <string.h>

/* ---- rule of thumb --------------------------------------------------------------------------- */

/* Recompute nothing before a part before everything; then the smaller micro-batch; then the smaller
 * tp x pp. The order as a number: digits of a number to base 4096, so that sizes that matter do not
 * run over and neighbours differ by more than rounding. */
static double rule_order(const amm_run *run)
{
    const double base = 4096.0;
    const double recompute = run->recompute == 0                    ? 0.0
                             : run->recompute == AMM_RECOMPUTE_FULL ? 2.0
                                                                    : 1.0;
    const double micro_batch = fmin(run->micro_batch, base - 1.0);
    return (recompute * base + micro_batch) * base + fmin(run->tp * run->pp, base - 1.0);
}

/* ---- constant MFU ---------------------------------------------------------------------------- */

/* The factor on ideal_s that makes the mean |ln| of a stretch least: the median of the ratios (of
 * their logarithms, where two are in the middle). */
static double fit_factor(amm_scores *scores, int64_t first, int64_t end)
{
    double *logs = scores->number[0];
    int64_t n = 0;
    for (int64_t i = first; i < end; i++) {
        const amm_scored *row = &scores->rows[i];
        if (!isnan(row->measured_s) && row->ideal_s > 0.0) {
            logs[n++] = log(row->measured_s / row->ideal_s);
        }
    }
    return exp(amm_median(logs, n));
}

static void predict_mfu(amm_scores *scores)
{
    for (int64_t first = 0, end = 0; first < scores->count; first = end) {
        while (end < scores->count && scores->rows[end].device == scores->rows[first].device) {
            end++;
        }
        const double factor = fit_factor(scores, first, end);
        for (int64_t i = first; i < end; i++) {
            scores->rows[i].predicted_s[AMM_PREDICTOR_MFU] = factor * scores->rows[i].ideal_s;
        }
    }
}

/* ---- nearest run ----------------------------------------------------------------------------- */

enum { NEAREST_SIZES = 13, NEAREST_WORDS = 7 };

/* What makes two runs alike. Sizes differ by the logarithm of their ratio to base 2, words by a
 * fixed amount: a device of another family counts as four doublings. */
typedef struct features {
    double size[NEAREST_SIZES];
    const char *word[NEAREST_WORDS];
} features;

static const double word_weight[NEAREST_WORDS] = { 4.0, 2.0, 2.0, 1.0, 1.0, 1.0, 1.0 };

static void read_features(features *out, const amm_scores *scores, const amm_scored *scored)
{
    const amm_runs *runs = scores->runs;
    const amm_run_row *row = &runs->rows[scored->row];
    const amm_run *run = &row->run;
    const amm_block_shape *block = &row->network.kind[row->network.kind_count - 1];
    const double sizes[NEAREST_SIZES] = {
        run->tp,
        run->pp,
        run->dp,
        run->cp,
        run->ep,
        run->vpp,
        run->micro_batch,
        run->micro_batches,
        run->seq_len,
        row->network.hidden,
        row->network.block_count,
        fmax(1.0, block->experts),
        run->devices,
    };
    const char *words[NEAREST_WORDS] = {
        scored->family_name,
        amm_runs_text(runs, scored->row, AMM_COLUMN_precision),
        amm_runs_text(runs, scored->row, AMM_COLUMN_framework),
        amm_runs_text(runs, scored->row, AMM_COLUMN_recompute),
        amm_runs_text(runs, scored->row, AMM_COLUMN_flash_attention),
        amm_runs_text(runs, scored->row, AMM_COLUMN_zero_stage_or_fsdp),
        amm_runs_text(runs, scored->row, AMM_COLUMN_gpu),
    };
    for (int k = 0; k < NEAREST_SIZES; k++) {
        out->size[k] = log2(sizes[k]);
    }
    memcpy(out->word, words, sizeof words);
}

/* Stops where it passes `limit`: what is returned then is only known to be larger. */
static double distance(const features *a, const features *b, double limit)
{
    double sum = 0.0;
    for (int k = 0; k < NEAREST_SIZES; k++) {
        sum += fabs(a->size[k] - b->size[k]);
    }
    for (int k = 0; k < NEAREST_WORDS && sum < limit; k++) {
        sum += strcmp(a->word[k], b->word[k]) == 0 ? 0.0 : word_weight[k];
    }
    return sum;
}

/* Rows that can lend their time: predicted and measured. */
static int64_t read_lenders(features *f, int64_t *lenders, const amm_scores *scores)
{
    int64_t n = 0;
    for (int64_t i = 0; i < scores->count; i++) {
        const amm_scored *row = &scores->rows[i];
        if (row->ideal_s > 0.0) {
            read_features(&f[i], scores, row);
            if (!isnan(row->measured_s)) {
                lenders[n++] = i;
            }
        }
    }
    return n;
}

/* Another configuration: a repeated measurement would be the answer, not a neighbour. Equally near
 * ones: the one that stands first in the table. -1: there is none. */
static int64_t find_nearest(const features *f, const int64_t *lenders, int64_t count,
                            const amm_scores *scores, int64_t i)
{
    double least = HUGE_VAL;
    int64_t nearest = -1;
    for (int64_t k = 0; k < count; k++) {
        const int64_t j = lenders[k];
        if (scores->rows[j].configuration != scores->rows[i].configuration) {
            const double d = distance(&f[i], &f[j], least);
            if (d < least || (d == least && scores->rows[j].row < scores->rows[nearest].row)) {
                least = d;
                nearest = j;
            }
        }
    }
    return nearest;
}

static amm_status predict_nearest(amm_scores *scores)
{
    features *f = amm_arena_alloc(scores->arena, (size_t)scores->count, sizeof *f);
    int64_t *lenders = amm_arena_alloc(scores->arena, (size_t)scores->count, sizeof *lenders);
    if (f == NULL || lenders == NULL) {
        return AMM_NO_MEMORY;
    }
    const int64_t count = read_lenders(f, lenders, scores);
    if (count > AMM_NEAREST_ROWS) {
        return AMM_OK;
    }
    for (int64_t i = 0; i < scores->count; i++) {
        amm_scored *row = &scores->rows[i];
        const int64_t j =
            row->ideal_s > 0.0 ? find_nearest(f, lenders, count, scores, i) : (int64_t)-1;
        if (j >= 0) {
            const amm_scored *other = &scores->rows[j];
            row->predicted_s[AMM_PREDICTOR_NEAREST] =
                other->measured_s * row->ideal_s / other->ideal_s;
        }
    }
    return AMM_OK;
}

amm_status amm_scores_baselines(amm_scores *scores)
{
    for (int64_t i = 0; i < scores->count; i++) {
        amm_scored *row = &scores->rows[i];
        if (row->feasible >= 0) {
            row->predicted_s[AMM_PREDICTOR_RULE] = rule_order(&scores->runs->rows[row->row].run);
        }
    }
    predict_mfu(scores);
    return predict_nearest(scores);
}
