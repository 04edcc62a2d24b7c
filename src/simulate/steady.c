#include "simulate/simulate.h"

#include <math.h>

/* Rounds of `stages` micro-batches that are simulated at first. Below 8 the windows further down would
 * reach into the warm-up. */
enum { FIRST_ROUNDS = 8, MOST_PASSES = 1 << 20 };
/* Differences of end times are known to about 1e-12 of a round. */
#define STEADY_TOLERANCE 1e-9

/* Where the rounds have the same order of passes all the way, and all that a pass waits for is the end
 * of other passes: transfers on streams of their own would have a state too. */
static bool has_rounds(const amm_schedule_input *in)
{
    if (in->stages < 1 || in->micro_batches < 1) {
        return false; /* amm_simulate says what is wrong */
    }
    const bool interleaved = in->kind == AMM_SCHEDULE_INTERLEAVED &&
                             (in->group == 0 || in->group == in->stages) &&
                             in->micro_batches % in->stages == 0;
    return (in->kind == AMM_SCHEDULE_1F1B || interleaved) &&
           (in->transfer == AMM_TRANSFER_BLOCKING || in->transfer_s == NULL);
}

/* Whether every pass of a kind of micro-batches [from, from + p) ends round_s before that of the
 * micro-batch p later. */
static bool window_repeats(const double *end_s, const amm_schedule_input *in, int32_t from,
                           double round_s)
{
    for (int32_t s = 0; s < in->stages * in->chunks; s++) {
        const double *row = end_s + (size_t)s * (size_t)in->micro_batches;
        for (int32_t m = from; m < from + in->stages; m++) {
            if (!(fabs(row[m + in->stages] - row[m] - round_s) <= STEADY_TOLERANCE * round_s)) {
                return false;
            }
        }
    }
    return true;
}

/* The forward passes of a round and the backward passes of the round before cut the graph of passes:
 * whatever comes later waits for them or for later ones. A pass ends at the latest of what it waits for,
 * plus a constant, so when all of the cut repeat after round_s, all later ones do. The windows end before
 * the draining begins, whose order is another one. */
static bool is_steady(const amm_schedule_result *r, const amm_schedule_input *in, double *round_s)
{
    const int32_t p = in->stages;
    const int32_t from = (in->micro_batches / p - 3) * p;
    *round_s = r->forward_end_s[from + p] - r->forward_end_s[from];
    return window_repeats(r->forward_end_s, in, from, *round_s) &&
           window_repeats(r->backward_end_s, in, from - p, *round_s);
}

/* Simulates `count` of the micro-batches. done: with the rest added, *out is the makespan of all. */
static amm_status simulate_part(double *out, bool *done, const amm_context *context,
                                const amm_schedule_input *in, int32_t count)
{
    amm_arena arena;
    amm_schedule_result r;
    amm_schedule_input part = *in;
    double round_s = 0.0;
    part.micro_batches = count;
    part.keep_events = false;
    part.keep_ends = count < in->micro_batches;
    amm_arena_init(&arena, context);
    const amm_status status = amm_simulate(&r, &arena, &part);
    if (status == AMM_OK) {
        *done = !part.keep_ends || is_steady(&r, &part, &round_s);
        *out = r.makespan_s + (double)((in->micro_batches - count) / in->stages) * round_s;
    }
    amm_arena_free(&arena);
    return status;
}

amm_status amm_simulate_makespan(double *out, const amm_context *context,
                                 const amm_schedule_input *in)
{
    bool done = false;
    *out = 0.0;
    if (!has_rounds(in)) {
        return simulate_part(out, &done, context, in, in->micro_batches);
    }
    for (int64_t rounds = FIRST_ROUNDS; !done; rounds *= 2) {
        /* The same rest as all have: the draining is the same. */
        const int64_t some = rounds * in->stages + in->micro_batches % in->stages;
        const int32_t count = some < in->micro_batches ? (int32_t)some : in->micro_batches;
        if (rounds > FIRST_ROUNDS && (double)count * in->stages * in->chunks > MOST_PASSES) {
            return amm_fail(AMM_LIMIT, "schedule: not steady after %d passes", MOST_PASSES);
        }
        AMM_TRY(simulate_part(out, &done, context, in, count));
    }
    return AMM_OK;
}
