#include "describe/check.h"
#include "io/read.h"

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

static amm_status read_aliases(const amm_value *value, amm_device *device)
{
    amm_value list;
    amm_value item;
    int32_t count = 0;
    if (!amm_field(value, "aliases", &list)) {
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
        device->aliases[device->alias_count++] = alias;
    }
    return AMM_OK;
}

amm_status amm_read_device_value(const amm_value *value, void *out)
{
    static const char *const keys[] = { "format",           "version",          "name",
                                        "source",           "aliases",          "memory_bytes",
                                        "context_bytes",    "hbm_bytes_per_s",  "overhead_share",
                                        "intra_efficiency", "inter_efficiency", NULL };
    char where[AMM_WHERE_CHARS];
    AMM_TRY(amm_value_keys(value, keys));
    AMM_TRY(amm_value_format(value, "ammeter-device"));
    amm_device *device = amm_arena_alloc(value->document->reader->arena, 1, sizeof *device);
    if (device == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(amm_value_name(value, &device->name, &device->source));
    AMM_TRY(read_aliases(value, device));
    AMM_TRY(
        amm_field_integer(value, "memory_bytes", true, 1, AMM_MAX_INTEGER, &device->memory_bytes));
    AMM_TRY(amm_field_integer(value, "context_bytes", false, 0, AMM_MAX_INTEGER,
                              &device->context_bytes));
    AMM_TRY(amm_field_number(value, "hbm_bytes_per_s", true, &device->hbm_bytes_per_s));
    AMM_TRY(read_overhead(value, device));
    AMM_TRY(read_efficiency(value, "intra_efficiency", &device->intra_efficiency));
    AMM_TRY(read_efficiency(value, "inter_efficiency", &device->inter_efficiency));
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
                                        NULL };
    enum { FIRST_NUMBER = 4, NUMBERS = 6 };
    char where[AMM_WHERE_CHARS];
    AMM_TRY(amm_value_keys(value, keys));
    AMM_TRY(amm_value_format(value, "ammeter-runtime"));
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
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_runtime_check(runtime, where));
    *(const amm_runtime **)out = runtime;
    return AMM_OK;
}
