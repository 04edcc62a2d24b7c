#include "describe/describe.h"

#include <string.h>

amm_status amm_cluster_check(amm_cluster *cluster, const char *file)
{
    int64_t devices = 0;
    if (cluster->node_count < 1) {
        return amm_fail(AMM_INPUT, "%s:nodes: no nodes, allowed 1 to %d", file, AMM_MAX_NODES);
    }
    for (int32_t n = 0; n < cluster->node_count; n++) {
        devices += cluster->nodes[n].device_count;
    }
    if (devices < 1 || devices > AMM_MAX_DEVICES) {
        return amm_fail(AMM_INPUT, "%s:nodes: got %lld devices, allowed 1 to %d", file,
                        (long long)devices, AMM_MAX_DEVICES);
    }
    for (int32_t k = 0; k < cluster->link_count; k++) {
        const amm_node_link *link = &cluster->links[k];
        if (link->a < 0 || link->a >= link->b || link->b >= cluster->node_count) {
            return amm_fail(AMM_INPUT,
                            "%s:links[%d].nodes: got %d and %d, allowed two different "
                            "nodes below %d",
                            file, k, link->a, link->b, cluster->node_count);
        }
        for (int32_t other = 0; other < k; other++) {
            if (cluster->links[other].a == link->a && cluster->links[other].b == link->b) {
                return amm_fail(AMM_INPUT, "%s:links[%d].nodes: %d and %d given twice", file, k,
                                link->a, link->b);
            }
        }
    }
    cluster->device_count = (int32_t)devices;
    return AMM_OK;
}
