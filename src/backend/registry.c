#include "backend/backend.h"
#include "backend/cpu_ref/cpu_ref.h"
#include "backend/cpu_simd/cpu_simd.h"
#include "backend/module.h"

#include <string.h>

/* A known backend: the table, or NULL with the reason. */
typedef struct known {
    const char *name;
    const amm_backend *(*find)(const char **note);
} known;

static const amm_backend *find_ref(const char **note)
{
    *note = "scalar, double; the definition of every result";
    return &amm_backend_cpu_ref;
}

static const amm_backend *find_simd(const char **note)
{
    return amm_simd_note(note) ? &amm_backend_cpu_simd : NULL;
}

static const known list[] = {
    { "cpu/simd", find_simd }, /* the first is taken when none is named */
    { "cpu/ref", find_ref },
    { "cuda", amm_module_find_cuda },
};
enum { KNOWN = sizeof list / sizeof list[0] };

bool amm_backend_describe(int32_t index, const char **name, bool *available, const char **note)
{
    if (index < 0 || index >= KNOWN) {
        return false;
    }
    *name = list[index].name;
    *available = list[index].find(note) != NULL;
    return true;
}

amm_status amm_threads_check(int64_t threads, const char *where)
{
    return threads >= 1 && threads <= AMM_MAX_THREADS
               ? AMM_OK
               : amm_fail(AMM_INPUT, "%s: got %lld, allowed 1 to %d", where, (long long)threads,
                          AMM_MAX_THREADS);
}

amm_status amm_backend_threads(int32_t *out, const amm_backend *backend, int32_t asked)
{
    const bool simd = backend == &amm_backend_cpu_simd;
    *out = asked != 0 ? asked : simd ? amm_simd_threads() : 1;
    AMM_TRY(amm_threads_check(*out, "threads"));
    if (simd) {
        return amm_simd_check_threads(*out);
    }
    return *out == 1
               ? AMM_OK
               : amm_fail(AMM_UNAVAILABLE, "threads: got %d, %s runs on 1", *out, backend->name);
}

amm_status amm_backend_find(const amm_backend **out, const char *name)
{
    const bool any = name == NULL || strcmp(name, "auto") == 0;
    for (int k = 0; k < KNOWN; k++) {
        const char *note = NULL;
        if (any || strcmp(name, list[k].name) == 0) {
            *out = list[k].find(&note);
            if (*out == NULL) {
                return amm_fail(AMM_UNAVAILABLE, "backend %s: %s", list[k].name, note);
            }
            if ((*out)->version != AMM_BACKEND_VERSION) {
                return amm_fail(AMM_UNAVAILABLE, "backend %s: of version %d, this library needs %d",
                                (*out)->name, (*out)->version, AMM_BACKEND_VERSION);
            }
            return AMM_OK;
        }
    }
    return amm_fail(AMM_INPUT,
                    "backend: unknown, got '%.64s', allowed auto, cpu/ref, cpu/simd, cuda", name);
}
