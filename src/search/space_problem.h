/* The configs of a space as one problem of the engine: what backends are compared on. */
#ifndef AMM_SEARCH_SPACE_PROBLEM_H
#define AMM_SEARCH_SPACE_PROBLEM_H

#include "backend/problem.h"
#include "search/enumerate.h"

enum { AMM_SPACE_CONFIGS = 4096 }; /* most that are taken */

typedef struct amm_space_problem {
    amm_problem_builder builder; /* ids are config indices */
    amm_arena arena;             /* of the list below */
    amm_config *configs;         /* [taken] */
    int32_t taken;
    uint64_t accepted;     /* configs that break no rule of the space */
    uint64_t direct;       /* of these: have one partition, which no engine looks for */
    uint64_t step;         /* every step-th of the others was lowered */
    uint64_t beyond;       /* of those lowered: left out, as the engine does not take them */
    char beyond_text[256]; /* why the first of these is out; "" */
} amm_space_problem;

/* Lowers the configs in ticks, memory windows included. Errors: INPUT (amp-reference: it has no
 * engine), NO_MEMORY, what amm_lower_init says. `out` is to be closed after success only. */
amm_status amm_space_problem_open(amm_space_problem *out, const amm_spec *spec);
void amm_space_problem_close(amm_space_problem *problem);

#endif
