/* What the analytic model knows of the software: facts of a framework's generation and of its
 * kernels, one double each (0 / 1 for switches). A runtime file overrides the defaults below by
 * name, with a source; a fitted one says so and counts as a parameter of the runs it serves. */
#ifndef AMM_FORMULA_COST_FACTS_H
#define AMM_FORMULA_COST_FACTS_H

/* name, low, high, default, what */
#define AMM_FACT_LIST(X)                                                                           \
    X(gradient_bytes_fp16, 1, 8, 4, "bytes of a gradient, kept and reduced, in fp16 training")     \
    X(gradient_bytes_bf16, 1, 8, 4, "bytes of a gradient, kept and reduced, in bf16 training")     \
    X(gradient_copy_bytes_bf16, 0, 4, 0, "a second copy of it that is kept but not reduced, bf16") \
    X(gradient_copy_bytes_fp16, 0, 4, 0, "the optimizer's wider copy of them, for its step, fp16") \
    X(distributed_optimizer, 0, 1, 0, "1: plain data parallelism shards the optimizer (ZeRO-1)")   \
    X(vocabulary_parallel_loss, 0, 1, 1, "1: logits stay sharded by tp, 0: gathered")              \
    X(loss_traffic_bytes, 4, 120, 32, "traffic per logit, loss forward and backward")              \
    X(logit_bytes, 2, 40, 10, "bytes kept per logit")                                              \
    X(norm_fused, 0, 1, 1, "1: one kernel per norm, 0: RMSNorm from fp32 element-wise kernels")    \
    X(norm_traffic_bytes, 2, 40, 8, "traffic of a block's fused norms per element, forward")       \
    X(unfused_norm_bytes, 8, 300, 170, "the same, not fused")                                      \
    X(element_traffic_scale, 0.2, 4, 1, "element-wise traffic over the count in op.h")             \
    X(attention_kernel, 0, 4, 3, "kernel used when a run does not say (AMM_ATTENTION_...)")        \
    X(dp_overlap, 0, 1, 0, "share of the backward pass that can hide the gradient reduction")      \
    X(gather_overlap, 0, 1, 0, "share of the forward pass that can hide the parameter gather")     \
    X(context_merge_bytes, 0, 120, 30,                                                             \
      "traffic per query element to merge a step of ring attention")                               \
    X(fsdp_overlap, 0, 1, 0.7, "share of the gathers of sharded layers that compute can hide")     \
    X(zero_rank_s, 0, 0.02, 0, "seconds per rank of the sharding group (one broadcast each)")      \
    X(p2p_exposed, 0, 2, 0.5, "share of stage-to-stage transfers not hidden in steady state")      \
    X(p2p_split, 0, 1, 0, "1: tensor ranks each send their share of a boundary and gather it")     \
    X(p2p_exposed_interleaved, 0, 2, 0.2, "the same with interleaved stages")                      \
    X(tp_overlap, 0, 1, 0.6, "share of tensor-parallel transfers hidden when overlap is on")       \
    X(tp_reduce_beside, 0, 1, 0, "1: input gradients are reduced beside the weight-gradient GEMM") \
    X(ep_overlap, 0, 1, 0.7, "share of dispatch and combine hidden when overlap is on")            \
    X(launches_per_block, 4, 80, 28, "kernels of one dense block, forward")                        \
    X(launches_per_tensor_block, 0, 30, 3, "those of tensor parallelism, forward")                 \
    X(launches_per_expert_layer, 0, 200, 30, "those of an expert layer after the counts are read") \
    X(launches_per_local_expert, 0, 10, 2, "those of every expert that a rank holds, forward")     \
    X(host_scale, 0.1, 6, 1, "host seconds of a launch over the device's launch_s")                \
    X(graph_host_share, 0, 1, 0.1, "host time left under graphs of the whole iteration")           \
    X(graph_part_share, 0, 1, 0.6, "host time left under graphs of parts of a layer")              \
    X(narrow_launch_scale, 1, 4, 1.5, "launches with 8-bit or narrower linears over 16-bit ones")  \
    X(micro_batch_host_s, 0, 0.01, 0.0002, "host seconds per micro-batch and stage")               \
    X(step_host_s, 0, 0.5, 0.005, "seconds per step outside everything else")                      \
    X(accumulation_bytes, 0, 40, 8, "traffic per parameter and micro-batch to add up gradients")   \
    X(balance_parameters, 0, 1, 0, "1: stages cut by equal parameters, 0: by equal blocks")        \
    X(optimizer_traffic_bytes, 4, 120, 30, "traffic of an optimizer step per owned parameter")     \
    X(sequence_parallel, 0, 1, 0, "1: assumed where a run does not say")                           \
    X(flash1_rate, 0.1, 1.5, 0.55, "FlashAttention 1 over the device's attention rate")            \
    X(triton_rate, 0.1, 1.5, 0.75, "Triton FlashAttention over the device's attention rate")       \
    X(hopper_gemm_rate, 0.4, 1.1, 0.95, "GEMM rate of this software where there are 8-bit units")  \
    X(hopper_attention_rate, 0.3, 1.1, 0.7,                                                        \
      "fused attention rate there: kernels of the generation before")                              \
    X(fused_softmax_bytes, 2, 40, 12, "traffic per score of a fused softmax, forward")             \
    X(torch_softmax_bytes, 4, 120, 32, "traffic per score of separate kernels, forward")           \
    X(softmax_rows_multiple, 1, 64, 1,                                                             \
      "the fused softmax kernel needs sequences x heads of a rank to be a multiple")               \
    X(launches_torch_softmax, 0, 20, 5, "kernels that the separate ones are more than the fused")  \
    X(odd_head_efficiency, 0.02, 1, 0.07, "unfused attention where the head is no multiple of 8")  \
    X(attention_backward, 1.5, 4, 2.75, "fused attention: backward over forward")                  \
    X(quantise_bytes, 0, 24, 4, "traffic per element of an 8-bit GEMM's inputs")                   \
    X(expert_imbalance, 1, 4, 1, "tokens of the busiest expert rank over the mean")                \
    X(dispatch_traffic_bytes, 0, 120, 16, "traffic of permuting, per element of a routed token")   \
    X(omni_path_share, 0.05, 1, 0.16, "bandwidth reached over Omni-Path relative to InfiniBand")   \
    X(activation_fused, 0, 1, 1, "1: one kernel for the feed-forward's activation function")       \
    X(joint_projection, 0, 1, 0, "1: query, key, value are slices of one kept projection")         \
    X(unfused_norm_kept_bytes, 0, 24, 6, "kept per element of a norm that is not fused")           \
    X(working_scale, 0.3, 4, 1, "memory while a block is recomputed over what it keeps")           \
    X(softmax_kept_bytes, 2, 4, 2, "of the softmax's output per score, fused softmax kernel")      \
    X(runs_tp, 0, 1, 1, "1: it has tensor parallelism")                                            \
    X(runs_pp, 0, 1, 1, "1: it has pipeline parallelism")                                          \
    X(runs_vpp, 0, 1, 1, "1: it has interleaved pipeline stages")                                  \
    X(runs_cp, 0, 1, 1, "1: it has context parallelism")                                           \
    X(runs_ep, 0, 1, 1, "1: it has expert parallelism")                                            \
    X(runs_sharding, 0, 3, 3, "what it can shard: 1 optimizer, 2 and gradients, 3 and parameters") \
    X(runs_gpipe, 0, 1, 0, "1: it has the GPipe schedule")                                         \
    X(runs_zero_bubble, 0, 1, 0, "1: it has the zero-bubble schedules")                            \
    X(runs_sequence_parallel, 0, 1, 0, "1: it has sequence parallelism")                           \
    X(runs_cp_comm, 0, 1, 0, "1: its context ranks can also gather and exchange heads")            \
    X(runs_tp_overlap, 0, 1, 0, "1: it can overlap tensor-parallel transfers")                     \
    X(runs_ep_overlap, 0, 1, 0, "1: it can overlap dispatch and combine")                          \
    X(runs_deduplicate, 0, 1, 0, "1: it has a dispatcher that sends one copy per domain")          \
    X(runs_graphs, 0, 1, 0, "1: it can capture CUDA graphs")                                       \
    X(runs_shard_group, 0, 1, 0, "1: a part of the data-parallel ranks can share the states")      \
    X(recompute_per_stage, 0, 1, 0, "1: stages of a pipeline may recompute different sets")        \
    X(plans_sharding, 0, 3, 1, "what plans shard: 1 optimizer, 2 and gradients, 3 and parameters") \
    X(plans_tp_overlap, 0, 1, 0, "1: plans overlap tensor-parallel transfers with their GEMMs")    \
    X(plans_ep_overlap, 0, 1, 0, "1: plans overlap dispatch and combine")                          \
    X(plans_deduplicate, 0, 1, 0, "1: plans use a dispatcher that sends one copy per domain")      \
    X(dropout_mask_bytes, 0, 2, 1, "kept per element of a dropout (models with LayerNorm)")        \
    X(narrow_weight_bytes, 0, 4, 2, "8-bit copies of a weight kept beside the 16-bit one")         \
    X(context_share, 0, 0.2, 0.04, "of a device's memory: driver context, workspaces, caches")     \
    X(communicator_s, 0, 0.02, 0.004, "buffers of one communicator: seconds of the scale-up link") \
    X(fragmentation, 1, 2, 1.08, "reserved over allocated bytes of what comes and goes")

typedef struct amm_facts {
#define AMM_FACT_MEMBER(name, low, high, value, what) double name;
    AMM_FACT_LIST(AMM_FACT_MEMBER)
#undef AMM_FACT_MEMBER
} amm_facts;

enum {
#define AMM_FACT_INDEX(name, low, high, value, what) AMM_FACT_##name,
    AMM_FACT_LIST(AMM_FACT_INDEX)
#undef AMM_FACT_INDEX
        AMM_FACT_COUNT
};

/* Kernels of the attention core. name, word in files and run notes */
#define AMM_ATTENTION_LIST(X)                                                                      \
    X(TORCH, "torch")         /* separate kernels for mask, softmax, dropout */                    \
    X(FUSED_SOFTMAX, "fused") /* two GEMMs around one fused scale-mask-softmax kernel */           \
    X(FLASH1, "flash1")                                                                            \
    X(FLASH, "flash") /* the newest fused kernel of the device's generation */                     \
    X(TRITON, "triton")

enum {
#define AMM_ATTENTION_ENUM(name, word) AMM_ATTENTION_##name,
    AMM_ATTENTION_LIST(AMM_ATTENTION_ENUM)
#undef AMM_ATTENTION_ENUM
        AMM_ATTENTION_COUNT
};

/* How context-parallel ranks exchange keys and values (context.h). name, word */
#define AMM_CP_COMM_LIST(X)                                                                        \
    X(P2P, "p2p")               /* a ring */                                                       \
    X(ALL_GATHER, "all_gather") /* whole keys and values on every rank */                          \
    X(A2A, "a2a")               /* heads for tokens */                                             \
    X(A2A_P2P, "a2a+p2p")       /* heads for tokens inside a domain, a ring over domains */

enum {
#define AMM_CP_COMM_ENUM(name, word) AMM_CP_COMM_##name,
    AMM_CP_COMM_LIST(AMM_CP_COMM_ENUM)
#undef AMM_CP_COMM_ENUM
        AMM_CP_COMM_COUNT
};

/* Number format of the block's linear layers. name, word, bits of their products, peak of them
 * (AMM_PEAK_LIST) */
#define AMM_PRECISION_LIST(X)                                                                      \
    X(FP32, "fp32", 32, flops_fp32)                                                                \
    X(TF32, "tf32", 19, flops_tf32)                                                                \
    X(FP16, "fp16", 16, flops_16bit)                                                               \
    X(BF16, "bf16", 16, flops_16bit)                                                               \
    X(FP8, "fp8", 8, flops_8bit)     /* one scale per tensor, delayed or current */                \
    X(MXFP8, "mxfp8", 8, flops_8bit) /* one scale per 32 elements */                               \
    X(NVFP4, "nvfp4", 4, flops_4bit)

enum {
#define AMM_PRECISION_ENUM(name, word, bits, peak) AMM_PRECISION_##name,
    AMM_PRECISION_LIST(AMM_PRECISION_ENUM)
#undef AMM_PRECISION_ENUM
        AMM_PRECISION_COUNT
};

#endif
