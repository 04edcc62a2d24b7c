/* Foundation of every folder above: context, memory, last error, growing text, locale-proof
 * numbers. Knows nothing about models or clusters. */
#ifndef AMM_CORE_CORE_H
#define AMM_CORE_CORE_H

#include <ammeter/context.h>
#include <ammeter/status.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>

struct amm_context {
    amm_allocator allocator;
};

/* ---- errors ---------------------------------------------------------------------------------- */

/* Records the message of this thread (one line, cut at 1,023 bytes) and returns `status`. */
amm_status amm_fail(amm_status status, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A failure and its message, kept over calls that may fail on their own. */
enum { AMM_MESSAGE_BYTES = 1024 };
typedef struct amm_failure {
    amm_status status;
    char message[AMM_MESSAGE_BYTES];
} amm_failure;
amm_failure amm_failure_keep(amm_status status); /* with the last message of this thread */
/* The first failure of two steps that were both to be done: `first`, said again, or what followed
 * it. */
amm_status amm_failure_first(const amm_failure *first, amm_status next);
/* Says the message again, in this thread, and returns the status; AMM_OK says nothing. */
amm_status amm_failure_again(const amm_failure *failure);

/* Returns the status of `call` from the current function if it is not AMM_OK. */
#define AMM_TRY(call)                                                                              \
    do {                                                                                           \
        const amm_status amm_try_status_ = (call);                                                 \
        if (amm_try_status_ != AMM_OK) {                                                           \
            return amm_try_status_;                                                                \
        }                                                                                          \
    } while (0)

/* ---- processors ------------------------------------------------------------------------------ */

/* Those that this process may run on: what "all processors" means. At least 1. */
int32_t amm_processors(void);

/* ---- memory ---------------------------------------------------------------------------------- */

/* count * size bytes, zeroed; the product is checked. NULL (and the last error) when it fails.
 * `count` 0 gives a valid pointer. */
void *amm_alloc(const amm_context *context, size_t count, size_t size);
/* Grows or shrinks; new bytes are not zeroed. */
void *amm_resize(const amm_context *context, void *pointer, size_t count, size_t size);
void amm_release(const amm_context *context, void *pointer);

/* Blocks that live and die together. Descriptions are built in one, so that there is one free.
 * Zero-initialise with amm_arena_init; every pointer stays valid until amm_arena_free. */
typedef struct amm_arena_block amm_arena_block;
typedef struct amm_arena {
    const amm_context *context; /* borrowed until amm_arena_free */
    amm_arena_block *blocks;
} amm_arena;

void amm_arena_init(amm_arena *arena, const amm_context *context);
void amm_arena_free(amm_arena *arena);
void *amm_arena_alloc(amm_arena *arena, size_t count, size_t size); /* zeroed, 16-byte aligned */
/* An array of an arena with room for one more: `array`, or a copy twice as long (*capacity changes; the
 * old one stays in the arena). */
void *amm_arena_grow(amm_arena *arena, const void *array, size_t count, size_t size,
                     size_t *capacity);
char *amm_arena_copy(amm_arena *arena, const char *text, size_t length); /* NUL-terminated */
char *amm_arena_format(amm_arena *arena, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- text ------------------------------------------------------------------------------------ */

/* A growing NUL-terminated string. The first failure sticks; later appends do nothing, so callers
 * check once, in amm_text_take. */
typedef struct amm_text {
    const amm_context *context;
    char *data;
    size_t length, capacity;
    amm_status status;
} amm_text;

void amm_text_init(amm_text *text, const amm_context *context);
void amm_text_append(amm_text *text, const char *string);
void amm_text_append_bytes(amm_text *text, const char *bytes, size_t length);
void amm_text_printf(amm_text *text, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Pads with spaces until `column` terminal columns since the last newline (UTF-8 aware). */
void amm_text_pad(amm_text *text, size_t column);
/* Hands the string to the caller (free with amm_release / amm_text_free), or reports the failure. */
amm_status amm_text_take(amm_text *text, char **out);
void amm_text_discard(amm_text *text);

/* Terminal columns of a UTF-8 string (code points; we print no wide or combining ones). */
size_t amm_text_columns(const char *string);

/* ---- numbers: never through the process locale ----------------------------------------------- */

enum { AMM_NUMBER_CHARS = 32 };

/* vsnprintf under the C locale, whatever the host process has set. */
int amm_format_c(char *out, size_t size, const char *format, va_list args);

/* Shortest of %.15g, %.16g, %.17g that reads back as the same double. Finite values only. */
void amm_number_format(char out[AMM_NUMBER_CHARS], double value);
/* Reads a whole string as a double. False when anything is left over, or nothing was read, or the
 * value is not finite. */
bool amm_number_parse(const char *string, double *out);
/* Reads a whole string as a decimal integer that fits. */
bool amm_integer_parse(const char *string, int64_t *out);

/* ---- checked arithmetic and hashing ---------------------------------------------------------- */

/* Seconds since some moment, never backwards. */
double amm_clock_s(void);

/* Greatest common divisor, of 0 and n: n. a, b >= 0. */
int64_t amm_common_divisor(int64_t a, int64_t b);

/* a * b; false when it does not fit. a, b >= 0. */
bool amm_mul_i64(int64_t a, int64_t b, int64_t *out);

/* FNV-1a, 64 bit; chain with the previous value, start with AMM_HASH_START. */
#define AMM_HASH_START UINT64_C(14695981039346656037)
uint64_t amm_hash(uint64_t hash, const void *bytes, size_t length);

#endif
