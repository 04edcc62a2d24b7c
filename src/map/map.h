/* A map in the open, internal. */
#ifndef AMM_MAP_MAP_H
#define AMM_MAP_MAP_H

#include "search/result.h"
#include <ammeter/map.h>

/* What an axis changes. word, unit, counts are whole numbers */
#define AMM_MAP_AXIS_LIST(X)                                                                       \
    X(NIC, "nic", "Gb/s per device", false)                                                        \
    X(NVLINK, "nvlink", "GB/s per device", false)                                                  \
    X(NODES, "nodes", "nodes", true)                                                               \
    X(BATCH, "batch", "samples per step", true)

typedef enum amm_map_axis_kind {
#define AMM_MAP_AXIS_ENUM(name, word, unit, whole) AMM_MAP_##name,
    AMM_MAP_AXIS_LIST(AMM_MAP_AXIS_ENUM)
#undef AMM_MAP_AXIS_ENUM
        AMM_MAP_AXIS_COUNT
} amm_map_axis_kind;

typedef struct amm_map_axis {
    amm_map_axis_kind kind;
    int32_t count;
    double *values; /* [count] ascending */
} amm_map_axis;

/* The best plan at a point. */
typedef struct amm_map_point {
    bool done;
    double time_s; /* NaN: no plan */
    double tokens_per_s;
    int32_t strategy;   /* number in amm_map.strategies; -1: none */
    const char *reason; /* why there is no plan; NULL: there is one */
} amm_map_point;

/* Where the best strategy changes along x. */
typedef struct amm_map_change {
    int32_t y;
    double x;
    int32_t from, to;
} amm_map_change;

enum { AMM_MAP_POINTS = 100, AMM_MAX_MAP_POINTS = 1000 };

struct amm_map {
    amm_context *context;
    amm_arena arena;
    const amm_spec *spec;
    amm_map_axis axis[2];  /* y: one value of kind AMM_MAP_AXIS_COUNT where there is none */
    amm_map_point *points; /* [y][x] */
    int32_t strategy_count;
    size_t strategy_capacity;
    const char **strategies; /* as amm_evaluate reads them, in the order met */
    int32_t change_count;
    size_t change_capacity;
    amm_map_change *changes;
    double wall_s;
};

const char *amm_map_axis_word(amm_map_axis_kind kind);
const char *amm_map_axis_unit(amm_map_axis_kind kind);

/* "nic=100..1600" (axis.c). `name`: the option, for messages. */
amm_status amm_map_axis_read(amm_map_axis *out, amm_arena *arena, const char *text, int32_t points,
                             const char *name);

#endif
