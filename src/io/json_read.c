#define _POSIX_C_SOURCE 200809L
#include "io/json_read.h"

#include "describe/check.h"
#include "io/json_scan.h"
#include <cjson/cJSON.h>
#include <locale.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- memory ---------------------------------------------------------------------------------- */

/* The JSON library's hooks are one pair for the whole process and know no context. They are set
 * once; each thread says whose allocator its next parse or delete is for, and outside of that the
 * C library's own are used, so that nobody else in the process notices. */
static _Thread_local const amm_context *hook_context;
static _Thread_local bool hook_failed;
static pthread_once_t hook_once = PTHREAD_ONCE_INIT;

static void *hook_allocate(size_t size)
{
    if (hook_context == NULL) {
        return malloc(size);
    }
    void *block = amm_resize(hook_context, NULL, size, 1);
    hook_failed = hook_failed || block == NULL;
    return block;
}

static void hook_free(void *block)
{
    if (hook_context == NULL) {
        free(block);
    } else {
        amm_release(hook_context, block);
    }
}

static void install_hooks(void)
{
    cJSON_Hooks hooks = { hook_allocate, hook_free };
    cJSON_InitHooks(&hooks);
}

/* The library reads numbers with strtod: a decimal comma of the process must not matter. */
static cJSON *parse_in_c_locale(const char *text, size_t size)
{
    const locale_t fresh = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    if (fresh == (locale_t)0) {
        hook_failed = true;
        return NULL;
    }
    const locale_t previous = uselocale(fresh);
    cJSON *root = cJSON_ParseWithLength(text, size);
    (void)uselocale(previous);
    freelocale(fresh);
    return root;
}

/* ---- documents ------------------------------------------------------------------------------- */

amm_status amm_document_parse(amm_document *out, amm_reader *reader, const char *text, size_t size,
                              const char *file, const char *folder)
{
    memset(out, 0, sizeof *out);
    out->reader = reader;
    out->file = file;
    out->folder = folder;
    AMM_TRY(amm_json_scan(text, size, file));
    reader->hash = amm_hash(reader->hash, text, size);
    (void)pthread_once(&hook_once, install_hooks);
    hook_failed = false;
    hook_context = reader->context;
    out->root = parse_in_c_locale(text, size);
    hook_context = NULL;
    if (out->root != NULL) {
        return AMM_OK;
    }
    return hook_failed ? amm_fail(AMM_NO_MEMORY, "out of memory: parsing %s", file)
                       : amm_fail(AMM_INTERNAL, "%s: the JSON library refuses the text", file);
}

void amm_document_free(amm_document *document)
{
    if (document->root != NULL) {
        hook_context = document->reader->context;
        cJSON_Delete(document->root);
        hook_context = NULL;
        document->root = NULL;
    }
}

amm_value amm_document_root(const amm_document *document)
{
    const amm_value root = { document, NULL, NULL, 0, document->root };
    return root;
}

/* ---- messages -------------------------------------------------------------------------------- */

/* Prints into the end of out[0..start) and returns the new start; nothing when there is no room. */
static size_t put_before(char *out, size_t start, const char *part)
{
    const size_t length = strlen(part);
    if (length > start) {
        return start;
    }
    memcpy(out + start - length, part, length);
    return start - length;
}

void amm_value_where(char out[AMM_WHERE_CHARS], const amm_value *value, const char *key)
{
    /* Values know their parents only: the path grows from its end. */
    char path[512];
    char index[16];
    size_t start = sizeof path - 1;
    path[start] = '\0';
    if (key != NULL) {
        start = put_before(path, start, key);
    }
    bool needs_dot = key != NULL;
    for (const amm_value *v = value; v->parent != NULL; v = v->parent) {
        start = needs_dot ? put_before(path, start, ".") : start;
        needs_dot = v->key != NULL;
        if (v->key == NULL) {
            (void)snprintf(index, sizeof index, "[%d]", v->index);
        }
        start = put_before(path, start, v->key == NULL ? index : v->key);
    }
    (void)snprintf(out, AMM_WHERE_CHARS, "%.240s%s%s", value->document->file,
                   path[start] != '\0' ? ":" : "", path + start);
}

amm_status amm_value_refuse(const amm_value *value, const char *key, const char *format, ...)
{
    char where[AMM_WHERE_CHARS];
    char message[512];
    va_list args;
    va_start(args, format);
    (void)amm_format_c(message, sizeof message, format, args);
    va_end(args);
    amm_value_where(where, value, key);
    return amm_fail(AMM_INPUT, "%s: %s", where, message);
}

static const char *type_word(const cJSON *item)
{
    return cJSON_IsObject(item)   ? "an object"
           : cJSON_IsArray(item)  ? "an array"
           : cJSON_IsString(item) ? "a string"
           : cJSON_IsNumber(item) ? "a number"
           : cJSON_IsBool(item)   ? "true or false"
                                  : "null";
}

static amm_status wrong_type(const amm_value *value, const char *allowed)
{
    return amm_value_refuse(value, NULL, "wrong type, got %s, allowed %s", type_word(value->item),
                            allowed);
}

/* ---- values ---------------------------------------------------------------------------------- */

bool amm_value_is_object(const amm_value *value)
{
    return cJSON_IsObject((const cJSON *)value->item) != 0;
}

bool amm_value_is_array(const amm_value *value)
{
    return cJSON_IsArray((const cJSON *)value->item) != 0;
}

bool amm_value_is_string(const amm_value *value)
{
    return cJSON_IsString((const cJSON *)value->item) != 0;
}

bool amm_value_is_number(const amm_value *value)
{
    return cJSON_IsNumber((const cJSON *)value->item) != 0;
}

bool amm_value_is_null(const amm_value *value)
{
    return cJSON_IsNull((const cJSON *)value->item) != 0;
}

amm_status amm_value_text(const amm_value *value, const char **out, size_t max)
{
    const cJSON *item = value->item;
    if (!cJSON_IsString(item)) {
        return wrong_type(value, "a string");
    }
    const size_t length = strlen(item->valuestring);
    if (length > max) {
        return amm_value_refuse(value, NULL, "too long, got %zu bytes, allowed %zu", length, max);
    }
    for (const char *c = item->valuestring; *c != '\0'; c++) {
        if ((unsigned char)*c < 0x20 || *c == 0x7f) { /* would reach terminals */
            return amm_value_refuse(value, NULL, "has a control character, allowed printable text");
        }
    }
    *out = item->valuestring;
    return AMM_OK;
}

amm_status amm_value_number(const amm_value *value, double *out)
{
    const cJSON *item = value->item;
    if (!cJSON_IsNumber(item)) {
        return wrong_type(value, "a number");
    }
    *out = item->valuedouble;
    return AMM_OK;
}

amm_status amm_value_integer(const amm_value *value, int64_t *out, int64_t low, int64_t high)
{
    double number = 0;
    char got[AMM_NUMBER_CHARS];
    AMM_TRY(amm_value_number(value, &number));
    amm_number_format(got, number);
    if (number != floor(number)) {
        return amm_value_refuse(value, NULL, "not an integer, got %s", got);
    }
    if (number < (double)low || number > (double)high) {
        return amm_value_refuse(value, NULL, "out of range, got %s, allowed %lld to %lld", got,
                                (long long)low, (long long)high);
    }
    *out = (int64_t)number;
    return AMM_OK;
}

static bool listed(const char *const *keys, const char *key)
{
    if (keys == NULL) {
        return true;
    }
    for (; *keys != NULL; keys++) {
        if (strcmp(*keys, key) == 0) {
            return true;
        }
    }
    return false;
}

amm_status amm_value_keys(const amm_value *value, const char *const *keys)
{
    enum { MAX_KEYS = 256 };
    const cJSON *object = value->item;
    if (!cJSON_IsObject(object)) {
        return wrong_type(value, "an object");
    }
    int count = 0;
    for (const cJSON *member = object->child; member != NULL; member = member->next) {
        if (!listed(keys, member->string) && strncmp(member->string, "x-", 2) != 0) {
            return amm_value_refuse(value, member->string, "unknown key");
        }
        for (const cJSON *other = object->child; other != member; other = other->next) {
            if (strcmp(other->string, member->string) == 0) {
                return amm_value_refuse(value, member->string, "key given twice");
            }
        }
        if (++count > MAX_KEYS) {
            return amm_value_refuse(value, NULL, "too many keys, allowed %d", MAX_KEYS);
        }
    }
    return AMM_OK;
}

bool amm_value_first(const amm_value *parent, amm_value *out)
{
    const cJSON *item = ((const cJSON *)parent->item)->child;
    out->document = parent->document;
    out->parent = parent;
    out->key = item == NULL ? NULL : item->string;
    out->index = 0;
    out->item = item;
    return item != NULL;
}

bool amm_value_next(amm_value *value)
{
    const cJSON *item = ((const cJSON *)value->item)->next;
    value->key = item == NULL ? NULL : item->string;
    value->index++;
    value->item = item;
    return item != NULL;
}

amm_status amm_value_count(const amm_value *array, int32_t *out, int32_t max)
{
    if (!amm_value_is_array(array)) {
        return wrong_type(array, "an array");
    }
    const int count = cJSON_GetArraySize((const cJSON *)array->item);
    if (count > max) {
        return amm_value_refuse(array, NULL, "too many elements, got %d, allowed %d", count, max);
    }
    *out = count;
    return AMM_OK;
}

/* ---- members --------------------------------------------------------------------------------- */

bool amm_field(const amm_value *object, const char *key, amm_value *out)
{
    out->document = object->document;
    out->parent = object;
    out->key = key;
    out->index = 0;
    out->item = cJSON_GetObjectItemCaseSensitive((const cJSON *)object->item, key);
    return out->item != NULL;
}

amm_status amm_field_needed(const amm_value *object, const char *key, amm_value *out)
{
    return amm_field(object, key, out) ? AMM_OK : amm_value_refuse(object, key, "missing");
}

/* Whether there is something to read; missing though required is an error. */
static amm_status find(const amm_value *object, const char *key, bool required, amm_value *out,
                       bool *found)
{
    *found = amm_field(object, key, out);
    return *found || !required ? AMM_OK : amm_value_refuse(object, key, "missing");
}

amm_status amm_field_text(const amm_value *object, const char *key, bool required, size_t max,
                          const char **out)
{
    amm_value value;
    bool found = false;
    const char *text = NULL;
    AMM_TRY(find(object, key, required, &value, &found));
    if (!found) {
        return AMM_OK;
    }
    AMM_TRY(amm_value_text(&value, &text, max));
    *out = amm_arena_copy(object->document->reader->arena, text, strlen(text));
    return *out == NULL ? AMM_NO_MEMORY : AMM_OK;
}

amm_status amm_field_integer(const amm_value *object, const char *key, bool required, int64_t low,
                             int64_t high, int64_t *out)
{
    amm_value value;
    bool found = false;
    AMM_TRY(find(object, key, required, &value, &found));
    return found ? amm_value_integer(&value, out, low, high) : AMM_OK;
}

amm_status amm_field_int32(const amm_value *object, const char *key, bool required, int32_t low,
                           int32_t high, int32_t *out)
{
    int64_t wide = *out;
    AMM_TRY(amm_field_integer(object, key, required, low, high, &wide));
    *out = (int32_t)wide;
    return AMM_OK;
}

amm_status amm_field_number(const amm_value *object, const char *key, bool required, double *out)
{
    amm_value value;
    bool found = false;
    AMM_TRY(find(object, key, required, &value, &found));
    return found ? amm_value_number(&value, out) : AMM_OK;
}

amm_status amm_field_bool(const amm_value *object, const char *key, bool *out)
{
    amm_value value;
    if (!amm_field(object, key, &value)) {
        return AMM_OK;
    }
    if (!cJSON_IsBool((const cJSON *)value.item)) {
        return wrong_type(&value, "true or false");
    }
    *out = cJSON_IsTrue((const cJSON *)value.item) != 0;
    return AMM_OK;
}

amm_status amm_field_bandwidth(const amm_value *object, const char *key, double *out)
{
    amm_value value;
    const char *text = NULL;
    AMM_TRY(amm_field_needed(object, key, &value));
    if (amm_value_is_number(&value)) {
        AMM_TRY(amm_value_number(&value, out));
    } else if (!amm_value_is_string(&value)) {
        return wrong_type(&value, "a number (bytes per second) or a string such as \"50gbit\"");
    } else {
        AMM_TRY(amm_value_text(&value, &text, AMM_MAX_NAME));
        if (!amm_bandwidth_parse(text, out)) {
            return amm_value_refuse(
                &value, NULL, "not a bandwidth, got \"%s\", allowed e.g. 50gbit or 12.5GB", text);
        }
    }
    if (!(*out > 0 && *out <= AMM_MAX_BYTES_PER_S)) {
        char where[AMM_WHERE_CHARS];
        amm_value_where(where, object, NULL);
        return amm_check_positive(where, key, *out, AMM_MAX_BYTES_PER_S);
    }
    return AMM_OK;
}

amm_status amm_value_format(const amm_value *value, const char *format)
{
    amm_value field;
    const char *text = NULL;
    int64_t version = 1;
    const bool root = value->parent == NULL;
    if (root || amm_field(value, "format", &field)) {
        AMM_TRY(amm_field_needed(value, "format", &field));
        AMM_TRY(amm_value_text(&field, &text, AMM_MAX_NAME));
        if (strcmp(text, format) != 0) {
            return amm_value_refuse(&field, NULL, "wrong format, got \"%s\", allowed \"%s\"", text,
                                    format);
        }
    }
    AMM_TRY(amm_field_integer(value, "version", root, 0, AMM_MAX_INTEGER, &version));
    if (version != 1) {
        return amm_value_refuse(value, "version", "unknown version, got %lld, allowed 1",
                                (long long)version);
    }
    return AMM_OK;
}

/* The format first: a file of another kind is that, not one with wrong keys. */
amm_status amm_value_description(const amm_value *value, const char *format,
                                 const char *const *keys)
{
    AMM_TRY(amm_value_keys(value, NULL));
    AMM_TRY(amm_value_format(value, format));
    return amm_value_keys(value, keys);
}

amm_status amm_value_name(const amm_value *value, const char **name, const char **source)
{
    *source = "";
    AMM_TRY(amm_field_text(value, "name", true, AMM_MAX_NAME, name));
    if (**name == '\0') {
        return amm_value_refuse(value, "name", "empty");
    }
    return amm_field_text(value, "source", false, AMM_MAX_SOURCE, source);
}
