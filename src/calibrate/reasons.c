#include "calibrate/scores.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int by_count(const void *a, const void *b)
{
    const amm_reason_count *x = a;
    const amm_reason_count *y = b;
    const int order = (x->rows < y->rows) - (x->rows > y->rows);
    return order != 0 ? order : strcmp(x->reason, y->reason);
}

amm_status amm_reasons_count(amm_reason_count **out, int64_t *count, const amm_scores *scores)
{
    const char **reasons = amm_arena_alloc(scores->arena, (size_t)scores->count, sizeof *reasons);
    amm_reason_count *list = amm_arena_alloc(scores->arena, (size_t)scores->count, sizeof *list);
    int64_t rows = 0;
    *out = list;
    *count = 0;
    if (reasons == NULL || list == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int64_t i = 0; i < scores->count; i++) {
        const amm_scored *row = &scores->rows[i];
        if (row->feasible < 0) {
            const char *reason = scores->runs->rows[row->row].reason;
            reasons[rows++] = reason != NULL ? reason : AMM_REASON_NOT_FINITE;
        }
    }
    qsort(reasons, (size_t)rows, sizeof *reasons, by_text);
    for (int64_t i = 0; i < rows; i++) {
        if (i == 0 || strcmp(reasons[i], reasons[i - 1]) != 0) {
            list[(*count)++].reason = reasons[i];
        }
        list[*count - 1].rows++;
    }
    qsort(list, (size_t)*count, sizeof *list, by_count);
    return AMM_OK;
}
