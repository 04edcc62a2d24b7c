/* The case "configs": how fast the configs of a large space are composed from their classes, which is what
 * a search does with each first: a floor of its time, and whether anything of it fits. */
#include "bench/workload.h"

#include "lower/lower.h"
#include "search/enumerate.h"
#include "search/side_by_side.h"

/* `quick`: the tensor degree that fills a node, the smallest micro-batch, two context degrees. */
static amm_status slice(amm_spec *spec, bool quick)
{
    if (!quick) {
        return AMM_OK;
    }
    AMM_TRY(amm_spec_set(spec, "tp", "8"));
    AMM_TRY(amm_spec_set(spec, "micro_batch", "1"));
    return amm_spec_set(spec, "cp", "1,2");
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

/* One thread's share of a space: every `of`-th run of indices with the same degrees. */
typedef struct share {
    uint64_t composed, sum;
} share;

typedef struct look {
    const amm_workload *w;
    share *shares; /* [of] */
    int32_t of;
} look;

/* The same for all orders of the configs, so for all numbers of threads. */
static void count_one(share *out, const amm_config *config, const amm_composed *x)
{
    uint64_t hash = amm_hash(AMM_HASH_START, &config->index, sizeof config->index);
    hash = amm_hash(hash, &x->floor_s, sizeof x->floor_s);
    out->composed++;
    out->sum += x->fits ? hash : ~hash;
}

static amm_status compose_range(share *out, amm_lowered *lowered, const amm_space_range *space,
                                uint64_t first, uint64_t end)
{
    amm_walk walk;
    amm_walk_run run;
    amm_walk_open(&walk, space, lowered->problem, &lowered->layout, first, end);
    while (amm_walk_next(&walk, &run)) {
        if (run.reason == AMM_ACCEPTED) {
            amm_composed composed;
            AMM_TRY(amm_compose(lowered, &composed, &walk.config));
            count_one(out, &walk.config, &composed);
        }
    }
    return AMM_OK;
}

static amm_status compose_share(const look *x, amm_lowered *lowered, int32_t number)
{
    amm_space_range space;
    AMM_TRY(amm_space_open(&space, &lowered->arena, lowered->problem));
    AMM_TRY(amm_space_choices(lowered));
    const uint64_t stride = space.stride[AMM_DEGREE_DIGITS];
    share own = { 0, 0 }; /* apart from what other threads write to */
    for (uint64_t k = (uint64_t)number; k < space.count / stride; k += (uint64_t)x->of) {
        AMM_TRY(compose_range(&own, lowered, &space, k * stride, (k + 1) * stride));
    }
    x->shares[number] = own;
    return AMM_OK;
}

/* Each with classes of its own, as in a search. */
static amm_status one_thread(void *payload, int32_t number, amm_crew *crew)
{
    const look *x = payload;
    amm_lowered lowered;
    (void)crew;
    amm_status status = amm_lower_init(&lowered, x->w->spec->context, &x->w->spec->problem);
    status = status == AMM_OK ? compose_share(x, &lowered, number) : status;
    amm_lower_free(&lowered);
    return status;
}

static amm_status look_once(const amm_workload *w, amm_work_done *out)
{
    share shares[AMM_MAX_THREADS] = { { 0, 0 } };
    look x = { w, shares, w->threads };
    const amm_jobs jobs = {
        .job = one_thread, .payload = &x, .count = x.of, .threads = x.of, .unit = "shares"
    };
    int32_t done = 0;
    uint64_t sum = 0;
    AMM_TRY(amm_jobs_run(&done, &jobs));
    for (int32_t k = 0; k < x.of; k++) {
        out->units += (double)shares[k].composed;
        sum += shares[k].sum;
    }
    out->checksum = sum;
    return AMM_OK;
}

amm_status amm_look_run(const amm_workload *workload, amm_work_done *out, uint64_t amount)
{
    for (uint64_t n = 0; n < amount; n++) {
        AMM_TRY(look_once(workload, out));
    }
    out->covered = out->units;
    return AMM_OK;
}
