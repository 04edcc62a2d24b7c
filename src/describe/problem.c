#include "describe/check.h"

#include <stdio.h>
#include <string.h>

bool amm_cost_model_parse(amm_cost_model *out, const char *word)
{
    const bool amp = strcmp(word, "amp-reference") == 0;
    *out = amp ? AMM_COST_AMP_REFERENCE : AMM_COST_DEFAULT;
    return amp || strcmp(word, "default") == 0;
}

const char *amm_cost_model_word(amm_cost_model cost_model)
{
    return cost_model == AMM_COST_AMP_REFERENCE ? "amp-reference" : "default";
}

bool amm_problem_is_analytic(const amm_problem_desc *problem)
{
    return problem->profile == NULL && problem->cost_model == AMM_COST_DEFAULT;
}

enum { MOST_DIVISORS = 256 }; /* of a number of devices */

static const char *const dim_keys[AMM_DIM_COUNT] = {
#define AMM_DIM_KEY(name, key, ...) "space." key,
    AMM_DIM_LIST(AMM_DIM_KEY)
#undef AMM_DIM_KEY
};

/* All that is missing, as somebody who gave options has to add it. */
static amm_status check_parts(const amm_problem_desc *problem, const char *file)
{
    /* Without a profile the usual one is taken as soon as model and cluster are there. */
    const bool assumed =
        amm_problem_is_analytic(problem) && (problem->model == NULL || problem->cluster == NULL);
    const struct {
        const char *key, *allowed, *option;
        bool present;
    } parts[] = {
        { "model", "a preset, a file or an object", "--model NAME", problem->model != NULL },
        { "cluster", "a preset, a file, or a line like 4xnode:4xT4,intra=50gbit,inter=50gbit",
          "--cluster NAME", problem->cluster != NULL },
        { "runtime", "a preset, a file or an object", "--runtime NAME",
          problem->runtime != NULL || assumed },
        { "profile", "measured layer times: a preset, a file or an object", "--profile NAME",
          problem->profile != NULL || problem->cost_model == AMM_COST_DEFAULT },
        { "global_batch", "samples per step", "--global-batch-size N", problem->global_batch != 0 },
    };
    enum { COUNT = sizeof parts / sizeof parts[0] };
    char options[128] = "";
    size_t first = COUNT;
    for (size_t i = COUNT; i-- > 0;) {
        char rest[sizeof options];
        if (!parts[i].present) {
            memcpy(rest, options, sizeof rest);
            (void)snprintf(options, sizeof options, " %s%.96s", parts[i].option, rest);
            first = i;
        }
    }
    if (first < COUNT) {
        return amm_refuse(file, parts[first].key, "missing, allowed %s; give%s",
                          parts[first].allowed, options);
    }
    return amm_check_integer(file, "global_batch", problem->global_batch, 1, AMM_MAX_BATCH);
}

static amm_status check_profile(const amm_problem_desc *problem, const char *file)
{
    const amm_model *model = problem->model;
    const amm_profile *profile = problem->profile;
    if (profile->layer_count != model->layer_count) {
        return amm_refuse(file, "profile", "\"%s\" has %d layers, the model \"%s\" has %d",
                          profile->name, profile->layer_count, model->name, model->layer_count);
    }
    const int64_t measured = model->given == NULL ? model->seq_len : model->given->seq_len;
    if (problem->seq_len != 0 && problem->seq_len != measured) {
        return amm_refuse(file, "seq_len",
                          "a measured profile holds for the model's sequence length only, got "
                          "%lld, allowed %lld",
                          (long long)problem->seq_len, (long long)measured);
    }
    return AMM_OK;
}

static bool has_points(const amm_profile *profile, const char *device)
{
    for (int32_t i = 0; i < profile->point_count; i++) {
        if (strcmp(profile->points[i].device, device) == 0) {
            return true;
        }
    }
    return false;
}

/* Every device type that a stage may run on, or that is mixed in, has measured times. */
static amm_status check_devices(const amm_problem_desc *problem, const char *file)
{
    const amm_cluster *cluster = problem->cluster;
    const bool mixed = problem->cost_model == AMM_COST_AMP_REFERENCE && problem->mix_count > 0;
    for (int32_t i = 0; i < cluster->type_count && !mixed; i++) {
        if (!has_points(problem->profile, cluster->types[i]->name)) {
            return amm_refuse(file, "profile",
                              "\"%s\" has no times of device \"%s\", which the cluster uses",
                              problem->profile->name, cluster->types[i]->name);
        }
    }
    for (int32_t i = 0; i < problem->mix_count; i++) {
        if (!has_points(problem->profile, problem->mix[i].device)) {
            return amm_refuse(file, "profile",
                              "\"%s\" has no times of device \"%s\", which profile_mix uses",
                              problem->profile->name, problem->mix[i].device);
        }
    }
    return AMM_OK;
}

/* Without a profile the shapes are all there is: they have to be a language model's, and the devices
 * need peaks. */
static amm_status check_shapes(const amm_problem_desc *problem, const char *file)
{
    const amm_model *model = problem->model;
    int32_t count[AMM_LAYER_KIND_COUNT] = { 0 };
    for (int32_t l = 0; l < model->layer_count; l++) {
        count[model->layers[l].kind]++;
    }
    if (count[AMM_LAYER_EMBEDDING] != 1 || count[AMM_LAYER_HEAD] != 1 ||
        count[AMM_LAYER_BLOCK] == 0 || count[AMM_LAYER_OTHER] > 0 ||
        model->layers[0].kind != AMM_LAYER_EMBEDDING ||
        model->layers[model->layer_count - 1].kind != AMM_LAYER_HEAD) {
        return amm_refuse(file, "profile",
                          "missing: without one only language models (embedding, blocks, head) can "
                          "be timed, and \"%s\" is none",
                          model->name);
    }
    int precision = 0;
    if (!amm_precision_parse(&precision, problem->precision)) {
        return amm_refuse(file, "precision", "unknown, got \"%s\", allowed without a profile %s",
                          problem->precision, amm_precision_words());
    }
    return AMM_OK;
}

static amm_status check_format(const amm_problem_desc *problem, const char *file)
{
    int precision = 0;
    const bool known = amm_precision_parse(&precision, problem->precision) &&
                       amm_device_computes_in(problem->cluster->types[0], precision);
    return known ? AMM_OK
                 : amm_refuse(file, "precision",
                              "no matrix units for it, got %s on device \"%s\", allowed a "
                              "wider format or fp16",
                              problem->precision == NULL ? "bf16, the default" : problem->precision,
                              problem->cluster->types[0]->name);
}

static amm_status check_machine(const amm_problem_desc *problem, const char *file)
{
    const amm_cluster *cluster = problem->cluster;
    for (int32_t i = 0; i < cluster->type_count; i++) {
        if (cluster->types[i]->peaks[0] <= 0.0) {
            return amm_refuse(file, "profile",
                              "missing: device \"%s\" has no peaks, so that only measured times "
                              "can describe it",
                              cluster->types[i]->name);
        }
    }
    AMM_TRY(check_format(problem, file));
    const amm_node *first = &cluster->nodes[0];
    bool equal = cluster->type_count == 1 && cluster->link_count == 0;
    for (int32_t i = 1; i < cluster->node_count && equal; i++) {
        const amm_node *node = &cluster->nodes[i];
        equal = node->device_count == first->device_count &&
                node->intra_bytes_per_s == first->intra_bytes_per_s &&
                node->inter_bytes_per_s == first->inter_bytes_per_s;
    }
    return equal ? AMM_OK
                 : amm_refuse(
                       file, "profile",
                       "missing: without one the cluster must have equal nodes of one device "
                       "type and no links; how to write one: docs/formats.md, ammeter-profile");
}

/* A degree that no size allows would only show as a search without plans. */
static amm_status check_fit(const amm_problem_desc *problem, const char *file)
{
    const amm_space *space = &problem->space;
    const amm_list *ep = &space->dims[AMM_DIM_EP];
    const amm_list *cp = &space->dims[AMM_DIM_CP];
    const amm_list *tp = &space->dims[AMM_DIM_TP];
    const amm_list *etp = &space->dims[AMM_DIM_ETP];
    bool any_experts = false;
    for (int32_t l = 0; l < problem->model->layer_count; l++) {
        const amm_layer *x = &problem->model->layers[l];
        const int64_t heads = (int64_t)x->shape.heads;
        const int64_t experts = (int64_t)x->shape.experts;
        if (x->kind != AMM_LAYER_BLOCK) {
            continue;
        }
        if (tp->count > 0 && heads % tp->values[0] != 0 && tp->count == 1) {
            return amm_refuse(file, "space.tp",
                              "does not divide the attention heads, got %lld, allowed divisors of "
                              "%lld",
                              (long long)tp->values[0], (long long)heads);
        }
        any_experts = any_experts || experts > 0;
        if (ep->count == 1 && experts > 0 && experts % ep->values[0] != 0) {
            return amm_refuse(file, "space.ep",
                              "does not divide the experts, got %lld, allowed divisors of %lld",
                              (long long)ep->values[0], (long long)experts);
        }
    }
    for (int k = 0; k < 2 && !any_experts; k++) {
        const amm_list *list = k == 0 ? ep : etp;
        if (list->count == 1 && list->values[0] > 1) {
            return amm_refuse(file, k == 0 ? "space.ep" : "space.etp",
                              "the model has no experts, got %lld, allowed 1",
                              (long long)list->values[0]);
        }
    }
    if (cp->count == 1 && cp->values[0] > 1 && problem->model->seq_len % (2 * cp->values[0]) != 0) {
        return amm_refuse(file, "space.cp",
                          "2 cp does not divide the sequence, got %lld, allowed divisors of %lld",
                          (long long)cp->values[0], (long long)problem->model->seq_len / 2);
    }
    return AMM_OK;
}

/* A profile holds what was measured: the choices that it does not know must not be asked for. */
static amm_status check_measured(const amm_problem_desc *problem, const char *file)
{
    for (int d = AMM_DIM_CP; d < (int)AMM_DIM_COUNT; d++) {
        const amm_list *list = &problem->space.dims[d];
        const bool choice = d >= AMM_DIM_FIRST_CHOICE;
        if (list->count > 1 || (list->count == 1 && (choice || list->values[0] != 1))) {
            return amm_refuse(file, dim_keys[d], "not with measured layer times, allowed %s",
                              choice                          ? "what was measured: leave it out"
                              : amm_dim_has_words((amm_dim)d) ? "none"
                                                              : "1");
        }
    }
    return AMM_OK;
}

static amm_status check_mix(const amm_problem_desc *problem, const char *file)
{
    double sum = 0;
    for (int32_t i = 0; i < problem->mix_count; i++) {
        const amm_mix_entry *entry = &problem->mix[i];
        AMM_TRY(amm_check_positive(file, "profile_mix", entry->weight, 1));
        for (int32_t k = 0; k < i; k++) {
            if (strcmp(entry->device, problem->mix[k].device) == 0) {
                return amm_refuse(file, "profile_mix", "device \"%s\" given twice", entry->device);
            }
        }
        sum += entry->weight;
    }
    if (problem->mix_count > 0 && !(sum > 1 - 1e-9 && sum < 1 + 1e-9)) {
        return amm_refuse(file, "profile_mix", "weights must add up to 1, got %.9g", sum);
    }
    return AMM_OK;
}

/* What no profile, runtime or cluster can mend. */
static amm_status check_amp_model(const amm_model *model, const char *file)
{
    if (!model->amp.present) {
        return amm_refuse(file, "cost_model",
                          "amp-reference needs a model with \"amp_reference\", \"%s\" has none",
                          model->name);
    }
    if (model->amp.work_count > AMM_MAX_AMP_LAYERS) {
        return amm_refuse(
            file, "cost_model",
            "amp-reference, got %d work layers, allowed 1 to %d: its recurrence needs "
            "memory with their fourth power",
            model->amp.work_count, AMM_MAX_AMP_LAYERS);
    }
    return AMM_OK;
}

static amm_status check_amp_cluster(const amm_problem_desc *problem, const char *file)
{
    const amm_cluster *cluster = problem->cluster;
    for (int32_t i = 1; i < cluster->node_count; i++) {
        if (cluster->nodes[i].device_count != cluster->nodes[0].device_count) {
            return amm_refuse(file, "cost_model",
                              "amp-reference needs equally many devices in every node, node 0 has "
                              "%d, node %d has %d",
                              cluster->nodes[0].device_count, i, cluster->nodes[i].device_count);
        }
    }
    if (cluster->link_count > 0) {
        return amm_refuse(file, "cost_model",
                          "amp-reference knows a bandwidth per node, not per pair: the cluster has "
                          "%d links",
                          cluster->link_count);
    }
    if (cluster->type_count > 1 && problem->mix_count == 0) {
        return amm_refuse(file, "profile_mix",
                          "missing: amp-reference averages the times of the cluster's %d device "
                          "types with these weights",
                          cluster->type_count);
    }
    return AMM_OK;
}

/* A list whose every value fails to divide `n` leaves nothing to search. */
static amm_status check_list_divides(const amm_problem_desc *problem, const char *file, amm_dim dim,
                                     int64_t n, const char *what)
{
    const amm_list *list = &problem->space.dims[dim];
    for (int32_t i = 0; i < list->count; i++) {
        if (n % list->values[i] == 0) {
            return AMM_OK;
        }
    }
    return list->count == 0 ? AMM_OK
                            : amm_refuse(file, dim_keys[dim],
                                         "does not divide %s, got %s%lld, allowed divisors of %lld",
                                         what, list->count > 1 ? "values from " : "",
                                         (long long)list->values[0], (long long)n);
}

static amm_status check_divisors(const amm_problem_desc *problem, const char *file)
{
    const int64_t devices = problem->cluster->device_count;
    const int64_t batch = problem->global_batch;
    const amm_list *dp = &problem->space.dims[AMM_DIM_DP];
    const amm_list *micro_batch = &problem->space.dims[AMM_DIM_MICRO_BATCH];
    AMM_TRY(check_list_divides(problem, file, AMM_DIM_TP, devices, "the number of devices"));
    AMM_TRY(check_list_divides(problem, file, AMM_DIM_DP, devices, "the number of devices"));
    AMM_TRY(check_list_divides(problem, file, AMM_DIM_PP, devices, "the number of devices"));
    AMM_TRY(check_list_divides(problem, file, AMM_DIM_CP, devices, "the number of devices"));
    AMM_TRY(check_list_divides(problem, file, AMM_DIM_DP, batch, "global_batch"));
    AMM_TRY(check_list_divides(problem, file, AMM_DIM_MICRO_BATCH, batch, "global_batch"));
    for (int32_t i = 0; i < dp->count; i++) {
        for (int32_t k = 0; k < micro_batch->count; k++) {
            if (batch % (dp->values[i] * micro_batch->values[k]) == 0) {
                return AMM_OK;
            }
        }
    }
    return dp->count == 0 || micro_batch->count == 0
               ? AMM_OK
               : amm_refuse(file, dim_keys[AMM_DIM_MICRO_BATCH],
                            "dp x micro_batch does not divide global_batch, got %lld x %lld at "
                            "least, allowed divisors of %lld",
                            (long long)dp->values[0], (long long)micro_batch->values[0],
                            (long long)batch);
}

/* The products of a value of each list that divide `devices`, as divisors[0..count): of each
 * whether it is one, in `made`. Divisors are at most 240 for AMM_MAX_DEVICES. */
static void multiply(const amm_list *list, const int64_t *divisors, int32_t count, bool *made)
{
    bool next[MOST_DIVISORS] = { false };
    for (int32_t a = 0; a < count; a++) {
        for (int32_t i = 0; made[a] && i < list->count; i++) {
            for (int32_t b = a; b < count; b++) {
                next[b] = next[b] || divisors[b] == divisors[a] * list->values[i];
            }
        }
    }
    memcpy(made, next, (size_t)count * sizeof *made);
}

/* "tp x pp: got 4 x 4 = 16" with the least value of every list. */
static amm_status refuse_degrees(const amm_problem_desc *problem, const char *file,
                                 const amm_dim *dims, int32_t count, bool open)
{
    char names[64] = "";
    char values[128] = "";
    double product = 1.0;
    bool several = false;
    for (int32_t k = 0; k < count; k++) {
        const amm_list *list = &problem->space.dims[dims[k]];
        const char *before = names[0] == '\0' ? "" : " x ";
        if (list->count == 0) {
            continue;
        }
        several = several || list->count > 1;
        product *= (double)list->values[0];
        (void)snprintf(names + strlen(names), sizeof names - strlen(names), "%s%s", before,
                       dim_keys[dims[k]] + strlen("space."));
        (void)snprintf(values + strlen(values), sizeof values - strlen(values), "%s%lld", before,
                       (long long)list->values[0]);
    }
    return amm_refuse(file, "space", "%s: got %s = %.0f%s, allowed %s %d devices", names, values,
                      product, several ? " at least and no better product" : "",
                      open ? "a divisor of the" : "a product of", problem->cluster->device_count);
}

amm_status amm_problem_check_degrees(const amm_problem_desc *problem, const char *file)
{
    static const amm_dim dims[] = { AMM_DIM_TP, AMM_DIM_PP, AMM_DIM_CP, AMM_DIM_DP };
    enum { COUNT = sizeof dims / sizeof dims[0] };
    const int32_t devices = problem->cluster->device_count;
    int64_t divisors[MOST_DIVISORS];
    bool made[MOST_DIVISORS] = { true };
    int32_t count = 0;
    bool open = false;
    for (int32_t d = 1; d <= devices; d++) {
        if (devices % d == 0) {
            divisors[count++] = d;
        }
    }
    for (int32_t k = 0; k < (int32_t)COUNT; k++) {
        const amm_list *list = &problem->space.dims[dims[k]];
        if (list->count > 0) {
            multiply(list, divisors, count, made);
        } else {
            open = open || dims[k] != AMM_DIM_CP || amm_problem_is_analytic(problem);
        }
    }
    bool some = made[count - 1];
    for (int32_t k = 0; k < count && open; k++) {
        some = some || made[k];
    }
    return some ? AMM_OK : refuse_degrees(problem, file, dims, (int32_t)COUNT, open);
}

/* Divisibility is the search's to report, candidate by candidate; here only what no candidate can
 * satisfy whatever the rest of the space is. */
static amm_status check_space(const amm_problem_desc *problem, const char *file)
{
    for (int d = 0; d < AMM_DIM_COUNT; d++) {
        const amm_list *list = &problem->space.dims[d];
        if (list->count < 0 || list->count > AMM_MAX_LIST) {
            return amm_refuse(file, dim_keys[d], "too many values, got %d, allowed %d", list->count,
                              AMM_MAX_LIST);
        }
        for (int32_t i = 0; i < list->count; i++) {
            AMM_TRY(amm_check_integer(file, dim_keys[d], list->values[i], 1, AMM_MAX_BATCH));
            if (i > 0 && list->values[i] <= list->values[i - 1]) {
                return amm_refuse(file, dim_keys[d], "not ascending");
            }
        }
    }
    AMM_TRY(check_divisors(problem, file));
    const amm_list *pp = &problem->space.dims[AMM_DIM_PP];
    if (problem->cost_model == AMM_COST_DEFAULT && pp->count > 0 &&
        pp->values[0] > problem->model->layer_count) {
        return amm_refuse(file, dim_keys[AMM_DIM_PP],
                          "more stages than the model has layers, got at least %lld, allowed 1 to "
                          "%d",
                          (long long)pp->values[0], problem->model->layer_count);
    }
    return AMM_OK;
}

amm_status amm_problem_check(const amm_problem_desc *problem, const char *file)
{
    if (problem->cost_model == AMM_COST_AMP_REFERENCE && problem->model != NULL) {
        AMM_TRY(check_amp_model(problem->model, file));
    }
    AMM_TRY(check_parts(problem, file));
    if (!(problem->memory_margin >= 0 && problem->memory_margin < 1)) {
        return amm_refuse(file, "memory_margin", "out of range, got %g, allowed 0 to below 1",
                          problem->memory_margin);
    }
    if (problem->seq_len != 0) { /* amm_problem_resolve left what cannot be */
        AMM_TRY(amm_model_check_seq_len(problem->model, problem->seq_len, file));
    }
    if (problem->profile == NULL) {
        AMM_TRY(check_shapes(problem, file));
        AMM_TRY(check_machine(problem, file));
        AMM_TRY(check_space(problem, file));
        return check_fit(problem, file);
    }
    AMM_TRY(check_profile(problem, file));
    AMM_TRY(check_mix(problem, file));
    if (problem->cost_model == AMM_COST_AMP_REFERENCE) {
        AMM_TRY(check_amp_cluster(problem, file));
    }
    AMM_TRY(check_devices(problem, file));
    AMM_TRY(check_measured(problem, file));
    return check_space(problem, file);
}
