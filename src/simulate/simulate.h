/* One training iteration of a pipeline, pass by pass: what the closed forms of
 * formula/cost/schedule.h are checked against, and what a timeline is drawn from.
 *
 * Every stage works through its passes in the order of its schedule, each as soon as its message is
 * there; nothing is reordered at run time, as in the frameworks. Orders (i stage, p stages, n passes
 * of a kind): forward while fewer than `limit` are in flight, else backward.
 *   gpipe        limit n                                  Huang et al. 2019 (arXiv 1811.06965)
 *   1f1b         limit p - i                              Megatron-LM, schedules.py, num_warmup + 1
 *   interleaved  limit 2 (p-1-i) + (v-1) g + 1, passes in groups of g micro-batches, chunk by chunk
 *                                                         the same, get_schedule_table
 *   zb-h1        limit p - i, weight pass of m after the backward pass of m + i
 *   zb-h2        limit 2 (p-i) - 1, weight pass of m after the backward pass of m + 2 i
 *                                                         Qi et al. 2023 (arXiv 2401.10241) fig. 3 */
#ifndef AMM_SIMULATE_SIMULATE_H
#define AMM_SIMULATE_SIMULATE_H

#include "core/core.h"
#include "formula/cost/schedule.h"

/* Virtual stage x micro-batch pairs that a simulation takes; 16 bytes of scratch each. */
enum { AMM_MAX_SCHEDULE_PASSES = 1 << 26 };

/* What a transfer between two devices does to them. Both: nothing is sent between chunks of the same
 * device, and a receive is posted early enough to take the message when it comes. */
typedef enum amm_transfer_mode {
    /* On a stream of its own, one message at a time per device and direction: only the wait for the
     * message shows. Megatron-LM --overlap-p2p-communication (interleaved only). */
    AMM_TRANSFER_OVERLAPPED,
    /* The sender does nothing else meanwhile. With equal stages that is what exchanging messages
     * between passes with both neighbours gives (Megatron-LM's 1F1B). */
    AMM_TRANSFER_BLOCKING
} amm_transfer_mode;

/* Arrays are borrowed for the call. Virtual stage s = chunk * stages + stage, in model order. */
typedef struct amm_schedule_input {
    amm_schedule_kind kind;
    amm_transfer_mode transfer;
    int32_t stages;           /* p >= 1 */
    int32_t chunks;           /* v >= 1 per stage; 1 unless interleaved */
    int32_t micro_batches;    /* G >= 1 */
    int32_t group;            /* micro-batches of an interleaved group; 0: p. p <= group <= G, and
                                 G mod group is 0 or >= p, as Megatron-core 0.16 demands */
    const double *forward_s;  /* [p v] */
    const double *backward_s; /* [p v], the whole backward pass */
    const double
        *weight_s; /* [p v] its part for the weight gradients, zero-bubble only, else NULL */
    const double *transfer_s; /* [p v - 1] one way, after virtual stage s; NULL: none */
    bool keep_events, keep_ends;
} amm_schedule_input;

/* name, word */
#define AMM_EVENT_LIST(X)                                                                          \
    X(FORWARD, "F")                                                                                \
    X(BACKWARD, "B") /* of the inputs only when weight passes are separate */                      \
    X(WEIGHT, "W")                                                                                 \
    X(SEND, "send")                                                                                \
    X(RECEIVE, "recv")

typedef enum amm_event_kind {
#define AMM_EVENT_ENUM(name, word) AMM_EVENT_##name,
    AMM_EVENT_LIST(AMM_EVENT_ENUM)
#undef AMM_EVENT_ENUM
        AMM_EVENT_COUNT
} amm_event_kind;

typedef struct amm_schedule_event {
    amm_event_kind kind;
    bool gradient; /* of a SEND or RECEIVE: what a backward pass made */
    int32_t stage, chunk, micro_batch;
    double start_s, end_s;
} amm_schedule_event;

/* busy_s + send_s + idle_s = makespan_s. */
typedef struct amm_schedule_stage {
    double busy_s;     /* passes */
    double send_s;     /* held by its own transfers; 0 when they are overlapped */
    double idle_s;     /* the rest, from 0 to the makespan */
    double start_s;    /* first pass */
    double finish_s;   /* last pass: all gradients are there */
    int32_t in_flight; /* most chunks held from forward start to the end of the last pass that
                                  needs them: weight pass where there is one, else backward */
    int32_t in_flight_inputs; /* most chunks held from forward start to backward end */
} amm_schedule_stage;

typedef struct amm_schedule_result {
    double makespan_s; /* last pass of all, from 0 */
    int32_t stages;
    amm_schedule_stage *stage;              /* [stages], in the arena */
    double *forward_end_s, *backward_end_s; /* [p v][G] in the arena, NULL unless kept */
    size_t event_count;
    amm_schedule_event
        *events; /* in the arena, NULL unless kept; those of one stage and kind by time */
} amm_schedule_result;

/* Simulates; results live as long as `arena`. O(passes). Errors: INPUT (what the fields allow is
 * above; durations are finite and >= 0, weight_s <= backward_s), LIMIT, NO_MEMORY. */
amm_status amm_simulate(amm_schedule_result *out, amm_arena *arena, const amm_schedule_input *in);

/* The makespan alone, of any number of micro-batches: 1F1B and plainly interleaved schedules without
 * overlapped transfers are simulated until a round of p micro-batches repeats the one before, for good
 * (steady.c); within 1e-9. Errors as above; LIMIT also where that takes more than a million passes. */
amm_status amm_simulate_makespan(double *out, const amm_context *context,
                                 const amm_schedule_input *in);

const char *amm_schedule_kind_word(amm_schedule_kind kind); /* "1f1b" */
const char *amm_event_kind_word(amm_event_kind kind);       /* "F" */

#endif
