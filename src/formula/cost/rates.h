/* What the analytic model knows of one device type: datasheet peaks, and the constants that a fit
 * may move. Each constant is a plain double with bounds; files give value, spread and source.
 * SI units: FLOP/s, bytes/s, seconds. */
#ifndef AMM_FORMULA_COST_RATES_H
#define AMM_FORMULA_COST_RATES_H

/* Datasheet figures (dense, not sparse). name, low, high, what */
#define AMM_PEAK_LIST(X)                                                                           \
    X(flops_fp32, 1e9, 1e18, "FLOP/s of fp32 outside the matrix units")                            \
    X(flops_tf32, 1e9, 1e18, "FLOP/s of tf32 matrix products (fp32 where there is none)")          \
    X(flops_16bit, 1e9, 1e18, "FLOP/s of fp16 / bf16 matrix products")                             \
    X(flops_8bit, 1e9, 1e18, "FLOP/s of fp8 matrix products (16-bit where there is none)")         \
    X(flops_4bit, 1e9, 1e18, "FLOP/s of fp4 matrix products (8-bit where there is none)")          \
    X(scaleup_bytes_per_s, 1e6, 1e15, "scale-up link of one device, one way")                      \
    X(scaleup_pair_share, 0.01, 1,                                                                 \
      "share of a device's links that a pair of neighbours has; 1: a switch")                      \
    X(scaleup_quad_share, 0.01, 1, "the same of four neighbours")                                  \
    X(network_bytes_per_s, 1e6, 1e15, "NIC share of one device in its reference server, one way")

/* Constants of the analytic model. name, low, high, prior, what */
#define AMM_RATE_LIST(X)                                                                           \
    X(gemm_efficiency, 0.2, 0.98, 0.8, "share of the peak that a large aligned GEMM reaches")      \
    X(gemm_half_size, 0, 400, 100,                                                                 \
      "size at which a GEMM with two large sizes reaches half of that")                            \
    X(weight_gradient_slowdown, 1, 2, 1.25, "time of a weight-gradient GEMM over a forward one")   \
    X(unaligned_efficiency, 0.4, 1, 0.85, "factor where a size is no multiple of 64 elements")     \
    X(attention_efficiency, 0.1, 0.95, 0.6, "share of the 16-bit peak of a fused attention core")  \
    X(unfused_efficiency, 0.05, 0.95, 0.5, "share of the peak of the GEMMs of unfused attention")  \
    X(memory_efficiency, 0.3, 1, 0.85, "share of the HBM bandwidth that element-wise kernels see") \
    X(low_precision_share, 0.3, 1.1, 0.8, "share of the nominal 8-bit peak relative to 16-bit")    \
    X(launch_s, 1e-6, 60e-6, 10e-6, "host seconds to launch one kernel")                           \
    X(scaleup_efficiency, 0.2, 1, 0.75, "share of the scale-up bandwidth, large messages")         \
    X(scaleup_latency_s, 1e-6, 200e-6, 20e-6, "seconds of one collective inside a domain")         \
    X(network_efficiency, 0.1, 1, 0.85, "share of the NIC bandwidth, large messages")              \
    X(network_latency_s, 1e-6, 500e-6, 15e-6, "seconds of one hop between domains")

typedef struct amm_rates {
#define AMM_RATE_MEMBER(name, low, high, prior, what) double name;
#define AMM_PEAK_MEMBER(name, low, high, what)        double name;
    AMM_PEAK_LIST(AMM_PEAK_MEMBER)
    double hbm_bytes_per_s;
    AMM_RATE_LIST(AMM_RATE_MEMBER)
#undef AMM_RATE_MEMBER
#undef AMM_PEAK_MEMBER
} amm_rates;

enum {
#define AMM_RATE_INDEX(name, low, high, prior, what) AMM_RATE_##name,
    AMM_RATE_LIST(AMM_RATE_INDEX)
#undef AMM_RATE_INDEX
        AMM_RATE_COUNT
};
enum {
#define AMM_PEAK_INDEX(name, low, high, what) AMM_PEAK_##name,
    AMM_PEAK_LIST(AMM_PEAK_INDEX)
#undef AMM_PEAK_INDEX
        AMM_PEAK_COUNT
};

#endif
