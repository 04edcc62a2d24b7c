/* Pipeline simulation: time of one iteration by schedule and size, without events (scratch memory
 * included), unequal stages (1 % jitter), overlapped transfers. */
#define _POSIX_C_SOURCE 200809L
#include "core/random.h"
#include "simulate/simulate.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { MAX_VIRTUAL = 64 * 4, REPEATS = 51 };

static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a;
    const double y = *(const double *)b;
    return (x > y) - (x < y);
}

static int measure(amm_context *context, const amm_schedule_input *in)
{
    double seconds[REPEATS];
    double checksum = 0.0;
    for (int r = 0; r < REPEATS; r++) {
        amm_arena arena;
        amm_schedule_result result;
        amm_arena_init(&arena, context);
        const double start = now_s();
        const amm_status status = amm_simulate(&result, &arena, in);
        seconds[r] = now_s() - start;
        if (status != AMM_OK) {
            (void)fprintf(stderr, "%s\n", amm_last_error());
            return 1;
        }
        checksum += result.makespan_s;
        amm_arena_free(&arena);
    }
    const double passes = (double)in->stages * in->chunks * in->micro_batches *
                          (amm_schedule_splits(in->kind) ? 3.0 : 2.0);
    qsort(seconds, REPEATS, sizeof *seconds, compare);
    printf("%-12s %6d %6d %13d | %9.3f %9.3f %8.1f  %.6f\n", amm_schedule_kind_word(in->kind),
           in->stages, in->chunks, in->micro_batches, seconds[0] * 1e3, seconds[REPEATS / 2] * 1e3,
           seconds[REPEATS / 2] * 1e9 / passes, checksum);
    return 0;
}

int main(void)
{
    static double forward_s[MAX_VIRTUAL], backward_s[MAX_VIRTUAL], weight_s[MAX_VIRTUAL];
    static double transfer_s[MAX_VIRTUAL];
    const int32_t shapes[][2] = { { 4, 32 }, { 8, 64 }, { 16, 256 }, { 64, 512 } };
    amm_context *context = NULL;
    uint64_t seed = 7;
    int status = 0;
    if (amm_context_create(&context, NULL) != AMM_OK) {
        return 1;
    }
    for (int32_t s = 0; s < MAX_VIRTUAL; s++) {
        forward_s[s] = 1e-5 * amm_random_range(&seed, 990, 1010);
        backward_s[s] = 2.0 * forward_s[s];
        weight_s[s] = forward_s[s];
        transfer_s[s] = 1e-3;
    }
    printf("schedule     stages chunks micro-batches |   best ms median ms  ns/pass  checksum\n");
    for (size_t n = 0; n < sizeof shapes / sizeof shapes[0]; n++) {
        for (int k = 0; k < AMM_SCHEDULE_COUNT && status == 0; k++) {
            const amm_schedule_kind kind = (amm_schedule_kind)k;
            const amm_schedule_input in = { kind,         AMM_TRANSFER_OVERLAPPED,
                                            shapes[n][0], kind == AMM_SCHEDULE_INTERLEAVED ? 4 : 1,
                                            shapes[n][1], 0,
                                            forward_s,    backward_s,
                                            weight_s,     transfer_s,
                                            false,        false };
            status = measure(context, &in);
        }
    }
    amm_context_free(context);
    return status;
}
