#include "backend/backend.h"

#include <assert.h>
#include <string.h>

static const amm_backend cpu_ref = { AMM_BACKEND_VERSION, "cpu/ref", amm_solve, amm_solve_bound };

typedef struct entry {
    const char *name;
    bool available;
    const char *note;
} entry;

static_assert(AMM_BACKEND_VERSION == 1, "cpu/ref above is written for version 1");

static const entry entries[] = {
#define AMM_BACKEND_ENTRY(name, available, note) { name, available, note },
    AMM_BACKEND_LIST(AMM_BACKEND_ENTRY)
#undef AMM_BACKEND_ENTRY
};

bool amm_backend_describe(int32_t index, const char **name, bool *available, const char **note)
{
    if (index < 0 || (size_t)index >= sizeof entries / sizeof entries[0]) {
        return false;
    }
    *name = entries[index].name;
    *available = entries[index].available;
    *note = entries[index].note;
    return true;
}

amm_status amm_backend_find(const amm_backend **out, const char *name)
{
    *out = &cpu_ref;
    if (name == NULL || strcmp(name, "auto") == 0 || strcmp(name, cpu_ref.name) == 0) {
        return AMM_OK;
    }
    for (size_t k = 0; k < sizeof entries / sizeof entries[0]; k++) {
        if (strcmp(name, entries[k].name) == 0) {
            return amm_fail(AMM_UNAVAILABLE, "backend %s: %s", name, entries[k].note);
        }
    }
    return amm_fail(AMM_INPUT,
                    "backend: unknown, got '%.64s', allowed auto, cpu/ref, cpu/simd, cuda", name);
}
