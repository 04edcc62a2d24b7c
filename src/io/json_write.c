#include "io/io.h"
#include "io/utf8.h"

#include <math.h>
#include <string.h>

void amm_json_init(amm_json *j, amm_text *text, bool pretty)
{
    memset(j, 0, sizeof *j);
    j->text = text;
    j->first = true;
    j->pretty = pretty;
}

static void new_line(amm_json *j)
{
    amm_text_append_bytes(j->text, "\n", 1);
    for (int32_t i = 0; i < j->depth; i++) {
        amm_text_append_bytes(j->text, "  ", 2);
    }
}

static void put_string(amm_text *text, const char *value)
{
    amm_text_append_bytes(text, "\"", 1);
    size_t left = strlen(value);
    while (left > 0) {
        const unsigned char c = (unsigned char)*value;
        const size_t length = amm_utf8_length(value, left);
        if (c == '"' || c == '\\') {
            amm_text_printf(text, "\\%c", c);
        } else if (c < 0x20) {
            amm_text_printf(text, "\\u%04x", (unsigned)c);
        } else if (length == 0) {
            amm_text_append(text, "\\ufffd"); /* a file name may be any bytes */
        } else {
            amm_text_append_bytes(text, value, length);
        }
        value += length == 0 ? 1 : length;
        left -= length == 0 ? 1 : length;
    }
    amm_text_append_bytes(text, "\"", 1);
}

/* Everything that stands before a value. */
static void begin(amm_json *j, const char *key)
{
    if (!j->first) {
        amm_text_append_bytes(j->text, ",", 1);
    }
    if (j->pretty && j->depth > 0) {
        if (j->row == 0) {
            new_line(j);
        } else if (!j->first) {
            amm_text_append_bytes(j->text, " ", 1);
        }
    }
    if (key != NULL) {
        put_string(j->text, key);
        amm_text_append(j->text, j->pretty ? ": " : ":");
    }
    j->first = false;
}

void amm_json_open(amm_json *j, const char *key, char bracket)
{
    begin(j, key);
    amm_text_append_bytes(j->text, &bracket, 1);
    j->depth++;
    j->first = true;
}

void amm_json_open_row(amm_json *j, const char *key, char bracket)
{
    amm_json_open(j, key, bracket);
    if (j->row == 0) {
        j->row = j->depth;
    }
}

void amm_json_close(amm_json *j, char bracket)
{
    const bool in_row = j->row != 0;
    if (j->row == j->depth) {
        j->row = 0;
    }
    j->depth--;
    if (j->pretty && !in_row && !j->first) {
        new_line(j);
    }
    amm_text_append_bytes(j->text, &bracket, 1);
    j->first = false;
}

void amm_json_number(amm_json *j, const char *key, double value)
{
    char number[AMM_NUMBER_CHARS];
    begin(j, key);
    if (isfinite(value)) {
        amm_number_format(number, value);
    }
    amm_text_append(j->text, isfinite(value) ? number : "null");
}

void amm_json_integer(amm_json *j, const char *key, int64_t value)
{
    begin(j, key);
    amm_text_printf(j->text, "%lld", (long long)value);
}

void amm_json_id(amm_json *j, const char *key, uint64_t value)
{
    begin(j, key);
    amm_text_printf(j->text, "\"%llu\"", (unsigned long long)value);
}

void amm_json_hex(amm_json *j, const char *key, uint64_t value)
{
    begin(j, key);
    amm_text_printf(j->text, "\"%016llx\"", (unsigned long long)value);
}

void amm_json_string(amm_json *j, const char *key, const char *value)
{
    begin(j, key);
    if (value == NULL) {
        amm_text_append(j->text, "null");
    } else {
        put_string(j->text, value);
    }
}

void amm_json_bool(amm_json *j, const char *key, bool value)
{
    begin(j, key);
    amm_text_append(j->text, value ? "true" : "false");
}

void amm_json_null(amm_json *j, const char *key)
{
    begin(j, key);
    amm_text_append(j->text, "null");
}
