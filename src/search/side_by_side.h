/* Jobs on several threads at once, with one caller who watches; internal. */
#ifndef AMM_SEARCH_SIDE_BY_SIDE_H
#define AMM_SEARCH_SIDE_BY_SIDE_H

#include "core/core.h"
#include <ammeter/plan.h>

/* Those of one run. */
typedef struct amm_crew amm_crew;

/* Job `number`. It may share with others only what does not change, or what it locks. */
typedef amm_status amm_job(void *payload, int32_t number, amm_crew *crew);

typedef struct amm_jobs {
    amm_job *job;
    void *payload; /* borrowed, given to `job` */
    int32_t count, threads;
    amm_progress progress; /* may be NULL; called on the caller's thread only */
    void *progress_payload;
    const char *unit; /* what the jobs are, for the message of an interrupt: "points" */
} amm_jobs;

/* Every job once; they start in their order, on that many threads. Which thread does which is left
 * to chance, so no result may depend on it. *done: jobs that returned OK. After a failure, or once
 * progress returns non-zero, no further job starts, and amm_jobs_watch tells those under way to
 * stop. Errors: that of the first job that failed otherwise than by INTERRUPTED, with its message;
 * INTERRUPTED: progress ended it before all were done. A build without OpenMP has one thread. */
amm_status amm_jobs_run(int32_t *done, const amm_jobs *jobs);

/* An amm_progress for what a job calls, `crew` its own: hands the caller's progress the share of
 * all jobs, and what that returns to all of them. */
int amm_jobs_watch(double done, double best_s, void *crew);

#endif
