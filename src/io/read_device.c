#include "describe/check.h"
#include "io/read.h"

#include <stdio.h>
#include <string.h>

/* A number with its bounds, spread and source. `extra`: one more key that may stand there. */
static amm_status read_constant(const amm_value *value, const char *extra, amm_constant *out)
{
    const char *const keys[] = { "value", "low", "high", "sd", "source", extra, NULL };
    AMM_TRY(amm_value_keys(value, keys));
    AMM_TRY(amm_field_number(value, "value", true, &out->value));
    out->low = out->high = out->value;
    out->sd = -1;
    AMM_TRY(amm_field_number(value, "low", false, &out->low));
    AMM_TRY(amm_field_number(value, "high", false, &out->high));
    AMM_TRY(amm_field_number(value, "sd", false, &out->sd));
    amm_value sd;
    if (amm_field(value, "sd", &sd) && out->sd < 0) {
        return amm_value_refuse(value, "sd", "out of range, got %g, allowed 0 and more", out->sd);
    }
    return amm_field_text(value, "source", true, AMM_MAX_SOURCE, &out->source);
}

/* An object of constants by name, each with its bounds from the table. */
static amm_status read_named(const amm_value *value, const char *key, const amm_named *table,
                             int32_t count, amm_constant *out)
{
    amm_value object;
    amm_value field;
    const char *keys[AMM_FACT_COUNT + AMM_RATE_COUNT + 1] = { NULL };
    amm_named_defaults(out, table, count);
    if (!amm_field(value, key, &object)) {
        return AMM_OK;
    }
    for (int32_t i = 0; i < count; i++) {
        keys[i] = table[i].name;
    }
    AMM_TRY(amm_value_keys(&object, keys));
    for (int32_t i = 0; i < count; i++) {
        if (amm_field(&object, table[i].name, &field)) {
            AMM_TRY(read_constant(&field, NULL, &out[i]));
            if (!(out[i].value >= table[i].low && out[i].value <= table[i].high)) {
                return amm_value_refuse(&field, "value", "out of range, got %g, allowed %g to %g",
                                        out[i].value, table[i].low, table[i].high);
            }
            out[i].low = table[i].low;
            out[i].high = table[i].high;
        }
    }
    return AMM_OK;
}

/* Names all keys that are not there, not the first alone. */
static amm_status check_all(const amm_value *object, const char *const *keys)
{
    char missing[512] = "";
    amm_value field;
    for (; *keys != NULL; keys++) {
        const size_t length = strlen(missing);
        if (!amm_field(object, *keys, &field)) {
            (void)snprintf(missing + length, sizeof missing - length, "%s%s",
                           length > 0 ? ", " : "", *keys);
        }
    }
    return missing[0] == '\0' ? AMM_OK : amm_value_refuse(object, NULL, "missing: %s", missing);
}

/* Datasheet peaks: all of them, or the analytic model does not know the device. */
static amm_status read_peaks(const amm_value *value, double *out)
{
    amm_value object;
    const char *keys[AMM_PEAK_COUNT + 1] = { NULL };
    if (!amm_field(value, "peaks", &object)) {
        return AMM_OK;
    }
    for (int32_t i = 0; i < AMM_PEAK_COUNT; i++) {
        keys[i] = amm_peak_table[i].name;
    }
    AMM_TRY(amm_value_keys(&object, keys));
    AMM_TRY(check_all(&object, keys));
    for (int32_t i = 0; i < AMM_PEAK_COUNT; i++) {
        AMM_TRY(amm_field_number(&object, keys[i], true, &out[i]));
        if (!(out[i] >= amm_peak_table[i].low && out[i] <= amm_peak_table[i].high)) {
            return amm_value_refuse(&object, keys[i], "out of range, got %g, allowed %g to %g",
                                    out[i], amm_peak_table[i].low, amm_peak_table[i].high);
        }
    }
    return AMM_OK;
}

static amm_status read_overhead(const amm_value *value, amm_device *device)
{
    amm_value list;
    amm_value item;
    int32_t count = 0;
    if (!amm_field(value, "overhead_share", &list)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_count(&list, &count, AMM_MAX_OVERHEAD_POINTS));
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        const int32_t i = device->overhead_count;
        AMM_TRY(read_constant(&item, "tp", &device->overhead_share[i]));
        AMM_TRY(amm_field_int32(&item, "tp", true, 1, AMM_MAX_TP, &device->overhead_tp[i]));
        device->overhead_count++;
    }
    return AMM_OK;
}

static amm_status read_efficiency(const amm_value *value, const char *key, amm_constant *out)
{
    amm_value field;
    out->value = out->low = out->high = 1;
    out->sd = -1;
    out->source = "not measured: the nominal bandwidth";
    return amm_field(value, key, &field) ? read_constant(&field, NULL, out) : AMM_OK;
}

static amm_status read_names(const amm_value *value, const char *key, const char **names,
                             int32_t *names_count)
{
    amm_value list;
    amm_value item;
    int32_t count = 0;
    if (!amm_field(value, key, &list)) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_count(&list, &count, AMM_MAX_ALIASES));
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        const char *alias = NULL;
        AMM_TRY(amm_value_text(&item, &alias, AMM_MAX_NAME));
        alias = amm_arena_format(value->document->reader->arena, "%s", alias);
        if (alias == NULL) {
            return AMM_NO_MEMORY;
        }
        names[(*names_count)++] = alias;
    }
    return AMM_OK;
}

amm_status amm_read_device_value(const amm_value *value, void *out)
{
    static const char *const keys[] = { "format",
                                        "version",
                                        "name",
                                        "source",
                                        "aliases",
                                        "memory_bytes",
                                        "context_bytes",
                                        "hbm_bytes_per_s",
                                        "overhead_share",
                                        "intra_efficiency",
                                        "inter_efficiency",
                                        "peaks",
                                        "constants",
                                        "constants_of",
                                        "regime",
                                        "posterior",
                                        NULL };
    char where[AMM_WHERE_CHARS];
    AMM_TRY(amm_value_description(value, "ammeter-device", keys));
    amm_device *device = amm_arena_alloc(value->document->reader->arena, 1, sizeof *device);
    if (device == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(amm_value_name(value, &device->name, &device->source));
    AMM_TRY(read_names(value, "aliases", device->aliases, &device->alias_count));
    AMM_TRY(
        amm_field_integer(value, "memory_bytes", true, 1, AMM_MAX_INTEGER, &device->memory_bytes));
    AMM_TRY(amm_field_integer(value, "context_bytes", false, 0, AMM_MAX_INTEGER,
                              &device->context_bytes));
    AMM_TRY(amm_field_number(value, "hbm_bytes_per_s", true, &device->hbm_bytes_per_s));
    AMM_TRY(read_overhead(value, device));
    AMM_TRY(read_efficiency(value, "intra_efficiency", &device->intra_efficiency));
    AMM_TRY(read_efficiency(value, "inter_efficiency", &device->inter_efficiency));
    AMM_TRY(read_peaks(value, device->peaks));
    AMM_TRY(read_named(value, "constants", amm_rate_table, AMM_RATE_COUNT, device->rates));
    AMM_TRY(amm_field_text(value, "constants_of", false, AMM_MAX_NAME, &device->constants_of));
    device->regime = "uncalibrated";
    AMM_TRY(amm_field_text(value, "regime", false, AMM_MAX_NAME, &device->regime));
    AMM_TRY(amm_read_posterior(value, &device->posterior));
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_device_check(device, where));
    *(const amm_device **)out = device;
    return AMM_OK;
}

amm_status amm_read_runtime_value(const amm_value *value, void *out)
{
    static const char *const keys[] = { "format",
                                        "version",
                                        "name",
                                        "source",
                                        "static_bytes_per_parameter",
                                        "gradient_bytes",
                                        "activation_bytes",
                                        "logit_bytes",
                                        "p2p_exposed_share",
                                        "optimizer_bytes_per_parameter",
                                        "frameworks",
                                        "facts",
                                        NULL };
    enum { FIRST_NUMBER = 4, NUMBERS = 6 };
    char where[AMM_WHERE_CHARS];
    AMM_TRY(amm_value_description(value, "ammeter-runtime", keys));
    amm_runtime *runtime = amm_arena_alloc(value->document->reader->arena, 1, sizeof *runtime);
    if (runtime == NULL) {
        return AMM_NO_MEMORY;
    }
    double *const numbers[NUMBERS] = {
        &runtime->static_bytes_per_parameter, &runtime->gradient_bytes,
        &runtime->activation_bytes,           &runtime->logit_bytes,
        &runtime->p2p_exposed_share,          &runtime->optimizer_bytes_per_parameter
    };
    AMM_TRY(amm_value_name(value, &runtime->name, &runtime->source));
    for (int i = 0; i < NUMBERS; i++) {
        AMM_TRY(amm_field_number(value, keys[FIRST_NUMBER + i], true, numbers[i]));
    }
    AMM_TRY(read_names(value, "frameworks", runtime->frameworks, &runtime->framework_count));
    AMM_TRY(read_named(value, "facts", amm_fact_table, AMM_FACT_COUNT, runtime->facts));
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_runtime_check(runtime, where));
    *(const amm_runtime **)out = runtime;
    return AMM_OK;
}
