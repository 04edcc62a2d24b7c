/* Jobs side by side: each once, the first failure with its message, interrupts from the caller only. */
#define _POSIX_C_SOURCE 200809L /* nanosleep */
#include "backend/cpu_simd/cpu_simd.h"
#include "search/side_by_side.h"
#include "test_support.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>

enum { JOBS = 200, THREADS = 4 };

typedef struct work {
    atomic_int times[JOBS]; /* that a job ran */
    pthread_t caller;
    int bad;   /* job that fails; -1: none */
    int calls; /* of progress, up to `most` */
    int most;
    double share, best_s; /* of the last call */
} work;

static int watch(double done, double best_s, void *payload)
{
    work *w = payload;
    assert_true(pthread_equal(pthread_self(), w->caller) != 0);
    assert_true(done >= 0.0 && done <= 1.0);
    w->share = done;
    w->best_s = best_s;
    return ++w->calls >= w->most;
}

static void nap(long ns)
{
    const struct timespec time = { 0, ns };
    (void)nanosleep(&time, NULL);
}

/* Long enough that every thread gets some. */
static amm_status job(void *payload, int32_t number, amm_crew *crew)
{
    work *w = payload;
    (void)atomic_fetch_add(&w->times[number], 1);
    nap(500000);
    if (number == w->bad) {
        return amm_fail(AMM_LIMIT, "job %d is bad", number);
    }
    return amm_jobs_watch(0.5, number, crew) == 0 ? AMM_OK
                                                  : amm_fail(AMM_INTERRUPTED, "job %d", number);
}

static amm_status run(work *w, int32_t *done, int32_t threads)
{
    const amm_jobs jobs = { job, w, JOBS, threads, watch, w, "jobs" };
    w->caller = pthread_self();
    return amm_jobs_run(done, &jobs);
}

static int ran(const work *w)
{
    int count = 0;
    for (int k = 0; k < JOBS; k++) {
        const int times = atomic_load(&w->times[k]);
        assert_in_range(times, 0, 1);
        count += times;
    }
    return count;
}

static void each_once(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= THREADS; threads++) {
        work w = { .bad = -1, .most = 1000000 };
        int32_t done = 0;
        assert_int_equal(run(&w, &done, threads), AMM_OK);
        assert_int_equal(done, JOBS);
        assert_int_equal(ran(&w), JOBS);
        assert_true(w.calls > 0 && w.best_s >= 0.0);
        if (threads == 1) { /* the last of 200 is half done, then all are */
            assert_true(w.share >= 199.5 / JOBS);
        }
    }
}

static void nothing_to_do(void **state)
{
    (void)state;
    const amm_jobs jobs = { .job = job, .count = 0, .threads = THREADS };
    int32_t done = -1;
    assert_int_equal(amm_jobs_run(&done, &jobs), AMM_OK);
    assert_int_equal(done, 0);
}

static void first_failure(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= THREADS; threads++) {
        work w = { .bad = 7, .most = 1000000 };
        int32_t done = 0;
        assert_int_equal(run(&w, &done, threads), AMM_LIMIT);
        assert_string_equal(amm_last_error(), "job 7 is bad");
        assert_int_equal(atomic_load(&w.times[7]), 1);
        assert_true(done < JOBS && ran(&w) >= 8);
        if (threads == 1) { /* none starts after it */
            assert_int_equal(done, 7);
            assert_int_equal(ran(&w), 8);
        }
    }
}

static void interrupted(void **state)
{
    (void)state;
    for (int32_t threads = 1; threads <= THREADS; threads++) {
        work w = { .bad = -1, .most = 5 };
        int32_t done = 0;
        assert_int_equal(run(&w, &done, threads), AMM_INTERRUPTED);
        assert_int_equal(w.calls, 5); /* not asked again */
        assert_true(done < JOBS && done <= ran(&w));
    }
}

/* The caller's only job is short, the other's waits until it is told to stop. */
static amm_status long_job(void *payload, int32_t number, amm_crew *crew)
{
    const work *w = payload;
    for (int k = 0; pthread_equal(pthread_self(), w->caller) == 0 && k < 20000; k++) {
        nap(1000000);
        if (amm_jobs_watch(0.0, -1.0, crew) != 0) {
            return amm_fail(AMM_INTERRUPTED, "job %d", number);
        }
    }
    nap(200000000); /* so that the other job is taken by somebody else */
    return AMM_OK;
}

static void caller_watches_the_last(void **state)
{
    work w = { .most = 50 };
    const amm_jobs jobs = { long_job, &w, 2, 2, watch, &w, "jobs" };
    int32_t done = 0;
    (void)state;
    if (amm_simd_check_threads(2) != AMM_OK) { /* a build without threads */
        skip();
    }
    w.caller = pthread_self();
    assert_int_equal(amm_jobs_run(&done, &jobs), AMM_INTERRUPTED);
    assert_int_equal(done, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_once),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(first_failure),
        cmocka_unit_test(interrupted),
        cmocka_unit_test(caller_watches_the_last),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
