/* Sweeps: cpu/ref walks an interval in one go, the others are stopped and resumed at random places
 * and beside the best candidates, where a lost one would show. */
#include "core/random.h"
#include "formula/tick/partition.h"
#include "verify/tops.h"
#include "verify/check.h"

#include <stdio.h>
#include <string.h>

enum { STOPS = 16, LEAST = 1 << 10, MOST = 1 << 21 };

typedef struct interval {
    amm_place from, to;
    uint64_t partitions;
    amm_place stops[STOPS + 1]; /* ascending; the last one is `to` */
    int32_t stop_count;
    int64_t upper; /* what the subjects are given */
    amm_top want, got;
} interval;

/* ---- places ------------------------------------------------------------------------------------ */

static uint64_t ranks_of(const amm_check *x, int32_t config)
{
    return amm_partitions(x->c->problem->items, x->c->problem->configs[config].stages);
}

/* The end of a config is the beginning of the next. */
static amm_place place(const amm_check *x, int32_t config, uint64_t rank)
{
    const bool end = rank >= ranks_of(x, config);
    return end ? (amm_place){ config + 1, 0 } : (amm_place){ config, rank };
}

static bool enumerable(const amm_check *x, int32_t config)
{
    return config < x->c->problem->config_count && ranks_of(x, config) > 0;
}

/* The config whose id a key has. */
static int32_t config_of(const amm_check *x, uint64_t id)
{
    int32_t k = 0;
    while (x->c->problem->configs[k].id != id) {
        k++;
    }
    return k;
}

static amm_place random_place(amm_check *x, const interval *v)
{
    const int32_t last = v->to.rank > 0 ? v->to.config : v->to.config - 1;
    const int32_t config = amm_random_range(&x->subject_seed, v->from.config, last);
    const uint64_t low = config == v->from.config ? v->from.rank : 0;
    const uint64_t high = config == v->to.config ? v->to.rank : ranks_of(x, config);
    return place(x, config, low + amm_random_next(&x->subject_seed) % (high - low));
}

static amm_place place_of_key(amm_check *x, const interval *v)
{
    const amm_key *key = &v->want.keys[amm_random_range(&x->subject_seed, 0, v->want.count - 1)];
    return place(x, config_of(x, key->config),
                 key->rank + (uint64_t)amm_random_range(&x->subject_seed, 0, 1));
}

static void draw_stops(amm_check *x, interval *v)
{
    v->stop_count = 0;
    const int32_t wanted = amm_random_range(&x->subject_seed, 0, STOPS);
    for (int32_t k = 0; k < wanted; k++) {
        const amm_place stop =
            k % 2 == 0 && v->want.count > 0 ? place_of_key(x, v) : random_place(x, v);
        if (!amm_place_less(v->from, stop) || !amm_place_less(stop, v->to)) {
            continue;
        }
        int32_t at = v->stop_count++;
        for (; at > 0 && amm_place_less(stop, v->stops[at - 1]); at--) {
            v->stops[at] = v->stops[at - 1];
        }
        v->stops[at] = stop;
    }
    v->stops[v->stop_count++] = v->to;
}

/* ---- one interval ------------------------------------------------------------------------------ */

static amm_status note(amm_check *x, amm_subject *subject, amm_place at, const char *expected,
                       const char *got)
{
    const amm_problem *p = x->c->problem;
    int32_t cuts[AMM_MAX_SCORE_ITEMS + 1];
    const bool there = enumerable(x, at.config) && at.rank < ranks_of(x, at.config);
    if (there) {
        amm_partition_unrank(cuts, at.rank, p->items, p->configs[at.config].stages);
    }
    return amm_mismatch_note(x, subject, AMM_OPERATION_SWEEP, there ? at.config : 0,
                             there ? cuts : NULL, expected, got);
}

static amm_status note_place(amm_check *x, amm_subject *subject, amm_place before, amm_place to,
                             amm_place after)
{
    char expected[128];
    char got[128];
    (void)snprintf(expected, sizeof expected, "from config %d rank %llu on, at most to %d, %llu",
                   before.config, (unsigned long long)before.rank, to.config,
                   (unsigned long long)to.rank);
    (void)snprintf(got, sizeof got, "returned at config %d rank %llu", after.config,
                   (unsigned long long)after.rank);
    return note(x, subject, before, expected, got);
}

/* False: the place it came back from was wrong (noted), or *status is not OK. */
static bool walk(amm_check *x, amm_subject *subject, interval *v, amm_sweep_count *count,
                 amm_status *status)
{
    amm_place at = v->from;
    for (int32_t k = 0; k < v->stop_count; k++) {
        while (amm_place_less(at, v->stops[k])) {
            const amm_place before = at;
            *status = subject->backend->sweep(subject->engine, &v->got, count, &at, v->stops[k],
                                              v->upper);
            if (*status != AMM_OK) {
                return amm_check_returned(x, subject, AMM_OPERATION_SWEEP, status);
            }
            if (!amm_place_less(before, at) || amm_place_less(v->stops[k], at)) {
                *status = note_place(x, subject, before, v->stops[k], at);
                return false;
            }
        }
    }
    return true;
}

static amm_status compare_counts(amm_check *x, amm_subject *subject, const interval *v,
                                 const amm_sweep_count *count)
{
    char expected[128];
    char got[128];
    if (count->covered == v->partitions && count->scored <= count->covered) {
        return AMM_OK;
    }
    (void)snprintf(expected, sizeof expected, "%llu partitions covered, no more scored",
                   (unsigned long long)v->partitions);
    (void)snprintf(got, sizeof got, "%llu covered, %llu scored", (unsigned long long)count->covered,
                   (unsigned long long)count->scored);
    return note(x, subject, v->from, expected, got);
}

/* Entries above `upper` may be there or not: the others have to be the same. */
static amm_top within(const amm_top *top, int64_t upper)
{
    amm_top part = *top;
    for (part.count = 0; part.count < top->count && top->keys[part.count].cost <= upper;) {
        part.count++;
    }
    return part;
}

static amm_status sweep_subject(amm_check *x, amm_subject *subject, interval *v)
{
    amm_sweep_count count = { 0, 0 };
    amm_status status = AMM_OK;
    v->got.count = 0;
    draw_stops(x, v);
    if (!walk(x, subject, v, &count, &status)) {
        return status;
    }
    subject->checked[AMM_OPERATION_SWEEP] += v->partitions;
    AMM_TRY(compare_counts(x, subject, v, &count));
    const amm_top want = within(&v->want, v->upper);
    const amm_top got = within(&v->got, v->upper);
    const int32_t at = amm_tops_differ(&want, &got);
    if (at < 0) {
        return AMM_OK;
    }
    char expected[AMM_KEY_CHARS];
    char found[AMM_KEY_CHARS];
    amm_top_text(expected, &want, at);
    amm_top_text(found, &got, at);
    const amm_place where =
        at < want.count ? place(x, config_of(x, want.keys[at].config), want.keys[at].rank) : v->to;
    return note(x, subject, where, expected, found);
}

static void draw_upper(amm_check *x, interval *v)
{
    v->upper = AMM_TICKS_NONE;
    if (v->want.count > 0 && amm_random_range(&x->seed, 0, 2) == 0) {
        const amm_key *key = &v->want.keys[amm_random_range(&x->seed, 0, v->want.count - 1)];
        v->upper = key->cost - amm_random_range(&x->seed, 0, 1);
    }
}

static amm_status sweep_interval(amm_check *x, interval *v)
{
    static const int32_t capacities[] = { AMM_VERIFY_TOP, AMM_VERIFY_TOP, AMM_VERIFY_TOP, 1, 10 };
    amm_place at = v->from;
    amm_sweep_count count = { 0, 0 };
    v->want.count = 0;
    v->want.capacity = capacities[amm_random_range(&x->seed, 0, 4)];
    v->got.capacity = v->want.capacity;
    while (amm_place_less(at, v->to)) {
        AMM_TRY(x->reference->backend->sweep(x->reference, &v->want, &count, &at, v->to,
                                             AMM_TICKS_NONE));
    }
    v->partitions = count.covered;
    draw_upper(x, v);
    const uint64_t draws = amm_random_next(&x->seed);
    for (int32_t k = 0; k < x->v->subject_count; k++) {
        if (x->v->subjects[k].engine != NULL) {
            x->subject_seed = draws;
            AMM_TRY(sweep_subject(x, &x->v->subjects[k], v));
        }
    }
    return AMM_OK;
}

/* ---- which intervals --------------------------------------------------------------------------- */

/* Partitions of all configs; more than `limit` also where one cannot be enumerated. */
static uint64_t all_partitions(const amm_check *x, uint64_t limit)
{
    uint64_t sum = 0;
    for (int32_t k = 0; k < x->c->problem->config_count; k++) {
        const uint64_t ranks = ranks_of(x, k);
        if (ranks == 0 || ranks > limit - sum) {
            return limit + 1;
        }
        sum += ranks;
    }
    return sum;
}

/* Up to `most` partitions from anywhere in a config, some of them running over into the next. */
static void draw_interval(amm_check *x, interval *v, int32_t config, uint64_t most)
{
    const uint64_t ranks = ranks_of(x, config);
    const uint64_t size = ranks < most ? ranks : most;
    const bool over = amm_random_range(&x->seed, 0, 1) != 0 && enumerable(x, config + 1);
    if (over) {
        const uint64_t part = 1 + amm_random_next(&x->seed) % size;
        v->from = place(x, config, ranks - part);
        v->to = place(x, config + 1, size - part + 1);
    } else {
        const uint64_t first = amm_random_next(&x->seed) % (ranks - size + 1);
        v->from = place(x, config, first);
        v->to = place(x, config, first + size);
    }
}

/* Every config gets its share; some intervals are long enough for a backend to come back early. */
static uint64_t draw_size(amm_check *x, uint64_t left)
{
    const uint64_t share = x->c->exhaustive / (uint64_t)x->c->problem->config_count;
    uint64_t size = share < LEAST ? LEAST : share;
    size = size > MOST || amm_random_range(&x->seed, 0, 15) == 0 ? MOST : size;
    return size < left ? size : left;
}

static amm_status sweep_some(amm_check *x, interval *v)
{
    uint64_t left = x->c->exhaustive;
    const int32_t configs = x->c->problem->config_count;
    int32_t skipped = 0;
    for (int32_t k = 0; left > 0 && skipped < configs; k = (k + 1) % configs) {
        if (!enumerable(x, k)) {
            skipped++;
            continue;
        }
        skipped = 0;
        draw_interval(x, v, k, draw_size(x, left));
        AMM_TRY(sweep_interval(x, v));
        left = v->partitions < left ? left - v->partitions : 0;
    }
    return AMM_OK;
}

amm_status amm_check_sweep(amm_check *x)
{
    interval v;
    const amm_problem *p = x->c->problem;
    if (p->items > AMM_MAX_SCORE_ITEMS || x->c->exhaustive == 0) {
        return AMM_OK;
    }
    memset(&v, 0, sizeof v);
    v.want.keys = amm_arena_alloc(&x->arena, AMM_VERIFY_TOP, sizeof(amm_key));
    v.got.keys = amm_arena_alloc(&x->arena, AMM_VERIFY_TOP, sizeof(amm_key));
    if (v.want.keys == NULL || v.got.keys == NULL) {
        return AMM_NO_MEMORY;
    }
    if (all_partitions(x, x->c->exhaustive) > x->c->exhaustive) {
        return sweep_some(x, &v);
    }
    v.from = (amm_place){ 0, 0 };
    v.to = (amm_place){ p->config_count, 0 };
    return sweep_interval(x, &v);
}
