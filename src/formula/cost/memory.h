/* Bytes per device. Kept activations of a block are in kept.h.
 *
 * Bytes per parameter, without sharding and with it over Z ranks, by precision for Adam in fp32 (K
 * = 8 bytes of moments). Sources: [M] Megatron-LM docs/source/api-guide/dist_optimizer.md, table of
 * theoretical memory; [Z] Rajbhandari et al. 2020, ZeRO (arXiv 1910.02054) section 3.1 and figure
 * 1; [D] DeepSpeed documentation, "ZeRO" (stages 1 to 3) and bf16 `accumulate_grads_in_fp32`; [F]
 * PyTorch FSDP documentation, MixedPrecision(Policy): sharded parameters stay in their own type,
 * the gathered ones have `param_dtype`; [T] Transformer Engine documentation, fp8_model_init, and
 * Megatron-LM `--fp8-param-gather`; [P] Megatron-LM optimizer_config.py,
 * `use_precision_aware_optimizer`; [V3] DeepSeek-V3 technical report (arXiv 2412.19437) 3.3.2.
 *
 *                none      optimizer  gradients  parameters
 *   bf16_fp32    18 [M]    6 + 12/Z [M]   2 + 16/Z [D]   18/Z [D]
 *   bf16_bf16    16 [Z]    4 + 12/Z [Z]   2 + 14/Z [Z]   16/Z [Z]
 *   fp16_fp16    20 [M]    4 + 16/Z [M]   2 + 18/Z [D]   20/Z [D]
 *   fp8_copies   20 [T]    8 + 12/Z [T]   4 + 16/Z       20/Z      bf16 and two 8-bit layouts
 *   fp8_weights  18 [T]    6 + 12/Z [T]   2 + 16/Z       18/Z      two 8-bit layouts
 *   fp32         16 [M]    8 + 8/Z [M]    4 + 12/Z       16/Z [F]
 *   fp32_bf16    16 [F]    8 + 8/Z        4 + 12/Z       16/Z [F]  gathered in 16 bits
 *
 * Cells without a letter follow from their parts. Other optimizers replace K: moments in 16 bits 4
 * [P, V3], in 8 bits 2 [P], momentum alone 4. Under `parameters` the layers in use are whole on
 * top: amm_gathered_bytes(). */
#ifndef AMM_FORMULA_COST_MEMORY_H
#define AMM_FORMULA_COST_MEMORY_H

#include "formula/fn.h"

/* Weights, gradients and optimizer states of `parameters`, split over tp. */
AMM_FN double amm_static_bytes(double parameters, double bytes_per_parameter, double tp)
{
    return parameters * bytes_per_parameter / tp;
}

/* name, word, weights, gradients, fp32 master weights, fp32 copy of the gradients that the
 * optimizer makes (sharded with it), a gathered weight. */
#define AMM_STATES_LIST(X)                                                                         \
    X(BF16_FP32, "bf16_fp32", 2.0, 4.0, 4.0, 0.0, 2.0)                                             \
    X(BF16_BF16, "bf16_bf16", 2.0, 2.0, 4.0, 0.0, 2.0)                                             \
    X(FP16_FP16, "fp16_fp16", 2.0, 2.0, 4.0, 4.0, 2.0)                                             \
    X(FP8_COPIES, "fp8_copies", 4.0, 4.0, 4.0, 0.0, 4.0)                                           \
    X(FP8_WEIGHTS, "fp8_weights", 2.0, 4.0, 4.0, 0.0, 2.0)                                         \
    X(FP32, "fp32", 4.0, 4.0, 0.0, 0.0, 4.0)                                                       \
    X(FP32_BF16, "fp32_bf16", 4.0, 4.0, 0.0, 0.0, 2.0)

/* name, word, bytes of states. */
#define AMM_OPTIMIZER_LIST(X)                                                                      \
    X(ADAM, "adam", 8.0)                                                                           \
    X(ADAM_16, "adam_16bit", 4.0)                                                                  \
    X(ADAM_8, "adam_8bit", 2.0)                                                                    \
    X(MOMENTUM, "momentum", 4.0)

/* name, word. What is split over the ranks; each includes those before it. */
#define AMM_SHARDING_LIST(X)                                                                       \
    X(NONE, "none")                                                                                \
    X(OPTIMIZER, "optimizer")   /* ZeRO-1, Megatron's distributed optimizer */                     \
    X(GRADIENTS, "gradients")   /* ZeRO-2 */                                                       \
    X(PARAMETERS, "parameters") /* ZeRO-3, FSDP full shard */

#define AMM_MEMORY_STATES(name, word, w, g, m, c, gathered) AMM_STATES_##name,
#define AMM_MEMORY_OPTIMIZER(name, word, bytes)             AMM_OPTIMIZER_##name,
#define AMM_MEMORY_SHARDING(name, word)                     AMM_SHARDING_##name,
enum { AMM_STATES_LIST(AMM_MEMORY_STATES) AMM_STATES_COUNT };
enum { AMM_OPTIMIZER_LIST(AMM_MEMORY_OPTIMIZER) AMM_OPTIMIZER_COUNT };
enum { AMM_SHARDING_LIST(AMM_MEMORY_SHARDING) AMM_SHARDING_COUNT };
#undef AMM_MEMORY_STATES
#undef AMM_MEMORY_OPTIMIZER
#undef AMM_MEMORY_SHARDING

/* Bytes per parameter. */
typedef struct amm_states {
    double weights, gradients, master, gradient_copy, gathered;
} amm_states;

AMM_FN amm_states amm_states_of(int states)
{
    amm_states out = { 0.0, 0.0, 0.0, 0.0, 0.0 };
#define AMM_MEMORY_CASE(name, word, w, g, m, c, whole)                                             \
    if (states == AMM_STATES_##name) {                                                             \
        out.weights = w;                                                                           \
        out.gradients = g;                                                                         \
        out.master = m;                                                                            \
        out.gradient_copy = c;                                                                     \
        out.gathered = whole;                                                                      \
    }
    AMM_STATES_LIST(AMM_MEMORY_CASE)
#undef AMM_MEMORY_CASE
    return out;
}

AMM_FN double amm_optimizer_state_bytes(int optimizer)
{
#define AMM_MEMORY_CASE(name, word, bytes)                                                         \
    if (optimizer == AMM_OPTIMIZER_##name) {                                                       \
        return bytes;                                                                              \
    }
    AMM_OPTIMIZER_LIST(AMM_MEMORY_CASE)
#undef AMM_MEMORY_CASE
    return 0.0;
}

/* Of one parameter on one rank: what stays there from step to step, and the copy of its gradient
 * that the optimizer makes for its step. */
typedef struct amm_state_bytes {
    double weights, gradients, optimizer, gradient_copy;
} amm_state_bytes;

AMM_FN amm_state_bytes amm_sharded_bytes(const amm_states *x, int optimizer, int sharding,
                                         double shards)
{
    const double z = sharding >= AMM_SHARDING_OPTIMIZER ? shards : 1.0;
    amm_state_bytes out;
    out.weights = x->weights / (sharding >= AMM_SHARDING_PARAMETERS ? shards : 1.0);
    out.gradients = x->gradients / (sharding >= AMM_SHARDING_GRADIENTS ? shards : 1.0);
    out.optimizer = (x->master + amm_optimizer_state_bytes(optimizer)) / z;
    out.gradient_copy = x->gradient_copy / z;
    return out;
}

/* Sharded parameters: whole weights of the layers that are in use or prefetched; the backward pass
 * holds the gradients of a layer, whole and in the type in which they are reduced. */
AMM_FN double amm_gathered_bytes(const amm_states *x, double weights, double gradients)
{
    return weights * x->gathered + gradients * x->gradients;
}

/* Kept by the embedding per micro-batch in flight: an index of 8 bytes per token, and the dropout's
 * mask. Its output is the input that the first block keeps. */
AMM_FN double amm_embedding_kept_bytes(double tokens, double elements, double mask_bytes)
{
    return 8.0 * tokens + mask_bytes * elements;
}

/* Logits and the loss on them, once: the head's backward follows its forward at once. */
AMM_FN double amm_logit_bytes(double tokens, double vocab, double bytes_per_logit, double shards)
{
    return tokens * vocab * bytes_per_logit / shards;
}

/* What a stage may use of a device: its memory less the margin, less what the context holds. */
AMM_FN double amm_usable_bytes(double memory_bytes, double margin, double context_bytes)
{
    return memory_bytes * (1.0 - margin) - context_bytes;
}

#endif
