#include "describe/check.h"
#include "describe/cluster_build.h"
#include "io/read.h"

#include <string.h>

/* Devices of one node, in order. */
typedef struct device_list {
    int32_t types[AMM_MAX_DEVICES_PER_NODE];
    int32_t count;
} device_list;

/* A device by name: of this cluster first (it may be described in place above), then as any part. */
static amm_status find_type(amm_cluster_build *b, const amm_value *value, const char *name,
                            int32_t *out)
{
    char where[AMM_WHERE_CHARS];
    const amm_device *device = NULL;
    *out = name == NULL ? -1 : amm_cluster_build_find(b, name);
    if (*out >= 0) {
        return AMM_OK;
    }
    AMM_TRY(amm_read_part(value, AMM_PRESET_DEVICE, (void *)&device));
    amm_value_where(where, value, NULL);
    return amm_cluster_build_type(b, out, device, where);
}

static amm_status add_devices(device_list *list, const amm_value *place, int32_t type,
                              int64_t count)
{
    if (count > AMM_MAX_DEVICES_PER_NODE - list->count) {
        return amm_value_refuse(place, NULL, "too many devices in a node, allowed %d",
                                AMM_MAX_DEVICES_PER_NODE);
    }
    for (int64_t i = 0; i < count; i++) {
        list->types[list->count++] = type;
    }
    return AMM_OK;
}

/* {"device": NAME or object, "count": n} */
static amm_status read_entry(amm_cluster_build *b, const amm_value *entry, device_list *list)
{
    static const char *const keys[] = { "device", "count", NULL };
    amm_value device;
    int64_t count = 1;
    const char *name = NULL;
    int32_t type = -1;
    AMM_TRY(amm_value_keys(entry, keys));
    AMM_TRY(amm_field_needed(entry, "device", &device));
    AMM_TRY(amm_field_integer(entry, "count", false, 1, AMM_MAX_DEVICES_PER_NODE, &count));
    if (amm_value_is_string(&device)) {
        AMM_TRY(amm_value_text(&device, &name, AMM_MAX_SOURCE));
    }
    AMM_TRY(find_type(b, &device, name, &type));
    return add_devices(list, entry, type, count);
}

/* {NAME: n}: the name is a key, so there is no value of its own to hand on. */
static amm_status read_pair(amm_cluster_build *b, const amm_value *pair, device_list *list)
{
    char where[AMM_WHERE_CHARS];
    int64_t count = 0;
    AMM_TRY(amm_value_integer(pair, &count, 1, AMM_MAX_DEVICES_PER_NODE));
    int32_t type = amm_cluster_build_find(b, pair->key);
    if (type < 0) {
        const amm_document *document = pair->document;
        amm_lookup lookup = { document->reader, document->folder };
        const amm_cluster_names names = amm_lookup_names(&lookup);
        const amm_device *device = NULL;
        amm_value_where(where, pair, NULL);
        AMM_TRY(names.device(&device, pair->key, where, names.payload));
        AMM_TRY(amm_cluster_build_type(b, &type, device, where));
    }
    return add_devices(list, pair, type, count);
}

static amm_status read_devices(amm_cluster_build *b, const amm_value *node, device_list *list)
{
    amm_value devices;
    amm_value item;
    AMM_TRY(amm_field_needed(node, "devices", &devices));
    list->count = 0;
    const bool map = amm_value_is_object(&devices);
    if (!map && !amm_value_is_array(&devices)) {
        return amm_value_refuse(&devices, NULL, "wrong type, allowed {\"NAME\": count} or a list");
    }
    if (map) {
        AMM_TRY(amm_value_keys(&devices, NULL));
    }
    for (bool ok = amm_value_first(&devices, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(map ? read_pair(b, &item, list) : read_entry(b, &item, list));
    }
    return list->count > 0 ? AMM_OK : amm_value_refuse(&devices, NULL, "empty");
}

static amm_status read_nodes(amm_cluster_build *b, const amm_value *cluster)
{
    static const char *const keys[] = { "count", "devices", "intra", "inter", NULL };
    amm_value nodes;
    amm_value node;
    int32_t groups = 0;
    device_list list;
    AMM_TRY(amm_field_needed(cluster, "nodes", &nodes));
    AMM_TRY(amm_value_count(&nodes, &groups, AMM_MAX_NODES));
    for (bool ok = amm_value_first(&nodes, &node); ok; ok = amm_value_next(&node)) {
        char where[AMM_WHERE_CHARS];
        int64_t count = 1;
        double intra = 0;
        double inter = 0;
        AMM_TRY(amm_value_keys(&node, keys));
        AMM_TRY(amm_field_integer(&node, "count", false, 1, AMM_MAX_NODES, &count));
        AMM_TRY(read_devices(b, &node, &list));
        AMM_TRY(amm_field_bandwidth(&node, "intra", &intra));
        AMM_TRY(amm_field_bandwidth(&node, "inter", &inter));
        amm_value_where(where, &node, NULL);
        AMM_TRY(amm_cluster_build_nodes(b, count, list.types, list.count, intra, inter, where));
    }
    return groups > 0 ? AMM_OK : amm_value_refuse(&nodes, NULL, "empty: a cluster needs a node");
}

static amm_status read_link(amm_cluster_build *b, const amm_value *link)
{
    static const char *const keys[] = { "nodes", "bandwidth", NULL };
    char where[AMM_WHERE_CHARS];
    amm_value nodes;
    amm_value item;
    int32_t count = 0;
    int64_t pair[2] = { 0, 0 };
    double bandwidth = 0;
    AMM_TRY(amm_value_keys(link, keys));
    AMM_TRY(amm_field_needed(link, "nodes", &nodes));
    AMM_TRY(amm_value_count(&nodes, &count, 2));
    if (count != 2) {
        return amm_value_refuse(&nodes, NULL, "a link joins two nodes, got %d", count);
    }
    int i = 0;
    for (bool ok = amm_value_first(&nodes, &item); ok; ok = amm_value_next(&item)) {
        AMM_TRY(amm_value_integer(&item, &pair[i++], 0, b->node_count - 1));
    }
    AMM_TRY(amm_field_bandwidth(link, "bandwidth", &bandwidth));
    amm_value_where(where, link, NULL);
    return amm_cluster_build_pair(b, pair[0], pair[1], bandwidth, where);
}

amm_status amm_read_cluster_value(const amm_value *value, void *out)
{
    static const char *const keys[] = { "format", "version", "name", "source",
                                        "nodes",  "links",   NULL };
    char where[AMM_WHERE_CHARS];
    const char *name = NULL;
    const char *source = NULL;
    amm_cluster *cluster = NULL;
    amm_cluster_build build;
    amm_value links;
    amm_value link;
    AMM_TRY(amm_value_description(value, "ammeter-cluster", keys));
    AMM_TRY(amm_value_name(value, &name, &source));
    amm_cluster_build_init(&build, value->document->reader->arena);
    AMM_TRY(read_nodes(&build, value));
    if (amm_field(value, "links", &links)) {
        int32_t count = 0;
        AMM_TRY(amm_value_count(&links, &count, AMM_MAX_LINKS));
        for (bool ok = amm_value_first(&links, &link); ok; ok = amm_value_next(&link)) {
            AMM_TRY(read_link(&build, &link));
        }
    }
    amm_value_where(where, value, NULL);
    AMM_TRY(amm_cluster_build_finish(&build, &cluster, name, source, where));
    *(const amm_cluster **)out = cluster;
    return AMM_OK;
}
