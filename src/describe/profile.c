#include "describe/check.h"

#include <string.h>

static int compare_point(const amm_profile_point *point, const char *device, int64_t tp,
                         int64_t micro_batch)
{
    const int order = strcmp(point->device, device);
    if (order != 0) {
        return order;
    }
    if (point->tp != tp) {
        return point->tp < tp ? -1 : 1;
    }
    return (point->micro_batch > micro_batch) - (point->micro_batch < micro_batch);
}

const amm_profile_point *amm_profile_find(const amm_profile *profile, const char *device,
                                          int32_t tp, int64_t micro_batch)
{
    int32_t low = 0;
    int32_t high = profile->point_count;
    while (low < high) {
        const int32_t middle = low + (high - low) / 2;
        const int order = compare_point(&profile->points[middle], device, tp, micro_batch);
        if (order == 0) {
            return &profile->points[middle];
        }
        if (order < 0) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return NULL;
}

static amm_status check_times(const amm_profile *profile, const char *file, const char *key,
                              const double *times)
{
    double sum = 0;
    for (int32_t i = 0; i < profile->layer_count; i++) {
        char path[AMM_PATH_CHARS];
        if (!(times[i] >= 0 && times[i] <= AMM_MAX_SECONDS)) {
            amm_path(path, "%s[%d]", key, i);
            return amm_check_number(file, path, times[i], 0, AMM_MAX_SECONDS);
        }
        sum += times[i];
    }
    return sum > 0 ? AMM_OK : amm_refuse(file, key, "every layer takes no time");
}

static amm_status check_point(const amm_profile *profile, int32_t i, const char *file)
{
    const amm_profile_point *p = &profile->points[i];
    char key[AMM_PATH_CHARS];
    amm_path(key, "points[%d].device", i);
    AMM_TRY(amm_check_name(file, key, p->device));
    amm_path(key, "points[%d].tp", i);
    AMM_TRY(amm_check_integer(file, key, p->tp, 1, AMM_MAX_TP));
    amm_path(key, "points[%d].micro_batch", i);
    AMM_TRY(amm_check_integer(file, key, p->micro_batch, 1, AMM_MAX_BATCH));
    amm_path(key, "points[%d].forward_s", i);
    AMM_TRY(check_times(profile, file, key, p->forward_s));
    if (p->backward_s != NULL) {
        amm_path(key, "points[%d].backward_s", i);
        AMM_TRY(check_times(profile, file, key, p->backward_s));
    }
    if (i > 0) {
        const amm_profile_point *before = p - 1;
        const int order = compare_point(before, p->device, p->tp, p->micro_batch);
        if (order >= 0) {
            return amm_refuse(file, "points", "%s: device %s, tp %d, micro_batch %lld",
                              order == 0 ? "given twice" : "not sorted", p->device, p->tp,
                              (long long)p->micro_batch);
        }
    }
    return AMM_OK;
}

amm_status amm_profile_check(const amm_profile *profile, const char *file)
{
    AMM_TRY(amm_check_name(file, "name", profile->name));
    AMM_TRY(amm_check_number(file, "backward_ratio", profile->backward_ratio, 0, 100));
    if (profile->point_count < 1) {
        return amm_refuse(file, "points", "empty: a profile needs at least one point");
    }
    if (profile->layer_count < 1 || profile->layer_count > AMM_MAX_LAYERS) {
        return amm_refuse(file, "points[0].forward_s",
                          "out of range, got %d layers, allowed 1 to %d", profile->layer_count,
                          AMM_MAX_LAYERS);
    }
    for (int32_t i = 0; i < profile->point_count; i++) {
        AMM_TRY(check_point(profile, i, file));
    }
    return AMM_OK;
}
