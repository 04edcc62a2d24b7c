/* Random candidates, scored in pieces: cpu/ref one segment a config, the others cut differently. */
#include "core/random.h"
#include "verify/candidates.h"
#include "verify/tops.h"
#include "verify/check.h"

#include <stdio.h>
#include <string.h>

enum { CHUNK = 1 << 16, SEGMENTS = 64 };

/* A chunk of candidates. */
typedef struct chunk {
    uint8_t *cuts; /* [max_stages - 1][stride] */
    uint64_t stride, count;
    float *want, *got; /* [CHUNK] */
    amm_top want_top, got_top;
    amm_score_segment whole[SEGMENTS], pieces[2 * SEGMENTS];
    int32_t whole_count, piece_count;
} chunk;

static amm_status open_chunk(amm_check *x, chunk *out)
{
    const size_t planes = (size_t)x->c->problem->max_stages; /* one more than cuts: never empty */
    memset(out, 0, sizeof *out);
    out->cuts = amm_arena_alloc(&x->arena, planes * (CHUNK + SEGMENTS), 1);
    out->want = amm_arena_alloc(&x->arena, CHUNK, sizeof *out->want);
    out->got = amm_arena_alloc(&x->arena, CHUNK, sizeof *out->got);
    out->want_top.keys = amm_arena_alloc(&x->arena, AMM_VERIFY_TOP, sizeof(amm_key));
    out->got_top.keys = amm_arena_alloc(&x->arena, AMM_VERIFY_TOP, sizeof(amm_key));
    return out->cuts == NULL || out->want == NULL || out->got == NULL ||
                   out->want_top.keys == NULL || out->got_top.keys == NULL
               ? AMM_NO_MEMORY
               : AMM_OK;
}

/* `count` candidates of configs from `config` on, round and round. */
static void draw_chunk(amm_check *x, chunk *out, uint64_t count, int32_t *config)
{
    static const int32_t capacities[] = { 1, 7, AMM_VERIFY_TOP };
    const amm_problem *p = x->c->problem;
    const uint64_t most = count < SEGMENTS ? count : SEGMENTS;
    const uint64_t segments = 1 + amm_random_next(&x->seed) % most;
    out->count = count;
    out->stride = count + amm_random_next(&x->seed) % SEGMENTS;
    out->whole_count = 0;
    out->piece_count = 0;
    for (uint64_t k = 0; k < segments; k++) {
        const uint64_t first = count * k / segments;
        const uint64_t size = count * (k + 1) / segments - first;
        const uint64_t part = size < 2 ? 0 : amm_random_next(&x->seed) % size;
        *config = (*config + 1) % p->config_count;
        amm_candidates_random(out->cuts, out->stride, first, size, p->items,
                              p->configs[*config].stages, &x->seed);
        out->whole[out->whole_count++] = (amm_score_segment){ *config, first, size };
        if (part > 0) {
            out->pieces[out->piece_count++] = (amm_score_segment){ *config, first, part };
        }
        out->pieces[out->piece_count++] = (amm_score_segment){ *config, first + part, size - part };
    }
    out->want_top.capacity = capacities[amm_random_range(&x->seed, 0, 2)];
    out->got_top.capacity = out->want_top.capacity;
}

static int32_t config_of(const chunk *c, uint64_t n)
{
    int32_t k = 0;
    while (n >= c->whole[k].first + c->whole[k].count) {
        k++;
    }
    return c->whole[k].config;
}

static amm_status note(amm_check *x, amm_subject *subject, const chunk *c, uint64_t n,
                       const char *expected, const char *got)
{
    const int32_t config = config_of(c, n);
    const int32_t stages = x->c->problem->configs[config].stages;
    int32_t cuts[AMM_MAX_SCORE_ITEMS + 1] = { 0 };
    for (int32_t s = 1; s < stages; s++) {
        cuts[s] = c->cuts[(uint64_t)(s - 1) * c->stride + n];
    }
    return amm_mismatch_note(x, subject, AMM_OPERATION_SCORE, config, cuts, expected, got);
}

static amm_status compare_scores(amm_check *x, amm_subject *subject, const chunk *c)
{
    subject->checked[AMM_OPERATION_SCORE] += c->count;
    if (memcmp(c->want, c->got, c->count * sizeof *c->want) == 0) {
        return AMM_OK;
    }
    for (uint64_t n = 0; n < c->count; n++) {
        char expected[64];
        char got[64];
        if (memcmp(&c->want[n], &c->got[n], sizeof *c->want) != 0) {
            (void)snprintf(expected, sizeof expected, "%.9g", (double)c->want[n]);
            (void)snprintf(got, sizeof got, "%.9g", (double)c->got[n]);
            AMM_TRY(note(x, subject, c, n, expected, got));
        }
    }
    return AMM_OK;
}

static amm_status compare_tops(amm_check *x, amm_subject *subject, const chunk *c)
{
    char expected[AMM_KEY_CHARS];
    char got[AMM_KEY_CHARS];
    const int32_t at = amm_tops_differ(&c->want_top, &c->got_top);
    if (at < 0) {
        return AMM_OK;
    }
    amm_top_text(expected, &c->want_top, at);
    amm_top_text(got, &c->got_top, at);
    const uint64_t n = at < c->want_top.count ? c->want_top.keys[at].rank : 0;
    return note(x, subject, c, n, expected, got);
}

/* Scores alone or with a top, then a top alone: a backend may have a way for each. */
static amm_status score_subject(amm_check *x, amm_subject *subject, chunk *c)
{
    const amm_backend *backend = subject->backend;
    const amm_score_batch batch = { c->piece_count, c->pieces, c->cuts, c->stride };
    const bool both = amm_random_range(&x->subject_seed, 0, 1) != 0;
    memset(c->got, 0xa5, c->count * sizeof *c->got);
    c->got_top.count = 0;
    amm_status status = backend->score(subject->engine, c->got, both ? &c->got_top : NULL, &batch);
    if (amm_check_returned(x, subject, AMM_OPERATION_SCORE, &status)) {
        AMM_TRY(compare_scores(x, subject, c));
        status = both ? compare_tops(x, subject, c) : AMM_OK;
    }
    AMM_TRY(status);
    c->got_top.count = 0;
    status = backend->score(subject->engine, NULL, &c->got_top, &batch);
    if (amm_check_returned(x, subject, AMM_OPERATION_SCORE, &status)) {
        status = compare_tops(x, subject, c);
    }
    return status;
}

static amm_status score_chunk(amm_check *x, chunk *c)
{
    const amm_score_batch batch = { c->whole_count, c->whole, c->cuts, c->stride };
    c->want_top.count = 0;
    AMM_TRY(x->reference->backend->score(x->reference, c->want, &c->want_top, &batch));
    const uint64_t draws = amm_random_next(&x->seed);
    for (int32_t k = 0; k < x->v->subject_count; k++) {
        if (x->v->subjects[k].engine != NULL) {
            x->subject_seed = draws;
            AMM_TRY(score_subject(x, &x->v->subjects[k], c));
        }
    }
    return AMM_OK;
}

amm_status amm_check_score(amm_check *x)
{
    chunk c;
    int32_t config = -1;
    if (x->c->problem->items > AMM_MAX_SCORE_ITEMS || x->c->random == 0) {
        return AMM_OK;
    }
    AMM_TRY(open_chunk(x, &c));
    for (uint64_t left = x->c->random; left > 0; left -= c.count) {
        draw_chunk(x, &c, left < CHUNK ? left : CHUNK, &config);
        AMM_TRY(score_chunk(x, &c));
    }
    return AMM_OK;
}
