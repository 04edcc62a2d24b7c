#include "io/read.h"

#include <math.h>
#include <string.h>

/* Rounding of a file's figures. */
#define AMM_POSTERIOR_TOLERANCE 1e-3
#define AMM_MAX_LOG_SD          5.0

static amm_status read_rates(const amm_value *value, amm_posterior *out)
{
    amm_value list;
    amm_value item;
    const char *name = NULL;
    AMM_TRY(amm_field_needed(value, "names", &list));
    AMM_TRY(amm_value_count(&list, &out->count, AMM_RATE_COUNT));
    int32_t *rate =
        amm_arena_alloc(value->document->reader->arena, (size_t)out->count, sizeof *rate);
    if (rate == NULL) {
        return AMM_NO_MEMORY;
    }
    out->rate = rate;
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_text(&item, &name, AMM_MAX_NAME));
        rate[item.index] = amm_named_find(amm_rate_table, AMM_RATE_COUNT, name);
        if (rate[item.index] < 0) {
            return amm_value_refuse(&item, NULL, "unknown constant, got \"%.60s\"", name);
        }
        for (int32_t i = 0; i < item.index; i++) {
            if (rate[i] == rate[item.index]) {
                return amm_value_refuse(&item, NULL, "twice the same, got \"%.60s\"", name);
            }
        }
    }
    return AMM_OK;
}

static amm_status read_row(const amm_value *row, double *out, int32_t columns)
{
    amm_value item;
    int32_t count = 0;
    AMM_TRY(amm_value_count(row, &count, AMM_RATE_COUNT));
    if (count != columns) {
        return amm_value_refuse(row, NULL, "wrong size, got %d, allowed one per name: %d", count,
                                columns);
    }
    for (bool ok = amm_value_first(row, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_number(&item, &out[item.index]));
    }
    return AMM_OK;
}

/* Symmetric, and no entry larger than its variances allow. */
static amm_status check_covariance(const amm_value *list, const double *c, int32_t n)
{
    for (int32_t i = 0; i < n; i++) {
        if (!(c[i * n + i] >= 0)) {
            return amm_value_refuse(list, NULL, "a variance is negative: [%d][%d]", i, i);
        }
        for (int32_t j = 0; j < i; j++) {
            const double most = sqrt(c[i * n + i]) * sqrt(c[j * n + j]);
            const double slack = AMM_POSTERIOR_TOLERANCE * most;
            if (!(fabs(c[i * n + j] - c[j * n + i]) <= slack)) {
                return amm_value_refuse(list, NULL, "not symmetric at [%d][%d]", i, j);
            }
            if (!(fabs(c[i * n + j]) <= most + slack)) {
                return amm_value_refuse(list, NULL, "larger than the variances allow at [%d][%d]",
                                        i, j);
            }
        }
    }
    return AMM_OK;
}

static amm_status read_covariance(const amm_value *value, amm_posterior *out)
{
    amm_value list;
    amm_value row;
    const int32_t n = out->count;
    int32_t count = 0;
    AMM_TRY(amm_field_needed(value, "covariance", &list));
    AMM_TRY(amm_value_count(&list, &count, AMM_RATE_COUNT));
    if (count != n) {
        return amm_value_refuse(&list, NULL, "wrong size, got %d, allowed one per name: %d", count,
                                n);
    }
    double *c = amm_arena_alloc(value->document->reader->arena, (size_t)n * (size_t)n, sizeof *c);
    if (c == NULL) {
        return AMM_NO_MEMORY;
    }
    out->covariance = c;
    for (bool ok = amm_value_first(&list, &row); ok; ok = amm_value_next(&row)) {
        AMM_TRY(read_row(&row, &c[row.index * n], n));
    }
    return check_covariance(&list, c, n);
}

static amm_status read_sd(const amm_value *item, double *out)
{
    AMM_TRY(amm_value_number(item, out));
    if (!(*out >= 0 && *out <= AMM_MAX_LOG_SD)) {
        return amm_value_refuse(item, NULL, "out of range, got %g, allowed 0 to %g", *out,
                                AMM_MAX_LOG_SD);
    }
    return AMM_OK;
}

static amm_status count_regimes(const amm_value *object, int32_t *count)
{
    amm_value item;
    for (bool ok = amm_value_first(object, &item); ok; ok = amm_value_next(&item)) {
        if (++*count > AMM_MAX_REGIMES || strlen(item.key) > AMM_MAX_NAME) {
            return amm_value_refuse(object, NULL, "too many or too long, allowed %d of %d bytes",
                                    AMM_MAX_REGIMES, AMM_MAX_NAME);
        }
    }
    return AMM_OK;
}

static amm_status read_residual(const amm_value *value, amm_posterior *out)
{
    amm_arena *arena = value->document->reader->arena;
    amm_value object;
    amm_value item;
    int32_t count = 0;
    AMM_TRY(amm_field_needed(value, "residual", &object));
    AMM_TRY(amm_value_keys(&object, NULL));
    AMM_TRY(amm_field_needed(&object, "generic", &item));
    AMM_TRY(count_regimes(&object, &count));
    const char **regime = amm_arena_alloc(arena, (size_t)count, sizeof *regime);
    double *sd = amm_arena_alloc(arena, (size_t)count, sizeof *sd);
    if (regime == NULL || sd == NULL) {
        return AMM_NO_MEMORY;
    }
    out->regime = regime;
    out->regime_sd = sd;
    for (bool ok = amm_value_first(&object, &item); ok; ok = amm_value_next(&item)) {
        const int32_t i = out->regime_count;
        if (strcmp(item.key, "generic") == 0) {
            AMM_TRY(read_sd(&item, &out->generic_sd));
        } else {
            AMM_TRY(read_sd(&item, &sd[i]));
            regime[i] = amm_arena_format(arena, "%s", item.key);
            if (regime[i] == NULL) {
                return AMM_NO_MEMORY;
            }
            out->regime_count++;
        }
    }
    return AMM_OK;
}

static amm_status read_correlation(const amm_value *value, amm_posterior *out)
{
    amm_value item;
    if (!amm_field(value, "residual_correlation", &item)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_number(&item, &out->residual_correlation));
    if (!(out->residual_correlation >= 0 && out->residual_correlation <= 1)) {
        return amm_value_refuse(&item, NULL, "out of range, got %g, allowed 0 to 1",
                                out->residual_correlation);
    }
    return AMM_OK;
}

static amm_status read_bounds(const amm_value *object, const char *key, double out[2])
{
    amm_value list;
    amm_value item;
    int32_t count = 0;
    AMM_TRY(amm_field_needed(object, key, &list));
    AMM_TRY(amm_value_count(&list, &count, 2));
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_number(&item, &out[item.index]));
    }
    if (count != 2 || !(out[0] > 0 && out[0] <= out[1])) {
        return amm_value_refuse(&list, NULL, "allowed least and largest, above 0, in this order");
    }
    return AMM_OK;
}

static amm_status read_measured(const amm_value *value, amm_posterior *out)
{
    static const char *const keys[] = {
#define AMM_SIZE_KEY(key, what) #key,
        AMM_SIZE_LIST(AMM_SIZE_KEY)
#undef AMM_SIZE_KEY
            NULL
    };
    amm_value object;
    AMM_TRY(amm_field_needed(value, "measured", &object));
    AMM_TRY(amm_value_keys(&object, keys));
    for (int32_t k = 0; k < (int32_t)AMM_SIZE_COUNT; k++) {
        AMM_TRY(read_bounds(&object, keys[k], out->measured[k]));
    }
    return AMM_OK;
}

amm_status amm_read_posterior(const amm_value *device, const amm_posterior **out)
{
    static const char *const keys[] = { "names",    "covariance",
                                        "residual", "residual_correlation",
                                        "measured", NULL };
    amm_value value;
    if (!amm_field(device, "posterior", &value)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_keys(&value, keys));
    amm_posterior *posterior =
        amm_arena_alloc(device->document->reader->arena, 1, sizeof *posterior);
    if (posterior == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(read_rates(&value, posterior));
    AMM_TRY(read_covariance(&value, posterior));
    AMM_TRY(read_residual(&value, posterior));
    AMM_TRY(read_correlation(&value, posterior));
    AMM_TRY(read_measured(&value, posterior));
    *out = posterior;
    return AMM_OK;
}
