/* Inside calibrate/: a table of runs prepared for judging, and judged. */
#ifndef AMM_CALIBRATE_SCORES_H
#define AMM_CALIBRATE_SCORES_H

#include "calibrate/metrics.h"
#include "calibrate/runs.h"

/* What is judged: this model, and what one would do without it. key, words */
#define AMM_PREDICTOR_LIST(X)                                                                      \
    X(MODEL, "ammeter", "this program")                                                            \
    X(RULE, "rule_of_thumb", "no recompute, smallest micro-batch, least tp x pp: only an order")   \
    X(MFU, "constant_mfu",                                                                         \
      "one MFU per source and device, fitted to these very rows by least |ln|")                    \
    X(NEAREST, "nearest_run",                                                                      \
      "time of the most similar run of another configuration, scaled by FLOP over peak")

typedef enum amm_predictor {
#define AMM_PREDICTOR_ENUM(name, key, what) AMM_PREDICTOR_##name,
    AMM_PREDICTOR_LIST(AMM_PREDICTOR_ENUM)
#undef AMM_PREDICTOR_ENUM
        AMM_PREDICTOR_COUNT
} amm_predictor;

/* A row that counts (score is 1, or there is no such column). NaN and -1: not known. */
typedef struct amm_scored {
    int64_t row; /* of the table */
    const char *key;
    int32_t sweep_length;                  /* bytes of the key that name the sweep */
    int64_t source, family, device;        /* numbered in the order of the keys, */
    int64_t sweep, configuration;          /* each inside the one before */
    const char *source_name, *family_name; /* "A100" of "A100-80GB" */
    double measured_s, measured_gib;       /* > 0 */
    double low_s, high_s, predicted_gib;   /* of this model */
    double predicted_s[AMM_PREDICTOR_COUNT];
    double ideal_s;     /* at an MFU of 1 */
    const char *regime; /* "" without a prediction */
    int oom, feasible;
    uint32_t assumed; /* settings that the row does not tell */
} amm_scored;

/* Rows in the order of their keys: a source, a device family of a source, a sweep and a
 * configuration are each a stretch of it. */
typedef struct amm_scores {
    const amm_runs *runs;
    amm_arena *arena; /* borrowed */
    int64_t count;
    amm_scored *rows;
    int64_t *all; /* 0, 1, 2 … */
    /* room for amm_score_measure */
    double *number[3];
    amm_ranked *ranked;
    amm_candidate *candidates;
} amm_scores;

/* scores.c. Errors: NO_MEMORY. Everything lives in the arena. */
amm_status amm_scores_create(amm_scores *out, const amm_runs *runs, amm_arena *arena);

/* baselines.c: fills predicted_s of all but this model. */
amm_status amm_scores_baselines(amm_scores *scores);
/* Beyond this many rows with a time the nearest run is not looked for: every pair is compared. */
enum { AMM_NEAREST_ROWS = 20000 };

/* Figures of a set of rows. NaN: none. Relative errors are shares, not per cent. */
typedef struct amm_score {
    int64_t rows, timed, predicted;
    double coverage;
    double error_mean, error_median, bias, log_error; /* over predicted rows */
    int64_t ranged;                                   /* that tell all settings and have a range */
    double range_holds;
    int64_t assumed, assumed_held; /* ranged rows with unknown settings; inside their range */
    int64_t configurations;
    double configuration_error_mean, configuration_error_median;
    int64_t sweeps, picked_oom, no_pick;
    double spearman, regret_mean, regret_median, regret_max;
    double oom_balanced;
    int64_t memory_rows;
    double memory_error;
} amm_score;

/* measure.c. `members`: indices into scores->rows, ascending. */
void amm_score_measure(amm_score *out, amm_scores *scores, const int64_t *members, int64_t count,
                       amm_predictor predictor);

/* One configuration of `members`, measured once or more; averages over its predicted rows. */
typedef struct amm_configuration {
    int64_t first; /* member */
    int64_t rows;  /* with a time and a prediction */
    int64_t end;   /* member after its last one */
    double measured_s, predicted_s;
} amm_configuration;
/* From member `first` on. */
void amm_score_configuration(amm_configuration *out, const amm_scores *scores,
                             const int64_t *members, int64_t first, int64_t count,
                             amm_predictor predictor);

/* ---- regimes --------------------------------------------------------------------------------- */

/* PARALLELISM of a regime's key (analytic/range.h); a run goes by the last one that holds. key, word
 * for people */
#define AMM_TECHNIQUE_LIST(X)                                                                      \
    X(PLAIN, "tp-pp", "tp·pp·dp only")                                                             \
    X(SHARDED, "sharded", "FSDP/ZeRO-3")                                                           \
    X(INTERLEAVED, "vpp", "vpp")                                                                   \
    X(CONTEXT, "cp", "cp")                                                                         \
    X(EXPERT, "ep", "expert parallel")
enum {
#define AMM_TECHNIQUE_ENUM(name, key, word) AMM_TECHNIQUE_##name,
    AMM_TECHNIQUE_LIST(AMM_TECHNIQUE_ENUM)
#undef AMM_TECHNIQUE_ENUM
        AMM_TECHNIQUE_COUNT
};

/* PRECISION of a regime's key. */
#define AMM_PRECISION_CLASS_LIST(X)                                                                \
    X(BITS_32, "32bit")                                                                            \
    X(BITS_16, "16bit")                                                                            \
    X(BITS_8, "8bit")                                                                              \
    X(BITS_4, "4bit")
enum {
#define AMM_PRECISION_CLASS_ENUM(name, word) AMM_##name,
    AMM_PRECISION_CLASS_LIST(AMM_PRECISION_CLASS_ENUM)
#undef AMM_PRECISION_CLASS_ENUM
        AMM_PRECISION_CLASS_COUNT
};

enum { AMM_MAX_FAMILIES = 64 };

/* One family × dense or MoE × precision class, and its techniques. */
typedef struct amm_regime {
    const char *family;
    bool moe;
    int precision_class;
    amm_score technique[AMM_TECHNIQUE_COUNT];
} amm_regime;

typedef struct amm_regimes {
    int64_t count;
    amm_regime list[AMM_MAX_FAMILIES * 2 * AMM_PRECISION_CLASS_COUNT];
} amm_regimes;

/* regimes.c: every family of the device presets that the model can time and of the table, in each
 * precision class that its devices compute in. Errors: NO_MEMORY. */
amm_status amm_regimes_create(amm_regimes **out, amm_scores *scores);

/* "A100" of "A100-80GB", "V100-16GB(12)+…" alike; length of it. */
int32_t amm_family_length(const char *device);

/* A reason why rows have no prediction, and their number. */
typedef struct amm_reason_count {
    const char *reason;
    int64_t rows;
} amm_reason_count;
/* reasons.c: of the scored rows, the most frequent first. Errors: NO_MEMORY. */
amm_status amm_reasons_count(amm_reason_count **out, int64_t *count, const amm_scores *scores);

/* ---- reports --------------------------------------------------------------------------------- */

enum { AMM_BY_SOURCE = 1, AMM_BY_REGIME = 2, AMM_BY_CONFIGURATION = 4 };

/* What a report tells; all of it lives in the scores' arena. */
typedef struct amm_report {
    amm_scores *scores;
    amm_regimes *regimes; /* NULL: not asked for */
    int parts;            /* of AMM_BY_… */
    amm_reason_count *reasons;
    int64_t reason_count;
    const char *source; /* the only one, or NULL */
} amm_report;

/* A source, or one of several device families of a source: a stretch of the rows. */
typedef struct amm_score_group {
    const char *source, *family; /* family NULL: all of them */
    int64_t first, end;
} amm_score_group;
/* The stretch after `group` (first: {0}); false at the end. */
bool amm_score_next(amm_score_group *group, const amm_scores *scores);

void amm_report_text(amm_text *out, const amm_report *report);
void amm_report_json(amm_json *out, const amm_report *report);

#endif
