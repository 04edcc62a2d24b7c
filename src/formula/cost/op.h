/* Seconds of the operations that layers are made of, on one device. Host launch time is block.h's.
 * Forms: ours, chosen on measured runs (docs/cost-model.md); each function names what it follows. */
#ifndef AMM_FORMULA_COST_OP_H
#define AMM_FORMULA_COST_OP_H

#include "formula/cost/facts.h"
#include "formula/cost/rates.h"
#include "formula/fn.h"
#include <math.h>

typedef struct amm_op_env {
    const amm_rates *rates;
    const amm_facts *facts;
    int precision;        /* AMM_PRECISION_... of the linear layers of blocks */
    int attention;        /* AMM_ATTENTION_... */
    double element_bytes; /* of activations */
    double norm_bytes;    /* traffic of a block's norms per element, forward */
} amm_op_env;

/* Bytes moved at the rate that element-wise kernels reach. */
AMM_FN double amm_traffic_time(const amm_rates *r, double bytes)
{
    return bytes / (r->hbm_bytes_per_s * r->memory_efficiency);
}

/* AMM_PEAK_...: the datasheet's figure for matrix products in a number format. */
AMM_FN int amm_precision_peak(int precision)
{
#define AMM_PRECISION_PEAK(name, word, bits, peak)                                                 \
    if (precision == AMM_PRECISION_##name) {                                                       \
        return AMM_PEAK_##peak;                                                                    \
    }
    AMM_PRECISION_LIST(AMM_PRECISION_PEAK)
#undef AMM_PRECISION_PEAK
    return AMM_PEAK_flops_16bit;
}

AMM_FN double amm_nominal_peak(const amm_rates *r, int precision)
{
#define AMM_PRECISION_PEAK(name, word, bits, peak)                                                 \
    if (precision == AMM_PRECISION_##name) {                                                       \
        return r->peak;                                                                            \
    }
    AMM_PRECISION_LIST(AMM_PRECISION_PEAK)
#undef AMM_PRECISION_PEAK
    return r->flops_16bit;
}

/* FP32 and TF32 train on 4-byte elements; every other format keeps 2-byte activations. */
AMM_FN int amm_precision_is_wide(int precision)
{
    return precision == AMM_PRECISION_FP32 || precision == AMM_PRECISION_TF32;
}

AMM_FN double amm_element_bytes(int precision)
{
    return amm_precision_is_wide(precision) ? 4.0 : 2.0;
}

AMM_FN int amm_precision_is_narrow(int precision)
{
    return precision == AMM_PRECISION_FP8 || precision == AMM_PRECISION_MXFP8 ||
           precision == AMM_PRECISION_NVFP4;
}

/* Bytes per element of a linear layer's input as it is kept for the backward pass: in the format that
 * the GEMM reads, block scales included. MXFP8: 8 bits and an 8-bit scale per 32 elements (OCP
 * Microscaling Formats 1.0, section 5.1); NVFP4: 4 bits and an 8-bit scale per 16 (NVIDIA, Pretraining
 * LLMs with NVFP4, arXiv 2509.25149, section 2). Scales per tensor weigh nothing. */
AMM_FN double amm_linear_input_bytes(int precision)
{
    switch (precision) {
    case AMM_PRECISION_FP8:
        return 1.0;
    case AMM_PRECISION_MXFP8:
        return 1.0 + 1.0 / 32.0;
    case AMM_PRECISION_NVFP4:
        return 0.5 + 1.0 / 16.0;
    default:
        return amm_element_bytes(precision);
    }
}

/* Peak that matrix products can reach; what an 8-bit or narrower format gains over its nominal
 * speed-up of 16 bit is scaled by low_precision_share. */
AMM_FN double amm_matrix_peak(const amm_rates *r, int precision)
{
    return amm_nominal_peak(r, precision) *
           (amm_precision_is_narrow(precision) ? r->low_precision_share : 1.0);
}

/* Devices with 8-bit matrix units (Hopper and later) want kernels written for them. */
AMM_FN int amm_is_hopper(const amm_rates *r)
{
    return r->flops_8bit > 1.5 * r->flops_16bit;
}

AMM_FN int amm_is_multiple(double x, double of)
{
    return x - of * floor(x / of) == 0.0; /* whole numbers far below 2^53 */
}

/* gemm_half_size is that of 16-bit products. A tile starts and ends in as many seconds in any format,
 * which are more products where these are faster. */
AMM_FN double amm_half_size(const amm_rates *r, int precision)
{
    return r->gemm_half_size * amm_nominal_peak(r, precision) / r->flops_16bit;
}

/* m n k products whose faces sum to `faces` = 1/m + 1/n + 1/k, over `elements` read and written. */
AMM_FN double amm_gemm_of_faces(const amm_op_env *env, int precision, double m, double n, double k,
                                double faces, double elements)
{
    const amm_rates *r = env->rates;
    const double peak = amm_matrix_peak(r, precision);
    const int aligned = amm_is_multiple(n, 64) && amm_is_multiple(k, 64);
    const double rate = peak * r->gemm_efficiency / (1.0 + amm_half_size(r, precision) * faces) *
                        (aligned ? 1.0 : r->unaligned_efficiency) *
                        (amm_is_hopper(r) ? env->facts->hopper_gemm_rate : 1.0);
    return fmax(2.0 * m * n * k / rate, amm_traffic_time(r, env->element_bytes * elements));
}

/* C[m,n] = A[m,k] B[k,n]: the slower of the matrix units and of HBM. The rate saturates with every
 * size (a tile's edges, its start and its end cost time that no product is made in); sizes that are
 * no multiple of 64 elements lose a further factor. */
AMM_FN double amm_gemm_time(const amm_op_env *env, int precision, double m, double n, double k)
{
    return amm_gemm_of_faces(env, precision, m, n, k, 1.0 / m + 1.0 / n + 1.0 / k,
                             m * k + k * n + m * n);
}

/* A linear layer y[m,n] = x[m,k] W, its rows in groups of `rows` that each have a W of their own (one
 * group: rows = m). Its three products have the faces and elements of the groups. */
typedef struct amm_linear {
    double m, n, k, rows;
} amm_linear;

/* One of the three; p, q, r are m, n, k in its order. */
AMM_FN double amm_linear_gemm(const amm_op_env *env, int precision, const amm_linear *l, double p,
                              double q, double r)
{
    return amm_gemm_of_faces(env, precision, p, q, r, 1.0 / l->rows + 1.0 / l->n + 1.0 / l->k,
                             l->m * l->k + l->k * l->n * (l->m / l->rows) + l->m * l->n);
}

/* Forward; or data gradient and weight gradient. */
AMM_FN double amm_linear_forward(const amm_op_env *env, int precision, const amm_linear *l)
{
    const double bytes = env->facts->quantise_bytes * l->m * l->k;
    const double quantise =
        amm_precision_is_narrow(precision) ? amm_traffic_time(env->rates, bytes) : 0.0;
    return amm_linear_gemm(env, precision, l, l->m, l->n, l->k) + quantise;
}

AMM_FN double amm_linear_backward(const amm_op_env *env, int precision, const amm_linear *l)
{
    const double bytes = env->facts->quantise_bytes * l->m * l->n;
    const double quantise =
        amm_precision_is_narrow(precision) ? amm_traffic_time(env->rates, bytes) : 0.0;
    return amm_linear_gemm(env, precision, l, l->m, l->k, l->n) + quantise +
           amm_linear_gemm(env, precision, l, l->k, l->n, l->m) *
               env->rates->weight_gradient_slowdown;
}

typedef struct amm_pass_time {
    double forward_s, backward_s;
} amm_pass_time;

/* Share of the device's attention rate that a kernel reaches; 0: not a fused kernel. */
AMM_FN double amm_attention_rate(const amm_facts *f, int kernel)
{
    switch (kernel) {
    case AMM_ATTENTION_FLASH1:
        return f->flash1_rate;
    case AMM_ATTENTION_TRITON:
        return f->triton_rate;
    case AMM_ATTENTION_FLASH:
        return 1.0;
    default:
        return 0.0;
    }
}

/* The kernel that runs: a fused softmax serves `rows` sequences times heads of a rank only where they
 * are a multiple of what it works on at once (Megatron-LM fused_softmax.py, is_kernel_available);
 * otherwise separate kernels do. */
AMM_FN int amm_attention_kernel(const amm_facts *f, int kernel, double rows)
{
    return kernel == AMM_ATTENTION_FUSED_SOFTMAX && !amm_is_multiple(rows, f->softmax_rows_multiple)
               ? AMM_ATTENTION_TORCH
               : kernel;
}

/* Fused attention: 2 m w a (d_qk + d_v) FLOP forward, half of them for causal masks (Dao et al.
 * 2022, arXiv 2205.14135; 2023, arXiv 2307.08691), at a rate that saturates with the head size. */
AMM_FN amm_pass_time amm_fused_attention(const amm_op_env *env, double queries, double keys,
                                         double heads, double head_qk, double head_v)
{
    const double d = 0.5 * (head_qk + head_v);
    const double flop = queries * keys * heads * (head_qk + head_v);
    const double rate = env->rates->flops_16bit * env->rates->attention_efficiency *
                        amm_attention_rate(env->facts, env->attention) * d / (d + 16.0) *
                        (amm_is_hopper(env->rates) ? env->facts->hopper_attention_rate : 1.0);
    amm_pass_time t;
    t.forward_s = flop / rate;
    t.backward_s = t.forward_s * env->facts->attention_backward;
    return t;
}

/* Unfused: two batched GEMMs over all keys and the traffic of scale, mask, softmax and dropout on
 * every score (Korthikanti et al. 2022, arXiv 2205.05198, figure 3). */
AMM_FN amm_pass_time amm_unfused_attention(const amm_op_env *env, double queries, double keys,
                                           double heads, double head_qk, double head_v)
{
    const double d = 0.5 * (head_qk + head_v);
    const double odd = amm_is_multiple(d, 8) ? 1.0 : env->facts->odd_head_efficiency;
    const double rate =
        env->rates->flops_16bit * env->rates->unfused_efficiency * odd * d / (d + 32.0);
    const double gemms = 2.0 * queries * keys * heads * (head_qk + head_v) / rate;
    const double bytes = env->attention == AMM_ATTENTION_TORCH ? env->facts->torch_softmax_bytes
                                                               : env->facts->fused_softmax_bytes;
    const double scores = amm_traffic_time(env->rates, queries * keys * heads * bytes);
    amm_pass_time t;
    t.forward_s = gemms + scores;
    t.backward_s = 2.0 * gemms + 1.2 * scores;
    return t;
}

AMM_FN amm_pass_time amm_attention_time(const amm_op_env *env, double queries, double keys,
                                        double heads, double head_qk, double head_v)
{
    return amm_attention_rate(env->facts, env->attention) > 0.0
               ? amm_fused_attention(env, queries, keys, heads, head_qk, head_v)
               : amm_unfused_attention(env, queries, keys, heads, head_qk, head_v);
}

/* GPU seconds and host seconds of one pass hide each other: the larger, smoothly. */
AMM_FN double amm_pass_seconds(double gpu_s, double host_s)
{
    const double big = fmax(gpu_s, host_s);
    const double ratio = big > 0.0 ? fmin(gpu_s, host_s) / big : 0.0;
    return big * pow(1.0 + pow(ratio, 8.0), 0.125);
}

#endif
