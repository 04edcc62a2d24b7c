/* All kernels. */
#ifndef AMM_CUDA_KERNELS_H
#define AMM_CUDA_KERNELS_H

#include "kernel_bound.h"
#include "kernel_score.h"
#include "kernel_solve.h"
#include "kernel_sweep.h"

#endif
