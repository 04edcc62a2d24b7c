#define _POSIX_C_SOURCE 200809L
#include "core/core.h"

#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- C locale -------------------------------------------------------------------------------- */

/* The host process may run under any locale (a GUI, Python); a decimal comma must never reach a
 * file. uselocale is per thread, so nobody else notices. */
typedef struct c_locale {
    locale_t fresh, previous;
} c_locale;

static c_locale enter_c_locale(void)
{
    c_locale l;
    l.fresh = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    l.previous = l.fresh != (locale_t)0 ? uselocale(l.fresh) : (locale_t)0;
    return l;
}

static void leave_c_locale(c_locale l)
{
    if (l.fresh != (locale_t)0) {
        (void)uselocale(l.previous);
        freelocale(l.fresh);
    }
}

int amm_format_c(char *out, size_t size, const char *format, va_list args)
{
    const c_locale l = enter_c_locale();
    const int length = vsnprintf(out, size, format, args);
    leave_c_locale(l);
    return length;
}

/* ---- growing text ---------------------------------------------------------------------------- */

void amm_text_init(amm_text *text, const amm_context *context)
{
    memset(text, 0, sizeof *text);
    text->context = context;
}

static bool reserve(amm_text *text, size_t more)
{
    if (text->status != AMM_OK) {
        return false;
    }
    const size_t need = text->length + more + 1;
    if (need > text->capacity) {
        const size_t capacity = need * 2 > 256 ? need * 2 : 256;
        char *data = amm_resize(text->context, text->data, capacity, 1);
        if (data == NULL) {
            text->status = AMM_NO_MEMORY;
            return false;
        }
        text->data = data;
        text->capacity = capacity;
    }
    return true;
}

void amm_text_append_bytes(amm_text *text, const char *bytes, size_t length)
{
    if (reserve(text, length)) {
        memcpy(text->data + text->length, bytes, length);
        text->length += length;
        text->data[text->length] = '\0';
    }
}

void amm_text_append(amm_text *text, const char *string)
{
    amm_text_append_bytes(text, string, strlen(string));
}

void amm_text_printf(amm_text *text, const char *format, ...)
{
    va_list args;
    va_list again;
    va_start(args, format);
    va_copy(again, args);
    const int length = amm_format_c(NULL, 0, format, args);
    if (length >= 0 && reserve(text, (size_t)length)) {
        (void)amm_format_c(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

size_t amm_text_columns(const char *string)
{
    size_t columns = 0;
    for (; *string != '\0'; string++) {
        columns += ((unsigned char)*string & 0xc0) != 0x80; /* not a UTF-8 continuation byte */
    }
    return columns;
}

void amm_text_pad(amm_text *text, size_t column)
{
    if (!reserve(text, 0)) {
        return;
    }
    text->data[text->length] = '\0';
    const char *line = strrchr(text->data, '\n');
    size_t columns = amm_text_columns(line == NULL ? text->data : line + 1);
    for (; columns < column; columns++) {
        amm_text_append_bytes(text, " ", 1);
    }
}

amm_status amm_text_take(amm_text *text, char **out)
{
    *out = NULL;
    (void)reserve(text, 0);
    if (text->status != AMM_OK) {
        amm_text_discard(text);
        return AMM_NO_MEMORY;
    }
    text->data[text->length] = '\0';
    *out = text->data;
    text->data = NULL;
    return AMM_OK;
}

void amm_text_discard(amm_text *text)
{
    amm_release(text->context, text->data);
    text->data = NULL;
    text->length = text->capacity = 0;
}

/* ---- numbers --------------------------------------------------------------------------------- */

void amm_number_format(char out[AMM_NUMBER_CHARS], double value)
{
    const c_locale l = enter_c_locale();
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(out, AMM_NUMBER_CHARS, "%.*g", digits, value);
        const double back = strtod(out, NULL);
        if (memcmp(&back, &value, sizeof value) == 0) {
            break;
        }
    }
    leave_c_locale(l);
}

bool amm_number_parse(const char *string, double *out)
{
    /* strtod also takes blanks, hexadecimal, "inf" and "nan": none of them is a number here. */
    if (strspn(string, "+-.0123456789eE") != strlen(string) || *string == '\0') {
        return false;
    }
    const c_locale l = enter_c_locale();
    char *end = NULL;
    const double value = strtod(string, &end);
    leave_c_locale(l);
    if (end == string || *end != '\0' || !isfinite(value)) {
        return false;
    }
    *out = value;
    return true;
}

bool amm_integer_parse(const char *string, int64_t *out)
{
    const char *digits = *string == '-' ? string + 1 : string;
    if (*digits == '\0' || strspn(digits, "0123456789") != strlen(digits)) {
        return false;
    }
    errno = 0;
    const long long value = strtoll(string, NULL, 10);
    if (errno != 0) {
        return false;
    }
    *out = value;
    return true;
}
