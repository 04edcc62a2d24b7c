/* Puts a cluster together group by group; files and one-line forms both come through here. */
#ifndef AMM_DESCRIBE_CLUSTER_BUILD_H
#define AMM_DESCRIBE_CLUSTER_BUILD_H

#include "describe/describe.h"

enum { AMM_MAX_LINKS = 1048576 };

typedef struct amm_cluster_group amm_cluster_group;
typedef struct amm_cluster_build_link amm_cluster_build_link;

typedef struct amm_cluster_build {
    amm_arena *arena; /* borrowed; everything made lives in it */
    const amm_device *types[AMM_MAX_DEVICE_TYPES];
    int32_t type_count;
    int64_t node_count, link_count;
    amm_cluster_group *first, *last;
    amm_cluster_build_link *links;
} amm_cluster_build;

void amm_cluster_build_init(amm_cluster_build *b, amm_arena *arena);

/* Index of the type that has this name or alias, -1: none yet. */
int32_t amm_cluster_build_find(const amm_cluster_build *b, const char *name);

/* Index of `device`, added when it is new. Two different devices of one name are refused. */
amm_status amm_cluster_build_type(amm_cluster_build *b, int32_t *out, const amm_device *device,
                                  const char *where);

/* `count` nodes with these devices (types are copied). */
amm_status amm_cluster_build_nodes(amm_cluster_build *b, int64_t count, const int32_t *types,
                                   int32_t device_count, double intra_bytes_per_s,
                                   double inter_bytes_per_s, const char *where);

/* An override of the path between two nodes; either order. */
amm_status amm_cluster_build_pair(amm_cluster_build *b, int64_t a_node, int64_t b_node,
                                  double bytes_per_s, const char *where);

/* Makes and checks the cluster. `name` and `source` are borrowed from the arena. */
amm_status amm_cluster_build_finish(amm_cluster_build *b, amm_cluster **out, const char *name,
                                    const char *source, const char *where);

/* Lengths of the run of equal nodes, or of equal devices in a node, that starts at `first`. */
int32_t amm_cluster_run(const amm_cluster *cluster, int32_t first);
int32_t amm_node_run(const amm_node *node, int32_t first);

#endif
