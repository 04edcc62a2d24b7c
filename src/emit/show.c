#include "emit/emit.h"

#include "io/io.h"
#include <stdio.h>
#include <string.h>

/* ---- pieces ---------------------------------------------------------------------------------- */

static void heading(amm_text *out, const char *word)
{
    enum { COLUMN = 14 };
    amm_text_append(out, word);
    amm_text_pad(out, COLUMN);
}

static void emit_name(amm_text *out, const char *kind, const char *name, const char *source)
{
    heading(out, kind);
    amm_text_printf(out, "%s\n", name == NULL || *name == '\0' ? "(no name)" : name);
    if (source != NULL && *source != '\0') {
        heading(out, "source");
        amm_text_printf(out, "%s\n", source);
    }
}

static void emit_gib(amm_text *out, double bytes)
{
    amm_text_printf(out, "%.2f GiB", bytes / AMM_GIB);
}

/* ---- model ----------------------------------------------------------------------------------- */

/* "1,234" right-aligned so that it ends in the given column; "-" for 0. */
static void emit_cell(amm_text *out, size_t end, int64_t value)
{
    const uint64_t magnitude = value > 0 ? (uint64_t)value : 0;
    size_t digits = 1;
    for (uint64_t rest = magnitude; rest >= 10; rest /= 10) {
        digits++;
    }
    amm_text_pad(out, end - (digits + (digits - 1) / 3));
    if (magnitude == 0) {
        amm_text_append(out, "-");
    } else {
        amm_emit_count(out, magnitude);
    }
}

static void emit_layer_row(amm_text *out, const amm_model *model, int32_t first, int32_t end)
{
    const amm_layer *layer = &model->layers[first];
    if (end - first > 1) {
        amm_text_printf(out, "  %d-%d", first, end - 1);
    } else {
        amm_text_printf(out, "  %d", first);
    }
    amm_text_pad(out, 13);
    amm_text_append(out, amm_layer_kind_word(layer->kind));
    emit_cell(out, 31, layer->hidden);
    emit_cell(out, 39, (int64_t)amm_block_active_ffn(&layer->shape));
    emit_cell(out, 46, (int64_t)layer->shape.heads);
    emit_cell(out, 54, layer->tokens);
    emit_cell(out, 62, layer->vocab);
    emit_cell(out, 80, layer->parameters);
    emit_cell(out, 96, layer->out_elements);
    amm_text_append(out, "\n");
}

/* A count between two words, nothing for 0. */
static void emit_part(amm_text *out, const char *before, double value, const char *after)
{
    if (value > 0.0) {
        amm_text_append(out, before);
        amm_emit_count(out, (uint64_t)value);
        amm_text_append(out, after);
    }
}

static void emit_attention(amm_text *out, const amm_block_shape *x)
{
    amm_text_append(out, x->kv_rank > 0.0 ? "latent, " : "");
    emit_part(out, "", x->heads, " heads");
    emit_part(out, " of ", x->head_qk, "");
    emit_part(out, " (", x->rope, " rotary)");
    if (x->kv_rank > 0.0) {
        emit_part(out, ", values of ", x->head_v, "");
        emit_part(out, ", query rank ", x->q_rank, "");
        emit_part(out, ", key and value rank ", x->kv_rank, "");
    } else {
        emit_part(out, ", ", x->kv_heads, x->kv_heads > 1.0 ? " of keys and values" : " of keys");
        emit_part(out, ", values of ", x->head_v == x->head_qk ? 0.0 : x->head_v, "");
    }
    emit_part(out, ", window ", x->window, "");
    amm_text_append(out, x->qk_norm > 0.0 ? ", query and key norm\n" : "\n");
}

static void emit_feed_forward(amm_text *out, const amm_block_shape *x)
{
    emit_part(out, "", x->ffn, x->experts > 0.0 ? " for all, " : "");
    emit_part(out, "", x->top_k, " of ");
    emit_part(out, "", x->experts, " experts");
    emit_part(out, " of ", x->expert_ffn, "");
    emit_part(out, ", ", x->shared_ffn, " shared");
    amm_text_append(out, x->gated > 0.0 ? ", gated\n" : "\n");
}

static void emit_norm_and_bias(amm_text *out, const amm_block_shape *x)
{
    const bool some = x->qkv_bias + x->out_bias + x->ffn_bias > 0.0;
    const bool all = x->qkv_bias * x->out_bias * x->ffn_bias > 0.0;
    amm_text_append(out, x->norm_vectors > 1.0 ? "LayerNorm; " : "RMSNorm; ");
    amm_text_append(out, all ? "biases" : some ? "biases:" : "no biases");
    if (some && !all) {
        amm_text_append(out, x->qkv_bias > 0.0 ? " query, key, value" : "");
        amm_text_append(out, x->out_bias > 0.0 ? " attention output" : "");
        amm_text_append(out, x->ffn_bias > 0.0 ? " feed-forward" : "");
    }
    amm_text_append(out, "\n");
}

static void emit_block_parameters(amm_text *out, const amm_block_shape *x)
{
    emit_part(out, "attention ", amm_attention_parameters(x), "");
    emit_part(out, ", feed-forward ", amm_feed_forward_parameters(x), "");
    emit_part(out, ", experts ", amm_expert_parameters(x), "");
    emit_part(out, ", shared ", amm_shared_parameters(x), "");
    emit_part(out, ", router ", amm_router_parameters(x), "");
    emit_part(out, ", norms ", amm_block_norm_parameters(x), "");
    emit_part(out, ", other ", x->extra_parameters, "");
    if (x->experts > 0.0) {
        emit_part(out, "; active per token ", amm_block_active_parameters(x), "");
    }
    amm_text_append(out, "\n");
}

/* Number of blocks of this shape, 0 when one stands above. */
static int32_t count_blocks(const amm_model *model, int32_t first)
{
    int32_t count = 0;
    for (int32_t l = 0; l < model->layer_count; l++) {
        const amm_layer *x = &model->layers[l];
        if (x->kind == AMM_LAYER_BLOCK &&
            amm_block_shape_same(&x->shape, &model->layers[first].shape)) {
            if (l < first) {
                return 0;
            }
            count++;
        }
    }
    return count;
}

/* What the table has no column for, once per shape. */
static void emit_blocks(amm_text *out, const amm_model *model)
{
    static const struct {
        const char *word;
        void (*emit)(amm_text *out, const amm_block_shape *x);
    } rows[] = { { "attention", emit_attention },
                 { "feed-forward", emit_feed_forward },
                 { "norms, biases", emit_norm_and_bias },
                 { "parameters", emit_block_parameters } };
    enum { COLUMN = 17 };
    for (int32_t l = 0; l < model->layer_count; l++) {
        const amm_layer *x = &model->layers[l];
        const int32_t count = x->kind == AMM_LAYER_BLOCK ? count_blocks(model, l) : 0;
        if (count > 0) {
            amm_text_printf(out, "\n%d block%s like layer %d\n", count, count == 1 ? "" : "s", l);
        }
        for (size_t k = 0; count > 0 && k < sizeof rows / sizeof rows[0]; k++) {
            amm_text_printf(out, "  %s", rows[k].word);
            amm_text_pad(out, COLUMN);
            rows[k].emit(out, &x->shape);
        }
    }
}

static void show_model(amm_text *out, const amm_model *model)
{
    const int64_t parameters = amm_model_parameters(model);
    const int64_t active = amm_model_active_parameters(model);
    emit_name(out, "model", model->name, model->source);
    heading(out, "parameters");
    amm_emit_count(out, (uint64_t)parameters);
    emit_part(out, ", active per token ", active == parameters ? 0.0 : (double)active, "");
    amm_text_append(out, "\n");
    heading(out, "sample");
    amm_emit_count(out, (uint64_t)model->seq_len);
    amm_text_append(out, model->seq_len == 1 ? " token\n" : " tokens\n");
    heading(out, "layers");
    amm_text_printf(out, "%d; numbers per layer and sample", model->layer_count);
    emit_part(out, "; multi-token prediction: ", model->prediction_layers, " extra");
    amm_text_append(out, "\n\n");
    amm_text_append(out, "  layers     kind         hidden     ffn  heads  tokens   vocab"
                         "        parameters    elements out\n");
    for (int32_t first = 0; first < model->layer_count;) {
        int32_t end = first + 1;
        while (end < model->layer_count &&
               amm_layer_same(&model->layers[first], &model->layers[end])) {
            end++;
        }
        emit_layer_row(out, model, first, end);
        first = end;
    }
    emit_blocks(out, model);
}

/* ---- device, runtime ------------------------------------------------------------------------- */

static void emit_constant(amm_text *out, const char *word, const amm_constant *constant)
{
    heading(out, word);
    amm_emit_constant(out, constant);
    amm_text_append(out, "\n");
}

/* "fitted on 107 rows of ...; prior 0.72": the first words, which say whether it is fitted. */
static void emit_source_short(amm_text *out, const char *source)
{
    enum { MOST = 60 };
    const size_t length = strcspn(source, ";:");
    size_t shown = length < MOST ? length : MOST;
    while (shown > 0 && ((unsigned char)source[shown] & 0xC0U) == 0x80U) { /* inside a character */
        shown--;
    }
    amm_text_append(out, "  ");
    amm_text_append_bytes(out, source, shown);
    amm_text_append(out, shown < length ? "…" : "");
}

/* What times a device without a profile. */
static void emit_analytic(amm_text *out, const amm_device *device)
{
    enum { COLUMN = 28, NUMBER = 48 };
    if (device->peaks[0] <= 0.0) {
        heading(out, "peaks");
        amm_text_append(out, "none: only a profile can time it\n");
        return;
    }
    heading(out, "constants");
    amm_text_append(out, device->regime);
    if (device->constants_of != NULL) {
        amm_text_printf(out, ", those of %s", device->constants_of);
    }
    amm_text_append(out, "\n\nwithout a profile\n");
    for (int32_t k = 0; k < (int32_t)AMM_PEAK_COUNT; k++) {
        amm_text_printf(out, "  %s", amm_peak_table[k].name);
        amm_text_pad(out, COLUMN);
        amm_text_printf(out, "%.4g", device->peaks[k]);
        amm_text_pad(out, NUMBER);
        amm_text_printf(out, "  %s\n", amm_peak_table[k].what);
    }
    for (int32_t k = 0; k < (int32_t)AMM_RATE_COUNT && device->constants_of == NULL; k++) {
        const amm_constant *x = &device->rates[k];
        amm_text_printf(out, "  %s", amm_rate_table[k].name);
        amm_text_pad(out, COLUMN);
        amm_text_printf(out, "%.4g", x->value);
        if (x->sd >= 0.0) {
            amm_text_printf(out, " ± %.2g", x->sd);
        }
        amm_text_pad(out, NUMBER);
        emit_source_short(out, x->source != NULL ? x->source : "prior");
        amm_text_append(out, "\n");
    }
}

static void show_device(amm_text *out, const amm_device *device)
{
    emit_name(out, "device", device->name, device->source);
    for (int32_t k = 0; k < device->alias_count; k++) {
        heading(out, k == 0 ? "aliases" : "");
        amm_text_printf(out, "%s\n", device->aliases[k]);
    }
    heading(out, "memory");
    emit_gib(out, (double)device->memory_bytes);
    amm_text_append(out, "\n");
    heading(out, "bandwidth");
    amm_emit_rate(out, device->hbm_bytes_per_s);
    amm_text_append(out, "\n");
    emit_analytic(out, device);
    amm_text_append(out, "\nwith a profile\n");
    heading(out, "  context");
    emit_gib(out, (double)device->context_bytes);
    amm_text_append(out, " of the memory\n");
    for (int32_t k = 0; k < device->overhead_count; k++) {
        char word[sizeof "  overhead tp -2147483648"];
        (void)snprintf(word, sizeof word, "  ovrhd. tp %d", device->overhead_tp[k]);
        emit_constant(out, word, &device->overhead_share[k]);
    }
    emit_constant(out, "  intra node", &device->intra_efficiency);
    emit_constant(out, "  inter node", &device->inter_efficiency);
}

static void show_runtime(amm_text *out, const amm_runtime *runtime)
{
    const struct {
        const char *word, *unit;
        double value;
    } rows[] = {
        { "static", "bytes per parameter: weights, gradients, optimizer",
          runtime->static_bytes_per_parameter },
        { "gradient", "bytes per parameter in the data-parallel all-reduce",
          runtime->gradient_bytes },
        { "activation", "bytes per element of activations and boundaries",
          runtime->activation_bytes },
        { "logit", "bytes per logit kept at the head", runtime->logit_bytes },
        { "p2p exposed", "(share) of boundary transfers that compute does not hide",
          runtime->p2p_exposed_share },
        { "optimizer", "bytes of memory traffic per parameter and step",
          runtime->optimizer_bytes_per_parameter },
    };
    emit_name(out, "runtime", runtime->name, runtime->source);
    amm_text_append(out, "\nwith a profile of measured layer times, and nowhere else\n");
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        heading(out, rows[k].word);
        amm_text_printf(out, "%g %s\n", rows[k].value, rows[k].unit);
    }
    amm_text_append(out, "\nwithout one: the analytic model\n");
    for (int32_t f = 0; f < (int32_t)AMM_FACT_COUNT; f++) {
        amm_text_printf(out, "  %s ", amm_fact_table[f].name);
        amm_emit_constant(out, &runtime->facts[f]);
        amm_text_printf(out, "  (%s)\n", amm_fact_table[f].what);
    }
}

/* ---- cluster --------------------------------------------------------------------------------- */

static void emit_node_rates(amm_text *out, const amm_cluster *cluster)
{
    for (int32_t first = 0; first < cluster->node_count;) {
        const amm_node *node = &cluster->nodes[first];
        int32_t end = first + 1;
        while (end < cluster->node_count && amm_nodes_equal(node, &cluster->nodes[end])) {
            end++;
        }
        if (end - first > 1) {
            amm_text_printf(out, "  nodes %d-%d", first, end - 1);
        } else {
            amm_text_printf(out, "  node %d", first);
        }
        amm_text_pad(out, 14);
        amm_emit_rate(out, node->intra_bytes_per_s);
        amm_text_append(out, " between two devices, ");
        amm_emit_rate(out, node->inter_bytes_per_s);
        amm_text_append(out, " to other nodes, one way\n");
        first = end;
    }
}

static void show_cluster(amm_text *out, const amm_cluster *cluster)
{
    double memory = 0.0;
    for (int32_t n = 0; n < cluster->node_count; n++) {
        for (int32_t d = 0; d < cluster->nodes[n].device_count; d++) {
            memory += (double)cluster->types[cluster->nodes[n].device_type[d]]->memory_bytes;
        }
    }
    emit_name(out, "cluster", cluster->name, cluster->source);
    heading(out, "devices");
    amm_emit_cluster(out, cluster);
    amm_text_append(out, "\n");
    heading(out, "memory");
    emit_gib(out, memory);
    amm_text_append(out, " together\n");
    emit_node_rates(out, cluster);
    for (int32_t k = 0; k < cluster->link_count; k++) {
        const amm_node_link *link = &cluster->links[k];
        amm_text_printf(out, "  link %d-%d", link->a, link->b);
        amm_text_pad(out, 14);
        amm_emit_rate(out, link->bytes_per_s);
        amm_text_append(out, "\n");
    }
    heading(out, "line");
    amm_cluster_format_line(out, cluster);
    amm_text_append(out, "\n");
}

/* ---- profile, problem ------------------------------------------------------------------------ */

static void show_profile(amm_text *out, const amm_profile *profile)
{
    emit_name(out, "profile", profile->name, profile->source);
    heading(out, "layers");
    amm_text_printf(out, "%d\n", profile->layer_count);
    heading(out, "backward");
    amm_text_printf(out, "%g x forward where it was not measured\n\n", profile->backward_ratio);
    amm_text_append(out, "  device              tp  micro-batch  forward s  backward s\n");
    for (int32_t k = 0; k < profile->point_count; k++) {
        const amm_profile_point *point = &profile->points[k];
        double forward = 0.0;
        double backward = 0.0;
        for (int32_t l = 0; l < profile->layer_count; l++) {
            forward += point->forward_s[l];
            backward += point->backward_s != NULL ? point->backward_s[l]
                                                  : profile->backward_ratio * point->forward_s[l];
        }
        amm_text_printf(out, "  %s", point->device);
        amm_text_pad(out, 20);
        amm_text_printf(out, "%4d %12lld %10.5f  %10.5f\n", point->tp,
                        (long long)point->micro_batch, forward, backward);
    }
}

static void emit_list(amm_text *out, amm_dim dim, const amm_list *list)
{
    if (list->count == 0) {
        amm_text_append(out, dim < AMM_DIM_CP             ? "every divisor"
                             : dim < AMM_DIM_FIRST_CHOICE ? "what the runtime launches"
                                                          : "the runtime's usual one");
    }
    for (int32_t k = 0; k < list->count; k++) {
        char word[AMM_RECOMPUTE_CHARS];
        amm_dim_value_format(word, dim, list->values[k]);
        amm_text_printf(out, "%s%s", k == 0 ? "" : ",", word);
    }
    amm_text_append(out, "\n");
}

static void emit_space(amm_text *out, const amm_space *space)
{
    static const char *const words[] = {
#define AMM_DIM_OPTION(name, key, option, ...) option,
        AMM_DIM_LIST(AMM_DIM_OPTION)
#undef AMM_DIM_OPTION
    };
    for (int dim = 0; dim < (int)AMM_DIM_COUNT; dim++) {
        heading(out, words[dim]);
        emit_list(out, (amm_dim)dim, &space->dims[dim]);
    }
}

static void emit_batch(amm_text *out, const amm_problem_desc *p)
{
    heading(out, "batch");
    amm_emit_count(out, p->global_batch > 0 ? (uint64_t)p->global_batch : 0);
    amm_text_append(out, " samples per step");
    if (p->model != NULL && p->global_batch > 0) {
        const int64_t tokens = amm_problem_tokens(p);
        amm_text_append(out, " of ");
        amm_emit_count(out, (uint64_t)tokens);
        amm_text_append(out, " tokens: ");
        amm_emit_count(out, (uint64_t)p->global_batch * (uint64_t)tokens);
        amm_text_append(out, " tokens per step");
    }
    amm_text_append(out, "\n");
}

static void show_problem(amm_text *out, const amm_problem_desc *p)
{
    emit_name(out, "problem", p->name, NULL);
    if (p->model != NULL) {
        heading(out, "model");
        amm_text_printf(out, "%s · ", p->model->name);
        amm_emit_count(out, (uint64_t)amm_model_parameters(p->model));
        amm_text_printf(out, " parameters · %d layers\n", p->model->layer_count);
    }
    if (p->cluster != NULL) {
        heading(out, "cluster");
        amm_text_printf(out, "%s · ", p->cluster->name);
        amm_emit_cluster(out, p->cluster);
        amm_text_append(out, "\n");
    }
    heading(out, "runtime");
    amm_text_printf(out, "%s · %s\n", p->runtime != NULL ? p->runtime->name : "none",
                    p->precision != NULL ? p->precision : "no precision given");
    heading(out, "profile");
    amm_text_printf(out, "%s\n", p->profile != NULL ? p->profile->name : "none");
    for (int32_t k = 0; k < p->mix_count; k++) {
        heading(out, k == 0 ? "mixed from" : "");
        amm_text_printf(out, "%g x %s\n", p->mix[k].weight, p->mix[k].device);
    }
    emit_batch(out, p);
    heading(out, "cost model");
    amm_text_append(out, p->cost_model == AMM_COST_DEFAULT ? "default\n" : "amp-reference\n");
    heading(out, "memory margin");
    amm_text_printf(out, "%g %% left free\n", 100.0 * p->memory_margin);
    emit_space(out, &p->space);
}

/* ---- entry ----------------------------------------------------------------------------------- */

/* One description of any kind. */
typedef struct description {
    const amm_model *model;
    const amm_device *device;
    const amm_cluster *cluster;
    const amm_runtime *runtime;
    const amm_profile *profile;
    amm_problem_desc problem;
} description;

static amm_status get(description *out, amm_reader *reader, amm_preset_kind kind, const char *what)
{
    const char *where = amm_preset_kind_word(kind);
    switch (kind) {
    case AMM_PRESET_MODEL:
        return amm_get_model(reader, &out->model, what, where);
    case AMM_PRESET_DEVICE:
        return amm_get_device(reader, &out->device, what, where);
    case AMM_PRESET_CLUSTER:
        return amm_get_cluster(reader, &out->cluster, what, where);
    case AMM_PRESET_RUNTIME:
        return amm_get_runtime(reader, &out->runtime, what, where);
    case AMM_PRESET_PROFILE:
        return amm_get_profile(reader, &out->profile, what, where);
    case AMM_PRESET_PROBLEM:
        return amm_get_problem(reader, &out->problem, what, where);
    case AMM_PRESET_KIND_COUNT:
        break;
    }
    return amm_fail(AMM_INTERNAL, "show: kind %d has no reader", (int)kind);
}

static void emit_text(amm_text *out, amm_preset_kind kind, const description *d)
{
    switch (kind) {
    case AMM_PRESET_MODEL:
        show_model(out, d->model);
        break;
    case AMM_PRESET_DEVICE:
        show_device(out, d->device);
        break;
    case AMM_PRESET_CLUSTER:
        show_cluster(out, d->cluster);
        break;
    case AMM_PRESET_RUNTIME:
        show_runtime(out, d->runtime);
        break;
    case AMM_PRESET_PROFILE:
        show_profile(out, d->profile);
        break;
    case AMM_PRESET_PROBLEM:
        show_problem(out, &d->problem);
        break;
    case AMM_PRESET_KIND_COUNT:
        break;
    }
}

static void emit_json(amm_text *out, amm_preset_kind kind, const description *d)
{
    amm_json j;
    amm_json_init(&j, out, true);
    switch (kind) {
    case AMM_PRESET_MODEL:
        amm_write_model(&j, NULL, d->model);
        break;
    case AMM_PRESET_DEVICE:
        amm_write_device(&j, NULL, d->device);
        break;
    case AMM_PRESET_CLUSTER:
        amm_write_cluster(&j, NULL, d->cluster);
        break;
    case AMM_PRESET_RUNTIME:
        amm_write_runtime(&j, NULL, d->runtime);
        break;
    case AMM_PRESET_PROFILE:
        amm_write_profile(&j, NULL, d->profile);
        break;
    case AMM_PRESET_PROBLEM:
        amm_write_problem(&j, NULL, &d->problem);
        break;
    case AMM_PRESET_KIND_COUNT:
        break;
    }
    amm_text_append(out, "\n");
}

amm_status amm_show(amm_context *context, char **out, const char *kind, const char *what, int json)
{
    enum { TEXT, JSON, LINE };
    amm_preset_kind parsed;
    *out = NULL;
    if (!amm_preset_kind_parse(&parsed, kind)) {
        return amm_fail(AMM_INPUT,
                        "kind: got '%.64s', allowed model, device, cluster, runtime, profile, "
                        "problem",
                        kind);
    }
    if (json < TEXT || json > LINE || (json == LINE && parsed != AMM_PRESET_CLUSTER)) {
        return amm_fail(AMM_INPUT,
                        "show: form %d of a %s, allowed 0 text, 1 JSON, 2 (clusters) line", json,
                        amm_preset_kind_word(parsed));
    }
    amm_arena arena;
    amm_arena_init(&arena, context);
    amm_reader reader = { .context = context, .arena = &arena, .hash = AMM_HASH_START };
    description found = { 0 };
    amm_status status = get(&found, &reader, parsed, what);
    if (status == AMM_OK) {
        amm_text text;
        amm_text_init(&text, context);
        if (json == TEXT) {
            emit_text(&text, parsed, &found);
        } else if (json == JSON) {
            emit_json(&text, parsed, &found);
        } else {
            amm_cluster_format_line(&text, found.cluster);
            amm_text_append(&text, "\n");
        }
        status = amm_text_take(&text, out);
    }
    amm_arena_free(&arena);
    return status;
}
