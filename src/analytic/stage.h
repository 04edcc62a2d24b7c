/* Costs of blocks, ends and stages: what a step is composed of. lower/ makes its tables from them. */
#ifndef AMM_ANALYTIC_STAGE_H
#define AMM_ANALYTIC_STAGE_H

#include "analytic/analytic.h"

/* One block and micro-batch on one rank that recomputes `run->recompute`. Communication is contained
 * in forward_s + backward_s. */
typedef struct amm_block_seconds {
    double forward_s, backward_s; /* backward with recomputation */
    double tp_s, cp_s, ep_s;
} amm_block_seconds;

void amm_block_cost(amm_block_seconds *out, const amm_machine *m, const amm_run *run,
                    const amm_block_shape *x);

/* The kernel of the attention core that such a block runs (amm_attention_kernel). */
int amm_run_attention(const amm_machine *m, const amm_run *run, const amm_block_shape *x);

/* Keys and values of one micro-batch's tokens on one context rank, in the heads that it holds. */
double amm_key_value_bytes(const amm_block_shape *x, const amm_run *run);

typedef struct amm_stage_seconds {
    double forward_s, backward_s;
    double tp_s, cp_s, ep_s;
    double parameters, expert_parameters; /* that one rank holds before data-parallel sharding */
    double blocks;
    const amm_machine *machine; /* that it runs on */
} amm_stage_seconds;

/* Of a backward pass, what the gradients of the weights take: one GEMM of two. */
#define AMM_WEIGHT_SHARE 0.5

typedef struct amm_stages {
    int32_t count;
    amm_stage_seconds stage[AMM_MAX_STAGES];
} amm_stages;

/* Embedding at the start of the first stage; norm, head and loss at the end of the last. */
void amm_embedding_cost(amm_pass_time *out, const amm_network *n, const amm_machine *m,
                        const amm_run *run);
void amm_head_cost(amm_pass_time *out, const amm_network *n, const amm_machine *m,
                   const amm_run *run);

/* Parameters at the ends that one tensor rank of the first and of the last stage holds: tables, learned
 * positions (whole on every rank), the final norm; on the last stage a copy of a tied table, and of
 * the embedding's for extra prediction layers. */
double amm_end_parameters(const amm_network *n, const amm_run *run, int first, int last);

/* Seconds at the end of a step that data parallelism adds for a stage; its optimizer step. */
double amm_data_exposed(const amm_machine *m, const amm_run *run, const amm_stage_seconds *s);
double amm_optimizer_seconds(const amm_machine *m, const amm_run *run, const amm_stage_seconds *s);

/* Data-parallel ranks of one expert; ranks among which `ranks` of them, or those of an expert, share
 * their states. */
double amm_expert_ranks(const amm_run *run);
double amm_shards(const amm_run *run, double ranks);
double amm_expert_shards(const amm_run *run);

/* One transfer of a micro-batch between stages, one way. */
double amm_transfer_seconds(const amm_network *n, const amm_machine *m, const amm_run *run);

/* Share of a transfer that holds its sender. */
double amm_exposed_share(const amm_machine *m, const amm_run *run);

/* What all transfers between stages add to a step at least, whatever its stages take; exactly that under
 * GPipe and 1F1B. */
double amm_least_boundary_seconds(const amm_network *n, const amm_machine *m, const amm_run *run);

/* Adding a micro-batch's gradients to those before. */
double amm_accumulation_seconds(const amm_machine *m, const amm_run *run, double parameters);

/* FLOP of the model per step: no recomputation, causal attention counted half; extra prediction layers
 * with theirs, as Megatron-LM counts them (training.py, num_floating_point_operations: mtp_num_layers
 * more layers and heads). */
double amm_model_flops(const amm_network *n, const amm_run *run);

/* Blocks of a stage: the run's, else even. */
int32_t amm_stage_blocks(const amm_network *n, const amm_run *run, int32_t stage);

/* Micro-batches whose activations a stage holds at once, in whole stages. */
double amm_stage_in_flight(const amm_run *run, int32_t stage);

/* Bytes that one micro-batch leaves in a block of each kind under a set of modules, what working on one
 * takes besides, and the same of the ends: what a ledger needs of a run besides its pipeline and sharding. */
typedef struct amm_kept_class {
    double kept[AMM_MAX_BLOCK_KINDS], working[AMM_MAX_BLOCK_KINDS];
    double embedding, head, logits;
} amm_kept_class;
void amm_kept_class_of(amm_kept_class *out, const amm_network *n, const amm_machine *m,
                       const amm_run *run, int recompute);
/* amm_blocks_memory of a stage with that class. */
void amm_kept_memory(amm_ledger *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run, const amm_kept_class *kept, int32_t stage,
                     const int32_t *blocks);

void amm_stage_costs(amm_stages *out, const amm_network *n, const amm_machine *m,
                     const amm_run *run);

/* The step of stages that were costed, each on its own machine; `m`: facts of the runtime. */
void amm_step_of_stages(amm_step *out, const amm_stages *stages, const amm_network *n,
                        const amm_machine *m, const amm_run *run);

#endif
