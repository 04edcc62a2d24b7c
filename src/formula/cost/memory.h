/* Bytes per device. Kept activations of a block are in shape.h. */
#ifndef AMM_FORMULA_COST_MEMORY_H
#define AMM_FORMULA_COST_MEMORY_H

#include "formula/fn.h"

/* Weights, gradients and optimizer states of `parameters`, split over tp. */
AMM_FN double amm_static_bytes(double parameters, double bytes_per_parameter, double tp)
{
    return parameters * bytes_per_parameter / tp;
}

/* Kept by the embedding per micro-batch in flight: 16-bit output and the dropout's one-byte mask. */
AMM_FN double amm_embedding_kept_bytes(double batch, double tokens, double hidden)
{
    return 3.0 * batch * tokens * hidden;
}

/* Logits and the loss on them, once: the head's backward follows its forward at once. */
AMM_FN double amm_logit_bytes(double batch, double tokens, double vocab, double bytes_per_logit,
                              double tp)
{
    return batch * tokens * vocab * bytes_per_logit / tp;
}

/* What a stage may use of a device: its memory less the margin, less what the context holds. */
AMM_FN double amm_usable_bytes(double memory_bytes, double margin, double context_bytes)
{
    return memory_bytes * (1.0 - margin) - context_bytes;
}

#endif
