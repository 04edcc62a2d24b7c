/* The layout of a measured run under the rules for strategies (search/enumerate.h). */
#include "calibrate/runs.h"
#include "search/enumerate.h"

/* What the rules ask of a model: its length and a block of each kind. */
static amm_model model_of(amm_layer layers[AMM_MAX_BLOCK_KINDS], const amm_run_row *row)
{
    const amm_network *n = &row->network;
    for (int32_t k = 0; k < n->kind_count; k++) {
        layers[k] = amm_layer_of(AMM_LAYER_BLOCK);
        layers[k].shape = n->kind[k];
    }
    const amm_model model = { .name = "",
                              .seq_len = (int64_t)row->run.seq_len,
                              .layer_count = n->kind_count,
                              .layers = layers };
    return model;
}

static amm_config config_of(const amm_run_row *row)
{
    const amm_run *run = &row->run;
    const double all = run->dp * run->cp;
    amm_config c = { .tp = (int32_t)run->tp,
                     .dp = (int32_t)run->dp,
                     .pp = (int32_t)run->pp,
                     .micro_batch = (int64_t)run->micro_batch,
                     .micro_batches = (int64_t)run->micro_batches,
                     .cp = (int32_t)run->cp,
                     .ep = (int32_t)run->ep,
                     .etp = (int32_t)run->etp,
                     .vpp = (int32_t)run->vpp,
                     .recompute = run->recompute,
                     .sharding = run->sharding };
    c.choice[AMM_CHOICE_SCHEDULE] =
        run->schedule == AMM_SCHEDULE_INTERLEAVED ? (int32_t)AMM_SCHEDULE_1F1B : run->schedule;
    c.choice[AMM_CHOICE_CP_COMM] = run->cp_comm;
    c.choice[AMM_CHOICE_SHARD_GROUP] =
        run->shard_group == all ? (int32_t)AMM_SHARD_ALL : (int32_t)run->shard_group;
    return c;
}

const char *amm_run_row_reject(const amm_run_row *row)
{
    amm_layer layers[AMM_MAX_BLOCK_KINDS];
    const amm_model model = model_of(layers, row);
    const amm_config config = config_of(row);
    amm_rejection reason = AMM_ACCEPTED;
    for (int32_t k = 0; k < row->part_count && reason == AMM_ACCEPTED; k++) {
        const int32_t devices = (int32_t)row->run.devices;
        const amm_node node = { .device_count = (int32_t)row->parts[k].fabric.domain };
        const amm_cluster cluster = { .node_count = 1, .nodes = &node, .device_count = devices };
        const amm_problem_desc problem = { .model = &model,
                                           .cluster = &cluster,
                                           .global_batch = (int64_t)row->batch,
                                           .cost_model = AMM_COST_DEFAULT,
                                           .space = { .full = true } };
        amm_layout layout = { .cluster = &cluster, .common_devices = devices };
        amm_block_counts_of(&layout.counts, &model);
        layout.counts.blocks = row->network.block_count;
        reason = amm_strategy_reject(&problem, &layout, &config, true);
    }
    return reason == AMM_ACCEPTED ? NULL : amm_rejection_sentence(reason);
}
