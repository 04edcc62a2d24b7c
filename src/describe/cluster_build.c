#include "describe/cluster_build.h"

#include "describe/check.h"
#include <stdlib.h>
#include <string.h>

struct amm_cluster_group {
    amm_cluster_group *next;
    int64_t count;
    amm_node node;
};

struct amm_cluster_build_link {
    amm_cluster_build_link *next;
    int64_t a, b; /* a < b */
    double bytes_per_s;
};

void amm_cluster_build_init(amm_cluster_build *b, amm_arena *arena)
{
    memset(b, 0, sizeof *b);
    b->arena = arena;
}

int32_t amm_cluster_build_find(const amm_cluster_build *b, const char *name)
{
    for (int32_t i = 0; i < b->type_count; i++) {
        if (amm_device_named(b->types[i], name)) {
            return i;
        }
    }
    return -1;
}

amm_status amm_cluster_build_type(amm_cluster_build *b, int32_t *out, const amm_device *device,
                                  const char *where)
{
    for (int32_t i = 0; i < b->type_count; i++) {
        if (strcmp(b->types[i]->name, device->name) == 0) {
            if (!amm_device_same(b->types[i], device)) {
                return amm_fail(AMM_INPUT,
                                "%s: device \"%s\" is described twice, differently; describe it "
                                "once and name it elsewhere",
                                where, device->name);
            }
            *out = i;
            return AMM_OK;
        }
    }
    if (b->type_count == AMM_MAX_DEVICE_TYPES) {
        return amm_fail(AMM_INPUT, "%s: too many device types, allowed %d", where,
                        AMM_MAX_DEVICE_TYPES);
    }
    *out = b->type_count;
    b->types[b->type_count++] = device;
    return AMM_OK;
}

amm_status amm_cluster_build_nodes(amm_cluster_build *b, int64_t count, const int32_t *types,
                                   int32_t device_count, double intra_bytes_per_s,
                                   double inter_bytes_per_s, const char *where)
{
    AMM_TRY(amm_check_integer(where, "count", count, 1, AMM_MAX_NODES));
    b->node_count += count;
    if (b->node_count > AMM_MAX_NODES) {
        return amm_refuse(where, "count", "too many nodes together, got %lld, allowed %d",
                          (long long)b->node_count, AMM_MAX_NODES);
    }
    amm_cluster_group *group = amm_arena_alloc(b->arena, 1, sizeof *group);
    int32_t *copy = amm_arena_alloc(b->arena, (size_t)device_count, sizeof *copy);
    if (group == NULL || copy == NULL) {
        return AMM_NO_MEMORY;
    }
    if (device_count > 0) {
        memcpy(copy, types, (size_t)device_count * sizeof *copy);
    }
    group->count = count;
    group->node.device_count = device_count;
    group->node.device_type = copy;
    group->node.intra_bytes_per_s = intra_bytes_per_s;
    group->node.inter_bytes_per_s = inter_bytes_per_s;
    if (b->last == NULL) {
        b->first = group;
    } else {
        b->last->next = group;
    }
    b->last = group;
    return AMM_OK;
}

amm_status amm_cluster_build_pair(amm_cluster_build *b, int64_t a_node, int64_t b_node,
                                  double bytes_per_s, const char *where)
{
    if (b->link_count == AMM_MAX_LINKS) {
        return amm_fail(AMM_INPUT, "%s: too many links, allowed %d", where, AMM_MAX_LINKS);
    }
    amm_cluster_build_link *link = amm_arena_alloc(b->arena, 1, sizeof *link);
    if (link == NULL) {
        return AMM_NO_MEMORY;
    }
    if (a_node == b_node) {
        return amm_fail(AMM_INPUT, "%s: a link joins two nodes, got node %lld twice", where,
                        (long long)a_node);
    }
    link->a = a_node < b_node ? a_node : b_node;
    link->b = a_node < b_node ? b_node : a_node;
    link->bytes_per_s = bytes_per_s;
    link->next = b->links;
    b->links = link;
    b->link_count++;
    return AMM_OK;
}

static int compare_link(const void *x, const void *y)
{
    const amm_node_link *p = x;
    const amm_node_link *q = y;
    return p->a != q->a ? (p->a > q->a) - (p->a < q->a) : (p->b > q->b) - (p->b < q->b);
}

/* b->link_count entries, sorted. */
static amm_status finish_links(const amm_cluster_build *b, const amm_node_link **out,
                               const char *where)
{
    amm_node_link *links = amm_arena_alloc(b->arena, (size_t)b->link_count, sizeof *links);
    if (links == NULL) {
        return AMM_NO_MEMORY;
    }
    int64_t n = 0;
    for (const amm_cluster_build_link *l = b->links; l != NULL; l = l->next, n++) {
        if (l->a < 0 || l->b >= b->node_count) {
            return amm_fail(AMM_INPUT, "%s: link between nodes %lld and %lld, allowed 0 to %lld",
                            where, (long long)l->a, (long long)l->b, (long long)b->node_count - 1);
        }
        links[n].a = (int32_t)l->a;
        links[n].b = (int32_t)l->b;
        links[n].bytes_per_s = l->bytes_per_s;
    }
    if (n > 1) {
        qsort(links, (size_t)n, sizeof *links, compare_link);
    }
    *out = links;
    return AMM_OK;
}

amm_status amm_cluster_build_finish(amm_cluster_build *b, amm_cluster **out, const char *name,
                                    const char *source, const char *where)
{
    const size_t type_count = (size_t)b->type_count;
    amm_cluster *c = amm_arena_alloc(b->arena, 1, sizeof *c);
    amm_node *nodes = amm_arena_alloc(b->arena, (size_t)b->node_count, sizeof *nodes);
    const amm_device **types = amm_arena_alloc(b->arena, type_count, sizeof *types);
    if (c == NULL || nodes == NULL || types == NULL) {
        return AMM_NO_MEMORY;
    }
    memcpy(types, b->types, type_count * sizeof *types);
    int32_t n = 0;
    for (const amm_cluster_group *g = b->first; g != NULL; g = g->next) {
        for (int64_t i = 0; i < g->count; i++) {
            nodes[n++] = g->node;
        }
    }
    c->name = name;
    c->source = source;
    c->type_count = b->type_count;
    c->types = types;
    c->node_count = n;
    c->nodes = nodes;
    c->link_count = (int32_t)b->link_count;
    AMM_TRY(finish_links(b, &c->links, where));
    AMM_TRY(amm_cluster_check(c, where));
    *out = c;
    return AMM_OK;
}
