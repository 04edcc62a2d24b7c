/* Inside calibrate/: measured runs as the analytic model takes them. */
#ifndef AMM_CALIBRATE_RUNS_H
#define AMM_CALIBRATE_RUNS_H

#include "analytic/range.h"
#include "io/csv.h"
#include "io/io.h"

#include <ammeter/validate.h>

enum { AMM_MAX_OWNERS = 64 };

/* Columns read. name. The formatter would break the list anew at each run. */
/* clang-format off */
#define AMM_RUN_COLUMN_LIST(X) \
    X(source_id) X(framework) X(model) X(layers) X(hidden) X(ffn_hidden) X(heads) \
    X(kv_heads) X(vocab) X(seq_len) X(gated_mlp) X(moe_experts) X(moe_topk) X(gpu) X(gpus) \
    X(gpus_per_node) X(scaleup_domain) X(interconnect) X(nic_gbit_per_node) X(cluster) \
    X(precision) X(tp) X(pp) X(dp) X(cp) X(ep) X(vpp) X(zero_stage_or_fsdp) \
    X(seq_parallel) X(recompute) X(micro_batch) X(global_batch) X(flash_attention) \
    X(schedule) X(stage_layers) X(measured_iter_s) X(measured_mem_gb) X(oom) X(etp) \
    X(recompute_modules) X(cuda_graph) X(tp_comm_overlap) X(moe_dispatcher) \
    X(moe_ffn_hidden) X(moe_shared_experts) X(first_k_dense) X(cp_comm) X(score) X(notes)
/* clang-format on */

enum {
#define AMM_RUN_COLUMN_ENUM(name) AMM_COLUMN_##name,
    AMM_RUN_COLUMN_LIST(AMM_RUN_COLUMN_ENUM)
#undef AMM_RUN_COLUMN_ENUM
        AMM_COLUMN_COUNT
};

/* A device or runtime that rows use, with the index of its first constant. */
typedef struct amm_owner {
    const char *name;
    const amm_device *device; /* or */
    const amm_runtime *runtime;
    size_t first;
} amm_owner;

/* One type of device of a row, in the order of the cluster's nodes. */
typedef struct amm_run_part {
    const amm_device *device;
    int32_t owner;  /* whose constants */
    double devices; /* of this type */
    amm_fabric fabric;
} amm_run_part;

enum { AMM_MAX_RUN_PARTS = 4 };

/* Settings that a row may leave unknown although its time depends on them; it is predicted with the
 * usual value and over the plausible ones (assumed.c). name, word in `assumed` */
#define AMM_ASSUMED_LIST(X)                                                                        \
    X(VPP, "vpp")               /* interleaved stages, chunks not told */                          \
    X(NIC, "nic")               /* several scale-up domains, network not told */                   \
    X(RECOMPUTE, "recompute")   /* empty */                                                        \
    X(TP_OVERLAP, "tp-overlap") /* empty, tp > 1, and the runtime can */                           \
    X(FRAMEWORK, "framework")   /* no runtime preset lists it */                                   \
    X(GRAPHS, "graphs")         /* published settings contradict each other */

enum {
#define AMM_ASSUMED_ENUM(name, word) AMM_ASSUMED_##name,
    AMM_ASSUMED_LIST(AMM_ASSUMED_ENUM)
#undef AMM_ASSUMED_ENUM
        AMM_ASSUMED_COUNT
};
enum { AMM_ASSUMED_CHARS = 64 };

typedef struct amm_run_row {
    const char *reason; /* NULL: understood */
    uint32_t assumed;   /* bits 1 << AMM_ASSUMED_... */
    amm_network network;
    amm_run run;
    const amm_device *device; /* the first part's */
    int32_t device_owner;
    int32_t part_count;
    amm_run_part parts[AMM_MAX_RUN_PARTS];
    int32_t runtime_owner;
    bool omni_path;
    double batch;                      /* sequences per step */
    double measured_s, measured_bytes; /* NaN: none */
} amm_run_row;

struct amm_runs {
    amm_arena arena;
    amm_reader reader;
    const char *file;
    amm_csv csv;
    int32_t column[AMM_COLUMN_COUNT]; /* -1: absent */
    amm_run_row *rows;                /* [csv.rows] */
    int32_t owner_count;
    amm_owner owners[AMM_MAX_OWNERS];
    size_t constant_count;
    int32_t network_count; /* network presets that the analytic model takes */
    amm_network *networks;
    int32_t preset_count; /* device presets */
    const amm_device **presets;
    int32_t device_count; /* presets found so far */
    struct {
        const amm_device *device;
        int32_t owner;
    } devices[AMM_MAX_OWNERS];
    const amm_runtime *runtimes[AMM_MAX_OWNERS]; /* presets read so far, by index */
};

/* runs.c: as amm_runs_create, from text. `file` is only a name for messages. */
amm_status amm_runs_read(amm_runs **out, amm_context *context, const char *text, size_t size,
                         const char *file);
/* row.c: one row; *reason_out of the row is set when it cannot be modelled. Errors: NO_MEMORY. */
amm_status amm_run_row_read(amm_runs *runs, int64_t row, amm_run_row *out);
/* layout.c: why no run can have the row's degrees, batch and groups; NULL: it can. */
const char *amm_run_row_reject(const amm_run_row *row);
/* runs.c: index of the owner, made when new. */
amm_status amm_runs_device(amm_runs *runs, const char *name, const amm_device **out,
                           int32_t *owner);
/* *known: false: no preset has or lists the framework's name, and the owner is "generic". */
amm_status amm_runs_runtime(amm_runs *runs, const char *framework, int32_t *owner, bool *known);
const char *amm_runs_text(const amm_runs *runs, int64_t row, int column);
/* The machine of a part with these constants (NULL: as shipped). */
void amm_runs_machine(const amm_runs *runs, const amm_run_row *row, int32_t part,
                      const double *constants, amm_machine *out);
/* Seconds of the row's step: stages that have slower devices run at their rate. */
void amm_runs_step(const amm_runs *runs, const amm_run_row *row, const double *constants,
                   amm_step *out);
/* Usable bytes of the row's smallest device. */
double amm_runs_room(const amm_run_row *row);

/* What is predicted of one row with the constants as shipped. All or nothing: without a prediction
 * every number is NaN and `feasible` -1. The range is NaN while no range is predicted; of a row with
 * assumed settings it goes from the low of the fastest variant to the high of the slowest. */
typedef struct amm_run_prediction {
    double time_s, low_s, high_s, memory_gib;
    double flops;  /* of the model per step; see amm_step */
    amm_step step; /* the terms of time_s */
    int feasible;
    bool validated;                /* runs of this regime were held against predictions */
    char regime[AMM_REGIME_CHARS]; /* docs/calibration.md */
} amm_run_prediction;

/* assumed.c: the row with the index-th combination of plausible values of its assumed settings; false
 * when there are no more. Index 0 of a row that assumes nothing is the row itself. */
bool amm_run_variant(amm_run_row *out, const amm_run_row *row, int64_t index);
/* "vpp+nic"; "" when nothing is assumed. */
void amm_assumed_format(char out[AMM_ASSUMED_CHARS], uint32_t assumed);
/* Columns that amm_runs_csv adds: eight and the nine terms of the time. */
#define AMM_PREDICTION_COLUMNS 17
#define AMM_REASON_NOT_FINITE  "the prediction is not a finite number"
void amm_run_predict(amm_run_prediction *out, const amm_runs *runs, const amm_run_row *row);

#endif
