/* One training run in double: seconds and bytes of a given strategy on a homogeneous cluster, from
 * the shapes of the network, the device's rates and the runtime's facts. Composes the formulas of
 * formula/cost; lower/ takes its layer times, validate its predictions from here.
 * Plain structs, no allocation after amm_network_of. */
#ifndef AMM_ANALYTIC_ANALYTIC_H
#define AMM_ANALYTIC_ANALYTIC_H

#include "describe/describe.h"
#include "formula/cost/block.h"
#include "formula/cost/collective.h"
#include "formula/cost/context.h"
#include "formula/cost/kept.h"
#include "formula/cost/memory.h"
#include "formula/cost/schedule.h"

enum { AMM_MAX_BLOCK_KINDS = 8, AMM_MAX_STAGES = 1024 };

/* A language model as the formulas see it: embedding, blocks of a few kinds, norm, head. */
typedef struct amm_network {
    double hidden, vocab, positions;
    int tied;                 /* head shares the embedding's table */
    double prediction_layers; /* extra prediction layers (a block and a second head each) */
    int32_t block_count, kind_count;
    amm_block_shape kind[AMM_MAX_BLOCK_KINDS];
    double kind_parameters[AMM_MAX_BLOCK_KINDS];        /* of one block, without experts */
    double kind_expert_parameters[AMM_MAX_BLOCK_KINDS]; /* of its routed experts */
    const uint8_t *kind_of;                             /* [block_count] */
} amm_network;

/* Parameter counts of the kinds. */
void amm_network_finish(amm_network *n);

/* Fails with AMM_INPUT for a model that is not embedding, blocks, norm, head. */
amm_status amm_network_of(amm_network *out, amm_arena *arena, const amm_model *model,
                          const char *file);

/* Every choice of a run. */
typedef struct amm_run {
    double devices, tp, pp, dp, cp, ep, etp, vpp;
    double micro_batch, micro_batches; /* sequences; micro-batches per step and replica, G */
    double seq_len;
    int32_t schedule;   /* AMM_SCHEDULE_... */
    int sharding;       /* AMM_SHARDING_... */
    double shard_group; /* ranks that share the optimizer states; 1: none */
    int sequence_parallel, recompute, attention, precision;
    const int32_t *stage_recompute; /* [pp] sets, or NULL: `recompute` in every stage */
    int32_t cp_comm;                /* AMM_CP_COMM_..., where cp > 1 */
    int graph;                      /* 0 none, 1 parts of a layer, 2 the whole iteration */
    int tp_overlap;                 /* tensor-parallel transfers overlap their GEMMs */
    int dp_overlap; /* gradients and weights travel beside compute, as far as the runtime can */
    int ep_overlap; /* dispatch and combine overlap another micro-batch's compute */
    int balance_parameters; /* stages cut by parameters instead of blocks */
    int norm_fused;
    int deduplicate;             /* the dispatcher sends one copy per remote domain */
    const int32_t *stage_blocks; /* [pp], or NULL: even, larger stages first */
} amm_run;

typedef struct amm_machine {
    amm_rates rates;
    amm_facts facts;
    amm_fabric fabric;
    double memory_bytes; /* of one device */
} amm_machine;

/* Parts sum to time_s. Attribution along the slowest stage (docs/cost-model.md). */
typedef struct amm_step {
    double time_s;
    double compute_s, bubble_s, tp_s, cp_s, ep_s, pp_s, dp_s, optimizer_s, other_s;
    double flops; /* amm_model_flops */
} amm_step;

void amm_step_time(amm_step *out, const amm_network *network, const amm_machine *machine,
                   const amm_run *run);

/* Bytes of one device of a stage at its peak. */
typedef struct amm_ledger {
    double weights, gradients, optimizer; /* states of the parameters, after sharding */
    double activations;                   /* kept for micro-batches in flight */
    double working;                       /* of the block being computed again */
    double gathered;                      /* whole layers under sharded parameters */
    double logits;
    double reserve; /* what the allocator holds beyond its use */
    double context; /* driver context, communication library */
    double total;   /* the sum */
    int32_t stage;
} amm_ledger;

/* One stage. */
void amm_stage_memory(amm_ledger *out, const amm_network *network, const amm_machine *machine,
                      const amm_run *run, int32_t stage);

/* A stage that holds blocks[k] of each kind k, whatever the run's stages are; embedding with stage 0,
 * head with the last. */
void amm_blocks_memory(amm_ledger *out, const amm_network *network, const amm_machine *machine,
                       const amm_run *run, int32_t stage, const int32_t *blocks);

/* Peak bytes of the fullest stage. */
void amm_step_memory(amm_ledger *out, const amm_network *network, const amm_machine *machine,
                     const amm_run *run);

#endif
