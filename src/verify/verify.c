#include "verify/check.h"

#include "backend/names.h"
#include "emit/emit.h"
#include "verify/synthetic.h"
#include <string.h>

enum { DEFAULT_CANDIDATES = 10000000 };
static const uint64_t most_candidates = UINT64_C(1000000000000);

void amm_verify_options_init(amm_verify_options *out)
{
    const amm_verify_options defaults = AMM_VERIFY_OPTIONS_INIT;
    *out = defaults;
}

static amm_status check_options(const amm_verify_options *o)
{
    if (o->size != sizeof *o) {
        return amm_fail(AMM_INPUT, "verify options: size is %zu, this library knows %zu", o->size,
                        sizeof *o);
    }
    if (o->candidates > most_candidates) {
        return amm_fail(AMM_INPUT, "candidates: got %llu, allowed 1 to %llu",
                        (unsigned long long)o->candidates, (unsigned long long)most_candidates);
    }
    AMM_TRY(o->threads == 0 ? AMM_OK : amm_threads_check(o->threads, "threads"));
    return o->device < 0 ? amm_fail(AMM_INPUT, "device: got %d, allowed 0 or more", o->device)
                         : AMM_OK;
}

/* ---- backends ---------------------------------------------------------------------------------- */

amm_status amm_verification_create(amm_verification **out, amm_context *context)
{
    amm_verification *v = amm_alloc(context, 1, sizeof *v);
    *out = v;
    if (v == NULL) {
        return AMM_NO_MEMORY;
    }
    v->context = context;
    v->options = (amm_engine_options){ 1, 0 };
    amm_arena_init(&v->arena, context);
    return AMM_OK;
}

void amm_verification_free(amm_verification *v)
{
    if (v != NULL) {
        amm_arena_free(&v->arena);
        amm_release(v->context, v);
    }
}

/* A backend that takes fewer than were asked for takes one: it gets that, and its result says
 * so. */
static amm_status set_threads(amm_subject *subject, int32_t asked)
{
    subject->threads = 1;
    if (subject->backend == NULL) {
        return AMM_OK;
    }
    const amm_status status = amm_backend_threads(&subject->threads, subject->backend, asked);
    if (status == AMM_UNAVAILABLE) {
        subject->threads = 1;
        return AMM_OK;
    }
    return status;
}

static amm_status take_subjects(amm_verification *v, const char *names)
{
    amm_backend_choice choice;
    AMM_TRY(amm_backend_choose(&choice, &v->arena, names));
    v->subjects = amm_arena_alloc(&v->arena, (size_t)choice.count, sizeof *v->subjects);
    if (v->subjects == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < choice.count; k++) {
        const amm_backend_named *one = &choice.list[k];
        if (names == NULL && strcmp(one->name, "cpu/ref") == 0) {
            continue;
        }
        amm_subject *subject = &v->subjects[v->subject_count++];
        *subject = (amm_subject){ .name = one->name, .note = one->note, .backend = one->backend };
        AMM_TRY(set_threads(subject, v->options.threads));
    }
    return AMM_OK;
}

static bool anything_to_compare(const amm_verification *v)
{
    bool any = false;
    for (int32_t k = 0; k < v->subject_count; k++) {
        any = any || v->subjects[k].backend != NULL;
    }
    return any;
}

/* ---- problems ---------------------------------------------------------------------------------- */

static void describe_synthetic(amm_text *out, const void *payload, int32_t config)
{
    const amm_synthetic *synthetic = payload;
    amm_synthetic_describe(out, &synthetic->shapes[config]);
}

static amm_status run_synthetic(amm_verification *v, uint64_t seed, uint64_t *random,
                                uint64_t *exhaustive)
{
    amm_synthetic synthetic;
    AMM_TRY(amm_synthetic_open(&synthetic, v->context, seed));
    const amm_verify_case c = { &synthetic.builder.view,
                                seed,
                                synthetic.random,
                                synthetic.exhaustive,
                                "synthetic problem",
                                describe_synthetic,
                                &synthetic };
    const amm_status status = amm_verify_run(v, &c);
    *random += synthetic.random;
    *exhaustive += synthetic.exhaustive;
    amm_synthetic_close(&synthetic);
    return status;
}

/* Least of a count over the backends that are compared: 0 candidates of one are never enough. */
static uint64_t least_checked(const amm_verification *v, amm_operation operation)
{
    uint64_t least = UINT64_MAX;
    for (int32_t k = 0; k < v->subject_count; k++) {
        const amm_subject *subject = &v->subjects[k];
        if (subject->backend != NULL && subject->beyond == 0 &&
            subject->checked[operation] < least) {
            least = subject->checked[operation];
        }
    }
    return least;
}

/* Until there are enough of both: those of small problems are fewer than were asked for. A backend
 * that gets nowhere ends it all the same, by what was asked of it. */
static amm_status run_synthetics(amm_verification *v, uint64_t candidates)
{
    enum { PATIENCE = 8 };
    uint64_t random = 0;
    uint64_t exhaustive = 0;
    for (uint64_t n = 0; least_checked(v, AMM_OPERATION_SCORE) < candidates ||
                         least_checked(v, AMM_OPERATION_SWEEP) < candidates;
         n++) {
        AMM_TRY(run_synthetic(v, v->seed + n, &random, &exhaustive));
        if (random / PATIENCE > candidates && exhaustive / PATIENCE > candidates) {
            break;
        }
    }
    return AMM_OK;
}

void amm_describe_space(amm_text *out, const void *payload, int32_t config)
{
    const amm_described_space *x = payload;
    amm_emit_strategy(out, &x->spec->problem, &x->space->configs[config]);
}

static amm_status run_space(amm_verification *v, const amm_spec *spec, uint64_t candidates)
{
    amm_space_problem space;
    amm_status status = amm_space_problem_open(&space, spec);
    if (status != AMM_OK) {
        return status;
    }
    const amm_described_space described = { spec, &space };
    const amm_verify_case c = { &space.builder.view, v->seed,   candidates, candidates, v->problem,
                                amm_describe_space,  &described };
    v->accepted = space.accepted;
    v->direct = space.direct;
    v->step = space.step;
    v->beyond = space.beyond;
    memcpy(v->beyond_text, space.beyond_text, sizeof v->beyond_text);
    status = space.taken > 0 ? amm_verify_run(v, &c) : AMM_OK;
    amm_space_problem_close(&space);
    return status;
}

/* ---- entry ------------------------------------------------------------------------------------- */

static amm_status run(amm_verification *v, const amm_spec *spec, const amm_verify_options *o)
{
    const uint64_t candidates = o->candidates == 0 ? DEFAULT_CANDIDATES : o->candidates;
    v->seed = o->seed;
    v->candidates = candidates;
    v->options = (amm_engine_options){ o->threads, o->device };
    AMM_TRY(take_subjects(v, o->backends));
    if (spec != NULL) {
        v->problem = amm_arena_copy(&v->arena, spec->file, strlen(spec->file));
        if (v->problem == NULL) {
            return AMM_NO_MEMORY;
        }
    }
    if (!anything_to_compare(v)) {
        return spec == NULL ? AMM_OK : amm_spec_check(spec);
    }
    return spec == NULL ? run_synthetics(v, candidates) : run_space(v, spec, candidates);
}

amm_status amm_verify(amm_verification **out, amm_context *context, const amm_spec *spec,
                      const amm_verify_options *options)
{
    const amm_verify_options defaults = AMM_VERIFY_OPTIONS_INIT;
    const amm_verify_options *o = options != NULL ? options : &defaults;
    const double start_s = amm_clock_s();
    *out = NULL;
    AMM_TRY(check_options(o));
    amm_verification *v = NULL;
    AMM_TRY(amm_verification_create(&v, context));
    const amm_status status = run(v, spec, o);
    v->wall_s = amm_clock_s() - start_s;
    if (status != AMM_OK) {
        amm_verification_free(v);
        return status;
    }
    *out = v;
    return AMM_OK;
}

uint64_t amm_verification_checked(const amm_verification *v)
{
    uint64_t sum = 0;
    for (int32_t k = 0; k < v->subject_count; k++) {
        for (int32_t n = 0; n < (int32_t)AMM_OPERATION_COUNT; n++) {
            sum += v->subjects[k].checked[n];
        }
    }
    return sum;
}

uint64_t amm_verification_mismatches(const amm_verification *v)
{
    uint64_t sum = 0;
    for (int32_t k = 0; k < v->subject_count; k++) {
        sum += v->subjects[k].mismatches;
    }
    return sum;
}
