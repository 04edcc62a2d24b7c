#include "describe/check.h"
#include "describe/cluster_build.h"

#include <string.h>

/* The line and how far it is read. */
typedef struct line_parser {
    const char *line, *at, *where;
    const amm_cluster_names *names;
    amm_cluster_build build;
} line_parser;

static amm_status expected(const line_parser *p, const char *what)
{
    if (*p->at == '\0') {
        return amm_fail(AMM_INPUT, "%s: expected %s at the end of \"%.200s\"", p->where, what,
                        p->line);
    }
    return amm_fail(AMM_INPUT, "%s: expected %s at character %zu, got \"%.40s\"", p->where, what,
                    (size_t)(p->at - p->line) + 1, p->at);
}

static void skip_blanks(line_parser *p)
{
    p->at += strspn(p->at, " \t");
}

/* Takes `c` and the blanks around it. */
static bool take(line_parser *p, char c)
{
    skip_blanks(p);
    if (*p->at != c) {
        return false;
    }
    p->at++;
    skip_blanks(p);
    return true;
}

/* N followed by x. On failure nothing is taken. */
static bool take_count(line_parser *p, int64_t *out)
{
    char digits[20];
    const char *start = p->at;
    const size_t length = strspn(start, "0123456789");
    if (length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, start, length);
    digits[length] = '\0';
    p->at += length;
    if (take(p, 'x') && amm_integer_parse(digits, out)) {
        return true;
    }
    p->at = start;
    return false;
}

/* Characters up to one of `ends`, without trailing blanks. NULL when there are none, or too many.*/
static bool take_word(line_parser *p, char out[AMM_MAX_NAME + 1], const char *ends)
{
    const char *start = p->at;
    size_t length = strcspn(start, ends);
    const size_t taken = length;
    while (length > 0 && (start[length - 1] == ' ' || start[length - 1] == '\t')) {
        length--;
    }
    if (length == 0 || length > AMM_MAX_NAME) {
        return false;
    }
    memcpy(out, start, length);
    out[length] = '\0';
    p->at += taken;
    return true;
}

static bool take_name(line_parser *p, char out[AMM_MAX_NAME + 1])
{
    const char *start = p->at;
    if (take_word(p, out, ":,+;/=") && strspn(out, AMM_WORD_CHARS) == strlen(out)) {
        return true;
    }
    p->at = start;
    return false;
}

static amm_status take_bandwidth(line_parser *p, double *out)
{
    char word[AMM_MAX_NAME + 1];
    const char *start = p->at;
    if (take_word(p, word, ",+;") && amm_bandwidth_parse(word, out)) {
        return AMM_OK;
    }
    p->at = start;
    return expected(p, "a bandwidth such as 50gbit or 12.5GB");
}

static amm_status find_type(line_parser *p, int32_t *out, const char *name)
{
    *out = amm_cluster_build_find(&p->build, name);
    if (*out >= 0) {
        return AMM_OK;
    }
    const amm_device *device = NULL;
    AMM_TRY(p->names->device(&device, name, p->where, p->names->payload));
    return amm_cluster_build_type(&p->build, out, device, p->where);
}

/* NxTYPE[/NxTYPE...] */
static amm_status take_devices(line_parser *p, int32_t types[AMM_MAX_DEVICES_PER_NODE],
                               int32_t *count)
{
    *count = 0;
    do {
        char name[AMM_MAX_NAME + 1];
        int64_t n = 0;
        int32_t type = -1;
        if (!take_count(p, &n)) {
            return expected(p, "devices such as 4xT4");
        }
        if (n < 1 || n > AMM_MAX_DEVICES_PER_NODE - *count) {
            return amm_fail(AMM_INPUT,
                            "%s: devices of a node out of range, got %lld, allowed 1 to %d",
                            p->where, (long long)(n + *count), AMM_MAX_DEVICES_PER_NODE);
        }
        if (!take_name(p, name)) {
            return expected(p, "a device name");
        }
        AMM_TRY(find_type(p, &type, name));
        for (int64_t i = 0; i < n; i++) {
            types[(*count)++] = type;
        }
    } while (take(p, '/'));
    return AMM_OK;
}

/* devices,intra=BW,inter=BW */
static amm_status take_described_nodes(line_parser *p, int64_t nodes)
{
    int32_t types[AMM_MAX_DEVICES_PER_NODE];
    int32_t count = 0;
    double intra = 0;
    double inter = 0;
    AMM_TRY(take_devices(p, types, &count));
    while (take(p, ',')) {
        const bool is_intra = strncmp(p->at, "intra", 5) == 0;
        double *out = is_intra ? &intra : &inter;
        if ((!is_intra && strncmp(p->at, "inter", 5) != 0) || *out != 0) {
            return expected(p, *out != 0 ? "each of intra= and inter= once" : "intra= or inter=");
        }
        p->at += 5;
        if (!take(p, '=')) {
            return expected(p, "=");
        }
        AMM_TRY(take_bandwidth(p, out));
    }
    if (intra == 0 || inter == 0) {
        return expected(p, intra == 0 ? ",intra=BANDWIDTH" : ",inter=BANDWIDTH");
    }
    return amm_cluster_build_nodes(&p->build, nodes, types, count, intra, inter, p->where);
}

/* The name of a node preset. */
static amm_status take_preset_nodes(line_parser *p, int64_t nodes, const char *name)
{
    const amm_cluster *preset = NULL;
    int32_t types[AMM_MAX_DEVICES_PER_NODE];
    if (p->names->node != NULL) {
        AMM_TRY(p->names->node(&preset, name, p->where, p->names->payload));
    }
    if (preset == NULL || preset->node_count != 1) {
        return amm_fail(
            AMM_INPUT,
            "%s: no node preset \"%s\"; describe the node: 4xT4,intra=50gbit,inter=50gbit",
            p->where, name);
    }
    const amm_node *node = &preset->nodes[0];
    for (int32_t i = 0; i < node->device_count; i++) {
        const amm_device *device = preset->types[node->device_type[i]];
        AMM_TRY(amm_cluster_build_type(&p->build, &types[i], device, p->where));
    }
    return amm_cluster_build_nodes(&p->build, nodes, types, node->device_count,
                                   node->intra_bytes_per_s, node->inter_bytes_per_s, p->where);
}

static amm_status take_group(line_parser *p)
{
    char name[AMM_MAX_NAME + 1];
    int64_t nodes = 0;
    int64_t devices = 0;
    if (!take_count(p, &nodes)) {
        return expected(p, "nodes such as 4xnode:4xT4,intra=50gbit,inter=50gbit");
    }
    const char *start = p->at;
    if (take_count(p, &devices)) {
        p->at = start;
        return take_described_nodes(p, nodes);
    }
    if (!take_name(p, name)) {
        return expected(p, "a node");
    }
    return take(p, ':') ? take_described_nodes(p, nodes) : take_preset_nodes(p, nodes, name);
}

static bool take_node_index(line_parser *p, int64_t *out)
{
    char digits[20];
    const size_t length = strspn(p->at, "0123456789");
    if (length == 0 || length >= sizeof digits) {
        return false;
    }
    memcpy(digits, p->at, length);
    digits[length] = '\0';
    p->at += length;
    return amm_integer_parse(digits, out);
}

/* link:A-B=BANDWIDTH */
static amm_status take_link(line_parser *p)
{
    int64_t a = 0;
    int64_t b = 0;
    double bandwidth = 0;
    if (strncmp(p->at, "link", 4) != 0) {
        return expected(p, "link:A-B=BANDWIDTH");
    }
    p->at += 4;
    if (!take(p, ':') || !take_node_index(p, &a) || !take(p, '-') || !take_node_index(p, &b) ||
        !take(p, '=')) {
        return expected(p, "link:A-B=BANDWIDTH with two node numbers");
    }
    AMM_TRY(take_bandwidth(p, &bandwidth));
    return amm_cluster_build_pair(&p->build, a, b, bandwidth, p->where);
}

/* A line that is short enough is the cluster's name. */
static const char *line_name(amm_arena *arena, const char *line)
{
    line += strspn(line, " \t");
    const size_t length = strlen(line);
    return length <= AMM_MAX_NAME ? amm_arena_copy(arena, line, length) : "described in one line";
}

amm_status amm_cluster_parse_line(amm_arena *arena, amm_cluster **out, const char *line,
                                  const amm_cluster_names *names, const char *where)
{
    line_parser p = { line, line, where, names, { 0 } };
    amm_cluster_build_init(&p.build, arena);
    skip_blanks(&p);
    do {
        AMM_TRY(take_group(&p));
    } while (take(&p, '+'));
    while (take(&p, ';')) {
        AMM_TRY(take_link(&p));
    }
    skip_blanks(&p);
    if (*p.at != '\0') {
        return expected(&p, "+ and more nodes, or ;link:A-B=BANDWIDTH");
    }
    const char *name = line_name(arena, line);
    if (name == NULL) {
        return AMM_NO_MEMORY;
    }
    return amm_cluster_build_finish(&p.build, out, name, "one-line form", where);
}

/* ---- the way back ---------------------------------------------------------------------------- */

static bool node_same(const amm_node *a, const amm_node *b)
{
    return a->device_count == b->device_count && a->intra_bytes_per_s == b->intra_bytes_per_s &&
           a->inter_bytes_per_s == b->inter_bytes_per_s &&
           (a->device_type == b->device_type ||
            memcmp(a->device_type, b->device_type,
                   (size_t)a->device_count * sizeof *a->device_type) == 0);
}

int32_t amm_cluster_run(const amm_cluster *cluster, int32_t first)
{
    int32_t count = 1;
    while (first + count < cluster->node_count &&
           node_same(&cluster->nodes[first], &cluster->nodes[first + count])) {
        count++;
    }
    return count;
}

int32_t amm_node_run(const amm_node *node, int32_t first)
{
    int32_t count = 1;
    while (first + count < node->device_count &&
           node->device_type[first] == node->device_type[first + count]) {
        count++;
    }
    return count;
}

void amm_cluster_format_line(amm_text *out, const amm_cluster *cluster)
{
    char bandwidth[AMM_NUMBER_CHARS + 8];
    for (int32_t i = 0, count = 0; i < cluster->node_count; i += count) {
        const amm_node *node = &cluster->nodes[i];
        count = amm_cluster_run(cluster, i);
        amm_text_printf(out, "%s%dxnode:", i > 0 ? "+" : "", count);
        for (int32_t d = 0, run = 0; d < node->device_count; d += run) {
            run = amm_node_run(node, d);
            amm_text_printf(out, "%s%dx%s", d > 0 ? "/" : "", run,
                            cluster->types[node->device_type[d]]->name);
        }
        amm_bandwidth_format(bandwidth, node->intra_bytes_per_s);
        amm_text_printf(out, ",intra=%s", bandwidth);
        amm_bandwidth_format(bandwidth, node->inter_bytes_per_s);
        amm_text_printf(out, ",inter=%s", bandwidth);
    }
    for (int32_t i = 0; i < cluster->link_count; i++) {
        const amm_node_link *l = &cluster->links[i];
        amm_bandwidth_format(bandwidth, l->bytes_per_s);
        amm_text_printf(out, ";link:%d-%d=%s", l->a, l->b, bandwidth);
    }
}
