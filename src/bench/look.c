/* The case "configs": how fast the search composes the configs of a large space from their
 * classes. */
#include "bench/workload.h"

#include "search/planner.h"

/* Of the preset's space: the tensor degree that fills a node, the smallest micro-batches. */
static amm_status slice(amm_spec *spec, bool quick)
{
    AMM_TRY(amm_spec_set(spec, "tp", "8"));
    AMM_TRY(amm_spec_set(spec, "micro_batch", quick ? "1" : "1,2"));
    return quick ? amm_spec_set(spec, "cp", "1,2") : AMM_OK;
}

amm_status amm_look_open(amm_workload *out, amm_context *context, bool quick)
{
    amm_status status = amm_spec_create(&out->spec, context, out->c->problem);
    status = status == AMM_OK ? slice(out->spec, quick) : status;
    if (status != AMM_OK) {
        amm_workload_close(out);
    }
    return status;
}

/* Configs whose floor and memory were looked at: those that no rule of the space rejects unseen. */
static uint64_t composed(const amm_result *r)
{
    uint64_t count = r->configs;
    for (int32_t k = 0; k < (int32_t)AMM_REJECTION_COUNT; k++) {
        count -= k == (int32_t)AMM_REJECT_MEMORY ? 0 : r->rejected[k].count;
    }
    return count;
}

/* What is rejected and why, what is the best: the same for every backend and number of threads. */
static uint64_t checksum_of(const amm_result *r)
{
    uint64_t sum = amm_hash(AMM_HASH_START, &r->configs, sizeof r->configs);
    for (int32_t k = 0; k < (int32_t)AMM_REJECTION_COUNT; k++) {
        sum = amm_hash(sum, &r->rejected[k].count, sizeof r->rejected[k].count);
    }
    for (size_t k = 0; k < r->plan_count; k++) {
        sum = amm_hash(sum, &r->plans[k].config.index, sizeof r->plans[k].config.index);
        sum = amm_hash(sum, &r->plans[k].time_s, sizeof r->plans[k].time_s);
    }
    return sum;
}

/* A search for the best plan and nothing about it: the few configs that are left in the end are
 * solved. */
static amm_status look_once(const amm_workload *w, amm_work_done *out, const amm_backend *backend)
{
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    options.top = 1;
    options.threads = w->threads;
    AMM_TRY(amm_result_create(&result, w->spec));
    result->bare = true;
    result->threads = w->threads;
    const amm_status status = amm_search_analytic(result, &options, backend);
    if (status == AMM_OK) {
        out->units += (double)composed(result);
        out->checksum = checksum_of(result);
    }
    amm_result_free(result);
    return status;
}

amm_status amm_look_run(const amm_workload *workload, amm_work_done *out,
                        const amm_backend *backend, uint64_t amount)
{
    for (uint64_t n = 0; n < amount; n++) {
        AMM_TRY(look_once(workload, out, backend));
    }
    out->covered = out->units;
    return AMM_OK;
}
