#include "backend/backend.h"
#include "formula/tick/partition.h"

amm_status amm_config_ranks(uint64_t *out, const amm_problem *problem, int32_t config)
{
    const int32_t stages = problem->configs[config].stages;
    *out = amm_partitions(problem->items, stages);
    if (*out == 0) {
        return amm_fail(AMM_LIMIT,
                        "engine: partitions of %d items into %d stages: 2^63 or more, which can be "
                        "solved, not enumerated",
                        problem->items, stages);
    }
    return AMM_OK;
}

amm_status amm_check_score_items(const amm_problem *problem)
{
    if (problem->items > AMM_MAX_SCORE_ITEMS) {
        return amm_fail(AMM_LIMIT, "engine: got %d items, allowed up to %d to score or sweep",
                        problem->items, AMM_MAX_SCORE_ITEMS);
    }
    return AMM_OK;
}

static amm_status check_candidate(const amm_problem *problem, const amm_score_batch *batch,
                                  int32_t stages, uint64_t n)
{
    int32_t before = 0;
    for (int32_t s = 1; s <= stages; s++) {
        const int32_t at =
            s < stages ? batch->cuts[(uint64_t)(s - 1) * batch->stride + n] : problem->items;
        if (at <= before) {
            return amm_fail(
                AMM_INPUT, "candidate %llu: stage %d ends at item %d, allowed from %d to %d",
                (unsigned long long)n, s - 1, at, before + 1, problem->items - (stages - s));
        }
        before = at;
    }
    return AMM_OK;
}

amm_status amm_check_batch(const amm_problem *problem, const amm_score_batch *batch)
{
    AMM_TRY(amm_check_score_items(problem));
    for (int32_t k = 0; k < batch->segment_count; k++) {
        const amm_score_segment *segment = &batch->segments[k];
        if (segment->config < 0 || segment->config >= problem->config_count) {
            return amm_fail(AMM_INPUT, "segment %d: config %d, allowed 0 to %d", k, segment->config,
                            problem->config_count - 1);
        }
        for (uint64_t n = segment->first; n < segment->first + segment->count; n++) {
            AMM_TRY(check_candidate(problem, batch, problem->configs[segment->config].stages, n));
        }
    }
    return AMM_OK;
}
