#include "describe/describe.h"

#include <string.h>

#define AMM_ROW(name, low, high, value, what) { #name, low, high, value, what },
#define AMM_PEAK_ROW(name, low, high, what)   { #name, low, high, 0.0, what },
const amm_named amm_rate_table[AMM_RATE_COUNT] = { AMM_RATE_LIST(AMM_ROW) };
const amm_named amm_fact_table[AMM_FACT_COUNT] = { AMM_FACT_LIST(AMM_ROW) };
const amm_named amm_peak_table[AMM_PEAK_COUNT] = { AMM_PEAK_LIST(AMM_PEAK_ROW) };
#undef AMM_ROW
#undef AMM_PEAK_ROW

int32_t amm_named_find(const amm_named *table, int32_t count, const char *name)
{
    for (int32_t i = 0; i < count; i++) {
        if (strcmp(table[i].name, name) == 0) {
            return i;
        }
    }
    return -1;
}

void amm_named_defaults(amm_constant *out, const amm_named *table, int32_t count)
{
    for (int32_t i = 0; i < count; i++) {
        out[i].value = table[i].value;
        out[i].low = table[i].low;
        out[i].high = table[i].high;
        out[i].sd = -1;
        out[i].source = "default";
    }
}

void amm_device_rates(amm_rates *out, const amm_device *device)
{
#define AMM_COPY(name, low, high, usual, what) out->name = device->rates[AMM_RATE_##name].value;
#define AMM_COPY_PEAK(name, low, high, what)   out->name = device->peaks[AMM_PEAK_##name];
    AMM_PEAK_LIST(AMM_COPY_PEAK)
    AMM_RATE_LIST(AMM_COPY)
#undef AMM_COPY
#undef AMM_COPY_PEAK
    out->hbm_bytes_per_s = device->hbm_bytes_per_s;
}

void amm_runtime_facts(amm_facts *out, const amm_runtime *runtime)
{
#define AMM_COPY(name, low, high, usual, what) out->name = runtime->facts[AMM_FACT_##name].value;
    AMM_FACT_LIST(AMM_COPY)
#undef AMM_COPY
}
