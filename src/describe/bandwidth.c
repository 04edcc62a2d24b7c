#include "describe/describe.h"

#include <stdio.h>
#include <string.h>

/* Powers of ten, per second. Bits come first: that is how links are sold and printed. */
static const struct {
    const char *word;
    double scale, divisor; /* bytes per second = number * scale / divisor */
} units[] = {
    { "gbit", 1e9, 8 }, { "mbit", 1e6, 8 }, { "kbit", 1e3, 8 }, { "bit", 1, 8 },
    { "GB", 1e9, 1 },   { "MB", 1e6, 1 },   { "KB", 1e3, 1 },   { "B", 1, 1 },
};

enum { UNIT_COUNT = sizeof units / sizeof units[0], BIT_UNIT_COUNT = 4 };

bool amm_bandwidth_parse(const char *text, double *out_bytes_per_s)
{
    char number[AMM_NUMBER_CHARS];
    const size_t digits = strspn(text, "0123456789.");
    size_t length = digits;
    /* An exponent counts only when digits follow. */
    if (digits > 0 && (text[length] == 'e' || text[length] == 'E')) {
        const size_t sign = text[length + 1] == '+' || text[length + 1] == '-' ? 1 : 0;
        const size_t exponent = strspn(text + length + 1 + sign, "0123456789");
        length += exponent > 0 ? 1 + sign + exponent : 0;
    }
    if (length == 0 || length >= sizeof number) {
        return false;
    }
    memcpy(number, text, length);
    number[length] = '\0';
    double value = 0;
    if (!amm_number_parse(number, &value)) {
        return false;
    }
    const char *word = text + length + strspn(text + length, " ");
    for (int i = 0; i < UNIT_COUNT; i++) {
        const size_t size = strlen(units[i].word);
        const bool same = strncmp(word, units[i].word, size) == 0;
        if (same && (word[size] == '\0' || strcmp(word + size, "/s") == 0)) {
            const double result = value * units[i].scale / units[i].divisor;
            if (!(result > 0 && result < 1e300)) {
                return false;
            }
            *out_bytes_per_s = result;
            return true;
        }
    }
    return false;
}

void amm_bandwidth_format(char out[AMM_NUMBER_CHARS + 8], double bytes_per_s)
{
    char number[AMM_NUMBER_CHARS];
    for (int i = 0; i < BIT_UNIT_COUNT; i++) {
        const double value = bytes_per_s * units[i].divisor / units[i].scale;
        double back = 0;
        if (value < 1) {
            continue;
        }
        amm_number_format(number, value);
        (void)snprintf(out, AMM_NUMBER_CHARS + 8, "%s%s", number, units[i].word);
        if (amm_bandwidth_parse(out, &back) && memcmp(&back, &bytes_per_s, sizeof back) == 0) {
            return;
        }
    }
    amm_number_format(number, bytes_per_s);
    (void)snprintf(out, AMM_NUMBER_CHARS + 8, "%sB", number);
}
