/* Whose constants a measured run takes, its regime and its range. */
#include "calibrate/runs.h"

#include "analytic/range.h"
#include <math.h>
#include <string.h>

static const amm_run_row *row_at(const amm_runs *runs, size_t row)
{
    const bool known = row < (size_t)runs->csv.rows && runs->rows[row].reason == NULL;
    return known ? &runs->rows[row] : NULL;
}

static const amm_runtime *generic_runtime(const amm_runs *runs)
{
    for (int32_t p = 0; p < AMM_MAX_OWNERS; p++) {
        if (runs->runtimes[p] != NULL && strcmp(runs->runtimes[p]->name, "generic") == 0) {
            return runs->runtimes[p];
        }
    }
    return NULL;
}

amm_status amm_runs_default(const amm_runs *runs, size_t index, double *out)
{
    const amm_runtime *generic = generic_runtime(runs);
    amm_constant_info info;
    AMM_TRY(amm_runs_constant(runs, index, &info));
    const amm_named *table = info.fact ? amm_fact_table : amm_rate_table;
    const int32_t count = info.fact ? AMM_FACT_COUNT : AMM_RATE_COUNT;
    const int32_t i = amm_named_find(table, count, info.name);
    *out = info.fact && generic != NULL ? generic->facts[i].value : table[i].value;
    return AMM_OK;
}

const char *amm_runs_owner(const amm_runs *runs, size_t row, int fact)
{
    const amm_run_row *r = row_at(runs, row);
    return r == NULL ? "" : runs->owners[fact ? r->runtime_owner : r->device_owner].name;
}

amm_status amm_runs_regime(const amm_runs *runs, size_t row, char *out, size_t size)
{
    const amm_run_row *r = row_at(runs, row);
    char key[AMM_REGIME_CHARS] = "";
    if (r != NULL) {
        amm_regime_key(key, r->device, &r->network, &r->run);
    }
    if (strlen(key) >= size) {
        return amm_fail(AMM_INPUT, "regime: buffer too small, got %zu, allowed %zu and more", size,
                        strlen(key) + 1);
    }
    memcpy(out, key, strlen(key) + 1);
    return AMM_OK;
}

const char *amm_runs_size_key(size_t size)
{
    static const char *const keys[] = {
#define AMM_SIZE_KEY(key, what) #key,
        AMM_SIZE_LIST(AMM_SIZE_KEY)
#undef AMM_SIZE_KEY
    };
    return size < (size_t)AMM_SIZE_COUNT ? keys[size] : NULL;
}

double amm_runs_size(const amm_runs *runs, size_t row, size_t size)
{
    double sizes[AMM_SIZE_COUNT];
    const amm_run_row *r = row_at(runs, row);
    if (r == NULL || size >= (size_t)AMM_SIZE_COUNT) {
        return (double)NAN;
    }
    amm_run_sizes(sizes, &r->network, &r->run);
    return sizes[size];
}
