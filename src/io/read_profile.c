#include "describe/check.h"
#include "io/read.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_POINTS = 4096 };

/* An array of `count` times; *count is set by the first array of the profile. */
static amm_status read_times(const amm_value *point, const char *key, int32_t *count,
                             const double **out)
{
    amm_value list;
    amm_value item;
    int32_t length = 0;
    AMM_TRY(amm_field_needed(point, key, &list));
    AMM_TRY(amm_value_count(&list, &length, AMM_MAX_LAYERS));
    if (length == 0) {
        return amm_value_refuse(&list, NULL, "empty");
    }
    if (*count != 0 && length != *count) {
        return amm_value_refuse(&list, NULL, "got %d layers, the first point has %d", length,
                                *count);
    }
    *count = length;
    double *times = amm_arena_alloc(point->document->reader->arena, (size_t)length, sizeof *times);
    if (times == NULL) {
        return AMM_NO_MEMORY;
    }
    int32_t i = 0;
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_number(&item, &times[i]));
        if (!(times[i] >= 0 && times[i] <= AMM_MAX_SECONDS)) {
            return amm_value_refuse(&item, NULL, "out of range, got %g, allowed 0 to %g", times[i],
                                    AMM_MAX_SECONDS);
        }
        i++;
    }
    *out = times;
    return AMM_OK;
}

static amm_status read_point(const amm_value *value, amm_profile *profile, amm_profile_point *point)
{
    static const char *const keys[] = { "device",    "tp",         "micro_batch",
                                        "forward_s", "backward_s", NULL };
    amm_value field;
    const char *name = NULL;
    AMM_TRY(amm_value_keys(value, keys));
    AMM_TRY(amm_field_needed(value, "device", &field));
    AMM_TRY(amm_value_text(&field, &name, AMM_MAX_NAME));
    AMM_TRY(amm_device_canonical(value->document->reader, &point->device, name));
    AMM_TRY(amm_field_int32(value, "tp", true, 1, AMM_MAX_TP, &point->tp));
    AMM_TRY(amm_field_integer(value, "micro_batch", true, 1, AMM_MAX_BATCH, &point->micro_batch));
    AMM_TRY(read_times(value, "forward_s", &profile->layer_count, &point->forward_s));
    if (amm_field(value, "backward_s", &field)) {
        AMM_TRY(read_times(value, "backward_s", &profile->layer_count, &point->backward_s));
    }
    return AMM_OK;
}

static int compare_point(const void *x, const void *y)
{
    const amm_profile_point *a = x;
    const amm_profile_point *b = y;
    const int order = strcmp(a->device, b->device);
    if (order != 0) {
        return order;
    }
    if (a->tp != b->tp) {
        return a->tp < b->tp ? -1 : 1;
    }
    return (a->micro_batch > b->micro_batch) - (a->micro_batch < b->micro_batch);
}

static amm_status read_points(const amm_value *value, amm_profile *profile)
{
    amm_value list;
    amm_value item;
    AMM_TRY(amm_field_needed(value, "points", &list));
    AMM_TRY(amm_value_count(&list, &profile->point_count, MAX_POINTS));
    amm_profile_point *points = amm_arena_alloc(value->document->reader->arena,
                                                (size_t)profile->point_count, sizeof *points);
    if (points == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_profile_point *point = points;
    for (bool ok = amm_value_first(&list, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(read_point(&item, profile, point++));
    }
    if (profile->point_count > 1) {
        qsort(points, (size_t)profile->point_count, sizeof *points, compare_point);
    }
    profile->points = points;
    return AMM_OK;
}

amm_status amm_read_profile_value(const amm_value *value, void *out)
{
    static const char *const keys[] = { "format",         "version", "name", "source",
                                        "backward_ratio", "points",  NULL };
    char where[AMM_WHERE_CHARS];
    AMM_TRY(amm_value_description(value, "ammeter-profile", keys));
    amm_profile *profile = amm_arena_alloc(value->document->reader->arena, 1, sizeof *profile);
    if (profile == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(amm_value_name(value, &profile->name, &profile->source));
    profile->backward_ratio = 2;
    AMM_TRY(amm_field_number(value, "backward_ratio", false, &profile->backward_ratio));
    AMM_TRY(read_points(value, profile));
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_profile_check(profile, where));
    *(const amm_profile **)out = profile;
    return AMM_OK;
}
