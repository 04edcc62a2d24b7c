/* Any bytes as a one-line cluster: read, or refused with a message. What was read is printed, and
 * the printed line is its own fixed point. */
#include "round_trip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static amm_status find_device(const amm_device **out, const char *name, const char *where,
                              void *payload)
{
    return amm_get_device(payload, out, name, where);
}

static amm_status find_node(const amm_cluster **out, const char *name, const char *where,
                            void *payload)
{
    /* Only known names: a fuzzer must not find files. */
    *out = NULL;
    return strcmp(name, "p3.8xlarge") == 0 ? amm_get_cluster(payload, out, name, where) : AMM_OK;
}

/* NULL when the line is refused. */
static char *rewrite(amm_reader *r, const char *line, size_t size)
{
    (void)size;
    const amm_cluster_names names = { find_device, find_node, r };
    amm_cluster *cluster = NULL;
    amm_text text;
    char *out = NULL;
    if (amm_cluster_parse_line(r->arena, &cluster, line, &names, "line") != AMM_OK) {
        require(amm_last_error()[0] != '\0');
        return NULL;
    }
    amm_text_init(&text, r->context);
    amm_cluster_format_line(&text, cluster);
    require(amm_text_take(&text, &out) == AMM_OK);
    return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_round_trip(data, size, rewrite);
}
