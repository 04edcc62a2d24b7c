#include "analytic/range.h"

#include <stdio.h>
#include <string.h>

static const char *parallelism(const amm_run *run)
{
    if (run->ep > 1.0) {
        return "ep";
    }
    if (run->cp > 1.0) {
        return "cp";
    }
    if (run->vpp > 1.0) {
        return "vpp";
    }
    return run->sharding == AMM_SHARDING_PARAMETERS ? "sharded" : "tp-pp";
}

/* Bits of the products, tf32 with fp32. */
static int precision_bits(int precision)
{
    static const int bits[AMM_PRECISION_COUNT] = {
#define AMM_BITS(name, word, bits, peak) bits,
        AMM_PRECISION_LIST(AMM_BITS)
#undef AMM_BITS
    };
    return bits[precision] > 16 ? 32 : bits[precision];
}

static bool has_experts(const amm_network *network)
{
    for (int32_t k = 0; k < network->kind_count; k++) {
        if (network->kind[k].experts > 0.0) {
            return true;
        }
    }
    return false;
}

void amm_regime_key(char out[AMM_REGIME_CHARS], const amm_device *device,
                    const amm_network *network, const amm_run *run)
{
    const size_t length = strcspn(device->name, "-");
    snprintf(out, AMM_REGIME_CHARS, "%.*s/%s/%s/%dbit",
             (int)(length < AMM_MAX_NAME ? length : AMM_MAX_NAME), device->name,
             has_experts(network) ? "moe" : "dense", parallelism(run),
             precision_bits(run->precision));
}
