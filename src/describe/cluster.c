#include "describe/check.h"

#include <string.h>

static amm_status check_types(const amm_cluster *cluster, const char *file)
{
    if (cluster->type_count < 1 || cluster->type_count > AMM_MAX_DEVICE_TYPES) {
        return amm_refuse(file, "nodes", "out of range, got %d device types, allowed 1 to %d",
                          cluster->type_count, AMM_MAX_DEVICE_TYPES);
    }
    for (int32_t i = 0; i < cluster->type_count; i++) {
        for (int32_t k = 0; k < i; k++) {
            if (strcmp(cluster->types[i]->name, cluster->types[k]->name) == 0) {
                return amm_refuse(file, "nodes", "device \"%s\" is described twice",
                                  cluster->types[i]->name);
            }
        }
    }
    return AMM_OK;
}

static amm_status check_node(const amm_cluster *cluster, int32_t i, const char *file)
{
    const amm_node *node = &cluster->nodes[i];
    char key[AMM_PATH_CHARS];
    amm_path(key, "node %d: devices", i);
    if (node->device_count < 1 || node->device_count > AMM_MAX_DEVICES_PER_NODE) {
        return amm_refuse(file, key, "out of range, got %d, allowed 1 to %d", node->device_count,
                          AMM_MAX_DEVICES_PER_NODE);
    }
    /* Nodes of one group share the array: it is checked once. */
    if (i == 0 || node->device_type != cluster->nodes[i - 1].device_type) {
        for (int32_t d = 0; d < node->device_count; d++) {
            AMM_TRY(amm_check_integer(file, key, node->device_type[d], 0, cluster->type_count - 1));
        }
    }
    amm_path(key, "node %d: intra", i);
    AMM_TRY(amm_check_positive(file, key, node->intra_bytes_per_s, AMM_MAX_BYTES_PER_S));
    amm_path(key, "node %d: inter", i);
    return amm_check_positive(file, key, node->inter_bytes_per_s, AMM_MAX_BYTES_PER_S);
}

static amm_status check_links(const amm_cluster *cluster, const char *file)
{
    for (int32_t i = 0; i < cluster->link_count; i++) {
        const amm_node_link *l = &cluster->links[i];
        char key[AMM_PATH_CHARS];
        amm_path(key, "link %d-%d", l->a, l->b);
        if (l->a < 0 || l->b <= l->a || l->b >= cluster->node_count) {
            return amm_refuse(file, key, "no such pair of nodes, allowed 0 to %d",
                              cluster->node_count - 1);
        }
        if (i > 0 && (l[-1].a > l->a || (l[-1].a == l->a && l[-1].b >= l->b))) {
            return amm_refuse(file, key, "given twice or not sorted");
        }
        AMM_TRY(amm_check_positive(file, key, l->bytes_per_s, AMM_MAX_BYTES_PER_S));
    }
    return AMM_OK;
}

amm_status amm_cluster_check(amm_cluster *cluster, const char *file)
{
    AMM_TRY(amm_check_name(file, "name", cluster->name));
    if (cluster->node_count < 1 || cluster->node_count > AMM_MAX_NODES) {
        return amm_refuse(file, "nodes", "out of range, got %d nodes, allowed 1 to %d",
                          cluster->node_count, AMM_MAX_NODES);
    }
    AMM_TRY(check_types(cluster, file));
    int64_t devices = 0;
    for (int32_t i = 0; i < cluster->node_count; i++) {
        AMM_TRY(check_node(cluster, i, file));
        devices += cluster->nodes[i].device_count;
    }
    if (devices > AMM_MAX_DEVICES) {
        return amm_refuse(file, "nodes", "out of range, got %lld devices, allowed 1 to %d",
                          (long long)devices, AMM_MAX_DEVICES);
    }
    cluster->device_count = (int32_t)devices;
    return check_links(cluster, file);
}
