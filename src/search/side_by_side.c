#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "search/side_by_side.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

struct amm_crew {
    const amm_jobs *jobs;
    pthread_t caller;
    double best_s; /* of what the caller's thread heard of last; below 0: nothing */
    atomic_int next, done, working, stop, failed;
    amm_failure failure; /* of the job that failed, maybe on another thread; OK: none */
};

int amm_jobs_watch(double done, double best_s, void *crew)
{
    amm_crew *c = crew;
    const amm_jobs *jobs = c->jobs;
    if (jobs->progress != NULL && pthread_equal(pthread_self(), c->caller) != 0 &&
        atomic_load(&c->stop) == 0) {
        c->best_s = best_s >= 0.0 ? best_s : c->best_s;
        const double share = ((double)atomic_load(&c->done) + done) / (double)jobs->count;
        if (jobs->progress(share < 1.0 ? share : 1.0, c->best_s, jobs->progress_payload) != 0) {
            atomic_store(&c->stop, 1);
        }
    }
    return atomic_load(&c->stop);
}

/* Keeps the first failure there is. A job that was told to stop has not failed. */
static void note(amm_crew *c, amm_status status)
{
    if (status == AMM_OK) {
        (void)atomic_fetch_add(&c->done, 1);
    } else if (status != AMM_INTERRUPTED && atomic_exchange(&c->failed, 1) == 0) {
        c->failure = amm_failure_keep(status);
        atomic_store(&c->stop, 1);
    }
}

/* What one thread does. The caller's goes on watching until the others, whose jobs may take long,
 * are done; one that has not begun by then finds no job. */
static void work(amm_crew *c)
{
    (void)atomic_fetch_add(&c->working, 1);
    while (amm_jobs_watch(0.0, -1.0, c) == 0) {
        const int32_t number = atomic_fetch_add(&c->next, 1);
        if (number >= c->jobs->count) {
            break;
        }
        note(c, c->jobs->job(c->jobs->payload, number, c));
    }
    (void)atomic_fetch_sub(&c->working, 1);
    while (pthread_equal(pthread_self(), c->caller) != 0 && atomic_load(&c->working) > 0) {
        const struct timespec moment = { 0, 2000000 };
        (void)nanosleep(&moment, NULL);
        (void)amm_jobs_watch(0.0, -1.0, c);
    }
}

amm_status amm_jobs_run(int32_t *done, const amm_jobs *jobs)
{
    amm_crew c = { .jobs = jobs, .caller = pthread_self(), .best_s = -1.0 };
    const int32_t most = jobs->threads < jobs->count ? jobs->threads : jobs->count;
    const int32_t threads = most < 1 ? 1 : most;
    (void)threads; /* builds without OpenMP have one */
#ifdef _OPENMP
#pragma omp parallel num_threads(threads) if (threads > 1)
#endif
    work(&c);
    *done = atomic_load(&c.done);
    AMM_TRY(amm_failure_again(&c.failure));
    return *done == jobs->count ? AMM_OK
                                : amm_fail(AMM_INTERRUPTED, "interrupted after %d of %d %s", *done,
                                           jobs->count, jobs->unit);
}
