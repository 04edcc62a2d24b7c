/* Status codes and the last error message.
 *
 * Every function that can fail returns an amm_status; AMM_OK is 0. Numbers are pinned and never
 * reused. When a call fails, a one-line message with the place ("file:path.to.key"), what is wrong,
 * the value found and what is allowed is kept per thread until the next failing call. */
#ifndef AMMETER_STATUS_H
#define AMMETER_STATUS_H

#include <ammeter/export.h>

#ifdef __cplusplus
extern "C" {
#endif

/* name, number, sentence. The sentence is what a person reads when there is no better message. */
#define AMM_STATUS_LIST(X)                                                                         \
    X(OK, 0, "success")                                                                            \
    X(INTERNAL, 1, "a rule inside the library is broken; please report it")                        \
    X(NO_MEMORY, 2, "out of memory")                                                               \
    X(INPUT, 3, "invalid input")                                                                   \
    X(IO, 4, "a file cannot be read or written")                                                   \
    X(UNAVAILABLE, 5, "the backend or device is not available here")                               \
    X(NO_PLAN, 6, "no feasible plan")                                                              \
    X(INTERRUPTED, 7, "interrupted; the best result so far is kept")                               \
    X(LIMIT, 8, "a documented limit is exceeded")

typedef enum amm_status {
#define AMM_STATUS_ENUM(name, number, sentence) AMM_##name = number,
    AMM_STATUS_LIST(AMM_STATUS_ENUM)
#undef AMM_STATUS_ENUM
} amm_status;

/* "INPUT", … ; "UNKNOWN" for a number that is not in the list. Static storage. */
AMM_API const char *amm_status_name(amm_status status);

/* The sentence of the list above. Static storage. */
AMM_API const char *amm_status_sentence(amm_status status);

/* Message of the last failing call of this thread, "" when there was none. Owned by the library,
 * valid until the next failing call of the same thread. */
AMM_API const char *amm_last_error(void);

#ifdef __cplusplus
}
#endif
#endif
