/* A map in the open, internal. */
#ifndef AMM_MAP_MAP_H
#define AMM_MAP_MAP_H

#include "describe/describe.h"
#include "search/result.h"
#include <ammeter/map.h>

/* What an axis changes. word, unit, counts are whole numbers, least and largest value: bandwidths
 * from far below any link to far above (and below AMM_MAX_BYTES_PER_S for the largest node), counts
 * as in descriptions */
#define AMM_MAP_AXIS_LIST(X)                                                                       \
    X(NIC, "nic", "Gb/s per device", false, 1e-3, 1e6)                                             \
    X(NVLINK, "nvlink", "GB/s per device", false, 1e-3, 1e6)                                       \
    X(NODES, "nodes", "nodes", true, 1.0, AMM_MAX_NODES)                                           \
    X(BATCH, "batch", "samples per step", true, 1.0, AMM_MAX_BATCH)

typedef enum amm_map_axis_kind {
#define AMM_MAP_AXIS_ENUM(name, ...) AMM_MAP_##name,
    AMM_MAP_AXIS_LIST(AMM_MAP_AXIS_ENUM)
#undef AMM_MAP_AXIS_ENUM
        AMM_MAP_AXIS_COUNT
} amm_map_axis_kind;

typedef struct amm_map_axis {
    amm_map_axis_kind kind;
    int32_t count;
    double *values; /* [count] ascending */
} amm_map_axis;

/* word in results: what became of a point */
#define AMM_MAP_FATE_LIST(X)                                                                       \
    X(PLAN, "plan")                                                                                \
    X(NO_PLAN, "no-plan") /* nothing fits */                                                       \
    X(INVALID, "invalid") /* its problem is invalid input, or beyond a limit */

typedef enum amm_map_fate {
    AMM_MAP_OPEN, /* not planned: interrupted, or something failed before */
#define AMM_MAP_FATE_ENUM(name, word) AMM_MAP_FATE_##name,
    AMM_MAP_FATE_LIST(AMM_MAP_FATE_ENUM)
#undef AMM_MAP_FATE_ENUM
        AMM_MAP_FATE_COUNT
} amm_map_fate;

/* The best plan at a point. */
typedef struct amm_map_point {
    amm_map_fate fate;
    double time_s; /* NaN: no plan */
    double tokens_per_s;
    int32_t strategy; /* number in amm_map.strategies; -1: none */
    int32_t reason;   /* number in amm_map.reasons: why there is no plan; -1: there is one */
} amm_map_point;

/* Where the best strategy changes along x. */
typedef struct amm_map_change {
    int32_t left, y; /* the point before it */
    double x;        /* NaN: not found yet */
    int32_t from, to;
} amm_map_change;

enum { AMM_MAP_POINTS = 100, AMM_MAX_MAP_POINTS = 1000 };

/* Texts, each once. */
typedef struct amm_map_texts {
    int32_t count;
    size_t capacity;
    const char **list; /* in the map's arena, in the order of the points */
} amm_map_texts;

struct amm_map {
    amm_context *context;
    amm_arena arena;
    const amm_spec *spec;
    amm_map_axis axis[2];     /* y: one value of kind AMM_MAP_AXIS_COUNT where there is none */
    amm_map_point *points;    /* [y][x] */
    amm_map_texts strategies; /* as amm_evaluate reads them */
    amm_map_texts reasons;
    int32_t done; /* points */
    int32_t change_count;
    size_t change_capacity;
    amm_map_change *changes;
    double wall_s;
};

static inline amm_map_point *amm_map_at(const amm_map *map, int32_t x, int32_t y)
{
    return &map->points[(size_t)y * (size_t)map->axis[0].count + (size_t)x];
}

const char *amm_map_axis_word(amm_map_axis_kind kind);
const char *amm_map_axis_unit(amm_map_axis_kind kind);

/* The first point whose problem is invalid, -1: none; *count: all of them. */
int32_t amm_map_first_invalid(const amm_map *map, int32_t *count);
/* "plan", "no-plan", "invalid" */
const char *amm_map_fate_word(amm_map_fate fate);

/* "nic=100..1600" (axis.c). `points` 0: the usual number; with a list it has to be. `name`: the
 * option, for messages. Errors: INPUT, NO_MEMORY. */
amm_status amm_map_axis_read(amm_map_axis *out, amm_arena *arena, const char *text, int32_t points,
                             const char *name);

#endif
