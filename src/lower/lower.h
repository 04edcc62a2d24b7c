/* From descriptions to the engine's tables. Everything a layer costs is computed here, once per
 * class (device types, tp, micro-batch …), and handed to the backend as prefix tables in integer
 * ticks; the same tables in seconds ("exact") serve the final comparison in double. */
#ifndef AMM_LOWER_LOWER_H
#define AMM_LOWER_LOWER_H

#include "backend/solve.h"
#include "describe/describe.h"

/* One point of the space without the partition. */
typedef struct amm_config {
    uint64_t index;
    int32_t tp, dp, pp;
    int64_t micro_batch, micro_batches;
} amm_config;

/* Where the ranks of a strategy live: rank = t + tp d + tp dp p, tensor fastest. */
typedef struct amm_layout {
    const amm_cluster *cluster;
    int32_t *node_of; /* [devices] of a global device index */
    int32_t *type_of; /* [devices] */
} amm_layout;

/* Effective bandwidths of one config, after efficiencies and sharing of NICs. */
typedef struct amm_links {
    double *ring_bytes_per_s; /* [pp] slowest link of the slowest data-parallel ring; inf: dp 1 */
    double *boundary_bytes_per_s; /* [pp - 1] slowest transfer of stage p -> p + 1 */
    double tied_bytes_per_s;      /* first <-> last stage */
    uint32_t *type_mask;          /* [pp] device types serving the stage */
} amm_links;

enum { AMM_ROW_BUCKETS = 4096 };
typedef struct amm_row amm_row;
typedef struct amm_lowered {
    const amm_problem_desc *problem;
    amm_arena arena;   /* tables, for the life of the search */
    amm_arena scratch; /* of the current config: freed by the next amm_lower_config */
    amm_layout layout;
    amm_row **rows;       /* [AMM_ROW_BUCKETS] cache of tables in ticks, for all configs */
    amm_row *config_rows; /* tables of the current config only, in scratch: windows, seconds */
} amm_lowered;

/* Ticks: 2^(scale - 40) s. AMM_EXACT: seconds, not rounded. */
enum { AMM_EXACT = -1, AMM_TICK_EXPONENT = -40, AMM_MAX_SCALE = 80 };

amm_status amm_lower_init(amm_lowered *out, const amm_context *context,
                          const amm_problem_desc *problem);
void amm_lower_free(amm_lowered *lowered);

/* A config ready to be solved. All pointers are valid until the next amm_lower_config. */
typedef struct amm_lowered_config {
    amm_config config;
    int32_t scale;        /* AMM_EXACT or the tick's exponent */
    double unit_s;        /* seconds per unit of the tables */
    double fixed_s;       /* part of the time that no partition changes (tied embeddings) */
    double error_bound_s; /* |ticks - double| of any partition's time is at most this */
    double slack_s; /* the engine's time of a partition may be that much above the rescored one:
                       stages that mix device types are taken at the slowest type of every layer;
                       0 when exact */
    amm_links links;
    amm_solve_config solve;
} amm_lowered_config;

/* `exact`: tables in seconds; otherwise in the finest ticks that keep every sum below 2^24.
 * `memory`: false leaves the memory windows out (to say by how much something does not fit).
 * Errors: NO_MEMORY; LIMIT when no tick is coarse enough (no message: the caller counts it). */
amm_status amm_lower_config(amm_lowered *lowered, amm_lowered_config *out, const amm_config *config,
                            bool exact, bool memory);

/* Forward + backward seconds of all layers for a set of device types working in step (the slowest
 * at each layer): [layer_count] into `out`. */
void amm_lower_layer_times(const amm_lowered *lowered, double *out, uint32_t type_mask,
                           const amm_config *config);

/* Bytes of layer l on one device of stage `stage`. */
typedef struct amm_memory {
    double static_bytes, activation_bytes, logit_bytes, context_bytes;
} amm_memory;
amm_memory amm_lower_layer_memory(const amm_lowered *lowered, int32_t layer, int32_t stage,
                                  const amm_config *config);
/* Room for a stage on the device type of its set that leaves least, and that type's context. */
typedef struct amm_room {
    double usable_bytes, context_bytes;
} amm_room;
amm_room amm_lower_room(const amm_lowered *lowered, uint32_t type_mask);

/* Parameters of layer l that a stage holds (a tied head has a copy of the table when pp > 1). */
double amm_lower_parameters(const amm_lowered *lowered, int32_t layer, int32_t pp);
/* Seconds per parameter (whole layer) of a stage's gradient all-reduce, and of its optimizer. */
double amm_lower_all_reduce_s(const amm_lowered *lowered, const amm_config *config, double ring);
double amm_lower_optimizer_s(const amm_lowered *lowered, const amm_config *config, uint32_t mask);

/* links.c */
amm_status amm_layout_init(amm_layout *out, amm_arena *arena, const amm_cluster *cluster);
amm_status amm_links_of(amm_links *out, amm_arena *arena, const amm_layout *layout,
                        const amm_config *config);

/* A tensor group lives inside a node (profiles are taken there) and ranks fill nodes in order: tp has
 * to divide the device count of every node. */
bool amm_layout_tensor_fits(const amm_layout *layout, int32_t tp);

#endif
