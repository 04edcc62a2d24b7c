/* Typed access to a parsed JSON text. Every value knows its path, so that every message can name
 * it; paths are only put together when there is something to say. json_read.c is the only file
 * that includes the JSON library. */
#ifndef AMM_IO_JSON_READ_H
#define AMM_IO_JSON_READ_H

#include "io/io.h"

/* A parsed text. */
typedef struct amm_document {
    amm_reader *reader; /* borrowed */
    const char *file;   /* borrowed; name for messages */
    const char *folder; /* borrowed; where relative paths start, "" here, NULL: no files at all */
    void *root;
} amm_document;

/* A place in it. Lives on the stack of who reads; `parent` must stay as long. */
typedef struct amm_value {
    const amm_document *document;
    const struct amm_value *parent;
    const char *key; /* NULL: element `index` of an array, or the root */
    int32_t index;
    const void *item;
} amm_value;

/* Scans, hashes (into the reader) and parses. Free with amm_document_free also after a failure. */
amm_status amm_document_parse(amm_document *out, amm_reader *reader, const char *text, size_t size,
                              const char *file, const char *folder);
void amm_document_free(amm_document *document);
amm_value amm_document_root(const amm_document *document);

enum { AMM_WHERE_CHARS = 768 };

/* "file:path.to[3].key"; `key` may be NULL. Long file names are cut. */
void amm_value_where(char out[AMM_WHERE_CHARS], const amm_value *value, const char *key);
/* INPUT: "where: message". `key` may be NULL. */
amm_status amm_value_refuse(const amm_value *value, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

bool amm_value_is_object(const amm_value *value);
bool amm_value_is_array(const amm_value *value);
bool amm_value_is_string(const amm_value *value);
bool amm_value_is_number(const amm_value *value);
bool amm_value_is_null(const amm_value *value);

/* The value's own text, as long as the document; it must be a string of at most `max` bytes. */
amm_status amm_value_text(const amm_value *value, const char **out, size_t max);
/* An integer in low..high. */
amm_status amm_value_integer(const amm_value *value, int64_t *out, int64_t low, int64_t high);
amm_status amm_value_number(const amm_value *value, double *out);

/* Checks that `value` is an object with no key twice and none but those of the list (ends with
 * NULL; `keys` NULL: any) and those that start with "x-". */
amm_status amm_value_keys(const amm_value *value, const char *const *keys);

/* Elements of an array, or members of an object: for (ok = first(..); ok; ok = next(..)). */
bool amm_value_first(const amm_value *parent, amm_value *out);
bool amm_value_next(amm_value *value);
/* Number of elements; refuses what is not an array or longer than `max`. */
amm_status amm_value_count(const amm_value *array, int32_t *out, int32_t max);

/* Members of an object. Those that take `required` leave *out alone when the key is absent and
 * not required. */
bool amm_field(const amm_value *object, const char *key, amm_value *out);
amm_status amm_field_needed(const amm_value *object, const char *key, amm_value *out);
/* Copied into the reader's arena. */
amm_status amm_field_text(const amm_value *object, const char *key, bool required, size_t max,
                          const char **out);
amm_status amm_field_integer(const amm_value *object, const char *key, bool required, int64_t low,
                             int64_t high, int64_t *out);
amm_status amm_field_int32(const amm_value *object, const char *key, bool required, int32_t low,
                           int32_t high, int32_t *out);
amm_status amm_field_number(const amm_value *object, const char *key, bool required, double *out);
amm_status amm_field_bool(const amm_value *object, const char *key, bool *out);
/* A number (bytes per second) or a text such as "50gbit". */
amm_status amm_field_bandwidth(const amm_value *object, const char *key, double *out);

/* "format" and "version": needed at the root of a text, optional inside another one. */
amm_status amm_value_format(const amm_value *value, const char *format);
/* The same of an object that has these keys, as in amm_value_keys. */
amm_status amm_value_description(const amm_value *value, const char *format,
                                 const char *const *keys);
/* "name" (needed) and "source" (default ""). */
amm_status amm_value_name(const amm_value *value, const char **name, const char **source);

#endif
