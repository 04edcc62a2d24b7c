#include "describe/check.h"

#include <stdio.h>
#include <string.h>

/* "x.json" is followed by ':', "x.json:layers[3]" by '.'. */
static const char *separator(const char *where)
{
    return strchr(where, ':') == NULL ? ":" : ".";
}

amm_status amm_refuse(const char *where, const char *key, const char *format, ...)
{
    char message[1024];
    va_list args;
    va_start(args, format);
    (void)amm_format_c(message, sizeof message, format, args);
    va_end(args);
    return amm_fail(AMM_INPUT, "%s%s%s: %s", where, separator(where), key, message);
}

amm_status amm_check_integer(const char *where, const char *key, int64_t value, int64_t low,
                             int64_t high)
{
    if (value >= low && value <= high) {
        return AMM_OK;
    }
    return amm_refuse(where, key, "out of range, got %lld, allowed %lld to %lld", (long long)value,
                      (long long)low, (long long)high);
}

amm_status amm_check_number(const char *where, const char *key, double value, double low,
                            double high)
{
    if (value >= low && value <= high) {
        return AMM_OK;
    }
    char got[AMM_NUMBER_CHARS];
    amm_number_format(got, value);
    return amm_refuse(where, key, "out of range, got %s, allowed %g to %g", got, low, high);
}

amm_status amm_check_positive(const char *where, const char *key, double value, double high)
{
    if (value > 0 && value <= high) {
        return AMM_OK;
    }
    char got[AMM_NUMBER_CHARS];
    amm_number_format(got, value);
    return amm_refuse(where, key, "out of range, got %s, allowed above 0 to %g", got, high);
}

amm_status amm_check_name(const char *where, const char *key, const char *name)
{
    const size_t length = name == NULL ? 0 : strlen(name);
    if (length >= 1 && length <= AMM_MAX_NAME) {
        return AMM_OK;
    }
    return amm_refuse(where, key, "wrong length, got %zu bytes, allowed 1 to %d", length,
                      AMM_MAX_NAME);
}

void amm_path(char out[AMM_PATH_CHARS], const char *format, ...)
{
    va_list args;
    va_start(args, format);
    (void)amm_format_c(out, AMM_PATH_CHARS, format, args);
    va_end(args);
}
