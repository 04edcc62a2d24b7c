/* The best plan at every point of a grid: where one strategy gives way to another. */
#ifndef AMMETER_MAP_H
#define AMMETER_MAP_H

#include <ammeter/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

/* One axis, as a person types it:
 *   "nic=100..1600"        network bandwidth, Gb/s per device, one way
 *   "nvlink=100..900"      bandwidth inside a node, GB/s per device, one way
 *   "nodes=4..512"         nodes like the cluster's first one
 *   "batch=256..4096"      samples per step
 * LOW..HIGH: points from LOW to HIGH, each the same factor above the one before (counts: rounded,
 * each once); or a list "4,8,16". Values ascend. Bandwidths from 0.001 to 1,000,000, nodes to
 * 65,536, batch to 16,777,216. The problem need not have what an axis gives. */
typedef struct amm_map_options {
    size_t size;       /* sizeof(amm_map_options): grows by appending only */
    const char *x, *y; /* y may be NULL: one row */
    int32_t points[2]; /* of a LOW..HIGH axis, x and y; 0: 100; at most 1,000; others: 0 */
    /* Points planned side by side; a single point has all. 0: as many as the backend takes, for
     * cpu/simd all processors. The map does not depend on it. Unless it is 1, the context's
     * allocator is called from several threads at once and must be safe for that; progress from the
     * caller's thread alone. */
    int32_t threads;
    const char *backend;
    amm_progress progress; /* may be NULL; the time given to it is that of a point under way */
    void *payload;         /* borrowed, given to progress */
} amm_map_options;

#define AMM_MAP_OPTIONS_INIT                                                                       \
    {                                                                                              \
        sizeof(amm_map_options), NULL, NULL, { 0, 0 }, 0, NULL, NULL, NULL                         \
    }
AMM_API void amm_map_options_init(amm_map_options *out);

typedef struct amm_map amm_map;

/* Plans every point: all devices in use, one type. A point without a plan keeps the reason: nothing
 * fits, or its problem is invalid. AMM_INTERRUPTED also gives a map, of the points done, and so
 * does a failure once a point is done: *out is NULL or has to be freed, whatever is returned.
 * Errors: INPUT (also: no point is valid; the message is the first one's), NO_MEMORY, UNAVAILABLE,
 * INTERNAL. */
AMM_API amm_status amm_map_create(amm_map **out, const amm_spec *spec,
                                  const amm_map_options *options);
AMM_API void amm_map_free(amm_map *map);

/* Points along x (axis 0) and y (axis 1); their values; seconds per step of the best plan, NaN: none. */
AMM_API int32_t amm_map_count(const amm_map *map, int axis);
AMM_API double amm_map_value(const amm_map *map, int axis, int32_t index);
AMM_API double amm_map_time_s(const amm_map *map, int32_t x, int32_t y);

/* A row per point: x, y, seconds, tokens per second, strategy, why there is none. Or a row per place
 * along x where another strategy gets ahead: y, x, from, to; x between two points is where the straight
 * lines through both strategies' times at these points cross. Free with amm_text_free. */
AMM_API amm_status amm_map_csv(const amm_map *map, char **out);
AMM_API amm_status amm_map_break_even_csv(const amm_map *map, char **out);
/* The same as JSON (docs/formats.md, "ammeter-map"). */
AMM_API amm_status amm_map_json(const amm_map *map, char **out);
/* What a person reads: a letter per point, and what the letters stand for. */
AMM_API amm_status amm_map_table(const amm_map *map, char **out);

#ifdef __cplusplus
}
#endif
#endif
