#include "describe/check.h"

#include <stdlib.h>
#include <string.h>

static int compare_i64(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a;
    const int64_t y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

void amm_list_finish(amm_list *list, int64_t *values, int32_t count)
{
    qsort(values, (size_t)count, sizeof *values, compare_i64);
    int32_t unique = 0;
    for (int32_t i = 0; i < count; i++) {
        if (unique == 0 || values[unique - 1] != values[i]) {
            values[unique++] = values[i];
        }
    }
    list->count = unique;
    list->values = values;
}

static bool parse_number(const char **at, int64_t *out)
{
    char digits[20];
    const char *start = *at + strspn(*at, " ");
    const size_t length = strspn(start, "0123456789");
    if (length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, start, length);
    digits[length] = '\0';
    *at = start + length + strspn(start + length, " ");
    return amm_integer_parse(digits, out);
}

/* One item: N or N..M. */
static bool parse_item(const char **at, int64_t *low, int64_t *high)
{
    if (!parse_number(at, low)) {
        return false;
    }
    *high = *low;
    if (strncmp(*at, "..", 2) == 0) {
        *at += 2;
        return parse_number(at, high) && *high >= *low;
    }
    return true;
}

static amm_status check_count(int64_t value, const char *where)
{
    return value >= 1 && value <= AMM_MAX_BATCH
               ? AMM_OK
               : amm_fail(AMM_INPUT, "%s: out of range, got %lld, allowed 1 to %d", where,
                          (long long)value, AMM_MAX_BATCH);
}

/* Reads the list; fills `values` when it is not NULL. */
static amm_status scan_list(const char *text, const char *where, amm_list_check *check,
                            int64_t *values, int32_t *count)
{
    const char *at = text;
    for (*count = 0;; at++) {
        int64_t low = 0;
        int64_t high = 0;
        if (!parse_item(&at, &low, &high) || (*at != ',' && *at != '\0')) {
            return amm_fail(AMM_INPUT, "%s: not a list, got \"%s\", allowed e.g. 1,2,4 or 1..8",
                            where, text);
        }
        AMM_TRY(check(low, where));
        AMM_TRY(check(high, where));
        if (high - low + 1 > AMM_MAX_LIST - *count) {
            return amm_fail(AMM_INPUT, "%s: too many values, allowed %d", where, AMM_MAX_LIST);
        }
        for (int64_t v = low; v <= high; v++, ++*count) {
            if (values != NULL) {
                values[*count] = v;
            }
        }
        if (*at == '\0') {
            return AMM_OK;
        }
    }
}

amm_status amm_list_parse(amm_arena *arena, amm_list *out, const char *text, const char *where)
{
    return amm_list_parse_checked(arena, out, text, where, check_count);
}

amm_status amm_list_parse_checked(amm_arena *arena, amm_list *out, const char *text,
                                  const char *where, amm_list_check *check)
{
    int32_t count = 0;
    AMM_TRY(scan_list(text, where, check, NULL, &count));
    int64_t *values = amm_arena_alloc(arena, (size_t)count, sizeof *values);
    if (values == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(scan_list(text, where, check, values, &count));
    amm_list_finish(out, values, count);
    return AMM_OK;
}
