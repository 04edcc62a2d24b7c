#include "calibrate/scores.h"

#include <math.h>
#include <string.h>

static int precision_class(int precision)
{
    switch (precision) {
    case AMM_PRECISION_FP32:
    case AMM_PRECISION_TF32:
        return AMM_BITS_32;
    case AMM_PRECISION_FP8:
    case AMM_PRECISION_MXFP8:
        return AMM_BITS_8;
    case AMM_PRECISION_NVFP4:
        return AMM_BITS_4;
    default:
        return AMM_BITS_16;
    }
}

static bool is_moe(const amm_network *network)
{
    return network->kind[network->kind_count - 1].experts > 0.0;
}

static bool uses(const amm_run *run, int technique)
{
    switch (technique) {
    case AMM_TECHNIQUE_SHARDED:
        return run->sharding == AMM_SHARD_ZERO3;
    case AMM_TECHNIQUE_CONTEXT:
        return run->cp > 1.0;
    case AMM_TECHNIQUE_INTERLEAVED:
        return run->vpp > 1.0;
    case AMM_TECHNIQUE_EXPERT:
        return run->ep > 1.0;
    default:
        return run->sharding != AMM_SHARD_ZERO3 && run->cp <= 1.0 && run->vpp <= 1.0 &&
               run->ep <= 1.0;
    }
}

/* ---- list ------------------------------------------------------------------------------------ */

/* The format has products of its own, not those of the next wider one. */
static bool computes_in(const amm_device *device, int class)
{
    const double *peaks = device->peaks;
    switch (class) {
    case AMM_BITS_8:
        return peaks[AMM_PEAK_flops_8bit] > peaks[AMM_PEAK_flops_16bit];
    case AMM_BITS_4:
        return peaks[AMM_PEAK_flops_4bit] > peaks[AMM_PEAK_flops_8bit];
    default:
        return true;
    }
}

static bool is_of(const amm_device *device, const char *family)
{
    const size_t length = (size_t)amm_family_length(device->name);
    return strncmp(family, device->name, length) == 0 && family[length] == '\0';
}

static amm_status add(amm_regimes *out, amm_arena *arena, const amm_device *device, int class)
{
    const size_t length = (size_t)amm_family_length(device->name);
    for (int64_t i = 0; i < out->count; i++) {
        if (out->list[i].precision_class == class && is_of(device, out->list[i].family)) {
            return AMM_OK;
        }
    }
    const char *family = amm_arena_copy(arena, device->name, length);
    if (family == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int moe = 0; moe < 2; moe++) {
        if (out->count < (int64_t)(sizeof out->list / sizeof *out->list)) {
            amm_regime *r = &out->list[out->count++];
            r->family = family;
            r->moe = moe == 1;
            r->precision_class = class;
        }
    }
    return AMM_OK;
}

static amm_status add_device(amm_regimes *out, amm_arena *arena, const amm_device *device)
{
    for (int class = AMM_BITS_16; class < AMM_PRECISION_CLASS_COUNT; class ++) {
        if (computes_in(device, class)) {
            AMM_TRY(add(out, arena, device, class));
        }
    }
    return AMM_OK;
}

static amm_status add_presets(amm_regimes *out, const amm_scores *scores)
{
    for (int32_t i = 0; i < scores->runs->preset_count; i++) {
        const amm_device *device = scores->runs->presets[i];
        if (device->peaks[0] > 0.0) {
            AMM_TRY(add_device(out, scores->arena, device));
        }
    }
    return AMM_OK;
}

/* What the table has in formats that are not listed by default. */
static amm_status add_rows(amm_regimes *out, const amm_scores *scores)
{
    for (int64_t i = 0; i < scores->count; i++) {
        const amm_run_row *row = &scores->runs->rows[scores->rows[i].row];
        if (row->reason == NULL) {
            AMM_TRY(add(out, scores->arena, row->device, precision_class(row->run.precision)));
        }
    }
    return AMM_OK;
}

/* ---- figures --------------------------------------------------------------------------------- */

static bool belongs(const amm_scores *scores, const amm_scored *scored, const amm_regime *regime,
                    int technique)
{
    const amm_run_row *row = &scores->runs->rows[scored->row];
    return row->reason == NULL && !isnan(scored->measured_s) &&
           !isnan(scored->predicted_s[AMM_PREDICTOR_MODEL]) &&
           is_moe(&row->network) == regime->moe &&
           precision_class(row->run.precision) == regime->precision_class &&
           uses(&row->run, technique) && is_of(row->device, regime->family);
}

amm_status amm_regimes_create(amm_regimes **out, amm_scores *scores)
{
    amm_regimes *regimes = amm_arena_alloc(scores->arena, 1, sizeof *regimes);
    int64_t *members = amm_arena_alloc(scores->arena, (size_t)scores->count, sizeof *members);
    if (regimes == NULL || members == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(add_presets(regimes, scores));
    AMM_TRY(add_rows(regimes, scores));
    for (int64_t i = 0; i < regimes->count; i++) {
        for (int t = 0; t < AMM_TECHNIQUE_COUNT; t++) {
            int64_t n = 0;
            for (int64_t k = 0; k < scores->count; k++) {
                if (belongs(scores, &scores->rows[k], &regimes->list[i], t)) {
                    members[n++] = k;
                }
            }
            amm_score_measure(&regimes->list[i].technique[t], scores, members, n,
                              AMM_PREDICTOR_MODEL);
        }
    }
    *out = regimes;
    return AMM_OK;
}
