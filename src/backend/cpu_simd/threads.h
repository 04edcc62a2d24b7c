/* Threads are OpenMP's, where the build has it. Regions are few and large: threads that wait at the end
 * of one spin, and collapse when others want their core. */
#ifndef AMM_BACKEND_CPU_SIMD_THREADS_H
#define AMM_BACKEND_CPU_SIMD_THREADS_H

#ifdef _OPENMP
#include <omp.h>
enum { AMM_SIMD_THREADS = true };
static inline int amm_simd_thread(void)
{
    return omp_get_thread_num();
}
#else
enum { AMM_SIMD_THREADS = false };
static inline int amm_simd_thread(void)
{
    return 0;
}
#endif

#endif
