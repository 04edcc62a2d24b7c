#include "verify/check.h"

#include "core/random.h"
#include <stdio.h>
#include <string.h>

/* ---- differences ------------------------------------------------------------------------------- */

static const char *keep(amm_arena *arena, amm_text *text)
{
    const char *kept = text->status == AMM_OK && text->data != NULL
                           ? amm_arena_copy(arena, text->data, text->length)
                           : (text->status == AMM_OK ? "" : NULL);
    amm_text_discard(text);
    return kept;
}

static const char *cuts_text(amm_check *x, const int32_t *cuts, int32_t stages)
{
    amm_text text;
    amm_text_init(&text, x->v->context);
    if (cuts != NULL && stages == 1) {
        amm_text_append(&text, "none: one stage");
    }
    for (int32_t s = 1; cuts != NULL && s < stages; s++) {
        amm_text_printf(&text, "%s%d", s > 1 ? " " : "", cuts[s]);
    }
    return keep(&x->v->arena, &text);
}

static const char *shape_text(amm_check *x, int32_t config)
{
    amm_text text;
    amm_text_init(&text, x->v->context);
    x->c->describe(&text, x->c->payload, config);
    return keep(&x->v->arena, &text);
}

static const char *problem_text(amm_check *x)
{
    const amm_problem *p = x->c->problem;
    return amm_arena_format(&x->v->arena, "%s: %d items, %d configs, %d tables, %d windows",
                            x->c->name, p->items, p->config_count, p->table_count, p->window_count);
}

amm_status amm_mismatch_note(amm_check *x, amm_subject *subject, amm_operation operation,
                             int32_t config, const int32_t *cuts, const char *expected,
                             const char *got)
{
    amm_verification *v = x->v;
    subject->mismatches++;
    if (v->differs) {
        return AMM_OK;
    }
    v->first = (amm_mismatch){ .backend = subject->name,
                               .threads = subject->threads,
                               .operation = operation,
                               .seed = x->c->seed,
                               .config = config };
    v->first.problem = problem_text(x);
    v->first.shape = shape_text(x, config);
    v->first.cuts = cuts_text(x, cuts, x->c->problem->configs[config].stages);
    v->first.expected = amm_arena_copy(&v->arena, expected, strlen(expected));
    v->first.got = amm_arena_copy(&v->arena, got, strlen(got));
    v->differs = v->first.problem != NULL && v->first.shape != NULL && v->first.cuts != NULL &&
                 v->first.expected != NULL && v->first.got != NULL;
    return v->differs ? AMM_OK : AMM_NO_MEMORY;
}

static void note_beyond(amm_subject *subject)
{
    if (subject->beyond++ == 0) {
        (void)snprintf(subject->beyond_text, sizeof subject->beyond_text, "%s", amm_last_error());
    }
}

bool amm_check_returned(amm_check *x, amm_subject *subject, amm_operation operation,
                        amm_status *status)
{
    const amm_status returned = *status;
    char got[512];
    *status = AMM_OK;
    if (returned == AMM_OK) {
        return true;
    }
    if (returned == AMM_LIMIT) {
        note_beyond(subject);
    } else if (returned == AMM_NO_MEMORY || returned == AMM_UNAVAILABLE) {
        *status = returned;
    } else {
        (void)snprintf(got, sizeof got, "%s: %s", amm_status_name(returned), amm_last_error());
        *status = amm_mismatch_note(x, subject, operation, 0, NULL, "OK", got);
    }
    return false;
}

/* ---- bounds ------------------------------------------------------------------------------------ */

static void ticks_text(char out[32], int64_t ticks)
{
    (void)snprintf(out, 32, ticks == AMM_TICKS_NONE ? "none" : "%lld", (long long)ticks);
}

static amm_status compare_bounds(amm_check *x, amm_subject *subject, const int64_t *want,
                                 const int64_t *got)
{
    const int32_t count = x->c->problem->config_count;
    subject->checked[AMM_OPERATION_BOUND] += (uint64_t)count;
    for (int32_t k = 0; k < count; k++) {
        char expected[32];
        char found[32];
        if (want[k] != got[k]) {
            ticks_text(expected, want[k]);
            ticks_text(found, got[k]);
            AMM_TRY(amm_mismatch_note(x, subject, AMM_OPERATION_BOUND, k, NULL, expected, found));
        }
    }
    return AMM_OK;
}

amm_status amm_check_bound(amm_check *x)
{
    const int32_t count = x->c->problem->config_count;
    int64_t *want = amm_arena_alloc(&x->arena, (size_t)count, sizeof *want);
    int64_t *got = amm_arena_alloc(&x->arena, (size_t)count, sizeof *got);
    if (want == NULL || got == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(x->reference->backend->bound(x->reference, want, 0, count));
    const uint64_t draws = amm_random_next(&x->seed);
    for (int32_t k = 0; k < x->v->subject_count; k++) {
        amm_subject *subject = &x->v->subjects[k];
        if (subject->engine == NULL) {
            continue;
        }
        x->subject_seed = draws;
        const int32_t part = amm_random_range(&x->subject_seed, 0, count - 1);
        memset(got, 0xa5, (size_t)count * sizeof *got);
        amm_status status = AMM_OK;
        if (part > 0) {
            status = subject->backend->bound(subject->engine, got, 0, part);
        }
        if (status == AMM_OK) {
            status = subject->backend->bound(subject->engine, got + part, part, count - part);
        }
        if (amm_check_returned(x, subject, AMM_OPERATION_BOUND, &status)) {
            status = compare_bounds(x, subject, want, got);
        }
        AMM_TRY(status);
    }
    return AMM_OK;
}

/* ---- optimal partitions ------------------------------------------------------------------------- */

/* One solve of all configs. */
typedef struct solves {
    amm_solved *solved; /* [configs] */
    uint16_t *cuts;     /* [configs][max_stages + 1] */
    int32_t *numbers;   /* [configs] 0, 1 … */
} solves;

static amm_status open_solves(amm_check *x, solves *out)
{
    const amm_problem *p = x->c->problem;
    const size_t configs = (size_t)p->config_count;
    out->solved = amm_arena_alloc(&x->arena, configs, sizeof *out->solved);
    out->cuts =
        amm_arena_alloc(&x->arena, configs * ((size_t)p->max_stages + 1), sizeof *out->cuts);
    out->numbers = amm_arena_alloc(&x->arena, configs, sizeof *out->numbers);
    for (size_t k = 0; k < configs && out->numbers != NULL; k++) {
        out->numbers[k] = (int32_t)k;
    }
    return out->solved == NULL || out->cuts == NULL || out->numbers == NULL ? AMM_NO_MEMORY
                                                                            : AMM_OK;
}

static void solved_text(char out[1024], const amm_solved *s, const uint16_t *cuts, int32_t stages)
{
    if (s->total == AMM_TICKS_NONE) {
        (void)snprintf(out, 1024, "no partition");
        return;
    }
    int length = snprintf(out, 1024, "T %lld, max t %.0f, sum %.0f, max d %.0f, cuts",
                          (long long)s->total, (double)s->max_t, (double)s->sum, (double)s->max_d);
    for (int32_t n = 0; n <= stages && length < 1000; n++) {
        length += snprintf(out + length, 1024 - (size_t)length, " %d", cuts[n]);
    }
}

static bool same_solved(const amm_solved *a, const uint16_t *a_cuts, const amm_solved *b,
                        const uint16_t *b_cuts, int32_t stages)
{
    if (a->total != b->total || a->total == AMM_TICKS_NONE) {
        return a->total == b->total;
    }
    return a->max_t == b->max_t && a->sum == b->sum && a->max_d == b->max_d &&
           memcmp(a_cuts, b_cuts, ((size_t)stages + 1) * sizeof *a_cuts) == 0;
}

static amm_status compare_solves(amm_check *x, amm_subject *subject, const solves *want,
                                 const solves *got)
{
    const amm_problem *p = x->c->problem;
    const size_t row = (size_t)p->max_stages + 1;
    subject->checked[AMM_OPERATION_SOLVE] += (uint64_t)p->config_count;
    for (int32_t k = 0; k < p->config_count; k++) {
        const uint16_t *a = want->cuts + (size_t)k * row;
        const uint16_t *b = got->cuts + (size_t)k * row;
        const int32_t stages = p->configs[k].stages;
        char expected[1024];
        char found[1024];
        if (!same_solved(&want->solved[k], a, &got->solved[k], b, stages)) {
            solved_text(expected, &want->solved[k], a, stages);
            solved_text(found, &got->solved[k], b, stages);
            AMM_TRY(amm_mismatch_note(x, subject, AMM_OPERATION_SOLVE, k, NULL, expected, found));
        }
    }
    return AMM_OK;
}

/* In two calls, the second of a list: numbers of configs and rows of cuts have to go together. */
static amm_status solve_in_parts(amm_check *x, const amm_subject *subject, solves *out,
                                 const int64_t *upper)
{
    const amm_problem *p = x->c->problem;
    const size_t row = (size_t)p->max_stages + 1;
    const int32_t part = amm_random_range(&x->subject_seed, 0, p->config_count - 1);
    memset(out->solved, 0xa5, (size_t)p->config_count * sizeof *out->solved);
    memset(out->cuts, 0xa5, (size_t)p->config_count * row * sizeof *out->cuts);
    if (part > 0) {
        AMM_TRY(
            subject->backend->solve(subject->engine, out->solved, out->cuts, upper, NULL, part));
    }
    return subject->backend->solve(subject->engine, out->solved + part,
                                   out->cuts + (size_t)part * row, upper + part,
                                   out->numbers + part, p->config_count - part);
}

static amm_status solve_round(amm_check *x, solves *want, solves *got, const int64_t *upper)
{
    const int32_t count = x->c->problem->config_count;
    AMM_TRY(
        x->reference->backend->solve(x->reference, want->solved, want->cuts, upper, NULL, count));
    const uint64_t draws = amm_random_next(&x->seed);
    for (int32_t k = 0; k < x->v->subject_count; k++) {
        amm_subject *subject = &x->v->subjects[k];
        if (subject->engine == NULL) {
            continue;
        }
        x->subject_seed = draws;
        amm_status status = solve_in_parts(x, subject, got, upper);
        if (amm_check_returned(x, subject, AMM_OPERATION_SOLVE, &status)) {
            status = compare_solves(x, subject, want, got);
        }
        AMM_TRY(status);
    }
    return AMM_OK;
}

/* Limits at the optimum, just below it, somewhere above, none. */
static void draw_limits(amm_check *x, int64_t *upper, const amm_solved *solved)
{
    for (int32_t k = 0; k < x->c->problem->config_count; k++) {
        const int64_t total = solved[k].total;
        const int64_t above = amm_random_range(&x->seed, 1, 1000);
        const int32_t choice = amm_random_range(&x->seed, 0, 3);
        if (total == AMM_TICKS_NONE) {
            upper[k] = above * 1000;
            continue;
        }
        const int64_t choices[] = { total, total - 1, total + above, AMM_TICKS_NONE };
        upper[k] = choices[choice];
    }
}

amm_status amm_check_solve(amm_check *x)
{
    const int32_t count = x->c->problem->config_count;
    int64_t *upper = amm_arena_alloc(&x->arena, (size_t)count, sizeof *upper);
    solves want;
    solves got;
    AMM_TRY(open_solves(x, &want));
    AMM_TRY(open_solves(x, &got));
    if (upper == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < count; k++) {
        upper[k] = AMM_TICKS_NONE;
    }
    AMM_TRY(solve_round(x, &want, &got, upper));
    draw_limits(x, upper, want.solved);
    return solve_round(x, &want, &got, upper);
}

/* ---- one problem ------------------------------------------------------------------------------- */

static amm_status open_subject(amm_check *x, amm_subject *subject)
{
    amm_engine_options options = x->v->options;
    options.threads = subject->threads;
    const amm_status status =
        subject->backend->open(&subject->engine, x->v->context, x->c->problem, &options);
    if (status == AMM_LIMIT) {
        note_beyond(subject);
        subject->engine = NULL;
        return AMM_OK;
    }
    return status;
}

static amm_status open_all(amm_check *x)
{
    const amm_engine_options one = { 1, 0 };
    const amm_backend *reference = NULL;
    AMM_TRY(amm_backend_find(&reference, "cpu/ref"));
    AMM_TRY(reference->open(&x->reference, x->v->context, x->c->problem, &one));
    for (int32_t k = 0; k < x->v->subject_count; k++) {
        amm_subject *subject = &x->v->subjects[k];
        if (subject->backend != NULL) {
            AMM_TRY(open_subject(x, subject));
        }
    }
    return AMM_OK;
}

static void close_all(amm_check *x)
{
    for (int32_t k = 0; k < x->v->subject_count; k++) {
        amm_subject *subject = &x->v->subjects[k];
        if (subject->engine != NULL) {
            subject->backend->close(subject->engine);
            subject->engine = NULL;
        }
    }
    if (x->reference != NULL) {
        x->reference->backend->close(x->reference);
    }
}

amm_status amm_verify_run(amm_verification *v, const amm_verify_case *c)
{
    amm_status (*const operations[])(amm_check *) = { amm_check_bound, amm_check_solve,
                                                      amm_check_score, amm_check_sweep };
    /* Other numbers than those that made the problem. */
    amm_check x = { .v = v, .c = c, .seed = c->seed ^ UINT64_C(0x5bd1e995c6a4a793) };
    amm_arena_init(&x.arena, v->context);
    amm_status status = open_all(&x);
    for (size_t k = 0; k < sizeof operations / sizeof operations[0] && status == AMM_OK; k++) {
        status = operations[k](&x);
    }
    close_all(&x);
    amm_arena_free(&x.arena);
    v->problems++;
    v->configs += (uint64_t)c->problem->config_count;
    return status;
}
