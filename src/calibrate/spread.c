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
