/* Whether every backend gives the same bits as cpu/ref, which defines every result. */
#ifndef AMMETER_VERIFY_H
#define AMMETER_VERIFY_H

#include <ammeter/spec.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct amm_verify_options {
    size_t size; /* sizeof(amm_verify_options): grows by appending only */
    const char
        *backends;       /* names separated by commas; NULL: all that are there but cpu/ref. cpu/ref
                             by name is compared with itself: cut calls with whole ones */
    uint64_t candidates; /* random candidates to score, and partitions to sweep, at least that many
                             for every backend; 0: 10,000,000; up to 10^12 */
    uint64_t seed;       /* of everything random: problem n has the seed `seed` + n */
    int32_t threads;     /* 0: as many as there are processors; a backend that takes one only gets
                             one, and the result says so */
    int32_t device;      /* number of the accelerator */
} amm_verify_options;

#define AMM_VERIFY_OPTIONS_INIT                                                                    \
    {                                                                                              \
        sizeof(amm_verify_options), NULL, 0, 0, 0, 0                                               \
    }
AMM_API void amm_verify_options_init(amm_verify_options *out);

/* What was compared, and the first difference. */
typedef struct amm_verification amm_verification;

/* Compares on the configs of the space of `spec`, lowered as the search lowers them, or, where `spec`
 * is NULL, on random synthetic problems: uneven ones, several device classes, many ties, no room.
 * Bounds, optimal partitions, scores and the order of the best 1,000 of a sweep have to be equal bit
 * by bit. A difference is no error: ask amm_verification_mismatches. `options` may be NULL.
 * Errors: INPUT (options, spec; a backend that is unknown), UNAVAILABLE (a backend asked for by name is
 * not here), NO_MEMORY, LIMIT (more layers than the engine takes). */
AMM_API amm_status amm_verify(amm_verification **out, amm_context *context, const amm_spec *spec,
                              const amm_verify_options *options);
AMM_API void amm_verification_free(amm_verification *verification);

/* Values compared, over all backends: 0 when no other backend is here. */
AMM_API uint64_t amm_verification_checked(const amm_verification *verification);
/* Of these, those that differ. */
AMM_API uint64_t amm_verification_mismatches(const amm_verification *verification);

/* For people (`json` 0), or as JSON (1; docs/formats.md, "ammeter-verification"). Free with
 * amm_text_free. Errors: INPUT (`json`), NO_MEMORY. */
AMM_API amm_status amm_verification_text(const amm_verification *verification, char **out,
                                         int json);

#ifdef __cplusplus
}
#endif
#endif
