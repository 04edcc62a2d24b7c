/* From descriptions to the engine's tables. Everything a layer costs is computed here, once per
 * class (device types, tp, micro-batch …), and handed to the backend as prefix tables in integer
 * ticks; the same tables in seconds ("exact") serve the final comparison in double. */
#ifndef AMM_LOWER_LOWER_H
#define AMM_LOWER_LOWER_H

#include "analytic/analytic.h"
#include "analytic/stage.h"
#include "backend/solve.h"
#include "describe/describe.h"

/* One point of the space without the partition. */
typedef struct amm_config {
    uint64_t index;
    int32_t tp, dp, pp;
    int64_t micro_batch, micro_batches;
    /* Analytic model only; with a profile 1 (or 0) and none. */
    int32_t cp, ep, etp, vpp;
    int32_t recompute; /* set of AMM_RECOMPUTE_..., or AMM_RECOMPUTE_PER_STAGE */
    int32_t sharding;  /* AMM_SHARDING_... */
    int32_t choice[AMM_CHOICE_COUNT];
    /* [pp] the sets, borrowed. NULL: `recompute` in every stage; with AMM_RECOMPUTE_PER_STAGE the
     * stages are still to choose theirs (an open config). */
    const int32_t *stage_recompute;
} amm_config;

/* Where the ranks of a strategy live: rank = t + tp d + tp dp p, tensor fastest. */
typedef struct amm_layout {
    const amm_cluster *cluster;
    int32_t *node_of;        /* [devices] of a global device index */
    int32_t *type_of;        /* [devices] */
    int32_t common_devices;  /* of all nodes: what tp divides */
    amm_block_counts counts; /* of the model that is laid out */
} amm_layout;

/* Effective bandwidths of one config, after efficiencies and sharing of NICs. */
typedef struct amm_links {
    double *ring_bytes_per_s; /* [pp] slowest link of the slowest data-parallel ring; inf: dp 1 */
    double *boundary_bytes_per_s; /* [pp - 1] slowest transfer of stage p -> p + 1 */
    double tied_bytes_per_s;      /* first <-> last stage */
    uint32_t *type_mask;          /* [pp] device types serving the stage */
} amm_links;

enum {
    AMM_ROW_BUCKETS = 4096,
    AMM_CLASS_BUCKETS = 65536,
    AMM_SET_BUCKETS = 16384,
    AMM_MEMORY_NOTES = 256
};
typedef struct amm_row amm_row;

/* What layers cost under the choices that change them; the same for every dp, pp and cut. */
typedef struct amm_layer_class {
    struct amm_layer_class *next;
    amm_config key; /* what does not matter is 0 */
    amm_stage_seconds empty, embedding, head, kind[AMM_MAX_BLOCK_KINDS]; /* stages of one layer */
    double layers_s, longest_s; /* sum, maximum; without what every stage costs */
    amm_kept_class kept;
} amm_layer_class;

typedef struct amm_even_stages amm_even_stages;
typedef struct amm_class_set amm_class_set;
typedef struct amm_memory_note amm_memory_note;

/* A problem without a profile as the analytic model sees it. */
typedef struct amm_analytic {
    amm_network network, probe; /* probe: one block of each kind */
    int32_t *probe_blocks;      /* [probe stages] */
    amm_machine machine;
    amm_run run;       /* what all strategies have in common */
    double room_bytes; /* of a device, after the margin */
    int32_t layers;
    int32_t *blocks_before;                  /* [layers + 1] blocks among the first layers */
    int32_t *kinds_before;                   /* [kinds][layers + 1] */
    double kind_blocks[AMM_MAX_BLOCK_KINDS]; /* of the whole network */
    const amm_even_stages **even;            /* [AMM_MAX_STAGES + 1] by pp; NULL: not met yet */
    amm_layer_class **classes;
    amm_class_set **class_sets;     /* compose.c: what a config's stages choose among */
    amm_memory_note *memory_notes;  /* compose.c */
    const amm_layer_class *current; /* of the rows being filled */
    /* What stages of an open config choose among, and the classes of the config at hand. */
    int32_t choice_count;
    const int32_t *choices;                 /* [choice_count] sets */
    const amm_layer_class **choice_classes; /* [choice_count] */
    amm_stages stages;                      /* scratch */
} amm_analytic;
typedef struct amm_lowered {
    const amm_problem_desc *problem;
    amm_arena arena;   /* tables, for the life of the search */
    amm_arena scratch; /* of the current config: freed by the next amm_lower_config */
    amm_layout layout;
    amm_row **rows;         /* [AMM_ROW_BUCKETS] cache of tables in ticks, for all configs */
    amm_row *config_rows;   /* tables of the current config only, in scratch: windows, seconds */
    amm_analytic *analytic; /* NULL: a profile times the layers */
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
    int32_t entry_room;  /* analytic model: entries that a stage can have */
    int32_t *entry_sets; /* [pp][entry_room] recompute set of each */
} amm_lowered_config;

/* The recompute sets [pp] of a solution's entries [pp]; analytic model. */
void amm_entry_sets(int32_t *sets, const amm_lowered_config *config, const int32_t *entry);

/* `exact`: tables in seconds; otherwise in the finest ticks that keep every sum below 2^24.
 * `memory`: false leaves the memory windows out (to say by how much something does not fit).
 * Errors: NO_MEMORY; LIMIT when no tick is coarse enough: solved in seconds then. slack_s is
 * set. */
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

/* analytic.c: a problem without a profile. Fails with INPUT when the model cannot be timed. */
amm_status amm_analytic_init(amm_lowered *lowered);
/* The run of a config; `stage_blocks` [pp] or NULL: the even cut. */
void amm_lower_run(amm_run *out, const amm_analytic *a, const amm_config *config,
                   const int32_t *stage_blocks);
amm_status amm_layer_class_of(amm_analytic *a, amm_arena *arena, const amm_layer_class **out,
                              const amm_config *config);
/* The part of a config that its classes depend on; all else is 0, padding too: keys are compared as
 * bytes. */
void amm_class_key(amm_config *out, const amm_config *config);
uint64_t amm_config_hash(const amm_config *config);
/* One partition only: no pipeline, interleaved, or zero-bubble: the bubble of the last is the closed
 * form's share of 1F1B's, which no sum over layers has. */
bool amm_analytic_is_direct(const amm_config *config);
/* Every choice as the runtime usually has it. */
void amm_config_usual(amm_config *out, const amm_runtime *runtime);
/* False: the choice changes nothing here (tensor-parallel overlap at tp 1 …). */
bool amm_choice_matters(amm_choice choice, const amm_config *config);
/* False: the choice changes no bytes of any config. */
bool amm_choice_holds_memory(amm_choice choice);
/* Layers -> blocks of each stage, and the even cut (blocks as equal as they can be, larger first, or
 * the ends one less: amm_stage_blocks). */
void amm_blocks_of_cuts(const amm_analytic *a, int32_t *blocks, const int32_t *cuts,
                        int32_t stages);
void amm_even_cuts(const amm_lowered *lowered, int32_t *cuts, const amm_config *config);
/* Blocks of each kind among the layers [first, end). */
void amm_count_kinds(const amm_analytic *a, int32_t *blocks, int32_t first, int32_t end);
/* Bytes of a stage that holds layers [first, end). */
void amm_lower_ledger(const amm_analytic *a, amm_ledger *out, const amm_run *run, int32_t stage,
                      int32_t first, int32_t end);
/* Whether the stages of a config are still to choose what they recompute; the sets that a stage can
 * have: those choices, or the one it is given. */
bool amm_config_is_open(const amm_config *config);
int32_t amm_stage_set_count(const amm_analytic *a, const amm_config *config);
int32_t amm_stage_set(const amm_analytic *a, const amm_config *config, int32_t stage, int32_t k);
/* The config with one set in all stages. */
amm_config amm_config_with(const amm_config *config, int32_t set);
/* Makes the choices of the config's classes current: before amm_fastest_set. */
amm_status amm_choice_classes(amm_lowered *lowered, const amm_config *config);
/* What a stage of layers [first, end) of an open config recomputes: of the choices that fit the one
 * with the least seconds (as in amm_stage_costs); where none fits, the one with the least bytes. Equal
 * ones: the first. */
int32_t amm_fastest_set(const amm_lowered *lowered, const amm_config *config, int32_t stage,
                        int32_t first, int32_t end);
/* What composing a config's classes tells of it (compose.c); c->stage_recompute NULL. */
typedef struct amm_composed {
    double floor_s; /* no partition of the config, with any sets, is faster */
    double
        short_bytes; /* of the stage of the even cut that misses most, at the sets that need least;
                           <= 0: the even cut fits */
    int32_t stage;
    bool fits; /* the one candidate, or any partition, with any sets */
} amm_composed;
amm_memory_note *amm_memory_notes(amm_arena *arena); /* NULL: no memory */
amm_status amm_compose(amm_lowered *lowered, amm_composed *out, const amm_config *config);
/* The part of a config's time that neither cuts nor sets change. */
amm_status amm_analytic_fixed(amm_lowered *lowered, double *out, const amm_config *config);
/* Tables of a config without a profile (pp > 1, vpp 1) with one set, the one of the current class, in
 * seconds: layers [layers], what they add
 * to the optimizer [layers], what data parallelism adds when the first stage ends at a layer
 * [layers + 1], memory windows of a stage [layers + 1]. The engine's time of a partition never lies
 * above amm_step_time's, and equals it where the first stage's gradients end last. */
void amm_fill_layer_times(const amm_lowered *lowered, double *seconds);
void amm_fill_layer_ends(const amm_lowered *lowered, double *seconds, const amm_config *config);
void amm_fill_first_exposed(const amm_lowered *lowered, double *seconds, const amm_config *config);
void amm_fill_window(const amm_lowered *lowered, int32_t *first, int32_t stage,
                     const amm_config *config);

/* links.c */
amm_status amm_layout_init(amm_layout *out, amm_arena *arena, const amm_problem_desc *problem);
amm_status amm_links_of(amm_links *out, amm_arena *arena, const amm_layout *layout,
                        const amm_config *config);

/* A tensor group lives inside a node (profiles are taken there) and ranks fill nodes in order: tp has
 * to divide the device count of every node. */
bool amm_layout_tensor_fits(const amm_layout *layout, int32_t tp);

#endif
