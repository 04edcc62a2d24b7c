/* AMM_FN: how every formula function is declared, so that gcc, clang and nvcc compile the same
 * text. formula/ includes nothing else of ours, allocates nothing, reads nothing. */
#ifndef AMM_FORMULA_FN_H
#define AMM_FORMULA_FN_H

#if defined(__CUDACC__)
#define AMM_FN static __host__ __device__ __forceinline__
#else
#define AMM_FN static inline
#endif

#endif
