/* The first look at every config of a space: its classes composed, for the floor of its time and
 * whether anything of it fits; the even cut of those that could be among the best.
 *
 * The space is looked at in rounds, parts of a round side by side. All parts of a round know the
 * limit that the rounds before them left, and what they find is taken in the order of its floors:
 * what comes out does not depend on the number of threads. */
#include "search/first_look.h"

#include "backend/cpu_simd/threads.h"
#include "search/side_by_side.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_PARTS = 4096,
    FIRST_ROUND = 16, /* parts; rounds double: a limit comes early, and waits are few */
    LONGEST_ROUND = 512,
    INDICES_PER_THREAD = 1 << 20 /* some milliseconds, with most of them rejected in long runs */
};

/* A config that fits. */
typedef struct found {
    uint64_t index;
    double floor_s;
} found;

/* What a range of indices holds. */
typedef struct part {
    amm_arena arena;
    uint64_t configs, bounded_out, rejected[AMM_REJECTION_COUNT];
    double candidates_covered;
    bool has_nearest; /* among those that do not fit */
    amm_config nearest;
    amm_composed missed;
    found *list;
    size_t count, capacity;
    bool done;
} part;

typedef struct first_look {
    amm_search *s;
    amm_look_function *look;
    int32_t parts; /* of the space */
    int32_t threads;
    amm_lowered
        *lowered; /* [threads - 1] of the threads but the first, which has the search's own */
    int32_t opened;
    double *partitions; /* [AMM_MAX_STAGES + 1] of a pipeline of that length */
    double limit_s;
    int32_t first, last; /* parts of the round, and the one behind them */
    part *round;         /* [LONGEST_ROUND] */
} first_look;

/* ---- a part ---------------------------------------------------------------------------------- */

static amm_status keep(part *out, uint64_t index, double floor_s)
{
    found *list = amm_arena_grow(&out->arena, out->list, out->count, sizeof *list, &out->capacity);
    if (list == NULL) {
        return AMM_NO_MEMORY;
    }
    out->list = list;
    list[out->count++] = (found){ index, floor_s };
    return AMM_OK;
}

static amm_status look_at_config(const first_look *x, part *out, amm_lowered *lowered,
                                 const amm_config *config)
{
    amm_composed composed;
    AMM_TRY(amm_compose(lowered, &composed, config));
    if (!composed.fits) {
        out->rejected[AMM_REJECT_MEMORY]++;
        if (!out->has_nearest || composed.short_bytes < out->missed.short_bytes) {
            out->has_nearest = true;
            out->nearest = *config;
            out->missed = composed;
        }
        return AMM_OK;
    }
    out->candidates_covered += amm_analytic_is_direct(config) ? 1.0 : x->partitions[config->pp];
    if (composed.floor_s > x->limit_s) {
        out->bounded_out++;
        return AMM_OK;
    }
    return keep(out, config->index, composed.floor_s);
}

/* Parts end where degrees change: runs of a walk are whole. */
static uint64_t part_start(const first_look *x, int32_t number)
{
    const amm_space_range *space = &x->s->space;
    const uint64_t stride = space->stride[AMM_DEGREE_DIGITS];
    const uint64_t degrees = space->count / stride;
    const uint64_t parts = (uint64_t)x->parts;
    const uint64_t k = (uint64_t)number;
    const uint64_t more = degrees % parts;
    return (degrees / parts * k + (k < more ? k : more)) * stride;
}

static amm_status look_at_part(const first_look *x, part *out, amm_lowered *lowered, int32_t number)
{
    amm_walk walk;
    amm_walk_run run;
    amm_walk_open(&walk, &x->s->space, lowered->problem, &lowered->layout, part_start(x, number),
                  part_start(x, number + 1));
    while (amm_walk_next(&walk, &run)) {
        out->configs += run.count;
        if (run.reason == AMM_ACCEPTED) {
            AMM_TRY(look_at_config(x, out, lowered, &walk.config));
        } else {
            out->rejected[run.reason] += run.count;
        }
    }
    out->done = true;
    return AMM_OK;
}

/* ---- a round --------------------------------------------------------------------------------- */

/* Part `k` of the round. */
static amm_status look_aside(void *payload, int32_t k, amm_crew *crew)
{
    const first_look *x = payload;
    const int32_t thread = amm_simd_thread();
    (void)crew;             /* parts are short */
    part own = x->round[k]; /* on cache lines that no other thread writes to */
    const amm_status status =
        look_at_part(x, &own, thread == 0 ? &x->s->lowered : &x->lowered[thread - 1], x->first + k);
    x->round[k] = own;
    return status;
}

/* The share of the whole search that a share of the round is. */
static int watch(double done, double best_s, void *payload)
{
    const first_look *x = payload;
    (void)best_s;
    const double parts = x->first + done * (x->last - x->first);
    return amm_plan_stops(x->s->options, parts / x->parts / 2.0, x->s->best.least_s);
}

static int by_floor(const void *a, const void *b)
{
    const found *x = a;
    const found *y = b;
    if (x->floor_s != y->floor_s) {
        return x->floor_s < y->floor_s ? -1 : 1;
    }
    return (x->index > y->index) - (x->index < y->index);
}

/* The even cuts, until no floor is below the limit any more. */
static amm_status take(const first_look *x, const found *list, size_t count)
{
    amm_search *s = x->s;
    for (size_t k = 0; k < count; k++) {
        amm_config config;
        if (list[k].floor_s > amm_best_limit(&s->best)) {
            s->result->bounded_out += count - k;
            break;
        }
        amm_candidate one = { .index = list[k].index,
                              .floor_s = list[k].floor_s,
                              .upper_s = HUGE_VAL };
        (void)amm_space_config(&s->space, &config, one.index);
        AMM_TRY(x->look(s, &config, &one));
        if (one.floor_s > amm_best_limit(&s->best)) {
            s->result->bounded_out++;
        } else {
            AMM_TRY(amm_candidate_add(s, &one));
        }
    }
    return AMM_OK;
}

static void count_part(amm_result *result, const part *one)
{
    result->configs += one->configs;
    result->bounded_out += one->bounded_out;
    result->candidates_covered += one->candidates_covered;
    for (int k = 0; k < (int)AMM_REJECTION_COUNT; k++) {
        result->rejected[k].count += one->rejected[k];
    }
    if (one->has_nearest) {
        amm_note_nearest(result, &one->nearest, one->missed.short_bytes, one->missed.stage);
    }
}

/* Counts are those of whole parts. */
static amm_status take_round(const first_look *x, int32_t count)
{
    amm_arena scratch;
    size_t all = 0;
    for (int32_t k = 0; k < count; k++) {
        all += x->round[k].done ? x->round[k].count : 0;
    }
    amm_arena_init(&scratch, x->s->result->context);
    found *list = amm_arena_alloc(&scratch, all + 1, sizeof *list);
    size_t filled = 0;
    for (int32_t k = 0; k < count && list != NULL; k++) {
        const part *one = &x->round[k];
        if (one->done) {
            count_part(x->s->result, one);
        }
        if (one->done && one->count > 0) { /* no list has no memory */
            memcpy(list + filled, one->list, one->count * sizeof *list);
            filled += one->count;
        }
    }
    amm_status status = AMM_NO_MEMORY;
    if (list != NULL) {
        qsort(list, filled, sizeof *list, by_floor);
        status = take(x, list, filled);
    }
    amm_arena_free(&scratch);
    return status;
}

/* What was looked at when a round was interrupted. */
static amm_status interrupted(const first_look *x, int32_t count)
{
    uint64_t indices = part_start(x, x->first);
    for (int32_t k = 0; k < count; k++) {
        if (x->round[k].done) {
            indices += part_start(x, x->first + k + 1) - part_start(x, x->first + k);
        }
    }
    return amm_walk_interrupted(x->s->result, indices, &x->s->space);
}

static amm_status look_at_round(first_look *x, int32_t first, int32_t count)
{
    const amm_jobs jobs = { .job = look_aside,
                            .payload = x,
                            .count = count,
                            .threads = x->threads,
                            .progress = watch,
                            .progress_payload = x,
                            .unit = "parts" };
    int32_t done = 0;
    memset(x->round, 0, (size_t)count * sizeof *x->round);
    for (int32_t k = 0; k < count; k++) {
        amm_arena_init(&x->round[k].arena, x->s->result->context);
    }
    x->first = first;
    x->last = first + count;
    x->limit_s = amm_best_limit(&x->s->best);
    const amm_status looked = amm_jobs_run(&done, &jobs);
    const bool any = looked == AMM_OK || looked == AMM_INTERRUPTED;
    const amm_status taken = any ? take_round(x, count) : AMM_OK;
    for (int32_t k = 0; k < count; k++) {
        amm_arena_free(&x->round[k].arena);
    }
    AMM_TRY(taken);
    return looked == AMM_INTERRUPTED ? interrupted(x, count) : looked;
}

/* ---- the space ------------------------------------------------------------------------------- */

/* Threads share nothing that changes: each has classes of its own. */
static amm_status open_threads(first_look *x)
{
    amm_search *s = x->s;
    const uint64_t useful = 1 + s->space.count / INDICES_PER_THREAD;
    x->threads = (uint64_t)s->result->threads < useful ? s->result->threads : (int32_t)useful;
    x->lowered = amm_arena_alloc(&s->lowered.arena, (size_t)x->threads, sizeof *x->lowered);
    if (x->lowered == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k + 1 < x->threads; k++) {
        AMM_TRY(amm_lower_init(&x->lowered[k], s->result->context, s->lowered.problem));
        x->opened++;
        AMM_TRY(amm_space_choices(&x->lowered[k]));
    }
    return AMM_OK;
}

static amm_status open_look(first_look *x)
{
    amm_arena *arena = &x->s->lowered.arena;
    const amm_space_range *space = &x->s->space;
    const uint64_t degrees = space->count / space->stride[AMM_DEGREE_DIGITS];
    x->parts = degrees < MOST_PARTS ? (int32_t)degrees : MOST_PARTS;
    x->round = amm_arena_alloc(arena, LONGEST_ROUND, sizeof *x->round);
    x->partitions = amm_arena_alloc(arena, AMM_MAX_STAGES + 1, sizeof *x->partitions);
    if (x->round == NULL || x->partitions == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t pp = 1; pp <= AMM_MAX_STAGES; pp++) {
        x->partitions[pp] = amm_partition_count(x->s->lowered.analytic->layers, pp);
    }
    return open_threads(x);
}

static amm_status look_at_all(first_look *x)
{
    int32_t length = FIRST_ROUND;
    for (int32_t first = 0; first < x->parts;) {
        const int32_t left = x->parts - first;
        const int32_t count = length < left ? length : left;
        AMM_TRY(look_at_round(x, first, count));
        first += count;
        length = 2 * length < LONGEST_ROUND ? 2 * length : LONGEST_ROUND;
    }
    return AMM_OK;
}

amm_status amm_first_look(amm_search *s, amm_look_function *look)
{
    first_look x = { .s = s, .look = look };
    amm_count_dropped(s->result, &s->space);
    amm_status status = open_look(&x);
    status = status == AMM_OK ? look_at_all(&x) : status;
    for (int32_t k = 0; k < x.opened; k++) {
        amm_lower_free(&x.lowered[k]);
    }
    return status;
}
