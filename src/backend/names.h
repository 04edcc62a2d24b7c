/* Several backends at once: all known ones, or a list of names. */
#ifndef AMM_BACKEND_NAMES_H
#define AMM_BACKEND_NAMES_H

#include "backend/backend.h"

typedef struct amm_backend_named {
    const char *name, *note;
    const amm_backend *backend; /* NULL: not here, `note` says why */
} amm_backend_named;

typedef struct amm_backend_choice {
    int32_t count;
    amm_backend_named *list; /* in the arena, in the registry's order */
} amm_backend_choice;

/* `names`: separated by commas, each once; NULL: all known ones, here or not. Errors: INPUT (no such
 * name, given twice), UNAVAILABLE (asked for by name, but not here), NO_MEMORY. */
amm_status amm_backend_choose(amm_backend_choice *out, amm_arena *arena, const char *names);

#endif
