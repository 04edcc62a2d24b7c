#include "io/json_scan.h"

#include "io/io.h"
#include "io/utf8.h"
#include <assert.h>
#include <string.h>

/* Longest number: the parser behind cuts longer ones silently. */
enum { MAX_NUMBER = 63 };

typedef struct scanner {
    const char *text, *file;
    size_t size, at;
} scanner;

/* The character at s->at, or -1 at the end. */
static int peek(const scanner *s)
{
    return s->at < s->size ? (unsigned char)s->text[s->at] : -1;
}

static amm_status refuse(const scanner *s, const char *what)
{
    size_t line = 1;
    size_t column = 1;
    for (size_t i = 0; i < s->at && i < s->size; i++) {
        if (s->text[i] == '\n') {
            line++;
            column = 1;
        } else if (((unsigned char)s->text[i] & 0xc0) != 0x80) {
            column++;
        }
    }
    return amm_fail(AMM_INPUT, "%s:%zu:%zu: %s", s->file, line, column, what);
}

/* "expected X, got Y" at the present character. */
static amm_status expected(const scanner *s, const char *what)
{
    char message[128];
    char got[32] = "the end of the text";
    const int c = peek(s);
    if (c == 0) {
        memcpy(got, "a NUL byte", sizeof "a NUL byte");
    } else if (c > 0) {
        /* The word that stands there, as far as it is plain. */
        size_t n = 0;
        got[n++] = '"';
        for (size_t i = s->at; i < s->size && n < 16; i++) {
            const char w = s->text[i];
            if (n > 1 && strchr(" \t\r\n,:[]{}\"", w) != NULL) {
                break;
            }
            got[n++] = w >= 0x20 && w < 0x7f ? w : '?';
        }
        got[n++] = '"';
        got[n] = '\0';
    }
    const size_t room = sizeof message - 1;
    size_t length = 0;
    const char *const parts[] = { "expected ", what, ", got ", got };
    for (size_t i = 0; i < sizeof parts / sizeof parts[0]; i++) {
        for (const char *p = parts[i]; *p != '\0' && length < room; p++) {
            message[length++] = *p;
        }
    }
    message[length] = '\0';
    return refuse(s, message);
}

static void skip_blanks(scanner *s)
{
    while (s->at < s->size && s->text[s->at] != '\0' && strchr(" \t\r\n", s->text[s->at]) != NULL) {
        s->at++;
    }
}

static bool digit(int c)
{
    return c >= '0' && c <= '9';
}

static bool skip_digits(scanner *s)
{
    const size_t start = s->at;
    while (digit(peek(s))) {
        s->at++;
    }
    return s->at > start;
}

static amm_status scan_number(scanner *s)
{
    const size_t start = s->at;
    char copy[MAX_NUMBER + 1];
    double value = 0;
    s->at += peek(s) == '-' ? 1 : 0;
    if (peek(s) == '0') {
        s->at++; /* no further digits: 01 is not JSON */
        if (digit(peek(s))) {
            return refuse(s, "a number may not start with 0");
        }
    } else if (!skip_digits(s)) {
        return expected(s, "a digit");
    }
    if (peek(s) == '.') {
        s->at++;
        if (!skip_digits(s)) {
            return expected(s, "a digit");
        }
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        s->at += peek(s) == '+' || peek(s) == '-' ? 1 : 0;
        if (!skip_digits(s)) {
            return expected(s, "a digit");
        }
    }
    const size_t length = s->at - start;
    if (length > MAX_NUMBER) {
        s->at = start;
        return refuse(s, "number too long, allowed 63 characters");
    }
    memcpy(copy, s->text + start, length);
    copy[length] = '\0';
    if (!amm_number_parse(copy, &value)) {
        s->at = start;
        return refuse(s, "number too large for a double");
    }
    return AMM_OK;
}

/* Four hexadecimal digits after \u; -1 when they are not. */
static int scan_hex(scanner *s)
{
    int value = 0;
    for (int i = 0; i < 4; i++, s->at++) {
        const int c = peek(s);
        const int lower = c | 0x20;
        if (digit(c)) {
            value = value * 16 + (c - '0');
        } else if (lower >= 'a' && lower <= 'f') {
            value = value * 16 + (lower - 'a' + 10);
        } else {
            return -1;
        }
    }
    return value;
}

static amm_status scan_escape(scanner *s)
{
    const size_t start = s->at++;
    const int c = peek(s);
    if (c > 0 && strchr("\"\\/bfnrt", c) != NULL) {
        s->at++;
        return AMM_OK;
    }
    int code = -1;
    if (c == 'u') {
        s->at++;
        code = scan_hex(s);
    }
    const bool high = code >= 0xd800 && code <= 0xdbff;
    if (high && s->size - s->at >= 2 && s->text[s->at] == '\\' && s->text[s->at + 1] == 'u') {
        s->at += 2;
        const int low = scan_hex(s);
        if (low >= 0xdc00 && low <= 0xdfff) {
            return AMM_OK;
        }
    }
    const size_t end = s->at;
    s->at = start;
    if (code < 0) {
        return refuse(s, "unknown escape in a string");
    }
    if (code >= 0xd800 && code <= 0xdfff) {
        return refuse(s, "half of a surrogate pair in a string");
    }
    if (code == 0) {
        return refuse(s, "a string may not contain NUL");
    }
    s->at = end;
    return AMM_OK;
}

static amm_status scan_string(scanner *s)
{
    if (peek(s) != '"') {
        return expected(s, "a string");
    }
    const size_t start = s->at++;
    for (;;) {
        const int c = peek(s);
        if (c == '"') {
            s->at++;
            return AMM_OK;
        }
        if (c == -1) {
            s->at = start;
            return refuse(s, "string without end");
        }
        if (c == '\\') {
            AMM_TRY(scan_escape(s));
            continue;
        }
        if (c < 0x20) {
            return refuse(s, c == 0 ? "a string may not contain NUL"
                                    : "control character in a string, use an escape");
        }
        const size_t length = amm_utf8_length(s->text + s->at, s->size - s->at);
        if (length == 0) {
            return refuse(s, "invalid UTF-8");
        }
        s->at += length;
    }
}

static amm_status scan_value(scanner *s, int depth);

/* The members of an object or array whose bracket was just read. */
static amm_status scan_members(scanner *s, char close, int depth)
{
    skip_blanks(s);
    if (peek(s) == close) {
        s->at++;
        return AMM_OK;
    }
    for (;;) {
        skip_blanks(s);
        if (close == '}') {
            AMM_TRY(scan_string(s));
            skip_blanks(s);
            if (peek(s) != ':') {
                return expected(s, "\":\"");
            }
            s->at++;
        }
        AMM_TRY(scan_value(s, depth));
        skip_blanks(s);
        if (peek(s) == close) {
            s->at++;
            return AMM_OK;
        }
        if (peek(s) != ',') {
            return expected(s, close == '}' ? "\",\" or \"}\"" : "\",\" or \"]\"");
        }
        s->at++;
    }
}

static amm_status scan_word(scanner *s, const char *word)
{
    const size_t length = strlen(word);
    if (s->size - s->at < length || memcmp(s->text + s->at, word, length) != 0) {
        return expected(s, "a value");
    }
    s->at += length;
    return AMM_OK;
}

static amm_status scan_value(scanner *s, int depth)
{
    skip_blanks(s);
    switch (peek(s)) {
    case '{':
    case '[':
        if (depth == AMM_MAX_JSON_DEPTH) {
            return refuse(s, "nested too deeply, allowed 32 levels");
        }
        s->at++;
        return scan_members(s, s->text[s->at - 1] == '{' ? '}' : ']', depth + 1);
    case '"':
        return scan_string(s);
    case 't':
        return scan_word(s, "true");
    case 'f':
        return scan_word(s, "false");
    case 'n':
        return scan_word(s, "null");
    default:
        if (peek(s) == '-' || digit(peek(s))) {
            return scan_number(s);
        }
        return expected(s, "a value");
    }
}

static_assert(AMM_MAX_JSON_DEPTH == 32, "the message above says 32");

amm_status amm_json_scan(const char *text, size_t size, const char *file)
{
    scanner s = { text, file, size, 0 };
    if (size > AMM_MAX_FILE_BYTES) {
        return amm_fail(AMM_INPUT, "%s: too large, got %zu bytes, allowed %d", file, size,
                        AMM_MAX_FILE_BYTES);
    }
    if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) {
        return refuse(&s, "byte order mark, expected plain UTF-8");
    }
    AMM_TRY(scan_value(&s, 0));
    skip_blanks(&s);
    return s.at == size ? AMM_OK : expected(&s, "the end of the text");
}
