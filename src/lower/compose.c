/* One config from its classes: floor of its time, and whether anything of it fits, without a step or a
 * ledger of its own. What a space of millions costs is decided here. */
#include "lower/lower.h"

#include <math.h>
#include <string.h>

/* ---- the even cut of a pipeline length --------------------------------------------------------- */

/* Stages of the even cut that hold the same, one after the other. */
typedef struct stage_group {
    int32_t first, count;
    int32_t blocks[AMM_MAX_BLOCK_KINDS];
} stage_group;

struct amm_even_stages {
    int32_t count;
    stage_group *groups; /* ends apart */
};

static bool joins(const stage_group *g, const stage_group *next, int32_t stages)
{
    return g->first > 0 && next->first < stages - 1 &&
           memcmp(g->blocks, next->blocks, sizeof g->blocks) == 0;
}

static amm_status even_stages_of(amm_analytic *a, amm_arena *arena, const amm_even_stages **out,
                                 int32_t pp)
{
    *out = a->even[pp];
    if (*out != NULL) {
        return AMM_OK;
    }
    amm_even_stages *even = amm_arena_alloc(arena, 1, sizeof *even);
    stage_group *groups = amm_arena_alloc(arena, (size_t)pp, sizeof *groups);
    if (even == NULL || groups == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_run run = a->run;
    int32_t block = 0;
    run.pp = pp;
    for (int32_t s = 0; s < pp; s++) {
        stage_group next = { s, 1, { 0 } };
        for (int32_t n = amm_stage_blocks(&a->network, &run, s); n > 0; n--) {
            next.blocks[a->network.kind_of[block++]]++;
        }
        if (even->count > 0 && joins(&groups[even->count - 1], &next, pp)) {
            groups[even->count - 1].count++;
        } else {
            groups[even->count++] = next;
        }
    }
    even->groups = groups;
    a->even[pp] = even;
    *out = even;
    return AMM_OK;
}

/* ---- classes --------------------------------------------------------------------------------- */

/* Every layer at the set that is fastest for it: what no choice of sets undercuts. */
typedef struct fastest {
    double none, embedding, head, kind[AMM_MAX_BLOCK_KINDS]; /* layers without what a stage costs */
    double layers, longest;                                  /* sum, maximum */
} fastest;

/* The classes of a config, one per set that its stages may recompute. */
struct amm_class_set {
    amm_class_set *next;
    amm_config key;
    const amm_layer_class **classes;
    int32_t count;
    fastest fastest;
};

static double seconds(const amm_stage_seconds *x)
{
    return x->forward_s + x->backward_s;
}

static void take(fastest *f, const amm_layer_class *x, int32_t kinds)
{
    f->none = seconds(&x->empty);
    f->embedding = fmin(f->embedding, seconds(&x->embedding) - f->none);
    f->head = fmin(f->head, seconds(&x->head) - f->none);
    for (int32_t k = 0; k < kinds; k++) {
        f->kind[k] = fmin(f->kind[k], seconds(&x->kind[k]) - f->none);
    }
}

static void fastest_of(fastest *f, const amm_analytic *a, const amm_class_set *sets)
{
    const int32_t kinds = a->network.kind_count;
    f->none = 0.0;
    f->embedding = f->head = HUGE_VAL;
    for (int32_t k = 0; k < kinds; k++) {
        f->kind[k] = HUGE_VAL;
    }
    for (int32_t k = 0; k < sets->count; k++) {
        take(f, sets->classes[k], kinds);
    }
    f->layers = f->embedding + f->head;
    f->longest = fmax(f->embedding, f->head);
    for (int32_t k = 0; k < kinds; k++) {
        f->layers += a->kind_blocks[k] * f->kind[k];
        f->longest = fmax(f->longest, f->kind[k]);
    }
}

static amm_status fill_set(amm_class_set *x, amm_lowered *lowered)
{
    amm_analytic *a = lowered->analytic;
    const bool open = amm_config_is_open(&x->key);
    x->count = open ? a->choice_count : 1;
    x->classes = amm_arena_alloc(&lowered->arena, (size_t)x->count, sizeof *x->classes);
    if (x->classes == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < x->count; k++) {
        const amm_config one = amm_config_with(&x->key, open ? a->choices[k] : x->key.recompute);
        AMM_TRY(amm_layer_class_of(a, &lowered->arena, &x->classes[k], &one));
    }
    fastest_of(&x->fastest, a, x);
    return AMM_OK;
}

static amm_status class_set_of(amm_lowered *lowered, const amm_class_set **out, const amm_config *c)
{
    amm_config key;
    amm_class_key(&key, c);
    amm_class_set **list = &lowered->analytic->class_sets[amm_config_hash(&key) % AMM_SET_BUCKETS];
    for (amm_class_set *x = *list; x != NULL; x = x->next) {
        if (memcmp(&x->key, &key, sizeof key) == 0) {
            *out = x;
            return AMM_OK;
        }
    }
    amm_class_set *x = amm_arena_alloc(&lowered->arena, 1, sizeof *x);
    if (x == NULL) {
        return AMM_NO_MEMORY;
    }
    memcpy(&x->key, &key, sizeof key);
    AMM_TRY(fill_set(x, lowered));
    x->next = *list;
    *list = x;
    *out = x;
    return AMM_OK;
}

/* ---- time ------------------------------------------------------------------------------------ */

/* The slowest stage of the even cut. */
static double slowest_even(const fastest *f, const amm_even_stages *even, int32_t kinds, int32_t pp)
{
    double slowest = 0.0;
    for (int32_t g = 0; g < even->count; g++) {
        const stage_group *x = &even->groups[g];
        double sum =
            f->none + (x->first == 0 ? f->embedding : 0.0) + (x->first == pp - 1 ? f->head : 0.0);
        for (int32_t k = 0; k < kinds; k++) {
            sum += x->blocks[k] * f->kind[k];
        }
        slowest = fmax(slowest, sum);
    }
    return slowest;
}

/* Compute, bubble, transfers, host; what data parallelism and the optimizer add is not below 0. One
 * candidate alone, the even cut, has its own slowest stage; its bubble is shared out by chunks, or
 * filled by a zero-bubble schedule. A tied table counts once at pp 1, and the classes have it twice:
 * its accumulation is taken off. */
static double floor_of(const amm_analytic *a, const amm_run *run, const fastest *f,
                       const amm_even_stages *even, const amm_config *c)
{
    const double p = c->pp;
    const double G = (double)c->micro_batches;
    const double stages = f->layers + p * f->none;
    const bool filled = amm_schedule_splits((amm_schedule_kind)run->schedule);
    double longest = fmax(f->longest, f->layers / p) + f->none;
    if (amm_analytic_is_direct(c)) {
        longest = slowest_even(f, even, a->network.kind_count, c->pp);
    }
    const double bubble = filled ? 0.0 : (stages - longest) / c->vpp;
    const double twice = c->pp == 1 && a->network.tied
                             ? amm_accumulation_seconds(
                                   &a->machine, run, a->network.vocab * a->network.hidden / c->tp)
                             : 0.0;
    return (G * (longest - twice) + fmax(0.0, bubble) +
            amm_least_boundary_seconds(&a->network, &a->machine, run) +
            a->machine.facts.step_host_s) *
           (1.0 - 1e-12); /* summed in another order than the step */
}

/* ---- memory ------------------------------------------------------------------------------------ */

/* Bytes of a group's fullest stage, its first, with the set that needs least. */
static double least_bytes(const amm_analytic *a, const amm_run *run, const stage_group *g,
                          const amm_class_set *sets)
{
    double least = HUGE_VAL;
    for (int32_t k = 0; k < sets->count; k++) {
        amm_ledger ledger;
        amm_kept_memory(&ledger, &a->network, &a->machine, run, &sets->classes[k]->kept, g->first,
                        g->blocks);
        least = fmin(least, ledger.total);
    }
    return least;
}

static void even_memory(amm_composed *out, const amm_analytic *a, const amm_run *run,
                        const amm_even_stages *even, const amm_class_set *sets)
{
    out->short_bytes = -HUGE_VAL;
    for (int32_t g = 0; g < even->count; g++) {
        const double bytes = least_bytes(a, run, &even->groups[g], sets);
        if (bytes - a->room_bytes > out->short_bytes) {
            out->short_bytes = bytes - a->room_bytes;
            out->stage = even->groups[g].first;
        }
    }
}

/* Bytes of a stage that holds `count` layers from `first` on, with the set that needs least. */
static double layers_bytes(const amm_analytic *a, const amm_run *run, const amm_class_set *sets,
                           int32_t stage, int32_t first, int32_t end)
{
    stage_group g = { stage, 1, { 0 } };
    amm_count_kinds(a, g.blocks, first, end);
    return least_bytes(a, run, &g, sets);
}

/* Bytes that one more block takes at least, of any kind, with any set: for every micro-batch in flight,
 * and besides. */
typedef struct block_bytes {
    double per_flight, fixed;
} block_bytes;

static block_bytes lightest_block(const amm_analytic *a, const amm_run *run,
                                  const amm_class_set *sets)
{
    const int32_t last = (int32_t)run->pp - 1;
    const double held = amm_stage_in_flight(run, last);
    block_bytes out = { HUGE_VAL, HUGE_VAL };
    for (int32_t s = 0; s < sets->count; s++) {
        for (int32_t k = 0; k < a->network.kind_count; k++) {
            stage_group g = { last, 1, { 0 } };
            const amm_class_set one = { .classes = &sets->classes[s], .count = 1 };
            const double kept = sets->classes[s]->kept.kept[k] * a->machine.facts.fragmentation;
            g.blocks[k] = 1;
            const double before = least_bytes(a, run, &g, &one);
            g.blocks[k] = 2;
            out.per_flight = fmin(out.per_flight, kept);
            out.fixed = fmin(out.fixed, least_bytes(a, run, &g, &one) - before - kept * held);
        }
    }
    return out;
}

/* Room for fewer blocks than there are, taking every block as the lightest one: surely nothing fits. */
static bool hopeless(const amm_analytic *a, const amm_run *run, const amm_class_set *sets)
{
    const block_bytes block = lightest_block(a, run, sets);
    double room = 0.0;
    for (int32_t s = 0; s < (int32_t)run->pp; s++) {
        const double one = block.fixed + block.per_flight * amm_stage_in_flight(run, s);
        room += one > 0.0 ? floor(a->room_bytes / one * (1.0 + 1e-12)) : HUGE_VAL;
    }
    return room < a->network.block_count;
}

/* Whether any partition fits, exact: stages from the first, each as long as it can be and leaves a layer
 * for every later one. Looked for from the length of the one before. */
static bool some_fits(const amm_analytic *a, const amm_run *run, const amm_class_set *sets)
{
    const int32_t pp = (int32_t)run->pp;
    int32_t at = 0;
    int32_t length = 1;
    for (int32_t s = 0; s + 1 < pp; s++) {
        const int32_t most = a->layers - (pp - 1 - s) - at;
        length = length < most ? length : most;
        while (length > 0 && layers_bytes(a, run, sets, s, at, at + length) > a->room_bytes) {
            length--;
        }
        if (length == 0) {
            return false;
        }
        while (length < most &&
               layers_bytes(a, run, sets, s, at, at + length + 1) <= a->room_bytes) {
            length++;
        }
        at += length;
    }
    return layers_bytes(a, run, sets, pp - 1, at, a->layers) <= a->room_bytes;
}

/* What memory says of configs that differ only in what takes none. */
struct amm_memory_note {
    amm_config key; /* tp 0: none yet */
    double short_bytes;
    int32_t stage;
    bool fits;
};

amm_memory_note *amm_memory_notes(amm_arena *arena)
{
    return amm_arena_alloc(arena, AMM_MEMORY_NOTES, sizeof(amm_memory_note));
}

static void memory_key(amm_config *out, const amm_config *c)
{
    memcpy(out, c, sizeof *out);
    out->index = 0;
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        out->choice[k] = amm_choice_holds_memory((amm_choice)k) ? c->choice[k] : 0;
    }
}

static void compose_memory(amm_composed *out, const amm_analytic *a, const amm_run *run,
                           const amm_even_stages *even, const amm_class_set *sets,
                           const amm_config *c)
{
    amm_config key;
    memory_key(&key, c);
    amm_memory_note *note = &a->memory_notes[amm_config_hash(&key) % AMM_MEMORY_NOTES];
    if (memcmp(&note->key, &key, sizeof key) != 0) {
        even_memory(out, a, run, even, sets);
        memcpy(&note->key, &key, sizeof key);
        note->short_bytes = out->short_bytes;
        note->stage = out->stage;
        note->fits =
            out->short_bytes <= 0.0 ||
            (!amm_analytic_is_direct(c) && !hopeless(a, run, sets) && some_fits(a, run, sets));
    }
    out->short_bytes = note->short_bytes;
    out->stage = note->stage;
    out->fits = note->fits;
}

/* ---- both -------------------------------------------------------------------------------------- */

amm_status amm_compose(amm_lowered *lowered, amm_composed *out, const amm_config *c)
{
    amm_analytic *a = lowered->analytic;
    const amm_even_stages *even = NULL;
    const amm_class_set *sets = NULL;
    amm_run run;
    AMM_TRY(even_stages_of(a, &lowered->arena, &even, c->pp));
    AMM_TRY(class_set_of(lowered, &sets, c));
    amm_lower_run(&run, a, c, NULL);
    out->floor_s = floor_of(a, &run, &sets->fastest, even, c);
    compose_memory(out, a, &run, even, sets, c);
    return AMM_OK;
}
