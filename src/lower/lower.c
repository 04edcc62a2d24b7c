#include "lower/lower.h"

#include "formula/cost/collective.h"
#include "formula/cost/compute.h"
#include "formula/cost/kept.h"
#include "formula/cost/memory.h"
#include "formula/cost/pipeline.h"
#include <math.h>
#include <string.h>

/* ---- layers: time ---------------------------------------------------------------------------- */

static double overhead_share(const amm_device *device, int32_t tp)
{
    double share = 0.0;
    for (int32_t k = 0; k < device->overhead_count; k++) {
        if (device->overhead_tp[k] <= tp) {
            share = device->overhead_share[k].value;
        }
    }
    return share;
}

/* Where the micro-batch of a config lies among the measured points of (device, tp). */
typedef struct bracket {
    const amm_profile_point *first;      /* smallest micro-batch: its overhead holds for all */
    const amm_profile_point *low, *high; /* neighbours; equal: one point serves */
} bracket;

static double point_backward(const amm_profile *profile, const amm_profile_point *point,
                             double overhead_s, int32_t l)
{
    return point->backward_s != NULL
               ? point->backward_s[l]
               : amm_backward_time(point->forward_s[l], overhead_s, profile->backward_ratio);
}

/* low = high: an exact hit, the only point, or below the first. Beyond the last: the last two. */
static bracket bracket_of(const amm_profile *profile, const char *device, const amm_config *config)
{
    bracket b = { NULL, NULL, NULL };
    for (int32_t k = 0; k < profile->point_count; k++) {
        const amm_profile_point *point = &profile->points[k];
        if (strcmp(point->device, device) != 0 || point->tp != config->tp) {
            continue;
        }
        b.first = b.first == NULL ? point : b.first;
        if (b.high == NULL || point->micro_batch == config->micro_batch) {
            b.low = b.high = point;
        } else if (b.high->micro_batch < config->micro_batch) {
            b.low = b.high;
            b.high = point;
        }
    }
    return b;
}

static double layer_time(const amm_profile *profile, const bracket *b, double share, double batch,
                         int32_t l)
{
    const double overhead = share * b->first->forward_s[l];
    const double low = b->low->forward_s[l];
    const double backward = point_backward(profile, b->low, overhead, l);
    if (b->low == b->high) {
        return amm_layer_time_affine(low, backward, overhead, batch, (double)b->low->micro_batch);
    }
    return amm_layer_time_between(low + backward, (double)b->low->micro_batch,
                                  b->high->forward_s[l] +
                                      point_backward(profile, b->high, overhead, l),
                                  (double)b->high->micro_batch, batch);
}

void amm_lower_layer_times(const amm_lowered *lowered, double *out, uint32_t type_mask,
                           const amm_config *config)
{
    const amm_problem_desc *p = lowered->problem;
    for (int32_t l = 0; l < p->model->layer_count; l++) {
        out[l] = 0.0;
    }
    for (int32_t type = 0; type < p->cluster->type_count; type++) {
        if ((type_mask >> type & 1U) == 0) {
            continue;
        }
        const amm_device *device = p->cluster->types[type];
        const bracket b = bracket_of(p->profile, device->name, config);
        const double share = overhead_share(device, config->tp);
        for (int32_t l = 0; b.first != NULL && l < p->model->layer_count; l++) {
            out[l] =
                fmax(out[l], layer_time(p->profile, &b, share, (double)config->micro_batch, l));
        }
    }
}

/* ---- layers: parameters and memory ----------------------------------------------------------- */

double amm_lower_parameters(const amm_lowered *lowered, int32_t layer, int32_t pp)
{
    const amm_layer *x = &lowered->problem->model->layers[layer];
    const bool copy = x->kind == AMM_LAYER_HEAD && x->tied && pp > 1;
    return (double)x->parameters +
           (copy ? amm_embedding_parameters((double)x->vocab, 0.0, (double)x->hidden) : 0.0);
}

static double kept_bytes(const amm_layer *x, const amm_config *config)
{
    const double b = (double)config->micro_batch;
    const double s = (double)x->tokens;
    const double h = (double)x->hidden;
    switch (x->kind) {
    case AMM_LAYER_BLOCK:
        return amm_block_kept_bytes(b, s, amm_block_keys(&x->shape, s), h,
                                    amm_block_active_ffn(&x->shape), x->shape.heads, config->tp);
    case AMM_LAYER_EMBEDDING:
        return amm_embedding_kept_bytes(b * s, b * s * h, 1.0);
    default:
        return b * (double)x->kept_bytes;
    }
}

amm_memory amm_lower_layer_memory(const amm_lowered *lowered, int32_t layer, int32_t stage,
                                  const amm_config *config)
{
    const amm_runtime *runtime = lowered->problem->runtime;
    const amm_layer *x = &lowered->problem->model->layers[layer];
    amm_memory m = { 0.0, 0.0, 0.0, 0.0 };
    m.static_bytes = amm_static_bytes(amm_lower_parameters(lowered, layer, config->pp),
                                      runtime->static_bytes_per_parameter, config->tp);
    m.activation_bytes = kept_bytes(x, config) *
                         amm_in_flight_1f1b((double)config->micro_batches, config->pp, stage);
    if (x->kind == AMM_LAYER_HEAD) {
        m.logit_bytes = amm_logit_bytes((double)config->micro_batch * (double)x->tokens,
                                        (double)x->vocab, runtime->logit_bytes, config->tp);
    }
    return m;
}

amm_room amm_lower_room(const amm_lowered *lowered, uint32_t type_mask)
{
    amm_room least = { HUGE_VAL, 0.0 };
    for (int32_t type = 0; type < lowered->problem->cluster->type_count; type++) {
        const amm_device *device = lowered->problem->cluster->types[type];
        const double context = (double)device->context_bytes;
        const double usable = amm_usable_bytes((double)device->memory_bytes,
                                               lowered->problem->memory_margin, context);
        if ((type_mask >> type & 1U) && usable < least.usable_bytes) {
            least.usable_bytes = usable;
            least.context_bytes = context;
        }
    }
    return least;
}

double amm_lower_all_reduce_s(const amm_lowered *lowered, const amm_config *config, double ring)
{
    return config->dp == 1
               ? 0.0
               : amm_ring_all_reduce_time(lowered->problem->runtime->gradient_bytes / config->tp,
                                          config->dp, ring);
}

double amm_lower_optimizer_s(const amm_lowered *lowered, const amm_config *config, uint32_t mask)
{
    double slowest = 0.0;
    for (int32_t type = 0; type < lowered->problem->cluster->type_count; type++) {
        if (mask >> type & 1U) {
            slowest =
                fmax(slowest,
                     amm_optimizer_time(1.0 / config->tp,
                                        lowered->problem->runtime->optimizer_bytes_per_parameter,
                                        lowered->problem->cluster->types[type]->hbm_bytes_per_s));
        }
    }
    return slowest;
}

/* ---- rows: cached tables --------------------------------------------------------------------- */

typedef enum row_kind { ROW_TIME, ROW_END, ROW_BOUNDARY, ROW_WINDOW } row_kind;

/* ROW_BOUNDARY of the analytic model: transfers cost the same wherever the cut is, so that only what
 * the first stage's end decides, under each set, is left: the `end` of its entries. */

/* What a row depends on; zeroed before it is filled, compared as bytes. */
typedef struct row_key {
    int32_t kind, scale, tp, pp;
    int64_t micro_batch, micro_batches;
    double rate;   /* END: seconds per parameter; BOUNDARY: bytes/s */
    uint32_t mask; /* TIME, WINDOW */
    int32_t stage; /* WINDOW: that many micro-batches in flight decide, so the stage is in it */
    /* analytic model */
    int32_t dp, cp, ep, etp, recompute, sharding;
    int32_t choice[AMM_CHOICE_COUNT];
} row_key;

struct amm_row {
    amm_row *next;
    row_key key;
    double *table;  /* [L + 1] */
    int32_t *first; /* [L + 1] windows */
};

/* Seconds to the table's unit; half to even, as the engine's exactness needs integers. */
static double to_unit(double seconds, int32_t scale)
{
    return scale == AMM_EXACT ? seconds : rint(ldexp(seconds, -(scale + AMM_TICK_EXPONENT)));
}

static void fill_time(const amm_lowered *lowered, amm_row *row, const amm_config *config)
{
    const int32_t layers = lowered->problem->model->layer_count;
    double *table = row->table;
    if (lowered->analytic != NULL) {
        amm_fill_layer_times(lowered, table + 1);
    } else {
        amm_lower_layer_times(lowered, table + 1, row->key.mask, config);
    }
    table[0] = 0.0;
    for (int32_t l = 0; l < layers; l++) {
        table[l + 1] = table[l] + to_unit(table[l + 1], row->key.scale);
    }
}

static void fill_end(const amm_lowered *lowered, amm_row *row, const amm_config *config)
{
    const bool analytic = lowered->analytic != NULL;
    if (analytic) {
        amm_fill_layer_ends(lowered, row->table + 1, config);
    }
    for (int32_t l = 0; l < lowered->problem->model->layer_count; l++) {
        const double s = analytic ? row->table[l + 1]
                                  : amm_lower_parameters(lowered, l, config->pp) * row->key.rate;
        row->table[l + 1] = row->table[l] + to_unit(s, row->key.scale);
    }
}

static void fill_boundary(const amm_lowered *lowered, amm_row *row, const amm_config *config)
{
    const amm_problem_desc *p = lowered->problem;
    if (lowered->analytic != NULL) {
        amm_fill_first_exposed(lowered, row->table, config);
        for (int32_t l = 0; l < p->model->layer_count; l++) {
            row->table[l + 1] = to_unit(row->table[l + 1], row->key.scale);
        }
        return;
    }
    const double factor = amm_boundary_factor((double)config->micro_batches, config->pp,
                                              p->runtime->p2p_exposed_share);
    for (int32_t l = 0; l < p->model->layer_count; l++) {
        const amm_layer *x = &p->model->layers[l];
        const double bytes =
            amm_boundary_bytes((double)config->micro_batch, (double)x->out_elements,
                               p->runtime->activation_bytes, x->out_sharded ? config->tp : 1);
        const double s = amm_p2p_time(bytes, row->key.rate);
        row->table[l + 1] = to_unit(factor * s, row->key.scale);
    }
}

/* Smallest start for every end such that the stage's bytes fit. Bytes only grow with the stage. */
static void fill_window(const amm_lowered *lowered, amm_row *row, const amm_config *config)
{
    const int32_t layers = lowered->problem->model->layer_count;
    if (lowered->analytic != NULL) {
        amm_fill_window(lowered, row->first, row->key.stage, config);
        return;
    }
    const double room = amm_lower_room(lowered, row->key.mask).usable_bytes;
    int32_t i = 0;
    for (int32_t l = 0; l < layers; l++) {
        const amm_memory m = amm_lower_layer_memory(lowered, l, row->key.stage, config);
        row->table[l + 1] = row->table[l] + m.static_bytes + m.activation_bytes + m.logit_bytes;
    }
    for (int32_t j = 0; j <= layers; j++) {
        while (i < j && row->table[j] - row->table[i] > room) {
            i++;
        }
        row->first[j] = i;
    }
}

static amm_status make_row(amm_lowered *lowered, amm_row **out, amm_arena *arena,
                           const row_key *key, const amm_config *config)
{
    static void (*const fill[])(const amm_lowered *, amm_row *, const amm_config *) = {
        [ROW_TIME] = fill_time,
        [ROW_END] = fill_end,
        [ROW_BOUNDARY] = fill_boundary,
        [ROW_WINDOW] = fill_window,
    };
    const size_t n = (size_t)lowered->problem->model->layer_count + 1;
    amm_row *row = amm_arena_alloc(arena, 1, sizeof *row);
    if (row == NULL) {
        return AMM_NO_MEMORY;
    }
    row->key = *key;
    row->table = amm_arena_alloc(arena, n, sizeof *row->table);
    row->first = key->kind == ROW_WINDOW ? amm_arena_alloc(arena, n, sizeof *row->first) : NULL;
    if (row->table == NULL || (key->kind == ROW_WINDOW && row->first == NULL)) {
        return AMM_NO_MEMORY;
    }
    fill[key->kind](lowered, row, config);
    *out = row;
    return AMM_OK;
}

/* Tables in ticks serve many configs and are kept; windows differ by stage and seconds are asked
 * for rarely, so both live as long as their config. */
static amm_status get_row(amm_lowered *lowered, const amm_row **out, const row_key *key,
                          const amm_config *config)
{
    const bool kept = key->kind != ROW_WINDOW && key->scale != AMM_EXACT;
    const uint64_t hash = amm_hash(AMM_HASH_START, key, sizeof *key);
    amm_row **list = kept ? &lowered->rows[hash % AMM_ROW_BUCKETS] : &lowered->config_rows;
    for (amm_row *row = *list; row != NULL; row = row->next) {
        if (memcmp(&row->key, key, sizeof *key) == 0) {
            *out = row;
            return AMM_OK;
        }
    }
    amm_row *row = NULL;
    AMM_TRY(make_row(lowered, &row, kept ? &lowered->arena : &lowered->scratch, key, config));
    row->next = *list;
    *list = row;
    *out = row;
    return AMM_OK;
}

/* ---- configs --------------------------------------------------------------------------------- */

amm_status amm_lower_init(amm_lowered *out, const amm_context *context,
                          const amm_problem_desc *problem)
{
    memset(out, 0, sizeof *out);
    amm_arena_init(&out->arena, context);
    amm_arena_init(&out->scratch, context);
    out->problem = problem;
    out->rows = amm_arena_alloc(&out->arena, AMM_ROW_BUCKETS, sizeof(amm_row *));
    amm_status status =
        out->rows == NULL ? AMM_NO_MEMORY : amm_layout_init(&out->layout, &out->arena, problem);
    if (status == AMM_OK && problem->profile == NULL) {
        status = amm_analytic_init(out);
    }
    if (status != AMM_OK) {
        amm_lower_free(out);
    }
    return status;
}

void amm_lower_free(amm_lowered *lowered)
{
    amm_arena_free(&lowered->scratch);
    amm_arena_free(&lowered->arena);
}

static void key_of(row_key *key, row_kind kind, const amm_config *c, int32_t scale)
{
    memset(key, 0, sizeof *key);
    key->kind = (int32_t)kind;
    key->scale = kind == ROW_WINDOW ? 0 : scale;
    key->tp = c->tp;
    key->micro_batch = kind == ROW_END ? 0 : c->micro_batch;
    key->micro_batches = kind == ROW_BOUNDARY ? c->micro_batches : 0;
    key->pp = kind == ROW_TIME ? 0 : kind == ROW_END ? (c->pp > 1 ? 2 : 1) : c->pp;
}

/* The choices that tables of the analytic model depend on besides. */
static void analytic_key(row_key *key, row_kind kind, const amm_config *c)
{
    key->dp = kind == ROW_TIME ? 0 : c->dp;
    key->cp = c->cp;
    key->ep = c->ep;
    key->etp = c->etp;
    key->recompute = kind == ROW_END ? 0 : c->recompute; /* parameters are the same */
    key->sharding = c->sharding;
    memcpy(key->choice, c->choice, sizeof key->choice);
    key->micro_batches = kind == ROW_TIME || kind == ROW_END ? 0 : c->micro_batches;
}

static amm_status stage_rows(amm_lowered *lowered, amm_lowered_config *out, int32_t s, bool memory,
                             amm_solve_stage *stage, amm_solve_entry *entry)
{
    const amm_config *c = &out->config;
    const uint32_t mask = out->links.type_mask[s];
    const amm_row *row = NULL;
    row_key key;
    key_of(&key, ROW_TIME, c, out->scale);
    key.mask = mask;
    AMM_TRY(get_row(lowered, &row, &key, c));
    entry->t = entry->u = row->table;
    key_of(&key, ROW_END, c, out->scale);
    key.rate = amm_lower_all_reduce_s(lowered, c, out->links.ring_bytes_per_s[s]) +
               amm_lower_optimizer_s(lowered, c, mask);
    AMM_TRY(get_row(lowered, &row, &key, c));
    entry->d = row->table;
    if (memory) {
        key_of(&key, ROW_WINDOW, c, out->scale);
        key.mask = mask;
        key.stage = s;
        key.micro_batches = c->micro_batches;
        AMM_TRY(get_row(lowered, &row, &key, c));
        entry->first = row->first;
    }
    if (s + 1 < c->pp) {
        key_of(&key, ROW_BOUNDARY, c, out->scale);
        key.rate = out->links.boundary_bytes_per_s[s];
        AMM_TRY(get_row(lowered, &row, &key, c));
        stage->e = row->table;
    }
    stage->entry_count = 1;
    stage->entries = entry;
    return AMM_OK;
}

/* The entry of one set. */
static amm_status analytic_entry(amm_lowered *lowered, const amm_lowered_config *out, int32_t s,
                                 bool memory, amm_solve_entry *entry, int32_t set)
{
    static const row_kind kinds[] = { ROW_TIME, ROW_END, ROW_WINDOW, ROW_BOUNDARY };
    const amm_row *rows[4] = { NULL };
    const amm_config c = amm_config_with(&out->config, set);
    const bool wanted[4] = { true, true, memory, s == 0 && out->config.dp * out->config.cp > 1 };
    AMM_TRY(
        amm_layer_class_of(lowered->analytic, &lowered->arena, &lowered->analytic->current, &c));
    for (int k = 0; k < 4; k++) {
        row_key key;
        key_of(&key, kinds[k], &c, out->scale);
        analytic_key(&key, kinds[k], &c);
        key.stage = kinds[k] == ROW_WINDOW ? s : 0;
        if (wanted[k]) {
            AMM_TRY(get_row(lowered, &rows[k], &key, &c));
        }
    }
    memset(entry, 0, sizeof *entry);
    entry->t = entry->u = rows[0]->table;
    entry->d = rows[1]->table;
    entry->first = rows[2] == NULL ? NULL : rows[2]->first;
    entry->end = rows[3] == NULL ? NULL : rows[3]->table;
    return AMM_OK;
}

/* Whether a stage never has a reason to take `b`: wherever it starts and ends, `a` is no slower and fits
 * if `b` does. Only the first stage, which starts at 0, has an `end`. */
static bool dominates(const amm_solve_entry *a, const amm_solve_entry *b, int32_t layers)
{
    /* In seconds, what the differences of prefixes lose. */
    const double noise = 1e-15 * b->t[layers];
    for (int32_t j = 0; j <= layers; j++) {
        if (j > 0 && a->t[j] - a->t[j - 1] > b->t[j] - b->t[j - 1] + noise) {
            return false;
        }
        if (a->first != NULL && a->first[j] > b->first[j]) {
            return false;
        }
        if (a->end != NULL && a->u[j] + a->end[j] > b->u[j] + b->end[j]) {
            return false;
        }
    }
    return true;
}

/* Sets of a stage as entries: cheapest of all layers first, without the dominated ones. */
static amm_status analytic_rows(amm_lowered *lowered, amm_lowered_config *out, int32_t s,
                                bool memory, amm_solve_stage *stage, amm_solve_entry *entries)
{
    const amm_analytic *a = lowered->analytic;
    const int32_t layers = out->solve.layers;
    int32_t *sets = out->entry_sets + (size_t)s * (size_t)out->entry_room;
    int32_t count = 0;
    for (int32_t k = 0; k < amm_stage_set_count(a, &out->config); k++) {
        const int32_t set = amm_stage_set(a, &out->config, s, k);
        amm_solve_entry entry;
        int32_t at = count++;
        AMM_TRY(analytic_entry(lowered, out, s, memory, &entry, set));
        for (; at > 0 && entries[at - 1].t[layers] > entry.t[layers]; at--) {
            entries[at] = entries[at - 1];
            sets[at] = sets[at - 1];
        }
        entries[at] = entry;
        sets[at] = set;
    }
    stage->entries = entries;
    stage->entry_count = 0;
    for (int32_t k = 0; k < count; k++) {
        bool needed = true;
        for (int32_t m = 0; m < stage->entry_count && needed; m++) {
            needed = !dominates(&entries[m], &entries[k], layers);
        }
        if (needed) {
            entries[stage->entry_count] = entries[k];
            sets[stage->entry_count++] = sets[k];
        }
    }
    return AMM_OK;
}

void amm_entry_sets(int32_t *sets, const amm_lowered_config *config, const int32_t *entry)
{
    for (int32_t s = 0; s < config->config.pp; s++) {
        sets[s] = config->entry_sets[s * config->entry_room + entry[s]];
    }
}

static amm_status all_rows(amm_lowered *lowered, amm_lowered_config *out, bool memory)
{
    amm_solve_stage *stages = (amm_solve_stage *)out->solve.stage;
    amm_status (*const fill)(amm_lowered *, amm_lowered_config *, int32_t, bool, amm_solve_stage *,
                             amm_solve_entry *) =
        lowered->analytic != NULL ? analytic_rows : stage_rows;
    for (int32_t s = 0; s < out->config.pp; s++) {
        AMM_TRY(fill(lowered, out, s, memory, &stages[s], (amm_solve_entry *)stages[s].entries));
    }
    return AMM_OK;
}

static amm_status empty_stages(amm_lowered *lowered, amm_lowered_config *out)
{
    const size_t count = (size_t)out->config.pp;
    const amm_analytic *a = lowered->analytic;
    out->entry_room = a != NULL ? amm_stage_set_count(a, &out->config) : 1;
    const size_t room = (size_t)out->entry_room;
    amm_solve_stage *stages = amm_arena_alloc(&lowered->scratch, count, sizeof *stages);
    amm_solve_entry *entries = amm_arena_alloc(&lowered->scratch, count * room, sizeof *entries);
    out->entry_sets = amm_arena_alloc(&lowered->scratch, count * room, sizeof *out->entry_sets);
    if (stages == NULL || entries == NULL || out->entry_sets == NULL) {
        return AMM_NO_MEMORY;
    }
    for (size_t s = 0; s < count; s++) {
        stages[s].entries = &entries[s * room];
    }
    out->solve.layers = lowered->problem->model->layer_count;
    out->solve.stages = out->config.pp;
    out->solve.a = (double)(out->config.micro_batches - 1);
    out->solve.stage = stages;
    return AMM_OK;
}

/* Tied embeddings under a pipeline: both copies agree on one gradient. */
static double tied_time(const amm_lowered *lowered, const amm_lowered_config *config)
{
    double sum = 0.0;
    for (int32_t l = 0; l < config->solve.layers && config->config.pp > 1; l++) {
        const amm_layer *x = &lowered->problem->model->layers[l];
        if (x->kind == AMM_LAYER_HEAD && x->tied) {
            const double table = amm_embedding_parameters((double)x->vocab, 0.0, (double)x->hidden);
            sum += amm_ring_all_reduce_time(table * lowered->problem->runtime->activation_bytes /
                                                config->config.tp,
                                            2.0, config->links.tied_bytes_per_s);
        }
    }
    return sum;
}

/* How far the slowest type at every layer may lie above the slowest single type, over all layers: a
 * bound of what one stage, or all stages together, are overestimated by. */
static amm_status mixed_slack(amm_lowered *lowered, double *out, uint32_t mask,
                              const amm_config *config)
{
    const int32_t layers = lowered->problem->model->layer_count;
    double *both = amm_arena_alloc(&lowered->scratch, 2 * (size_t)layers, sizeof *both);
    *out = HUGE_VAL;
    if (both == NULL) {
        return AMM_NO_MEMORY;
    }
    amm_lower_layer_times(lowered, both, mask, config);
    for (int32_t type = 0; type < lowered->problem->cluster->type_count; type++) {
        double above = 0.0;
        if ((mask >> type & 1U) == 0) {
            continue;
        }
        amm_lower_layer_times(lowered, both + layers, UINT32_C(1) << type, config);
        for (int32_t l = 0; l < layers; l++) {
            above += both[l] - both[layers + l];
        }
        *out = fmin(*out, above);
    }
    return AMM_OK;
}

static amm_status total_slack(amm_lowered *lowered, amm_lowered_config *out)
{
    double sum = 0.0;
    for (int32_t p = 0; p < out->config.pp; p++) {
        const uint32_t mask = out->links.type_mask[p];
        bool fresh = (mask & (mask - 1)) != 0;
        for (int32_t q = 0; q < p && fresh; q++) {
            fresh = out->links.type_mask[q] != mask;
        }
        if (fresh) {
            double one = 0.0;
            AMM_TRY(mixed_slack(lowered, &one, mask, &out->config));
            sum += one;
        }
    }
    out->slack_s = (out->solve.a + 1.0) * sum;
    return AMM_OK;
}

/* The finest tick that keeps every sum of the config below 2^24. Rounding moves a sum by at most
 * half a tick per item. */
static amm_status choose_scale(amm_lowered_config *out)
{
    const int32_t layers = out->solve.layers;
    const double slack = 2.0 * layers + out->config.pp;
    const double worst = amm_solve_worst(&out->solve);
    out->scale = 0;
    while (out->scale <= AMM_MAX_SCALE &&
           !(ldexp(worst, -(out->scale + AMM_TICK_EXPONENT)) + slack < 16777216.0)) {
        out->scale++;
    }
    if (out->scale > AMM_MAX_SCALE || out->solve.a >= 16777216.0) {
        return amm_fail(AMM_LIMIT, "engine: the step time is beyond the range of ticks");
    }
    out->unit_s = ldexp(1.0, out->scale + AMM_TICK_EXPONENT);
    out->error_bound_s =
        (out->solve.a * layers + 3.0 * layers + out->config.pp) / 2.0 * out->unit_s;
    return AMM_OK;
}

amm_status amm_lower_config(amm_lowered *lowered, amm_lowered_config *out, const amm_config *config,
                            bool exact, bool memory)
{
    amm_arena_free(&lowered->scratch);
    lowered->config_rows = NULL;
    memset(out, 0, sizeof *out);
    out->config = *config;
    out->scale = AMM_EXACT;
    out->unit_s = 1.0;
    AMM_TRY(empty_stages(lowered, out));
    if (lowered->analytic != NULL) {
        AMM_TRY(amm_analytic_fixed(lowered, &out->fixed_s, config));
    } else {
        AMM_TRY(amm_links_of(&out->links, &lowered->scratch, &lowered->layout, config));
        out->fixed_s = tied_time(lowered, out);
    }
    AMM_TRY(all_rows(lowered, out, memory));
    if (exact) {
        return AMM_OK;
    }
    if (lowered->analytic == NULL) {
        AMM_TRY(total_slack(lowered, out));
    }
    AMM_TRY(choose_scale(out));
    return all_rows(lowered, out, memory);
}
