#include "describe/check.h"
#include "describe/cluster_build.h"
#include "io/io.h"

#include <string.h>

static void open_description(amm_json *j, const char *key, const char *format, const char *name,
                             const char *source)
{
    amm_json_open(j, key, '{');
    amm_json_string(j, "format", format);
    amm_json_integer(j, "version", 1);
    amm_json_string(j, "name", name);
    if (source != NULL && source[0] != '\0') {
        amm_json_string(j, "source", source);
    }
}

/* ---- model ----------------------------------------------------------------------------------- */

static void write_norm(amm_json *j, const amm_layer *x)
{
    if (x->shape.norm_vectors > 0) {
        amm_json_string(j, "norm", x->shape.norm_vectors > 1 ? "layer" : "rms");
    }
}

/* Zero is absent. */
static void write_size(amm_json *j, const char *key, double value)
{
    if (value > 0) {
        amm_json_integer(j, key, (int64_t)value);
    }
}

static void write_shape(amm_json *j, const amm_block_shape *x)
{
#define WRITE_SIZE(member, key, low, high) write_size(j, key, x->member);
    AMM_SHAPE_SIZE_LIST(WRITE_SIZE)
#undef WRITE_SIZE
#define WRITE_FLAG(member, key, value) amm_json_bool(j, key, x->member > 0);
    AMM_SHAPE_FLAG_LIST(WRITE_FLAG)
#undef WRITE_FLAG
}

/* Only the keys that this kind of layer may have. */
static void write_layer(amm_json *j, const amm_layer *x, int32_t count)
{
    amm_json_open_row(j, NULL, '{');
    amm_json_string(j, "kind", amm_layer_kind_word(x->kind));
    if (x->name[0] != '\0') {
        amm_json_string(j, "name", x->name);
    }
    if (count > 1) {
        amm_json_integer(j, "count", count);
    }
    amm_json_integer(j, "hidden", x->hidden);
    if (x->kind == AMM_LAYER_BLOCK) {
        write_shape(j, &x->shape);
    }
    write_norm(j, x);
    if (x->kind == AMM_LAYER_EMBEDDING || x->kind == AMM_LAYER_HEAD) {
        amm_json_integer(j, "vocab", x->vocab);
    }
    if (x->kind == AMM_LAYER_EMBEDDING) {
        amm_json_integer(j, "positions", x->positions);
    }
    if (x->kind == AMM_LAYER_HEAD) {
        amm_json_bool(j, "tied", x->tied);
    }
    amm_json_integer(j, "tokens", x->tokens);
    if (x->kind == AMM_LAYER_OTHER) {
        amm_json_integer(j, "parameters", x->parameters);
        amm_json_integer(j, "kept_bytes", x->kept_bytes);
    }
    amm_json_integer(j, "out_elements", x->out_elements);
    amm_json_bool(j, "out_sharded", x->out_sharded);
    amm_json_close(j, '}');
}

static void write_amp(amm_json *j, const amm_amp_view *amp)
{
    amm_json_open(j, "amp_reference", '{');
    amm_json_open_row(j, "work_layers", '[');
    for (int32_t i = 0, last = 0; i < amp->work_count; i = last + 1) {
        last = i;
        while (last + 1 < amp->work_count && amp->work[last + 1] == amp->work[last] + 1) {
            last++;
        }
        amm_json_open(j, NULL, '[');
        amm_json_integer(j, NULL, amp->work[i]);
        amm_json_integer(j, NULL, amp->work[last]);
        amm_json_close(j, ']');
    }
    amm_json_close(j, ']');
    amm_json_integer(j, "uniform_units", amp->uniform_units);
    amm_json_integer(j, "uniform_first", amp->uniform_first);
    amm_json_integer(j, "uniform_last", amp->uniform_last);
    amm_json_integer(j, "boundary_elements", amp->boundary_elements);
    amm_json_integer(j, "placement_explicit_tp", amp->placement_explicit_tp);
    amm_json_close(j, '}');
}

void amm_write_model(amm_json *j, const char *key, const amm_model *model)
{
    open_description(j, key, "ammeter-model", model->name, model->source);
    amm_json_integer(j, "seq_len", model->seq_len);
    amm_json_open(j, "layers", '[');
    for (int32_t i = 0, count = 0; i < model->layer_count; i += count) {
        count = 1;
        while (i + count < model->layer_count &&
               amm_layer_same(&model->layers[i], &model->layers[i + count])) {
            count++;
        }
        write_layer(j, &model->layers[i], count);
    }
    amm_json_close(j, ']');
    if (model->prediction_layers > 0) {
        amm_json_integer(j, "prediction_layers", model->prediction_layers);
    }
    if (model->amp.present) {
        write_amp(j, &model->amp);
    }
    amm_json_close(j, '}');
}

/* ---- device, runtime ------------------------------------------------------------------------- */

/* `tp` 0: none. */
static void write_constant(amm_json *j, const char *key, const amm_constant *c, int32_t tp)
{
    amm_json_open_row(j, key, '{');
    if (tp > 0) {
        amm_json_integer(j, "tp", tp);
    }
    amm_json_number(j, "value", c->value);
    amm_json_number(j, "low", c->low);
    amm_json_number(j, "high", c->high);
    if (c->sd >= 0) {
        amm_json_number(j, "sd", c->sd);
    }
    amm_json_string(j, "source", c->source == NULL ? "" : c->source);
    amm_json_close(j, '}');
}

/* Constants that differ from the table's default, by name. */
static void write_named(amm_json *j, const char *key, const amm_named *table, int32_t count,
                        const amm_constant *values)
{
    bool open = false;
    for (int32_t i = 0; i < count; i++) {
        if (values[i].value == table[i].value && strcmp(values[i].source, "default") == 0) {
            continue;
        }
        if (!open) {
            amm_json_open(j, key, '{');
            open = true;
        }
        write_constant(j, table[i].name, &values[i], 0);
    }
    if (open) {
        amm_json_close(j, '}');
    }
}

static void write_measured(amm_json *j, const amm_posterior *x)
{
    static const char *const keys[] = {
#define AMM_SIZE_KEY(key, what) #key,
        AMM_SIZE_LIST(AMM_SIZE_KEY)
#undef AMM_SIZE_KEY
    };
    amm_json_open(j, "measured", '{');
    for (int32_t k = 0; k < (int32_t)AMM_SIZE_COUNT; k++) {
        amm_json_open_row(j, keys[k], '[');
        amm_json_number(j, NULL, x->measured[k][0]);
        amm_json_number(j, NULL, x->measured[k][1]);
        amm_json_close(j, ']');
    }
    amm_json_close(j, '}');
}

static void write_posterior(amm_json *j, const amm_posterior *x)
{
    amm_json_open(j, "posterior", '{');
    amm_json_open_row(j, "names", '[');
    for (int32_t i = 0; i < x->count; i++) {
        amm_json_string(j, NULL, amm_rate_table[x->rate[i]].name);
    }
    amm_json_close(j, ']');
    amm_json_open(j, "covariance", '[');
    for (int32_t i = 0; i < x->count; i++) {
        amm_json_open_row(j, NULL, '[');
        for (int32_t k = 0; k < x->count; k++) {
            amm_json_number(j, NULL, x->covariance[i * x->count + k]);
        }
        amm_json_close(j, ']');
    }
    amm_json_close(j, ']');
    amm_json_open(j, "residual", '{');
    amm_json_number(j, "generic", x->generic_sd);
    for (int32_t i = 0; i < x->regime_count; i++) {
        amm_json_number(j, x->regime[i], x->regime_sd[i]);
    }
    amm_json_close(j, '}');
    amm_json_number(j, "residual_correlation", x->residual_correlation);
    write_measured(j, x);
    amm_json_close(j, '}');
}

static void write_analytic(amm_json *j, const amm_device *device)
{
    if (device->peaks[0] > 0) {
        amm_json_open(j, "peaks", '{');
        for (int32_t i = 0; i < AMM_PEAK_COUNT; i++) {
            amm_json_number(j, amm_peak_table[i].name, device->peaks[i]);
        }
        amm_json_close(j, '}');
        amm_json_string(j, "regime", device->regime);
        if (device->constants_of != NULL) {
            amm_json_string(j, "constants_of", device->constants_of);
        }
        write_named(j, "constants", amm_rate_table, AMM_RATE_COUNT, device->rates);
    }
}

void amm_write_device(amm_json *j, const char *key, const amm_device *device)
{
    open_description(j, key, "ammeter-device", device->name, device->source);
    if (device->alias_count > 0) {
        amm_json_open_row(j, "aliases", '[');
        for (int32_t i = 0; i < device->alias_count; i++) {
            amm_json_string(j, NULL, device->aliases[i]);
        }
        amm_json_close(j, ']');
    }
    amm_json_integer(j, "memory_bytes", device->memory_bytes);
    amm_json_integer(j, "context_bytes", device->context_bytes);
    amm_json_number(j, "hbm_bytes_per_s", device->hbm_bytes_per_s);
    if (device->overhead_count > 0) {
        amm_json_open(j, "overhead_share", '[');
        for (int32_t i = 0; i < device->overhead_count; i++) {
            write_constant(j, NULL, &device->overhead_share[i], device->overhead_tp[i]);
        }
        amm_json_close(j, ']');
    }
    write_constant(j, "intra_efficiency", &device->intra_efficiency, 0);
    write_constant(j, "inter_efficiency", &device->inter_efficiency, 0);
    write_analytic(j, device);
    if (device->posterior != NULL) {
        write_posterior(j, device->posterior);
    }
    amm_json_close(j, '}');
}

void amm_write_runtime(amm_json *j, const char *key, const amm_runtime *runtime)
{
    open_description(j, key, "ammeter-runtime", runtime->name, runtime->source);
    amm_json_number(j, "static_bytes_per_parameter", runtime->static_bytes_per_parameter);
    amm_json_number(j, "gradient_bytes", runtime->gradient_bytes);
    amm_json_number(j, "activation_bytes", runtime->activation_bytes);
    amm_json_number(j, "logit_bytes", runtime->logit_bytes);
    amm_json_number(j, "p2p_exposed_share", runtime->p2p_exposed_share);
    amm_json_number(j, "optimizer_bytes_per_parameter", runtime->optimizer_bytes_per_parameter);
    if (runtime->framework_count > 0) {
        amm_json_open_row(j, "frameworks", '[');
        for (int32_t i = 0; i < runtime->framework_count; i++) {
            amm_json_string(j, NULL, runtime->frameworks[i]);
        }
        amm_json_close(j, ']');
    }
    write_named(j, "facts", amm_fact_table, AMM_FACT_COUNT, runtime->facts);
    amm_json_close(j, '}');
}

/* ---- cluster --------------------------------------------------------------------------------- */

/* As text where that reads back to the same double, which is nearly always. */
static void write_bandwidth(amm_json *j, const char *key, double bytes_per_s)
{
    char text[AMM_NUMBER_CHARS + 8];
    amm_bandwidth_format(text, bytes_per_s);
    amm_json_string(j, key, text);
}

/* `described`: types whose description stands above already. */
static void write_node_devices(amm_json *j, const amm_cluster *cluster, const amm_node *node,
                               bool described[AMM_MAX_DEVICE_TYPES])
{
    amm_json_open(j, "devices", '[');
    for (int32_t d = 0, run = 0; d < node->device_count; d += run) {
        const int32_t type = node->device_type[d];
        run = amm_node_run(node, d);
        amm_json_open(j, NULL, '{');
        if (described[type]) {
            amm_json_string(j, "device", cluster->types[type]->name);
        } else {
            amm_write_device(j, "device", cluster->types[type]);
            described[type] = true;
        }
        amm_json_integer(j, "count", run);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
}

void amm_write_cluster(amm_json *j, const char *key, const amm_cluster *cluster)
{
    bool described[AMM_MAX_DEVICE_TYPES] = { false };
    open_description(j, key, "ammeter-cluster", cluster->name, cluster->source);
    amm_json_open(j, "nodes", '[');
    for (int32_t i = 0, count = 0; i < cluster->node_count; i += count) {
        const amm_node *node = &cluster->nodes[i];
        count = amm_cluster_run(cluster, i);
        amm_json_open(j, NULL, '{');
        amm_json_integer(j, "count", count);
        write_node_devices(j, cluster, node, described);
        write_bandwidth(j, "intra", node->intra_bytes_per_s);
        write_bandwidth(j, "inter", node->inter_bytes_per_s);
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
    if (cluster->link_count > 0) {
        amm_json_open(j, "links", '[');
        for (int32_t i = 0; i < cluster->link_count; i++) {
            amm_json_open_row(j, NULL, '{');
            amm_json_open(j, "nodes", '[');
            amm_json_integer(j, NULL, cluster->links[i].a);
            amm_json_integer(j, NULL, cluster->links[i].b);
            amm_json_close(j, ']');
            write_bandwidth(j, "bandwidth", cluster->links[i].bytes_per_s);
            amm_json_close(j, '}');
        }
        amm_json_close(j, ']');
    }
    amm_json_close(j, '}');
}

/* ---- profile --------------------------------------------------------------------------------- */

static void write_times(amm_json *j, const char *key, const double *times, int32_t count)
{
    amm_json_open_row(j, key, '[');
    for (int32_t i = 0; i < count; i++) {
        amm_json_number(j, NULL, times[i]);
    }
    amm_json_close(j, ']');
}

void amm_write_profile(amm_json *j, const char *key, const amm_profile *profile)
{
    open_description(j, key, "ammeter-profile", profile->name, profile->source);
    amm_json_number(j, "backward_ratio", profile->backward_ratio);
    amm_json_open(j, "points", '[');
    for (int32_t i = 0; i < profile->point_count; i++) {
        const amm_profile_point *p = &profile->points[i];
        amm_json_open(j, NULL, '{');
        amm_json_string(j, "device", p->device);
        amm_json_integer(j, "tp", p->tp);
        amm_json_integer(j, "micro_batch", p->micro_batch);
        write_times(j, "forward_s", p->forward_s, profile->layer_count);
        if (p->backward_s != NULL) {
            write_times(j, "backward_s", p->backward_s, profile->layer_count);
        }
        amm_json_close(j, '}');
    }
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

/* ---- problem --------------------------------------------------------------------------------- */

static void write_space(amm_json *j, const amm_space *space)
{
    static const char *const keys[AMM_DIM_COUNT] = {
#define AMM_DIM_KEY(name, key, ...) key,
        AMM_DIM_LIST(AMM_DIM_KEY)
#undef AMM_DIM_KEY
    };
    amm_json_open(j, "space", '{');
    for (int d = 0; d < AMM_DIM_COUNT; d++) {
        const amm_list *list = &space->dims[d];
        if (list->count > 0) {
            amm_json_open_row(j, keys[d], '[');
            for (int32_t i = 0; i < list->count; i++) {
                char word[AMM_RECOMPUTE_CHARS];
                amm_dim_value_format(word, (amm_dim)d, list->values[i]);
                if (amm_dim_has_words((amm_dim)d)) {
                    amm_json_string(j, NULL, word);
                } else {
                    amm_json_integer(j, NULL, list->values[i]);
                }
            }
            amm_json_close(j, ']');
        }
    }
    if (space->full) {
        amm_json_bool(j, "full", true);
    }
    amm_json_close(j, '}');
}

static void write_parts(amm_json *j, const amm_problem_desc *problem)
{
    if (problem->model != NULL) {
        const amm_model *given = problem->model->given;
        amm_write_model(j, "model", given == NULL ? problem->model : given);
    }
    if (problem->cluster != NULL) {
        amm_write_cluster(j, "cluster", problem->cluster);
    }
    if (problem->runtime != NULL) {
        amm_write_runtime(j, "runtime", problem->runtime);
    }
    if (problem->profile != NULL) {
        amm_write_profile(j, "profile", problem->profile);
    }
}

void amm_write_problem(amm_json *j, const char *key, const amm_problem_desc *problem)
{
    const bool named = problem->name != NULL && problem->name[0] != '\0';
    open_description(j, key, "ammeter-problem", named ? problem->name : "problem", NULL);
    if (problem->precision != NULL) {
        amm_json_string(j, "precision", problem->precision);
    }
    if (problem->global_batch > 0) {
        amm_json_integer(j, "global_batch", problem->global_batch);
    }
    if (problem->seq_len > 0) {
        amm_json_integer(j, "seq_len", problem->seq_len);
    }
    amm_json_string(j, "cost_model", amm_cost_model_word(problem->cost_model));
    amm_json_number(j, "memory_margin", problem->memory_margin);
    write_space(j, &problem->space);
    if (problem->mix_count > 0) {
        amm_json_open_row(j, "profile_mix", '{');
        for (int32_t i = 0; i < problem->mix_count; i++) {
            amm_json_number(j, problem->mix[i].device, problem->mix[i].weight);
        }
        amm_json_close(j, '}');
    }
    write_parts(j, problem);
    amm_json_close(j, '}');
}
