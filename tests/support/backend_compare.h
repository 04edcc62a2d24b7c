/* A backend against cpu/ref on random problems: the same bits, whatever the chunks. */
#ifndef AMM_TESTS_BACKEND_COMPARE_H
#define AMM_TESTS_BACKEND_COMPARE_H

#include "backend/backend.h"

typedef struct compare_shape {
    int32_t items, most_stages, configs;
    int32_t candidates; /* per config; 0: no score */
    int32_t ranks;      /* per sweep; 0: none */
    bool solve;
} compare_shape;

/* One random problem of the shape: everything asked of both, everything equal. */
void compare_backend(const amm_backend *backend, uint64_t *seed, const compare_shape *shape);

#endif
