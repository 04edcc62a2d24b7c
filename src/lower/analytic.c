#include "lower/lower.h"

#include "formula/cost/memory.h"
#include <math.h>
#include <string.h>

/* ---- the problem ----------------------------------------------------------------------------- */

static void set_machine(amm_analytic *a, const amm_problem_desc *problem)
{
    const amm_cluster *cluster = problem->cluster;
    const amm_device *device = cluster->types[cluster->nodes[0].device_type[0]];
    amm_fabric *f = &a->machine.fabric;
    amm_device with_constants = *device;
    if (problem->constants != NULL) { /* its own peaks, the constants of its kind */
        memcpy(with_constants.rates, problem->constants->rates, sizeof with_constants.rates);
    }
    amm_device_rates(&a->machine.rates, &with_constants);
    amm_runtime_facts(&a->machine.facts, problem->runtime);
    f->devices = cluster->device_count;
    f->domain = cluster->nodes[0].device_count;
    f->scaleup_bytes_per_s = cluster->nodes[0].intra_bytes_per_s;
    f->network_bytes_per_s = cluster->nodes[0].inter_bytes_per_s;
    f->links_bytes_per_s = device->peaks[AMM_PEAK_scaleup_bytes_per_s];
    f->pair_share = device->peaks[AMM_PEAK_scaleup_pair_share];
    f->quad_share = device->peaks[AMM_PEAK_scaleup_quad_share];
    f->collective_share = 1.0;
    a->machine.memory_bytes = (double)device->memory_bytes;
    /* The context is a fact of the runtime here. */
    a->room_bytes = amm_usable_bytes((double)device->memory_bytes, problem->memory_margin, 0.0);
}

/* What no strategy chooses: the problem's own. */
static void set_run(amm_analytic *a, const amm_problem_desc *problem)
{
    amm_run *run = &a->run;
    run->devices = a->machine.fabric.devices;
    run->seq_len = (double)problem->model->seq_len;
    (void)amm_precision_parse(&run->precision, problem->precision); /* checked with the problem */
}

/* Stages of the probe: embedding, none, one block of each kind, head. The last kind of the network
 * comes last, as extra prediction layers repeat it. */
static amm_status set_probe(amm_analytic *a, amm_arena *arena)
{
    const int32_t kinds = a->network.kind_count;
    const uint8_t last = a->network.kind_of[a->network.block_count - 1];
    uint8_t *kind_of = amm_arena_alloc(arena, (size_t)kinds, sizeof *kind_of);
    a->probe_blocks = amm_arena_alloc(arena, (size_t)kinds + 3, sizeof *a->probe_blocks);
    if (kind_of == NULL || a->probe_blocks == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t k = 0; k < kinds; k++) {
        kind_of[k] = (uint8_t)(k < last ? k : k + 1 < kinds ? k + 1 : last);
        a->probe_blocks[k + 2] = 1;
    }
    a->probe = a->network;
    a->probe.block_count = kinds;
    a->probe.kind_of = kind_of;
    return AMM_OK;
}

static amm_status count_blocks(amm_analytic *a, amm_arena *arena, const amm_model *model)
{
    const int32_t layers = model->layer_count;
    const int32_t kinds = a->network.kind_count;
    const size_t n = (size_t)layers + 1;
    a->layers = layers;
    a->blocks_before = amm_arena_alloc(arena, n, sizeof *a->blocks_before);
    a->kinds_before = amm_arena_alloc(arena, n * (size_t)kinds, sizeof *a->kinds_before);
    if (a->blocks_before == NULL || a->kinds_before == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t l = 0; l < layers; l++) {
        const int32_t b = a->blocks_before[l];
        const bool block = model->layers[l].kind == AMM_LAYER_BLOCK;
        a->blocks_before[l + 1] = b + (block ? 1 : 0);
        for (int32_t k = 0; k < kinds; k++) {
            int32_t *before = a->kinds_before + (size_t)k * n;
            before[l + 1] = before[l] + (block && a->network.kind_of[b] == k ? 1 : 0);
        }
    }
    for (int32_t k = 0; k < kinds; k++) {
        a->kind_blocks[k] = a->kinds_before[(size_t)k * n + (size_t)layers];
    }
    return AMM_OK;
}

amm_status amm_analytic_init(amm_lowered *lowered)
{
    const amm_problem_desc *problem = lowered->problem;
    amm_arena *arena = &lowered->arena;
    amm_analytic *a = amm_arena_alloc(arena, 1, sizeof *a);
    if (a == NULL) {
        return AMM_NO_MEMORY;
    }
    a->classes = amm_arena_alloc(arena, AMM_CLASS_BUCKETS, sizeof *a->classes);
    a->even = amm_arena_alloc(arena, AMM_MAX_STAGES + 1, sizeof *a->even);
    a->class_sets = amm_arena_alloc(arena, AMM_SET_BUCKETS, sizeof(amm_class_set *));
    a->memory_notes = amm_memory_notes(arena);
    if (a->classes == NULL || a->even == NULL || a->class_sets == NULL || a->memory_notes == NULL) {
        return AMM_NO_MEMORY;
    }
    AMM_TRY(amm_network_of(&a->network, arena, problem->model, problem->model->name));
    AMM_TRY(set_probe(a, arena));
    AMM_TRY(count_blocks(a, arena, problem->model));
    set_machine(a, problem);
    set_run(a, problem);
    lowered->analytic = a;
    return AMM_OK;
}

void amm_config_usual(amm_config *out, const amm_runtime *runtime)
{
    for (int k = 0; k < (int)AMM_CHOICE_COUNT; k++) {
        out->choice[k] = amm_choice_usual((amm_choice)k, runtime);
    }
}

bool amm_choice_matters(amm_choice choice, const amm_config *c)
{
    switch (choice) {
    case AMM_CHOICE_SCHEDULE:
        return c->pp > 1;
    case AMM_CHOICE_SEQUENCE_PARALLEL:
        return c->tp > 1;
    case AMM_CHOICE_TP_OVERLAP: /* it overlaps the gathers of sequence parallelism */
        return c->tp > 1 && c->choice[AMM_CHOICE_SEQUENCE_PARALLEL] != 0;
    case AMM_CHOICE_CP_COMM:
        return c->cp > 1;
    case AMM_CHOICE_DP_OVERLAP:
        return c->dp * c->cp > 1;
    case AMM_CHOICE_EP_OVERLAP:
    case AMM_CHOICE_DISPATCHER:
        return c->ep > 1;
    case AMM_CHOICE_SHARD_GROUP:
        return c->dp * c->cp > 1 && c->sharding != AMM_SHARDING_NONE;
    case AMM_CHOICE_GRAPHS:
    case AMM_CHOICE_ATTENTION:
    case AMM_CHOICE_FUSED_NORM:
    case AMM_CHOICE_COUNT:
        break;
    }
    return true;
}

bool amm_choice_holds_memory(amm_choice choice)
{
    switch (choice) {
    case AMM_CHOICE_TP_OVERLAP:
    case AMM_CHOICE_DP_OVERLAP:
    case AMM_CHOICE_EP_OVERLAP:
    case AMM_CHOICE_DISPATCHER:
    case AMM_CHOICE_GRAPHS:
        return false;
    default:
        return true;
    }
}

bool amm_analytic_is_direct(const amm_config *c)
{
    return c->pp == 1 || c->vpp > 1 ||
           amm_schedule_splits((amm_schedule_kind)c->choice[AMM_CHOICE_SCHEDULE]);
}

/* What the choices mean for this layout: one of no use here is off. */
static void settle_choices(amm_run *out, const amm_config *c)
{
    const int32_t group = c->choice[AMM_CHOICE_SHARD_GROUP];
    if (c->pp == 1) {
        out->schedule = AMM_SCHEDULE_1F1B;
    }
    if (c->vpp > 1) {
        out->schedule = AMM_SCHEDULE_INTERLEAVED;
    }
    out->sequence_parallel = out->sequence_parallel && c->tp > 1;
    out->shard_group = group == AMM_SHARD_ALL ? out->dp * out->cp : (double)group;
    if (c->sharding == AMM_SHARDING_NONE) {
        out->shard_group = 1.0;
    }
}

void amm_lower_run(amm_run *out, const amm_analytic *a, const amm_config *c,
                   const int32_t *stage_blocks)
{
    *out = a->run;
    out->tp = c->tp;
    out->pp = c->pp;
    out->dp = c->dp;
    out->cp = c->cp;
    out->ep = c->ep;
    out->etp = c->etp;
    out->vpp = c->vpp;
    out->micro_batch = (double)c->micro_batch;
    out->micro_batches = (double)c->micro_batches;
    out->sharding = c->sharding;
    out->recompute = c->recompute;
    out->stage_recompute = c->stage_recompute;
#define AMM_CHOICE_SET(name, key, option, megatron, member, fact, usual)                           \
    out->member = c->choice[AMM_CHOICE_##name];
    AMM_CHOICE_LIST(AMM_CHOICE_SET)
#undef AMM_CHOICE_SET
    settle_choices(out, c);
    out->stage_blocks = stage_blocks;
}

/* ---- recomputation by stage ------------------------------------------------------------------ */

bool amm_config_is_open(const amm_config *c)
{
    return c->recompute == AMM_RECOMPUTE_PER_STAGE && c->stage_recompute == NULL;
}

int32_t amm_stage_set_count(const amm_analytic *a, const amm_config *c)
{
    return amm_config_is_open(c) ? a->choice_count : 1;
}

int32_t amm_stage_set(const amm_analytic *a, const amm_config *c, int32_t stage, int32_t k)
{
    return amm_config_is_open(c) ? a->choices[k]
                                 : amm_recompute_at(c->recompute, c->stage_recompute, stage);
}

amm_config amm_config_with(const amm_config *c, int32_t set)
{
    amm_config out = *c;
    out.recompute = set;
    out.stage_recompute = NULL;
    return out;
}

/* ---- layers ---------------------------------------------------------------------------------- */

static double stage_s(const amm_stage_seconds *x)
{
    return x->forward_s + x->backward_s;
}

static const amm_stage_seconds *layer_of(const amm_lowered *lowered, const amm_layer_class *x,
                                         int32_t layer)
{
    const amm_analytic *a = lowered->analytic;
    switch (lowered->problem->model->layers[layer].kind) {
    case AMM_LAYER_BLOCK:
        return &x->kind[a->network.kind_of[a->blocks_before[layer]]];
    case AMM_LAYER_EMBEDDING:
        return &x->embedding;
    case AMM_LAYER_HEAD:
        return &x->head;
    default: /* the norm is part of the head */
        return &x->empty;
    }
}

static void fill_class(amm_analytic *a, amm_layer_class *x)
{
    amm_run run;
    amm_stages *s = &a->stages;
    const int32_t kinds = a->network.kind_count;
    amm_lower_run(&run, a, &x->key, a->probe_blocks);
    run.pp = kinds + 3;
    run.dp = run.vpp = run.micro_batches = 1.0;
    amm_stage_costs(s, &a->probe, &a->machine, &run);
    x->embedding = s->stage[0];
    x->empty = s->stage[1];
    x->head = s->stage[kinds + 2];
    for (int32_t k = 0; k < kinds; k++) {
        x->kind[a->probe.kind_of[k]] = s->stage[k + 2];
    }
    amm_kept_class_of(&x->kept, &a->network, &a->machine, &run, run.recompute);
    const double none = stage_s(&x->empty);
    x->layers_s = stage_s(&x->embedding) + stage_s(&x->head) - 2.0 * none;
    x->longest_s = fmax(stage_s(&x->embedding), stage_s(&x->head)) - none;
    for (int32_t k = 0; k < kinds; k++) {
        const double count = a->kinds_before[(size_t)(k + 1) * (size_t)(a->layers + 1) - 1];
        x->layers_s += count * (stage_s(&x->kind[k]) - none);
        x->longest_s = fmax(x->longest_s, stage_s(&x->kind[k]) - none);
    }
}

/* Word by word: amm_hash takes bytes, and classes are asked for millions of times. */
uint64_t amm_config_hash(const amm_config *key)
{
    uint64_t hash = 0;
    for (size_t at = 0; at + sizeof hash <= sizeof *key; at += sizeof hash) {
        uint64_t word;
        memcpy(&word, (const char *)key + at, sizeof word);
        hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
        hash ^= hash >> 29;
    }
    return hash;
}

void amm_class_key(amm_config *out, const amm_config *c)
{
    memset(out, 0, sizeof *out);
    out->tp = c->tp;
    out->cp = c->cp;
    out->ep = c->ep;
    out->etp = c->etp;
    out->micro_batch = c->micro_batch;
    out->recompute = c->recompute;
    /* Only gradients that are sharded away at once are not accumulated. */
    out->sharding = c->sharding == AMM_SHARDING_PARAMETERS ? c->sharding : AMM_SHARDING_NONE;
    memcpy(out->choice, c->choice, sizeof out->choice);
    out->choice[AMM_CHOICE_SCHEDULE] = AMM_SCHEDULE_1F1B; /* of the pipeline, not of a layer */
    out->choice[AMM_CHOICE_DP_OVERLAP] = out->choice[AMM_CHOICE_SHARD_GROUP] = 0;
}

amm_status amm_layer_class_of(amm_analytic *a, amm_arena *arena, const amm_layer_class **out,
                              const amm_config *c)
{
    amm_config key;
    amm_class_key(&key, c);
    amm_layer_class **list = &a->classes[amm_config_hash(&key) % AMM_CLASS_BUCKETS];
    for (amm_layer_class *x = *list; x != NULL; x = x->next) {
        if (memcmp(&x->key, &key, sizeof key) == 0) {
            *out = x;
            return AMM_OK;
        }
    }
    amm_layer_class *x = amm_arena_alloc(arena, 1, sizeof *x);
    if (x == NULL) {
        return AMM_NO_MEMORY;
    }
    memcpy(&x->key, &key, sizeof key);
    fill_class(a, x);
    x->next = *list;
    *list = x;
    *out = x;
    return AMM_OK;
}

/* ---- cuts ------------------------------------------------------------------------------------ */

void amm_blocks_of_cuts(const amm_analytic *a, int32_t *blocks, const int32_t *cuts, int32_t stages)
{
    for (int32_t s = 0; s < stages; s++) {
        blocks[s] = a->blocks_before[cuts[s + 1]] - a->blocks_before[cuts[s]];
    }
}

void amm_even_cuts(const amm_lowered *lowered, int32_t *cuts, const amm_config *config)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    int32_t layer = 0;
    int32_t blocks = 0;
    amm_lower_run(&run, a, config, NULL);
    cuts[0] = 0;
    for (int32_t s = 0; s + 1 < config->pp; s++) {
        blocks += amm_stage_blocks(&a->network, &run, s);
        /* Before the next block: the embedding goes with the first stage, the norm with the last. */
        while (a->blocks_before[layer] < blocks ||
               lowered->problem->model->layers[layer].kind == AMM_LAYER_EMBEDDING) {
            layer++;
        }
        cuts[s + 1] = layer;
    }
    cuts[config->pp] = a->layers;
}

/* ---- memory ---------------------------------------------------------------------------------- */

void amm_count_kinds(const amm_analytic *a, int32_t *blocks, int32_t first, int32_t end)
{
    for (int32_t k = 0; k < a->network.kind_count; k++) {
        const int32_t *before = a->kinds_before + (size_t)k * (size_t)(a->layers + 1);
        blocks[k] = before[end] - before[first];
    }
}

void amm_lower_ledger(const amm_analytic *a, amm_ledger *out, const amm_run *run, int32_t stage,
                      int32_t first, int32_t end)
{
    int32_t blocks[AMM_MAX_BLOCK_KINDS];
    amm_count_kinds(a, blocks, first, end);
    amm_blocks_memory(out, &a->network, &a->machine, run, stage, blocks);
}

amm_status amm_choice_classes(amm_lowered *lowered, const amm_config *config)
{
    amm_analytic *a = lowered->analytic;
    for (int32_t k = 0; k < a->choice_count; k++) {
        const amm_config c = amm_config_with(config, a->choices[k]);
        AMM_TRY(amm_layer_class_of(a, &lowered->arena, &a->choice_classes[k], &c));
    }
    return AMM_OK;
}

/* Seconds of the layers [first, end) that a set has a say in: blocks, and those behind the head. */
static double set_seconds(const amm_analytic *a, const amm_layer_class *x, int32_t first,
                          int32_t end)
{
    double sum = end == a->layers ? stage_s(&x->head) : 0.0;
    for (int32_t k = 0; k < a->network.kind_count; k++) {
        const int32_t *before = a->kinds_before + (size_t)k * (size_t)(a->layers + 1);
        sum += (before[end] - before[first]) * (stage_s(&x->kind[k]) - stage_s(&x->empty));
    }
    return sum;
}

int32_t amm_fastest_set(const amm_lowered *lowered, const amm_config *config, int32_t stage,
                        int32_t first, int32_t end)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    double least_s = HUGE_VAL;
    double least_bytes = HUGE_VAL;
    int32_t fastest = a->choices[0];
    int32_t smallest = a->choices[0];
    int32_t blocks[AMM_MAX_BLOCK_KINDS];
    amm_lower_run(&run, a, config, NULL);
    amm_count_kinds(a, blocks, first, end);
    for (int32_t k = 0; k < a->choice_count; k++) {
        const double seconds = set_seconds(a, a->choice_classes[k], first, end);
        amm_ledger ledger;
        if (seconds >= least_s) {
            continue;
        }
        amm_kept_memory(&ledger, &a->network, &a->machine, &run, &a->choice_classes[k]->kept, stage,
                        blocks);
        if (ledger.total <= a->room_bytes) {
            least_s = seconds;
            fastest = a->choices[k];
        }
        if (ledger.total < least_bytes) {
            least_bytes = ledger.total;
            smallest = a->choices[k];
        }
    }
    return least_s < HUGE_VAL ? fastest : smallest;
}

/* ---- tables ---------------------------------------------------------------------------------- */

amm_status amm_analytic_fixed(amm_lowered *lowered, double *out, const amm_config *c)
{
    amm_analytic *a = lowered->analytic;
    const amm_config one = amm_config_with(c, amm_stage_set(a, c, 0, 0));
    const amm_layer_class *x = NULL;
    amm_run run;
    amm_step even;
    AMM_TRY(amm_layer_class_of(a, &lowered->arena, &x, &one));
    amm_lower_run(&run, a, &one, NULL);
    amm_step_time(&even, &a->network, &a->machine, &run);
    *out = ((double)c->micro_batches - 1.0 + c->pp) * stage_s(&x->empty) + even.pp_s +
           even.other_s + amm_optimizer_seconds(&a->machine, &run, &x->empty);
    return AMM_OK;
}

/* Seconds of layer l alone. */
static double layer_s(const amm_lowered *lowered, const amm_layer_class *x, int32_t l)
{
    const amm_stage_seconds *layer = layer_of(lowered, x, l);
    return layer == &x->empty ? 0.0 : stage_s(layer) - stage_s(&x->empty);
}

void amm_fill_layer_times(const amm_lowered *lowered, double *seconds)
{
    for (int32_t l = 0; l < lowered->analytic->layers; l++) {
        seconds[l] = layer_s(lowered, lowered->analytic->current, l);
    }
}

/* Seconds of the optimizer for what a layer adds to a stage. */
void amm_fill_layer_ends(const amm_lowered *lowered, double *seconds, const amm_config *config)
{
    const amm_analytic *a = lowered->analytic;
    amm_run run;
    amm_lower_run(&run, a, config, NULL);
    const double none = amm_optimizer_seconds(&a->machine, &run, &a->current->empty);
    for (int32_t l = 0; l < a->layers; l++) {
        seconds[l] =
            amm_optimizer_seconds(&a->machine, &run, layer_of(lowered, a->current, l)) - none;
    }
}

static void add_layer(amm_stage_seconds *sum, const amm_stage_seconds *x,
                      const amm_stage_seconds *empty)
{
    sum->forward_s += x->forward_s - empty->forward_s;
    sum->backward_s += x->backward_s - empty->backward_s;
    sum->parameters += x->parameters;
    sum->expert_parameters += x->expert_parameters;
    sum->blocks += x->blocks;
}

/* What data parallelism adds at the end when the first stage ends at each layer: it runs its last
 * backward pass after all others, so its gradients end last unless another stage has many more
 * parameters. [layers + 1]. */
void amm_fill_first_exposed(const amm_lowered *lowered, double *seconds, const amm_config *config)
{
    const amm_analytic *a = lowered->analytic;
    const amm_layer_class *x = a->current;
    amm_run run;
    amm_lower_run(&run, a, config, NULL);
    amm_stage_seconds sum = x->empty;
    for (int32_t l = 0; l < a->layers; l++) {
        const amm_stage_seconds *layer = layer_of(lowered, x, l);
        if (layer != &x->empty) {
            add_layer(&sum, layer, &x->empty);
        }
        seconds[l + 1] = amm_data_exposed(&a->machine, &run, &sum);
    }
}

/* Stages that hold as many blocks of every kind need as many bytes: the last one that fitted and the
 * last one that did not answer for most others. */
typedef struct fit_memo {
    int32_t blocks[2][AMM_MAX_BLOCK_KINDS];
    bool known[2];
} fit_memo;

static bool fits_again(const amm_analytic *a, fit_memo *memo, const amm_run *run, int32_t stage,
                       int32_t first, int32_t end)
{
    int32_t blocks[AMM_MAX_BLOCK_KINDS] = { 0 };
    amm_count_kinds(a, blocks, first, end);
    for (int answer = 0; answer < 2; answer++) {
        if (memo->known[answer] && memcmp(memo->blocks[answer], blocks, sizeof blocks) == 0) {
            return answer != 0;
        }
    }
    amm_ledger ledger;
    amm_kept_memory(&ledger, &a->network, &a->machine, run, &a->current->kept, stage, blocks);
    const bool fits = ledger.total <= a->room_bytes;
    memcpy(memo->blocks[fits], blocks, sizeof blocks);
    memo->known[fits] = true;
    return fits;
}

/* Smallest start for every end such that the stage fits. Bytes grow with the stage. */
void amm_fill_window(const amm_lowered *lowered, int32_t *first, int32_t stage,
                     const amm_config *config)
{
    const amm_analytic *a = lowered->analytic;
    fit_memo memo = { 0 };
    amm_run run;
    int32_t i = 0;
    amm_lower_run(&run, a, config, NULL);
    for (int32_t j = 0; j <= a->layers; j++) {
        while (i < j && !fits_again(a, &memo, &run, stage, i, j)) {
            i++;
        }
        first[j] = i;
    }
}
