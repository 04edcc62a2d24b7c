/* Predictions against measured training runs, and the constants that a fit may move. */
#ifndef AMMETER_VALIDATE_H
#define AMMETER_VALIDATE_H

#include <ammeter/context.h>

#ifdef __cplusplus
extern "C" {
#endif

/* A table of runs (docs/formats.md, "Measured runs"), each understood or refused with a reason.
 * Read-only after creation: amm_runs_predict may be called by several threads. */
typedef struct amm_runs amm_runs;

/* `path`: a CSV file or "-". Errors: INPUT with "file:record N: column: what, got, allowed" for a
 * table that is not one; a row that cannot be modelled is no error, it has a reason. */
AMM_API amm_status amm_runs_create(amm_runs **out, amm_context *context, const char *path);
AMM_API void amm_runs_free(amm_runs *runs);
AMM_API size_t amm_runs_count(const amm_runs *runs);
/* Cell of a column by name; "" when there is no such column. As long as `runs`. */
AMM_API const char *amm_runs_cell(const amm_runs *runs, size_t row, const char *column);
/* Why a row has no prediction; "" when it has one. As long as `runs`. */
AMM_API const char *amm_runs_reason(const amm_runs *runs, size_t row);

/* Named constants of the devices and runtimes that the table uses. */
typedef struct amm_constant_info {
    const char *owner; /* device or runtime preset; as long as `runs` */
    const char *name;
    double value, low, high; /* as shipped, and its bounds */
    int fact;                /* 0: of a device, 1: of a runtime */
} amm_constant_info;
AMM_API size_t amm_runs_constant_count(const amm_runs *runs);
/* Errors: INPUT for an index past the end. */
AMM_API amm_status amm_runs_constant(const amm_runs *runs, size_t index, amm_constant_info *out);

/* The value where no file gives one: the generic runtime's for a fact, else the default of
 * docs/cost-model.md. Errors: INPUT for an index past the end. */
AMM_API amm_status amm_runs_default(const amm_runs *runs, size_t index, double *out);
/* The device (0) or runtime (1) whose constants the row takes, an `owner` of those above; "" where
 * there is a reason. As long as `runs`. */
AMM_API const char *amm_runs_owner(const amm_runs *runs, size_t row, int fact);
/* The regime of the row (docs/calibration.md), "" where there is a reason. Copied, with its end;
 * 160 bytes always suffice. Errors: INPUT when `size` is too small. */
AMM_API amm_status amm_runs_regime(const amm_runs *runs, size_t row, char *out, size_t size);
/* Sizes between whose measured values a device's constants are known to hold: key of `measured` in
 * device files (docs/formats.md) by index, NULL past the end; the row's, NaN where there is a
 * reason. */
AMM_API const char *amm_runs_size_key(size_t size);
AMM_API double amm_runs_size(const amm_runs *runs, size_t row, size_t size);

/* Seconds per step and peak bytes of every row (NaN where there is a reason). `constants`: one
 * value per constant above, or NULL for those shipped. Either output may be NULL. Errors: INPUT
 * for a constant out of its bounds. Allocates nothing. */
AMM_API amm_status amm_runs_predict(const amm_runs *runs, const double *constants, double *time_s,
                                    double *memory_bytes);

/* The table with predicted_iter_s, predicted_low_s, predicted_high_s, predicted_mem_gb,
 * predicted_feasible, regime, assumed, the terms of the time (compute_s, bubble_s, ...) and reason
 * added to each row. Free with amm_text_free. */
AMM_API amm_status amm_runs_csv(const amm_runs *runs, char **out);

/* What a report tells of the rows whose score is 1 (all rows without such a column). */
typedef struct amm_report_options {
    size_t size;        /* sizeof(amm_report_options): grows by appending only */
    int json;           /* 0: tables for people, 1: JSON (docs/formats.md, "ammeter-validation") */
    const char *source; /* only rows of this source_id; NULL: all */
    const char *by;     /* "source", "regime" or "configuration"; NULL: source and regime */
} amm_report_options;

#define AMM_REPORT_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(amm_report_options), 0, NULL, NULL                                                  \
    }
AMM_API void amm_report_options_init(amm_report_options *out);

/* Errors, coverage and ranking, beside three baselines on the same rows. `options` may be NULL. Free
 * with amm_text_free. Errors: INPUT for a source that is not in the table or an unknown `by`. */
AMM_API amm_status amm_runs_report(const amm_runs *runs, char **out,
                                   const amm_report_options *options);

#ifdef __cplusplus
}
#endif
#endif
