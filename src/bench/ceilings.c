/* Rates of a kernel on several threads at once. */
#define _POSIX_C_SOURCE 200809L
#include "bench/workload.h"

#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>

enum { TRIES = 5 };
enum { WAIT, GO, QUIT };

/* What the threads of a measurement share. */
typedef struct crew {
    amm_bench_ceiling rate;
    int64_t rounds; /* of each */
    atomic_int signal, ready;
} crew;

static void *work(void *payload)
{
    crew *c = payload;
    int signal = WAIT;
    (void)atomic_fetch_add(&c->ready, 1);
    while ((signal = atomic_load(&c->signal)) == WAIT) {
        (void)sched_yield();
    }
    if (signal == GO) {
        (void)amm_ceiling_kernel(c->rate, c->rounds);
    }
    return NULL;
}

/* Seconds until all have done their rounds; the caller is one of them. */
static amm_status time_crew(double *out, amm_bench_ceiling rate, int64_t rounds, int32_t threads)
{
    pthread_t others[AMM_MAX_THREADS];
    crew c = { .rate = rate, .rounds = rounds };
    int32_t started = 0;
    while (started + 1 < threads && pthread_create(&others[started], NULL, work, &c) == 0) {
        started++;
    }
    const bool all = started + 1 == threads;
    while (all && atomic_load(&c.ready) < started) {
        (void)sched_yield();
    }
    const double start_s = amm_bench_clock_s(threads == 1);
    atomic_store(&c.signal, all ? GO : QUIT);
    if (all) {
        (void)amm_ceiling_kernel(rate, rounds);
    }
    for (int32_t k = 0; k < started; k++) {
        (void)pthread_join(others[k], NULL);
    }
    *out = amm_bench_clock_s(threads == 1) - start_s;
    return all ? AMM_OK
               : amm_fail(AMM_UNAVAILABLE, "threads: got %d, only %d could be started", threads,
                          started + 1);
}

static amm_status measure(double *out, amm_bench_ceiling rate, int32_t threads, double seconds)
{
    const double per_round = amm_ceiling_kernel(rate, 1);
    double best_s = HUGE_VAL;
    double took_s = 0.0;
    int64_t rounds = 32;
    *out = 0.0;
    if (per_round <= 0.0) {
        return AMM_OK;
    }
    while (took_s < seconds / 2) { /* alone: a thread that starts late looks like long work */
        rounds *= 2;
        AMM_TRY(time_crew(&took_s, rate, rounds, 1));
    }
    for (int n = 0; n < TRIES; n++) {
        AMM_TRY(time_crew(&took_s, rate, rounds, threads));
        best_s = fmin(best_s, took_s);
    }
    *out = per_round * (double)rounds * threads / best_s;
    return AMM_OK;
}

amm_status amm_ceilings_measure(amm_ceilings *out, int32_t threads, double seconds)
{
    AMM_TRY(amm_threads_check(threads, "threads"));
    out->threads = threads;
    for (int32_t k = 0; k < (int32_t)AMM_CEILING_COUNT; k++) {
        AMM_TRY(measure(&out->per_s[k], (amm_bench_ceiling)k, threads, seconds / TRIES));
    }
    return AMM_OK;
}
