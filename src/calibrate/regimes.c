#include "calibrate/scores.h"

#include <math.h>
#include <string.h>

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

/* ---- list ------------------------------------------------------------------------------------ */

/* Number format that stands for a class. */
static const int class_precision[AMM_PRECISION_CLASS_COUNT] = {
    [AMM_BITS_32] = AMM_PRECISION_FP32,
    [AMM_BITS_16] = AMM_PRECISION_FP16,
    [AMM_BITS_8] = AMM_PRECISION_FP8,
    [AMM_BITS_4] = AMM_PRECISION_NVFP4,
};

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
        if (amm_device_computes_in(device, class_precision[class])) {
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
        const amm_scored *row = &scores->rows[i];
        const char *word = strrchr(row->regime, '/');
        for (int class = 0; word != NULL && class < AMM_PRECISION_CLASS_COUNT; class ++) {
            if (strcmp(word + 1, class_words[class]) == 0) {
                AMM_TRY(add(out, scores->arena, scores->runs->rows[row->row].device, class));
            }
        }
    }
    return AMM_OK;
}

/* ---- figures --------------------------------------------------------------------------------- */

/* Timed rows of the regime with this key. */
static int64_t find_members(int64_t *members, const amm_scores *scores, const char *key)
{
    int64_t n = 0;
    for (int64_t i = 0; i < scores->count; i++) {
        if (!isnan(scores->rows[i].measured_s) && strcmp(scores->rows[i].regime, key) == 0) {
            members[n++] = i;
        }
    }
    return n;
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
        amm_regime *r = &regimes->list[i];
        for (int t = 0; t < AMM_TECHNIQUE_COUNT; t++) {
            const char *key =
                amm_arena_format(scores->arena, "%s/%s/%s/%s", r->family, r->moe ? "moe" : "dense",
                                 technique_keys[t], class_words[r->precision_class]);
            if (key == NULL) {
                return AMM_NO_MEMORY;
            }
            const int64_t count = find_members(members, scores, key);
            amm_score_measure(&r->technique[t], scores, members, count, AMM_PREDICTOR_MODEL);
        }
    }
    *out = regimes;
    return AMM_OK;
}
