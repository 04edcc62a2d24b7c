#include "describe/check.h"

#include <string.h>

bool amm_device_named(const amm_device *device, const char *name)
{
    if (strcmp(device->name, name) == 0) {
        return true;
    }
    for (int32_t i = 0; i < device->alias_count; i++) {
        if (strcmp(device->aliases[i], name) == 0) {
            return true;
        }
    }
    return false;
}

static bool constant_same(const amm_constant *a, const amm_constant *b)
{
    return a->value == b->value && a->low == b->low && a->high == b->high && a->sd == b->sd;
}

bool amm_device_same(const amm_device *a, const amm_device *b)
{
    if (a == b) {
        return true;
    }
    if (strcmp(a->name, b->name) != 0 || a->memory_bytes != b->memory_bytes ||
        a->context_bytes != b->context_bytes || a->hbm_bytes_per_s != b->hbm_bytes_per_s ||
        a->overhead_count != b->overhead_count ||
        !constant_same(&a->intra_efficiency, &b->intra_efficiency) ||
        !constant_same(&a->inter_efficiency, &b->inter_efficiency)) {
        return false;
    }
    for (int32_t i = 0; i < a->overhead_count; i++) {
        if (a->overhead_tp[i] != b->overhead_tp[i] ||
            !constant_same(&a->overhead_share[i], &b->overhead_share[i])) {
            return false;
        }
    }
    return true;
}

/* value, low and high in [floor, ceiling], low <= value <= high, a sensible spread. */
static amm_status check_constant(const amm_constant *c, const char *file, const char *key,
                                 double floor, double ceiling)
{
    char path[AMM_PATH_CHARS];
    amm_path(path, "%s.value", key);
    AMM_TRY(amm_check_number(file, path, c->value, floor, ceiling));
    amm_path(path, "%s.low", key);
    AMM_TRY(amm_check_number(file, path, c->low, floor, c->value));
    amm_path(path, "%s.high", key);
    AMM_TRY(amm_check_number(file, path, c->high, c->value, ceiling));
    amm_path(path, "%s.sd", key);
    return c->sd < 0 ? AMM_OK : amm_check_number(file, path, c->sd, 0, ceiling);
}

static amm_status check_overhead(const amm_device *device, const char *file)
{
    for (int32_t i = 0; i < device->overhead_count; i++) {
        char key[AMM_PATH_CHARS];
        const int64_t tp = device->overhead_tp[i];
        amm_path(key, "overhead_share[%d].tp", i);
        AMM_TRY(amm_check_integer(file, key, tp, 1, AMM_MAX_TP));
        if (i == 0 && tp != 1) {
            return amm_refuse(file, key, "the first point must be tp 1, got %lld", (long long)tp);
        }
        if (i > 0 && tp <= device->overhead_tp[i - 1]) {
            return amm_refuse(file, key, "not ascending, got %lld after %d", (long long)tp,
                              device->overhead_tp[i - 1]);
        }
        amm_path(key, "overhead_share[%d]", i);
        AMM_TRY(check_constant(&device->overhead_share[i], file, key, 0, 0.99));
    }
    return AMM_OK;
}

static amm_status check_word(const char *file, const char *key, const char *name)
{
    AMM_TRY(amm_check_name(file, key, name));
    if (strspn(name, AMM_WORD_CHARS) != strlen(name)) {
        return amm_refuse(file, key, "wrong characters, got \"%s\", allowed letters, digits, . _ -",
                          name);
    }
    return AMM_OK;
}

amm_status amm_device_check(const amm_device *device, const char *file)
{
    AMM_TRY(check_word(file, "name", device->name));
    for (int32_t i = 0; i < device->alias_count; i++) {
        char key[AMM_PATH_CHARS];
        amm_path(key, "aliases[%d]", i);
        AMM_TRY(check_word(file, key, device->aliases[i]));
    }
    AMM_TRY(amm_check_integer(file, "memory_bytes", device->memory_bytes, 1, AMM_MAX_INTEGER));
    AMM_TRY(
        amm_check_integer(file, "context_bytes", device->context_bytes, 0, device->memory_bytes));
    AMM_TRY(
        amm_check_positive(file, "hbm_bytes_per_s", device->hbm_bytes_per_s, AMM_MAX_BYTES_PER_S));
    AMM_TRY(check_overhead(device, file));
    AMM_TRY(check_constant(&device->intra_efficiency, file, "intra_efficiency", 0.001, 4));
    return check_constant(&device->inter_efficiency, file, "inter_efficiency", 0.001, 4);
}

/* 4 bits and shared scales came with Blackwell, 8 bits with Hopper, bf16 and tf32 with Ampere: a
 * format that a device has is faster than the next wider one. */
bool amm_device_computes_in(const amm_device *device, int precision)
{
    const double *peak = device->peaks;
    switch (precision) {
    case AMM_PRECISION_NVFP4:
    case AMM_PRECISION_MXFP8:
        return peak[AMM_PEAK_flops_4bit] > peak[AMM_PEAK_flops_8bit];
    case AMM_PRECISION_FP8:
        return peak[AMM_PEAK_flops_8bit] > peak[AMM_PEAK_flops_16bit];
    case AMM_PRECISION_BF16:
    case AMM_PRECISION_TF32:
        return peak[AMM_PEAK_flops_tf32] > peak[AMM_PEAK_flops_fp32] ||
               peak[AMM_PEAK_flops_8bit] > peak[AMM_PEAK_flops_16bit];
    default:
        return true;
    }
}

amm_status amm_runtime_check(const amm_runtime *runtime, const char *file)
{
    enum { MAX_BYTES = 4096 };
    AMM_TRY(amm_check_name(file, "name", runtime->name));
    AMM_TRY(amm_check_number(file, "static_bytes_per_parameter",
                             runtime->static_bytes_per_parameter, 0, MAX_BYTES));
    AMM_TRY(amm_check_number(file, "gradient_bytes", runtime->gradient_bytes, 0, MAX_BYTES));
    AMM_TRY(amm_check_positive(file, "activation_bytes", runtime->activation_bytes, MAX_BYTES));
    AMM_TRY(amm_check_number(file, "logit_bytes", runtime->logit_bytes, 0, MAX_BYTES));
    AMM_TRY(amm_check_number(file, "p2p_exposed_share", runtime->p2p_exposed_share, 0, 1));
    return amm_check_number(file, "optimizer_bytes_per_parameter",
                            runtime->optimizer_bytes_per_parameter, 0, MAX_BYTES);
}
