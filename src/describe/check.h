/* Range checks of descriptions, and the one shape of their messages:
 *     WHERE:KEY: what, got X, allowed Y
 * WHERE is a file, or a file and the path of an object in it ("x.json:layers[3]"); the key then
 * follows after a dot. */
#ifndef AMM_DESCRIBE_CHECK_H
#define AMM_DESCRIBE_CHECK_H

#include "describe/describe.h"

/* Largest integer of any file: beyond it doubles lose units. */
#define AMM_MAX_INTEGER INT64_C(9007199254740992)

/* Ranges that no real description leaves; they keep every later product finite. */
enum { AMM_MAX_WIDTH = 16777216, AMM_MAX_SOURCE = 4096 };
#define AMM_MAX_BYTES_PER_S 1e18
#define AMM_MAX_SECONDS     1e9

/* A path below a description: "layers[3].hidden". */
enum { AMM_PATH_CHARS = 128 };

amm_status amm_refuse(const char *where, const char *key, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* low <= value <= high; not a number is outside. */
amm_status amm_check_integer(const char *where, const char *key, int64_t value, int64_t low,
                             int64_t high);
amm_status amm_check_number(const char *where, const char *key, double value, double low,
                            double high);
/* 0 < value <= high. */
amm_status amm_check_positive(const char *where, const char *key, double value, double high);
/* 1 to AMM_MAX_NAME bytes. */
amm_status amm_check_name(const char *where, const char *key, const char *name);

/* Sorts `values` and drops repeats in place; the list points at them afterwards. */
void amm_list_finish(amm_list *list, int64_t *values, int32_t count);

/* Keys of a block in files, but for its width and its norm: member of the shape, key, the range when
 * it is given. Zero: absent. */
#define AMM_SHAPE_SIZE_LIST(X)                                                                     \
    X(ffn, "ffn", 1, AMM_MAX_WIDTH)                                                                \
    X(heads, "heads", 1, AMM_MAX_WIDTH)                                                            \
    X(kv_heads, "kv_heads", 1, AMM_MAX_WIDTH)                                                      \
    X(head_qk, "head_size", 1, AMM_MAX_WIDTH)                                                      \
    X(head_v, "value_head_size", 1, AMM_MAX_WIDTH)                                                 \
    X(q_rank, "query_rank", 1, AMM_MAX_WIDTH)                                                      \
    X(kv_rank, "key_value_rank", 1, AMM_MAX_WIDTH)                                                 \
    X(rope, "rope_size", 1, AMM_MAX_WIDTH)                                                         \
    X(window, "window", 1, INT32_MAX)                                                              \
    X(experts, "experts", 1, AMM_MAX_EXPERTS)                                                      \
    X(top_k, "top_k", 1, AMM_MAX_EXPERTS)                                                          \
    X(expert_groups, "expert_groups", 1, AMM_MAX_EXPERTS)                                          \
    X(token_groups, "token_groups", 1, AMM_MAX_EXPERTS)                                            \
    X(expert_ffn, "expert_ffn", 1, AMM_MAX_WIDTH)                                                  \
    X(shared_ffn, "shared_ffn", 1, AMM_MAX_WIDTH)                                                  \
    X(extra_parameters, "extra_parameters", 1, AMM_MAX_INTEGER)                                    \
    X(activation_kernels, "activation_kernels", 1, 64)
/* member of the shape, key, default */
#define AMM_SHAPE_FLAG_LIST(X)                                                                     \
    X(gated, "gated", 0)                                                                           \
    X(qkv_bias, "qkv_bias", 1)                                                                     \
    X(out_bias, "out_bias", 1)                                                                     \
    X(ffn_bias, "ffn_bias", 1)                                                                     \
    X(qk_norm, "qk_norm", 0)

/* snprintf for paths; too long ones are cut. */
void amm_path(char out[AMM_PATH_CHARS], const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Names that may stand in a cluster line: letters, digits, '.', '_', '-'. */
#define AMM_WORD_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

/* The same name and the same figures (sources may differ in their wording). */
bool amm_device_same(const amm_device *a, const amm_device *b);
/* `name` is the device's name or one of its aliases. */
bool amm_device_named(const amm_device *device, const char *name);

#endif
