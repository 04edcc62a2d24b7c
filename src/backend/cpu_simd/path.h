/* One path: the kernel text over the lanes that the file which includes this has chosen. */
#include "backend/cpu_simd/lanes.h"

#include <float.h>
#include <math.h>

#include "backend/cpu_simd/kernel_score.h"

#include "backend/cpu_simd/kernel_sweep.h"

#include "backend/cpu_simd/kernel_solve.h"

#if defined(LANES_PERMUTE)
enum { LOOKS_UP_COLUMNS = true };
#else
enum { LOOKS_UP_COLUMNS = false };
#endif

/* name, title: string literals. */
#define AMM_SIMD_PATH(name, title)                                                                 \
    {                                                                                              \
        name, title, LANES, LOOKS_UP_COLUMNS, score_span, walk_prepare, walk_range, config_bound,  \
            solve_config                                                                           \
    }
