#include "search/amp_reference.h"

#include "formula/cost/amp.h"
#include <string.h>

/* ---- lowering -------------------------------------------------------------------------------- */

static double mixed_forward(const amm_problem_desc *p, int32_t tp, int32_t layer, bool *found)
{
    const amm_mix_entry whole = { p->cluster->types[0]->name, 1.0 };
    const amm_mix_entry *mix = p->mix_count > 0 ? p->mix : &whole;
    const int32_t count = p->mix_count > 0 ? p->mix_count : 1;
    double sum = 0.0;
    for (int32_t k = 0; k < count; k++) {
        const amm_profile_point *point = amm_profile_find(p->profile, mix[k].device, tp, 1);
        if (point == NULL) {
            *found = false;
            return 0.0;
        }
        const double part = mix[k].weight * point->forward_s[layer];
        sum = k == 0 ? part : sum + part;
    }
    *found = true;
    return sum;
}

/* Tensor degrees with a profile of every device that is mixed in, ascending. */
static amm_status lower_profiles(amm_amp_case *out, amm_arena *arena)
{
    const amm_problem_desc *p = out->problem;
    for (int32_t tp = 1; tp <= out->per_node; tp++) {
        bool found = false;
        if (out->per_node % tp != 0) {
            continue;
        }
        (void)mixed_forward(p, tp, 0, &found);
        if (!found) {
            continue;
        }
        if (out->tp_count == AMM_AMP_MAX_TP_POINTS) {
            return amm_fail(AMM_LIMIT, "profile %s: more than %d tensor degrees", p->profile->name,
                            AMM_AMP_MAX_TP_POINTS);
        }
        double *forward = amm_arena_alloc(arena, (size_t)out->layers, sizeof *forward);
        if (forward == NULL) {
            return AMM_NO_MEMORY;
        }
        for (int32_t l = 0; l < out->layers; l++) {
            forward[l] = mixed_forward(p, tp, out->work[l], &found);
        }
        out->tp[out->tp_count] = tp;
        out->forward[out->tp_count++] = forward;
    }
    return AMM_OK;
}

amm_status amm_amp_lower(amm_amp_case *out, amm_arena *arena, const amm_problem_desc *problem)
{
    const amm_cluster *cluster = problem->cluster;
    const amm_model *model = problem->model;
    memset(out, 0, sizeof *out);
    out->problem = problem;
    out->nodes = cluster->node_count;
    out->per_node = cluster->nodes[0].device_count;
    out->ranks = cluster->device_count;
    out->layers = model->amp.work_count;
    out->work = model->amp.work;
    out->intra = amm_arena_alloc(arena, (size_t)out->nodes, sizeof *out->intra);
    out->inter = amm_arena_alloc(arena, (size_t)out->nodes, sizeof *out->inter);
    out->boundary = amm_arena_alloc(arena, (size_t)out->layers, sizeof *out->boundary);
    out->boundary_split = amm_arena_alloc(arena, (size_t)out->layers, sizeof *out->boundary_split);
    if (out->intra == NULL || out->inter == NULL || out->boundary == NULL ||
        out->boundary_split == NULL) {
        return AMM_NO_MEMORY;
    }
    for (int32_t n = 0; n < out->nodes; n++) {
        out->intra[n] = amm_amp_bandwidth(cluster->nodes[n].intra_bytes_per_s);
        out->inter[n] = amm_amp_bandwidth(cluster->nodes[n].inter_bytes_per_s);
    }
    for (int32_t l = 0; l < out->layers; l++) {
        const amm_layer *layer = &model->layers[out->work[l]];
        const bool constant = model->amp.boundary_elements > 0;
        out->boundary[l] = (double)(constant ? model->amp.boundary_elements : layer->out_elements);
        out->boundary_split[l] = !constant && layer->out_sharded;
    }
    return lower_profiles(out, arena);
}

int32_t amm_amp_profile_of(const amm_amp_case *amp, int32_t tp)
{
    for (int32_t k = 0; k < amp->tp_count; k++) {
        if (amp->tp[k] == tp) {
            return k;
        }
    }
    return -1;
}

/* ---- one evaluation -------------------------------------------------------------------------- */

typedef struct evaluation {
    const amm_amp_case *amp;
    const amm_amp_strategy *s;
    double *e; /* [layers] */
    float *c;  /* [layers][pp - 1] */
} evaluation;

/* Node of coordinate (stage, replica, tensor rank); tensor rank fastest. */
static int32_t node_at(const evaluation *v, int32_t p, int32_t d, int32_t t)
{
    const int32_t rank = t + v->s->tp * d + v->s->tp * v->s->dp * p;
    return v->s->node_of_rank != NULL ? v->s->node_of_rank[rank] : rank / v->amp->per_node;
}

static float link(const evaluation *v, int32_t a, int32_t b)
{
    return amm_amp_link(a, b, v->amp->intra, v->amp->inter);
}

static float tensor_volume(const evaluation *v, int32_t l)
{
    const amm_model *model = v->amp->problem->model;
    const amm_layer *layer = &model->layers[v->amp->work[l]];
    const double h = (double)layer->hidden;
    if (layer->kind == AMM_LAYER_BLOCK) {
        return amm_amp_tensor_volume_block(h, (double)layer->tokens, (double)v->s->micro_batch,
                                           v->s->tp);
    }
    return layer->kind == AMM_LAYER_HEAD
               ? amm_amp_tensor_volume_head(h, (double)layer->vocab, v->s->tp)
               : 0.0F;
}

/* Quirk: the term is summed over all stages, and each ring counts only its closing link. */
static void fill_layers_explicit(const evaluation *v)
{
    const amm_amp_strategy *s = v->s;
    const double *forward = v->amp->forward[amm_amp_profile_of(v->amp, 1)];
    for (int32_t l = 0; l < v->amp->layers; l++) {
        v->e[l] = 0.0;
    }
    for (int32_t d = 0; d < s->dp; d++) {
        float per_element = 0.0F;
        for (int32_t p = 0; p < s->pp; p++) {
            const float beta = link(v, node_at(v, p, d, s->tp - 1), node_at(v, p, d, 0));
            per_element += amm_amp_ring(s->tp, beta);
        }
        for (int32_t l = 0; l < v->amp->layers; l++) {
            const float exchange = tensor_volume(v, l) * per_element;
            v->e[l] += amm_amp_layer_time_split(forward[l], (double)s->micro_batch, s->tp) +
                       (double)exchange;
        }
    }
    for (int32_t l = 0; l < v->amp->layers; l++) {
        v->e[l] /= s->dp;
    }
}

static void fill_layers(const evaluation *v)
{
    if (v->s->explicit_tp) {
        fill_layers_explicit(v);
        return;
    }
    const double *forward = v->amp->forward[amm_amp_profile_of(v->amp, v->s->tp)];
    for (int32_t l = 0; l < v->amp->layers; l++) {
        v->e[l] = amm_amp_layer_time(forward[l], (double)v->s->micro_batch);
    }
}

/* Mean over the replicas of volume / slowest of its tensor ranks' links. */
static void fill_cuts(const evaluation *v)
{
    const amm_amp_strategy *s = v->s;
    for (int32_t p = 0; p + 1 < s->pp; p++) {
        for (int32_t l = 0; l < v->amp->layers; l++) {
            const double per_sample = v->amp->boundary[l];
            const float volume = (float)((double)s->micro_batch * per_sample /
                                         (v->amp->boundary_split[l] ? s->tp : 1));
            float sum = 0.0F;
            for (int32_t d = 0; d < s->dp; d++) {
                float slowest = link(v, node_at(v, p, d, 0), node_at(v, p + 1, d, 0));
                for (int32_t t = 1; t < s->tp; t++) {
                    const float other = link(v, node_at(v, p, d, t), node_at(v, p + 1, d, t));
                    slowest = other < slowest ? other : slowest;
                }
                sum += volume / slowest;
            }
            v->c[l * (s->pp - 1) + p] = sum / (float)s->dp;
        }
    }
}

/* One micro-batch: the reference splits evenly by rule, without its recurrence. */
static void uniform_sizes(const amm_amp_view *view, int32_t *sizes, int32_t stages)
{
    for (int32_t p = 0; p < stages; p++) {
        sizes[p] = view->uniform_units / stages + (p < view->uniform_units % stages ? 1 : 0);
    }
    sizes[0] += view->uniform_first;
    sizes[stages - 1] += view->uniform_last;
}

/* Cuts lie after a work layer; layers that the reference does not model go to the stage after. */
static void fill_boundaries(const evaluation *v, amm_amp_cost *out, int32_t *last_work)
{
    int32_t taken = 0;
    out->boundaries[0] = 0;
    for (int32_t p = 0; p < v->s->pp; p++) {
        taken += out->stage_layers[p];
        last_work[p] = taken > 0 ? taken - 1 : 0;
        out->boundaries[p + 1] = v->amp->work[last_work[p]] + 1;
    }
    out->boundaries[v->s->pp] = v->amp->problem->model->layer_count;
}

static float stage_parameters(const evaluation *v, int32_t from, int32_t to)
{
    const amm_model *model = v->amp->problem->model;
    float sum = 0.0F;
    bool embedding = false;
    for (int32_t l = from; l < to; l++) {
        const amm_layer *layer = &model->layers[l];
        const double h = (double)layer->hidden;
        if (layer->kind == AMM_LAYER_BLOCK) {
            sum += amm_amp_block_parameters(h, v->s->tp);
        } else if ((layer->kind == AMM_LAYER_EMBEDDING || layer->kind == AMM_LAYER_HEAD) &&
                   !embedding) {
            embedding = true; /* tied: counted once in a stage */
            sum += amm_amp_embedding_parameters(h, (double)layer->vocab, v->s->tp);
        }
    }
    return sum;
}

/* Slowest all-reduce of a stage; quirk: only the closing link of each ring counts. */
static float data_parallel(const evaluation *v, const amm_amp_cost *out)
{
    float slowest = 0.0F;
    if (v->s->dp == 1) {
        return 0.0F;
    }
    for (int32_t p = 0; p < v->s->pp; p++) {
        const float parameters = stage_parameters(v, out->boundaries[p], out->boundaries[p + 1]);
        for (int32_t t = 0; t < v->s->tp; t++) {
            const float beta = link(v, node_at(v, p, v->s->dp - 1, t), node_at(v, p, 0, t));
            const float time = amm_amp_ring(v->s->dp, beta) * parameters;
            slowest = time > slowest ? time : slowest;
        }
    }
    return slowest;
}

static void add_up(const evaluation *v, amm_amp_cost *out, const int32_t *last_work)
{
    const amm_amp_strategy *s = v->s;
    double slowest = 0.0;
    int32_t l = 0;
    out->compute_s = out->p2p_s = 0.0;
    for (int32_t p = 0; p < s->pp; p++) {
        double stage = 0.0;
        for (int32_t n = 0; n < out->stage_layers[p]; n++) {
            stage += v->e[l++];
        }
        out->stage_s[p] = stage;
        slowest = stage > slowest ? stage : slowest;
    }
    for (int32_t k = 0; k < v->amp->layers; k++) {
        out->compute_s += v->e[k];
    }
    out->bubble_s = (double)(s->micro_batches - 1) * slowest;
    out->pipe = amm_amp_bubble(s->micro_batches, slowest);
    for (int32_t p = 0; p + 1 < s->pp; p++) {
        out->cut_s[p] = v->c[last_work[p] * (s->pp - 1) + p];
        out->p2p_s += (double)out->cut_s[p];
        out->pipe += out->cut_s[p];
    }
    out->cut_s[s->pp - 1] = 0.0F;
    out->pipe += (float)out->compute_s;
    out->dp = data_parallel(v, out);
    out->total = out->pipe + out->dp;
}

amm_status amm_amp_evaluate(const amm_amp_case *amp, const amm_context *context,
                            const amm_amp_strategy *s, amm_amp_cost *out)
{
    const size_t layers = (size_t)amp->layers;
    amm_arena arena;
    amm_status status = AMM_NO_MEMORY;
    amm_arena_init(&arena, context);
    evaluation v = { amp, s, NULL, NULL };
    v.e = amm_arena_alloc(&arena, layers, sizeof *v.e);
    v.c = amm_arena_alloc(&arena, layers * (size_t)s->pp, sizeof *v.c);
    int32_t *last_work = amm_arena_alloc(&arena, (size_t)s->pp, sizeof *last_work);
    if (v.e == NULL || v.c == NULL || last_work == NULL) {
        goto cleanup;
    }
    fill_layers(&v);
    fill_cuts(&v);
    if (s->micro_batches == 1) {
        uniform_sizes(&amp->problem->model->amp, out->stage_layers, s->pp);
        status = AMM_OK;
    } else {
        status = amm_amp_partition(context, out->stage_layers, amp->layers, s->pp, s->micro_batches,
                                   v.e, v.c);
    }
    if (status == AMM_OK) {
        fill_boundaries(&v, out, last_work);
        add_up(&v, out, last_work);
    }
cleanup:
    amm_arena_free(&arena);
    return status;
}
