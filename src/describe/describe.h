/* What the user has: model, cluster, device, runtime, profile, space, and the problem that names
 * them. Plain structs in the open, filled by io/ (files) or cluster_line.c (one-line forms),
 * checked by the validate functions here, read by lower/ and search/. SI units throughout.
 *
 * Ownership: every pointer points into the arena that the description was made in, and lives as
 * long as that arena. */
#ifndef AMM_DESCRIBE_DESCRIBE_H
#define AMM_DESCRIBE_DESCRIBE_H

#include "core/core.h"
#include "formula/cost/facts.h"
#include "formula/cost/rates.h"
#include "formula/cost/recompute.h"
#include "formula/cost/schedule.h"
#include "formula/cost/shape.h"

/* Documented limits: beyond them input is refused with AMM_INPUT and the limit is named. */
enum {
    AMM_MAX_LAYERS = 4096,
    AMM_MAX_NODES = 65536,
    AMM_MAX_DEVICES = 1048576, /* in a cluster */
    AMM_MAX_DEVICES_PER_NODE = 1024,
    AMM_MAX_DEVICE_TYPES = 16, /* in a cluster */
    AMM_MAX_TP = 1024,
    AMM_MAX_LIST = 4096, /* values of one search dimension */
    AMM_MAX_BATCH = 16777216,
    AMM_MAX_EXPERTS = 65536,
    AMM_MAX_PREDICTION = 64, /* layers of multi-token prediction */
    AMM_MAX_AMP_LAYERS = 64, /* work layers of the amp-reference cost model */
    AMM_MAX_NAME = 128
};

/* Largest size of a single shape or count in a file: products of two stay exact in double. */
#define AMM_MAX_SIZE INT64_C(68719476736)
/* Bytes per second; bytes of memory. */
#define AMM_MAX_BANDWIDTH 1e15
#define AMM_MAX_BYTES     INT64_C(1125899906842624)

/* ---- model ----------------------------------------------------------------------------------- */

/* kind, word in files */
#define AMM_LAYER_KIND_LIST(X)                                                                     \
    X(EMBEDDING, "embedding") /* token (and position) table */                                     \
    X(BLOCK, "block")         /* attention + feed-forward */                                       \
    X(NORM, "norm")           /* normalisation alone */                                            \
    X(HEAD, "head")           /* logits over the vocabulary, and the loss */                       \
    X(OTHER, "other")         /* reshapes, resampling, anything else: numbers given in the file */

typedef enum amm_layer_kind {
#define AMM_LAYER_KIND_ENUM(name, word) AMM_LAYER_##name,
    AMM_LAYER_KIND_LIST(AMM_LAYER_KIND_ENUM)
#undef AMM_LAYER_KIND_ENUM
        AMM_LAYER_KIND_COUNT
} amm_layer_kind;

/* One layer. All counts are per sample (one sequence or image) and for the whole layer, before
 * tensor parallelism divides it. */
typedef struct amm_layer {
    const char *name; /* never NULL; "" when not given */
    amm_layer_kind kind;
    int64_t hidden;        /* width h; 0 for OTHER without one */
    amm_block_shape shape; /* blocks; -1: the file is silent, until amm_layer_finish. Norm, and an
                              embedding with a norm after it: norm_vectors alone */
    int64_t tokens;        /* sequence positions s at this layer (default: the model's) */
    int64_t vocab;         /* rows V of the table; embedding and head only */
    int64_t positions;     /* rows of a learned position table; embedding only (default 0) */
    bool tied;             /* head: uses the embedding's table instead of its own */
    int64_t parameters;    /* derived by amm_layer_finish (formula/cost), or given for OTHER */
    int64_t out_elements;  /* activation elements leaving the layer (default: tokens * hidden;
                             head: tokens * vocab; other, norm: what enters) */
    bool out_sharded;      /* the outgoing activation is divided by tp (head: yes) */
    int64_t kept_bytes;    /* OTHER: activation bytes kept for backward, given in the file */
} amm_layer;

/* What the AMP reference code sees of a model (amp-reference cost model only). The reference
 * models a subset of the layers ("work layers") and splits "units" evenly when there is one
 * micro-batch. */
typedef struct amm_amp_view {
    bool present;
    int32_t work_count;
    const int32_t *work;           /* [work_count] ascending layer indices */
    int32_t uniform_units;         /* layers that the uniform rule spreads */
    int32_t uniform_first;         /* entries added to the first stage by the uniform rule */
    int32_t uniform_last;          /* entries added to the last stage by the uniform rule */
    int64_t boundary_elements;     /* > 0: the reference's constant for every cut; 0: per layer */
    int32_t placement_explicit_tp; /* 1: the explicit tensor term of the placement path exists */
} amm_amp_view;

typedef struct amm_model {
    const char *name, *source;
    int64_t seq_len; /* tokens per sample at the input */
    int32_t layer_count;
    const amm_layer *layers;   /* [layer_count] */
    int32_t prediction_layers; /* multi-token prediction: blocks like the last one, before the head,
                                  that train with the model and are not among its layers */
    amm_amp_view amp;
    const struct amm_model
        *given; /* what this one was made from at another seq_len; NULL: itself */
} amm_model;

/* What degrees have to divide, over all blocks of a model. */
enum { AMM_MAX_KEY_HEADS = 8 };
typedef struct amm_block_counts {
    int32_t blocks;
    int64_t heads, experts; /* greatest common divisors; experts 1: none, heads 0: no block */
    int32_t
        key_head_count; /* numbers of key heads that occur, those of latent attention not counted;
                               past the room: more than the analytic model takes */
    int64_t key_heads[AMM_MAX_KEY_HEADS];
} amm_block_counts;
void amm_block_counts_of(amm_block_counts *out, const amm_model *model);

/* ---- device, runtime ------------------------------------------------------------------------- */

/* A fitted or sourced number. */
typedef struct amm_constant {
    double value, low, high, sd; /* sd < 0: not known */
    const char *source;
} amm_constant;

/* A constant that the analytic model asks for by name: bounds, value where no file gives one. */
typedef struct amm_named {
    const char *name;
    double low, high, value;
    const char *what;
} amm_named;
extern const amm_named amm_rate_table[AMM_RATE_COUNT];
extern const amm_named amm_fact_table[AMM_FACT_COUNT];
extern const amm_named amm_peak_table[AMM_PEAK_COUNT];

enum { AMM_MAX_OVERHEAD_POINTS = 8, AMM_MAX_ALIASES = 4 };

enum { AMM_MAX_REGIMES = 64 };

/* Sizes of a run between whose measured values the constants of a device are known to hold. key,
 * what */
#define AMM_SIZE_LIST(X)                                                                           \
    X(hidden, "hidden size")                                                                       \
    X(seq_len, "sequence")                                                                         \
    X(devices, "devices")                                                                          \
    X(micro_batch_tokens, "tokens of a micro-batch per context rank")

enum {
#define AMM_SIZE_ENUM(key, what) AMM_SIZE_##key,
    AMM_SIZE_LIST(AMM_SIZE_ENUM)
#undef AMM_SIZE_ENUM
        AMM_SIZE_COUNT
};

/* What a fit leaves unknown of a device type (docs/calibration.md). */
typedef struct amm_posterior {
    int32_t count;            /* of constants */
    const int32_t *rate;      /* [count] AMM_RATE_..., none twice */
    const double *covariance; /* [count][count], symmetric, of the constants themselves */
    double generic_sd;        /* of ln(measured / predicted) beyond that, any regime */
    int32_t regime_count;
    const char *const *regime;   /* [regime_count] as amm_regime_key writes them */
    const double *regime_sd;     /* [regime_count] */
    double residual_correlation; /* of two runs of one job in different layouts; 0: not known */
    double measured[AMM_SIZE_COUNT][2]; /* least, largest of the runs fitted on */
} amm_posterior;

/* One accelerator type. */
typedef struct amm_device {
    const char *name, *source;
    int32_t alias_count;
    const char *aliases[AMM_MAX_ALIASES];
    int64_t memory_bytes;  /* usable by the job before the context takes its share */
    int64_t context_bytes; /* held by driver context and communication library */
    double hbm_bytes_per_s;
    /* Share of a layer's time at the profile's micro-batch that does not grow with the micro-batch,
     * by tensor-parallel degree; exact tp is looked up, the nearest smaller one otherwise. */
    int32_t overhead_count;
    int32_t overhead_tp[AMM_MAX_OVERHEAD_POINTS];
    amm_constant overhead_share[AMM_MAX_OVERHEAD_POINTS];
    amm_constant intra_efficiency, inter_efficiency; /* of the nominal link bandwidths */
    /* Analytic model; peaks[0] = 0: the file gives none, and only profiles can time this device. */
    double peaks[AMM_PEAK_COUNT];
    const char *constants_of; /* the device whose fitted constants these are; NULL: its own */
    const char *regime;       /* "calibrated", or "uncalibrated": from the datasheet and priors */
    amm_constant rates[AMM_RATE_COUNT];
    const amm_posterior *posterior; /* NULL: no fit */
} amm_device;

/* Software facts of a training framework generation. */
typedef struct amm_runtime {
    const char *name, *source;
    double static_bytes_per_parameter;    /* weights + gradients + optimizer states on a device */
    double gradient_bytes;                /* per parameter in the data-parallel all-reduce */
    double activation_bytes;              /* per element of activations and boundaries */
    double logit_bytes;                   /* per logit element kept at the head */
    double p2p_exposed_share;             /* 0: transfers hidden behind compute, 1: blocking */
    double optimizer_bytes_per_parameter; /* memory traffic of one optimizer step */
    int32_t framework_count;
    const char *frameworks[AMM_MAX_ALIASES]; /* names under which measured runs list it */
    amm_constant facts[AMM_FACT_COUNT];      /* analytic model */
} amm_runtime;

/* ---- cluster --------------------------------------------------------------------------------- */

typedef struct amm_node {
    int32_t device_count;
    const int32_t *device_type; /* [device_count] index into amm_cluster.types */
    double intra_bytes_per_s;   /* one way, between two devices of the node */
    double inter_bytes_per_s;   /* one way, all NICs of the node together */
} amm_node;

/* A pair of nodes whose path is slower than their NICs. */
typedef struct amm_node_link {
    int32_t a, b; /* a < b */
    double bytes_per_s;
} amm_node_link;

typedef struct amm_cluster {
    const char *name, *source;
    int32_t type_count;
    const amm_device *const *types; /* [type_count] */
    int32_t node_count;
    const amm_node *nodes; /* [node_count]; global device index = node order, then order in it */
    int32_t link_count;
    const amm_node_link *links; /* [link_count] sorted by (a, b), unique */
    int32_t device_count;       /* derived */
} amm_cluster;

/* ---- profile --------------------------------------------------------------------------------- */

/* Measured layer times of one device type, tp and micro-batch. */
typedef struct amm_profile_point {
    const char *device; /* canonical device name */
    int32_t tp;
    int64_t micro_batch;
    const double *forward_s;  /* [layer_count] */
    const double *backward_s; /* [layer_count] or NULL: backward_ratio * forward_s */
} amm_profile_point;

typedef struct amm_profile {
    const char *name, *source;
    int32_t layer_count;
    double backward_ratio;
    int32_t point_count;
    const amm_profile_point *points; /* sorted by (device, tp, micro_batch), unique */
} amm_profile;

/* ---- space and problem ----------------------------------------------------------------------- */

/* What a run chooses besides its degrees, recomputation and sharding, known to the analytic model
 * alone. name, key in files, option, Megatron's spelling, member of amm_run, the fact that says what
 * plans take where nothing else is said (-1: what follows), values where there is none. */
#define AMM_CHOICE_LIST(X)                                                                         \
    X(SCHEDULE, "schedule", "schedule", "schedule", schedule, -1, AMM_SCHEDULE_1F1B)               \
    X(SEQUENCE_PARALLEL, "sequence_parallel", "sequence-parallel", "sequence-parallel",            \
      sequence_parallel, AMM_FACT_sequence_parallel, 0)                                            \
    X(CP_COMM, "cp_comm", "cp-comm", "cp-comm-type", cp_comm, -1, AMM_CP_COMM_P2P)                 \
    X(TP_OVERLAP, "tp_overlap", "tp-overlap", "tp-comm-overlap", tp_overlap,                       \
      AMM_FACT_plans_tp_overlap, 0)                                                                \
    X(DP_OVERLAP, "dp_overlap", "dp-overlap", "overlap-grad-reduce", dp_overlap, -1, 1)            \
    X(EP_OVERLAP, "ep_overlap", "ep-overlap", "overlap-moe-expert-parallel-comm", ep_overlap,      \
      AMM_FACT_plans_ep_overlap, 0)                                                                \
    X(DISPATCHER, "dispatcher", "dispatcher", "moe-token-dispatcher-type", deduplicate,            \
      AMM_FACT_plans_deduplicate, 0)                                                               \
    X(GRAPHS, "graphs", "graphs", "graphs", graph, -1, 0)                                          \
    X(SHARD_GROUP, "shard_group", "shard-group", "shard-group", shard_group, -1, AMM_SHARD_ALL)    \
    X(ATTENTION, "attention", "attention", "attention", attention, AMM_FACT_attention_kernel, 0)   \
    X(FUSED_NORM, "fused_norm", "fused-norm", "fused-norm", norm_fused, AMM_FACT_norm_fused, 0)

typedef enum amm_choice {
#define AMM_CHOICE_ENUM(name, ...) AMM_CHOICE_##name,
    AMM_CHOICE_LIST(AMM_CHOICE_ENUM)
#undef AMM_CHOICE_ENUM
        AMM_CHOICE_COUNT
} amm_choice;

enum { AMM_SHARD_ALL = 0 }; /* a shard group of all ranks that could share */

/* Dimensions of the search. name, key in files, option, Megatron's spelling, more of no concern here;
 * the choices come last, in their order. */
#define AMM_DIM_LIST(X)                                                                            \
    X(MICRO_BATCH, "micro_batch", "micro-batch", "micro-batch-size")                               \
    X(TP, "tp", "tp", "tensor-model-parallel-size")                                                \
    X(DP, "dp", "dp", "data-parallel-size")                                                        \
    X(PP, "pp", "pp", "pipeline-model-parallel-size")                                              \
    X(CP, "cp", "cp", "context-parallel-size")                                                     \
    X(EP, "ep", "ep", "expert-model-parallel-size")                                                \
    X(ETP, "etp", "etp", "expert-tensor-parallel-size")                                            \
    X(VPP, "vpp", "vpp", "num-virtual-stages-per-pipeline-rank")                                   \
    X(RECOMPUTE, "recompute", "recompute", "recompute-granularity")                                \
    X(SHARDING, "sharding", "sharding", "data-parallel-sharding-strategy")                         \
    AMM_CHOICE_LIST(X)

typedef enum amm_dim {
#define AMM_DIM_ENUM(name, ...) AMM_DIM_##name,
    AMM_DIM_LIST(AMM_DIM_ENUM)
#undef AMM_DIM_ENUM
        AMM_DIM_COUNT,
    AMM_DIM_FIRST_CHOICE = AMM_DIM_COUNT - AMM_CHOICE_COUNT
} amm_dim;

typedef struct amm_list {
    int32_t count;         /* 0: not restricted */
    const int64_t *values; /* ascending, unique, >= 1 */
} amm_list;

typedef struct amm_space {
    amm_list dims[AMM_DIM_COUNT];
    bool full; /* also what the runtime cannot launch */
} amm_space;

typedef enum amm_cost_model { AMM_COST_DEFAULT, AMM_COST_AMP_REFERENCE } amm_cost_model;

typedef struct amm_mix_entry {
    const char *device;
    double weight;
} amm_mix_entry;

/* Everything a search needs. Parts are NULL / 0 until given. */
typedef struct amm_problem_desc {
    const char *name;
    const amm_model *model;
    const amm_cluster *cluster;
    const amm_runtime *runtime;
    const amm_profile *profile;
    const amm_device
        *constants;        /* whose fitted constants the cluster's device takes; NULL: its own */
    const char *precision; /* "fp16" …; with a profile a label */
    int64_t global_batch;  /* samples per optimizer step */
    int64_t seq_len;       /* 0: the model's */
    amm_space space;
    amm_cost_model cost_model;
    double memory_margin; /* share of a device's memory to leave free, [0, 1) */
    int32_t mix_count;    /* amp-reference: profiles averaged with these weights for every stage */
    const amm_mix_entry *mix;
} amm_problem_desc;

/* ---- functions ------------------------------------------------------------------------------- */

/* No profile, and the default cost model. */
bool amm_problem_is_analytic(const amm_problem_desc *problem);

/* Word of a layer kind in files, and back (false: unknown). */
const char *amm_layer_kind_word(amm_layer_kind kind);
bool amm_layer_kind_parse(amm_layer_kind *out, const char *word);

/* A layer of which nothing is given yet (-1) but its kind. */
amm_layer amm_layer_of(amm_layer_kind kind);

/* Derives parameters, out_elements … of one layer from its shape (src/formula/cost/shape.h) where
 * they were not given (-1), and checks every range. `before`: elements that enter the layer.
 * `where` prefixes the message: "models/x.json:layers[3]". */
amm_status amm_layer_finish(amm_layer *layer, int64_t before, const char *where);

/* Index of a name in one of the tables above, or -1. */
int32_t amm_named_find(const amm_named *table, int32_t count, const char *name);
/* Every constant at the table's value. */
void amm_named_defaults(amm_constant *out, const amm_named *table, int32_t count);
/* The analytic model's numbers as its formulas take them. */
void amm_device_rates(amm_rates *out, const amm_device *device);
void amm_runtime_facts(amm_facts *out, const amm_runtime *runtime);
/* Whether a device has matrix units for a number format (AMM_PRECISION_...), as its peaks tell. */
bool amm_device_computes_in(const amm_device *device, int precision);
bool amm_block_shape_same(const amm_block_shape *a, const amm_block_shape *b);
/* Every figure and the name. */
bool amm_layer_same(const amm_layer *a, const amm_layer *b);

bool amm_cost_model_parse(amm_cost_model *out, const char *word);
const char *amm_cost_model_word(amm_cost_model cost_model);

/* The checks that need the whole. Messages start with `file`. */
amm_status amm_model_check(const amm_model *model, const char *file);
amm_status amm_cluster_check(amm_cluster *cluster, const char *file); /* fills device_count */
amm_status amm_profile_check(const amm_profile *profile, const char *file);
amm_status amm_device_check(const amm_device *device, const char *file);
amm_status amm_runtime_check(const amm_runtime *runtime, const char *file);
/* Parts present, and fitting each other: profile layers = model layers, a profile for every device
 * type of the cluster, batch > 0, amp-reference: equal nodes and an AMP view … */
amm_status amm_problem_check(const amm_problem_desc *problem, const char *file);
/* Of a checked problem: some values of its space for tp, pp, cp and dp make, or can still make, its
 * number of devices. Apart, as fewer nodes may do where the whole cluster is too many. INPUT. */
amm_status amm_problem_check_degrees(const amm_problem_desc *problem, const char *file);

/* Sum of layer parameters, and of those that one token meets. */
int64_t amm_model_parameters(const amm_model *model);
int64_t amm_model_active_parameters(const amm_model *model);

/* Whether the model can be taken at another sequence length: all its layers have the same tokens,
 * and a learned position table has a row for each. */
amm_status amm_model_check_seq_len(const amm_model *model, int64_t seq_len, const char *file);
/* problem->model becomes the model at the problem's seq_len; it stays as given where that cannot be,
 * which amm_problem_check then refuses. To be called when model or seq_len change. NO_MEMORY. */
amm_status amm_problem_resolve(amm_problem_desc *problem, amm_arena *arena);

/* Point of (device, tp, micro_batch), or NULL. */
const amm_profile_point *amm_profile_find(const amm_profile *profile, const char *device,
                                          int32_t tp, int64_t micro_batch);

/* Units at the edge: "50gbit" = 50e9 / 8 bytes/s; also mbit, kbit, bit, GB, MB, KB, B (powers of
 * ten, per second). Printed in the largest unit that reads back to the same double. */
bool amm_bandwidth_parse(const char *text, double *out_bytes_per_s);
void amm_bandwidth_format(char out[AMM_NUMBER_CHARS + 8], double bytes_per_s);

/* LIST "1,2,4" or RANGE "1..8" or both ("1..4,8"): ascending and unique afterwards. */
amm_status amm_list_parse(amm_arena *arena, amm_list *out, const char *text, const char *where);
/* The same with values that `check` allows: 1 to AMM_MAX_BATCH or fewer. */
typedef amm_status amm_list_check(int64_t value, const char *where);
amm_status amm_list_parse_checked(amm_arena *arena, amm_list *out, const char *text,
                                  const char *where, amm_list_check *check);

/* Recompute sets: "none", "full", "selective" (core_attn), modules joined by '+'; shardings. False:
 * no such word. */
bool amm_recompute_parse(int32_t *out, const char *word, size_t length);
bool amm_sharding_parse(int32_t *out, const char *word, size_t length);
enum { AMM_RECOMPUTE_CHARS = 96 };
void amm_recompute_format(char out[AMM_RECOMPUTE_CHARS], int32_t set);
/* In a space: all sets worth trying; in a strategy: each stage chooses among them. */
#define AMM_RECOMPUTE_AUTO "auto"
const char *amm_sharding_word(int32_t sharding);

/* Choices. What plans take where nothing is said; its key in files, with '-' on the command line. */
int32_t amm_choice_usual(amm_choice choice, const amm_runtime *runtime);
const char *amm_choice_key(amm_choice choice);
const char *amm_choice_option(amm_choice choice);
/* "zb-h1", "on", "deepep", "all", "8"; false: no such word. */
bool amm_choice_parse(int32_t *out, amm_choice choice, const char *word, size_t length);
void amm_choice_format(char out[AMM_RECOMPUTE_CHARS], amm_choice choice, int32_t value);
const char *amm_choice_words(amm_choice choice); /* what is allowed, for messages */
/* Dimensions whose values are words: recompute (value = set + 1), sharding (value =
 * AMM_SHARDING_... + 1), choices (value = the choice's + 1). */
bool amm_dim_has_words(amm_dim dim);
const char *amm_dim_words(amm_dim dim); /* what is allowed, for messages */
/* "launchable" or "full" */
bool amm_space_word_parse(amm_space *out, const char *word);
bool amm_dim_value_parse(int64_t *out, amm_dim dim, const char *word, size_t length);
void amm_dim_value_format(char out[AMM_RECOMPUTE_CHARS], amm_dim dim, int64_t value);
/* As amm_list_parse, with words where the dimension has them. */
amm_status amm_dim_list_parse(amm_arena *arena, amm_list *out, amm_dim dim, const char *text,
                              const char *where);

/* Number format of a problem's or a measured run's label; "" and NULL: bf16. False: unknown. */
bool amm_precision_parse(int *out, const char *label);
const char *amm_precision_words(void); /* what is allowed, for messages */

/* How a cluster line finds what it names. Either returns AMM_INPUT with a message when unknown. */
typedef struct amm_cluster_names {
    amm_status (*device)(const amm_device **out, const char *name, const char *where,
                         void *payload);
    /* A node preset: nodes of a one-node cluster preset. *out stays NULL when there is none. */
    amm_status (*node)(const amm_cluster **out, const char *name, const char *where, void *payload);
    void *payload;
} amm_cluster_names;

/* One-line form: `N x NODE [+ N x NODE …] [;link:A-B=BANDWIDTH …]`, blanks ignored around x + ; =
 *   NODE = [name:] devices , intra=BW , inter=BW     (devices = NxTYPE[/NxTYPE…])
 *        | name of a node preset
 * e.g. 3xnode:4xV100-16,intra=170gbit,inter=10gbit+1xnode:4xT4,intra=50gbit,inter=50gbit */
amm_status amm_cluster_parse_line(amm_arena *arena, amm_cluster **out, const char *line,
                                  const amm_cluster_names *names, const char *where);
/* The shortest such line; parsing it gives an equal cluster. */
void amm_cluster_format_line(amm_text *out, const amm_cluster *cluster);

#endif
