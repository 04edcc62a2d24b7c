/* Files and presets in, text out. The only folder that knows JSON.
 *
 * Reading is strict: type, range, finiteness, unknown keys (error unless they start with "x-"),
 * duplicate keys, depth, size and trailing bytes are checked; a message reads
 *     file:path.to[3].key: what, got X, allowed Y
 * Everything that is read is copied into the arena given. */
#ifndef AMM_IO_IO_H
#define AMM_IO_IO_H

#include "describe/describe.h"

enum { AMM_MAX_FILE_BYTES = 64 * 1024 * 1024, AMM_MAX_JSON_DEPTH = 32 };

/* Where the parts of a description come from while it is read. */
typedef struct amm_reader {
    const amm_context *context;
    amm_arena *arena;   /* everything is copied into it */
    const char *folder; /* of the file that names others, with its slash; NULL: current folder */
    uint64_t hash;      /* running hash of every input text read (amm_hash); start AMM_HASH_START */
} amm_reader;

/* Kinds of presets: folder under models/, word in messages and commands. */
#define AMM_PRESET_KIND_LIST(X)                                                                    \
    X(MODEL, "networks", "model")                                                                  \
    X(DEVICE, "devices", "device")                                                                 \
    X(CLUSTER, "clusters", "cluster")                                                              \
    X(RUNTIME, "runtimes", "runtime")                                                              \
    X(PROFILE, "profiles", "profile")                                                              \
    X(PROBLEM, "problems", "problem")

typedef enum amm_preset_kind {
#define AMM_PRESET_KIND_ENUM(name, folder, word) AMM_PRESET_##name,
    AMM_PRESET_KIND_LIST(AMM_PRESET_KIND_ENUM)
#undef AMM_PRESET_KIND_ENUM
        AMM_PRESET_KIND_COUNT
} amm_preset_kind;

const char *amm_preset_kind_word(amm_preset_kind kind);
bool amm_preset_kind_parse(amm_preset_kind *out, const char *word);
/* Names of the embedded presets of one kind, sorted; NULL past the end. */
const char *amm_preset_name(amm_preset_kind kind, int32_t index);

/* ---- one object from text: `file` is only a name for messages -------------------------------- */

amm_status amm_read_model(amm_reader *r, const amm_model **out, const char *text, size_t size,
                          const char *file);
amm_status amm_read_device(amm_reader *r, const amm_device **out, const char *text, size_t size,
                           const char *file);
amm_status amm_read_cluster(amm_reader *r, const amm_cluster **out, const char *text, size_t size,
                            const char *file);
amm_status amm_read_runtime(amm_reader *r, const amm_runtime **out, const char *text, size_t size,
                            const char *file);
amm_status amm_read_profile(amm_reader *r, const amm_profile **out, const char *text, size_t size,
                            const char *file);
amm_status amm_read_problem(amm_reader *r, amm_problem_desc *out, const char *text, size_t size,
                            const char *file);

/* ---- one object from what a person typed: preset name, path ("-": standard input), or inline JSON
 * (starts with "{"); a cluster also as a one-line form. A name that is neither a preset nor a file
 * is an INPUT error that lists close presets. A file that exists but cannot be read: IO.
 * `where` names the place for messages: "option cluster", "problem.json:cluster". */

amm_status amm_get_model(amm_reader *r, const amm_model **out, const char *what, const char *where);
amm_status amm_get_device(amm_reader *r, const amm_device **out, const char *what,
                          const char *where);
amm_status amm_get_cluster(amm_reader *r, const amm_cluster **out, const char *what,
                           const char *where);
amm_status amm_get_runtime(amm_reader *r, const amm_runtime **out, const char *what,
                           const char *where);
amm_status amm_get_profile(amm_reader *r, const amm_profile **out, const char *what,
                           const char *where);
/* Starts from a zeroed *out. */
amm_status amm_get_problem(amm_reader *r, amm_problem_desc *out, const char *what,
                           const char *where);

/* ---- JSON out: a streaming writer -----------------------------------------------------------------
 * Numbers are printed shortest-round-trip; NaN and infinities as null. Integers that may pass 2^53
 * go out as strings (amm_json_id). `key` is NULL inside arrays and at the top. */
typedef struct amm_json {
    amm_text *text;
    int32_t depth;
    bool first;  /* nothing written yet at this depth */
    bool pretty; /* two-space indent; arrays opened with amm_json_open_row stay on one line */
    int32_t row; /* depth of the outermost open row, 0: none */
} amm_json;

void amm_json_init(amm_json *j, amm_text *text, bool pretty);
void amm_json_open(amm_json *j, const char *key, char bracket);     /* '{' or '[' */
void amm_json_open_row(amm_json *j, const char *key, char bracket); /* contents on one line */
void amm_json_close(amm_json *j, char bracket);                     /* '}' or ']' */
void amm_json_number(amm_json *j, const char *key, double value);
void amm_json_integer(amm_json *j, const char *key, int64_t value);
void amm_json_id(amm_json *j, const char *key, uint64_t value);  /* decimal string */
void amm_json_hex(amm_json *j, const char *key, uint64_t value); /* 16 hex digits as a string */
void amm_json_string(amm_json *j, const char *key, const char *value); /* NULL value: null */
void amm_json_bool(amm_json *j, const char *key, bool value);
void amm_json_null(amm_json *j, const char *key);

/* Descriptions as files that read back to the same object. */
void amm_write_model(amm_json *j, const char *key, const amm_model *model);
void amm_write_device(amm_json *j, const char *key, const amm_device *device);
void amm_write_cluster(amm_json *j, const char *key, const amm_cluster *cluster);
void amm_write_runtime(amm_json *j, const char *key, const amm_runtime *runtime);
void amm_write_profile(amm_json *j, const char *key, const amm_profile *profile);
void amm_write_problem(amm_json *j, const char *key, const amm_problem_desc *problem);

#endif
