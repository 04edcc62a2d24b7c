#include "backend/names.h"

#include <string.h>

static int32_t known_count(void)
{
    const char *name;
    const char *note;
    bool available;
    int32_t count = 0;
    while (amm_backend_describe(count, &name, &available, &note)) {
        count++;
    }
    return count;
}

static amm_status choose_all(amm_backend_choice *out)
{
    bool available = false;
    for (int32_t k = 0; k < out->count; k++) {
        amm_backend_named *one = &out->list[k];
        (void)amm_backend_describe(k, &one->name, &available, &one->note);
        if (available) {
            AMM_TRY(amm_backend_find(&one->backend, one->name));
        }
    }
    return AMM_OK;
}

/* Notes that a backend was asked for. */
static amm_status mark(bool *asked, const char *name)
{
    const amm_backend *backend = NULL;
    const char *known = NULL;
    const char *note = NULL;
    bool available = false;
    AMM_TRY(amm_backend_find(&backend, name));
    for (int32_t k = 0; amm_backend_describe(k, &known, &available, &note); k++) {
        if (strcmp(known, backend->name) != 0) {
            continue;
        }
        if (asked[k]) {
            return amm_fail(AMM_INPUT, "backend: %s is given twice", known);
        }
        asked[k] = true;
    }
    return AMM_OK;
}

static amm_status mark_names(bool *asked, amm_arena *arena, const char *names)
{
    for (const char *at = names;; at++) {
        const size_t length = strcspn(at, ",");
        const char *name = amm_arena_copy(arena, at, length);
        AMM_TRY(name == NULL ? AMM_NO_MEMORY : mark(asked, name));
        at += length;
        if (*at == '\0') {
            return AMM_OK;
        }
    }
}

amm_status amm_backend_choose(amm_backend_choice *out, amm_arena *arena, const char *names)
{
    const int32_t known = known_count();
    bool *asked = amm_arena_alloc(arena, (size_t)known, sizeof *asked);
    out->count = known;
    out->list = amm_arena_alloc(arena, (size_t)known, sizeof *out->list);
    if (asked == NULL || out->list == NULL) {
        return AMM_NO_MEMORY;
    }
    if (names == NULL) {
        return choose_all(out);
    }
    AMM_TRY(mark_names(asked, arena, names));
    AMM_TRY(choose_all(out));
    int32_t kept = 0;
    for (int32_t k = 0; k < known; k++) {
        if (asked[k]) {
            out->list[kept++] = out->list[k];
        }
    }
    out->count = kept;
    return AMM_OK;
}
