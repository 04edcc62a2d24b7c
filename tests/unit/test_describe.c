#include "test_support.h"

#include "describe/check.h"
#include <string.h>

static void refused(amm_status status, const char *message)
{
    assert_int_equal(status, AMM_INPUT);
    assert_string_equal(amm_last_error(), message);
}

/* ---- units and lists ------------------------------------------------------------------------- */

static void bandwidth_units(void **state)
{
    static const struct {
        const char *text;
        double bytes_per_s;
        const char *back;
    } good[] = {
        { "50gbit", 6.25e9, "50gbit" },    { "170gbit", 21.25e9, "170gbit" },
        { "10 gbit", 1.25e9, "10gbit" },   { "12.5GB", 12.5e9, "100gbit" },
        { "900MB", 900e6, "7.2gbit" },     { "1.5e3mbit", 187.5e6, "1.5gbit" },
        { "8kbit", 1000, "8kbit" },        { "24bit", 3, "24bit" },
        { "1KB", 1000, "8kbit" },          { "0.01B", 0.01, "0.01B" },
        { "1e9B", 1e9, "8gbit" },          { "450GB/s", 450e9, "3600gbit" },
        { "50 gbit/s", 6.25e9, "50gbit" },
    };
    static const char *const bad[] = { "",        "50",      "gbit",       "50 gbits",
                                       "-5gbit",  "0gbit",   "50Gbit",     "nangbit",
                                       "1e999GB", "0x5gbit", "5 g bit",    "1eGB",
                                       "50/s",    "50gbit/", "50gbit/s/s", "50gbit /s" };
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        double value = 0;
        char back[AMM_NUMBER_CHARS + 8];
        assert_true(amm_bandwidth_parse(good[i].text, &value));
        assert_same_bits(value, good[i].bytes_per_s);
        amm_bandwidth_format(back, value);
        assert_string_equal(back, good[i].back);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        double value = 0;
        assert_false(amm_bandwidth_parse(bad[i], &value));
    }
}

/* Any double comes back. */
static void bandwidth_round_trip(void **state)
{
    uint64_t x = 88172645463325252u;
    (void)state;
    for (int i = 0; i < 20000; i++) {
        x ^= x << 13;
        x ^= x >> 7;
        x ^= x << 17;
        const double value = (double)(x >> 11) * (i % 2 == 0 ? 1e-3 : 1e-9);
        double back = 0;
        char text[AMM_NUMBER_CHARS + 8];
        if (value > 0) {
            amm_bandwidth_format(text, value);
            assert_true(amm_bandwidth_parse(text, &back));
            assert_same_bits(value, back);
        }
    }
}

static void lists(void **state)
{
    static const struct {
        const char *text;
        int32_t count;
        int64_t first, last;
    } good[] = { { "1,2,4", 3, 1, 4 },        { "1..8", 8, 1, 8 },         { "1..4,8", 5, 1, 8 },
                 { "8,4,4,2", 3, 2, 8 },      { " 3 .. 5 , 1 ", 4, 1, 5 }, { "7", 1, 7, 7 },
                 { "1..4096", 4096, 1, 4096 } };
    static const char *const bad[] = {
        "", ",", "1,", "1..", "..2", "8..1", "a", "1;2", "-1", "1.5", "99999999999999999999"
    };
    amm_list list;
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_int_equal(amm_list_parse(&test_arena, &list, good[i].text, "tp"), AMM_OK);
        assert_int_equal(list.count, good[i].count);
        assert_int_equal(list.values[0], good[i].first);
        assert_int_equal(list.values[list.count - 1], good[i].last);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(amm_list_parse(&test_arena, &list, bad[i], "tp"), AMM_INPUT);
    }
    refused(amm_list_parse(&test_arena, &list, "x", "option tp"),
            "option tp: not a list, got \"x\", allowed e.g. 1,2,4 or 1..8");
    refused(amm_list_parse(&test_arena, &list, "0,1", "tp"),
            "tp: out of range, got 0, allowed 1 to 16777216");
    refused(amm_list_parse(&test_arena, &list, "1..5000", "tp"),
            "tp: too many values, allowed 4096");
    refused(amm_list_parse(&test_arena, &list, "1..99999999999", "tp"),
            "tp: out of range, got 99999999999, allowed 1 to 16777216");
}

/* ---- layers and models ----------------------------------------------------------------------- */

static amm_layer layer(amm_layer_kind kind, int64_t hidden)
{
    amm_layer x = amm_layer_of(kind);
    x.hidden = hidden;
    x.tokens = 1024;
    x.shape.heads = kind == AMM_LAYER_BLOCK ? 16 : -1;
    return x;
}

static void layer_defaults(void **state)
{
    (void)state;
    amm_layer x = layer(AMM_LAYER_BLOCK, 1024);
    assert_int_equal(amm_layer_finish(&x, 0, "m"), AMM_OK);
    assert_same_bits(x.shape.ffn, 4096);
    assert_same_bits(x.shape.kv_heads, 16);
    assert_same_bits(x.shape.head_qk, 64);
    assert_same_bits(x.shape.head_v, 64);
    assert_same_bits(amm_block_keys(&x.shape, 1024), 1024);
    assert_int_equal(x.parameters, 12 * 1024 * 1024 + 13 * 1024); /* 12 h^2 + 13 h */
    assert_int_equal(x.out_elements, 1024 * 1024);

    x = layer(AMM_LAYER_EMBEDDING, 1024);
    x.vocab = 52256;
    x.positions = 1024;
    assert_int_equal(amm_layer_finish(&x, 0, "m"), AMM_OK);
    assert_int_equal(x.parameters, (52256 + 1024) * 1024);

    x = layer(AMM_LAYER_NORM, 1024);
    assert_int_equal(amm_layer_finish(&x, 777, "m"), AMM_OK);
    assert_int_equal(x.parameters, 2048);
    assert_int_equal(x.out_elements, 777); /* what enters */

    x = layer(AMM_LAYER_HEAD, 1024);
    x.vocab = 52256;
    assert_int_equal(amm_layer_finish(&x, 777, "m"), AMM_OK);
    assert_int_equal(x.parameters, 52256 * 1024);
    assert_int_equal(x.out_elements, 1024 * 52256);
    x.tied = true;
    x.parameters = -1;
    assert_int_equal(amm_layer_finish(&x, 777, "m"), AMM_OK);
    assert_int_equal(x.parameters, 0);

    x = layer(AMM_LAYER_OTHER, -1);
    assert_int_equal(amm_layer_finish(&x, 777, "m"), AMM_OK);
    assert_int_equal(x.out_elements, 777);
    assert_int_equal(x.parameters, 0);
}

static void layer_bad_input(void **state)
{
    (void)state;
    amm_layer x = layer(AMM_LAYER_BLOCK, -1);
    refused(amm_layer_finish(&x, 0, "m.json:layers[3]"), "m.json:layers[3].hidden: missing");
    x = layer(AMM_LAYER_BLOCK, INT64_C(1000000000000000000));
    refused(
        amm_layer_finish(&x, 0, "m.json:layers[3]"),
        "m.json:layers[3].hidden: out of range, got 1000000000000000000, allowed 1 to 16777216");
    x = layer(AMM_LAYER_BLOCK, 0);
    assert_int_equal(amm_layer_finish(&x, 0, "m"), AMM_INPUT);
    x = layer(AMM_LAYER_BLOCK, 64);
    x.shape.window = 2048;
    refused(amm_layer_finish(&x, 0, "m"), "m:window: out of range, got 2048, allowed 1 to 1024");
    x = layer(AMM_LAYER_BLOCK, 64);
    x.shape.heads = -1;
    refused(amm_layer_finish(&x, 0, "m"), "m:heads: missing");
    x = layer(AMM_LAYER_HEAD, 64);
    refused(amm_layer_finish(&x, 0, "m"), "m:vocab: missing");
    x = layer(AMM_LAYER_HEAD, 16777216);
    x.vocab = INT32_MAX;
    refused(amm_layer_finish(&x, 0, "m"),
            "m:hidden: too many parameters, got 3.6e+16, allowed 9007199254740992");
    x = layer(AMM_LAYER_EMBEDDING, 16777216);
    x.vocab = 1;
    x.tokens = INT32_MAX;
    refused(amm_layer_finish(&x, 0, "m"), "m:out_elements: out of range, got 36028797002186752, "
                                          "allowed 1 to 9007199254740992");
    x = layer(AMM_LAYER_OTHER, -1);
    refused(amm_layer_finish(&x, 0, "m"), "m:out_elements: missing (nothing enters this layer)");
}

static void model_checks(void **state)
{
    amm_layer layers[2];
    amm_model model = { .name = "m", .seq_len = 1024, .layer_count = 2, .layers = layers };
    static const int32_t work[] = { 0, 1 };
    (void)state;
    layers[0] = layer(AMM_LAYER_EMBEDDING, 64);
    layers[0].vocab = 100;
    layers[1] = layer(AMM_LAYER_HEAD, 64);
    layers[1].vocab = 101;
    layers[1].tied = true;
    assert_int_equal(amm_layer_finish(&layers[0], 0, "m"), AMM_OK);
    assert_int_equal(amm_layer_finish(&layers[1], 0, "m"), AMM_OK);
    refused(amm_model_check(&model, "m.json"),
            "m.json:layers[1].tied: no embedding of 101 x 64 before it to share");
    layers[1].vocab = 100;
    assert_int_equal(amm_model_check(&model, "m.json"), AMM_OK);
    assert_int_equal(amm_model_parameters(&model), 6400);
    model.layer_count = 0;
    refused(amm_model_check(&model, "m.json"),
            "m.json:layers: out of range, got 0 layers, allowed 1 to 4096");
    model.layer_count = 2;
    model.amp = (amm_amp_view){ true, 2, work, 2, 1, 0, 0, 0 };
    refused(amm_model_check(&model, "m.json"),
            "m.json:amp_reference.uniform_units: units, first and last are 3 together, allowed 2 "
            "(the work layers)");
    model.amp.uniform_first = 0;
    assert_int_equal(amm_model_check(&model, "m.json"), AMM_OK);
    layers[0].parameters = layers[1].parameters = AMM_MAX_INTEGER;
    refused(amm_model_check(&model, "m.json"),
            "m.json:layers: too many parameters together, allowed 9007199254740992");
}

static void layer_kinds(void **state)
{
    amm_layer_kind kind = AMM_LAYER_OTHER;
    (void)state;
    for (int i = 0; i < AMM_LAYER_KIND_COUNT; i++) {
        assert_true(amm_layer_kind_parse(&kind, amm_layer_kind_word((amm_layer_kind)i)));
        assert_int_equal(kind, i);
    }
    assert_false(amm_layer_kind_parse(&kind, "Block"));
}

/* ---- devices, runtimes, profiles ------------------------------------------------------------- */

static amm_device t4 = { .name = "T4-16GB",
                         .source = "",
                         .alias_count = 1,
                         .aliases = { "T4" },
                         .memory_bytes = 16000000000,
                         .hbm_bytes_per_s = 320e9,
                         .intra_efficiency = { 1, 1, 1, -1, "" },
                         .inter_efficiency = { 1, 1, 1, -1, "" } };
static amm_device v100 = { .name = "V100-16GB",
                           .source = "",
                           .memory_bytes = 16000000000,
                           .hbm_bytes_per_s = 900e9,
                           .intra_efficiency = { 1, 1, 1, -1, "" },
                           .inter_efficiency = { 1, 1, 1, -1, "" } };

static void device_checks(void **state)
{
    amm_device d = t4;
    (void)state;
    assert_int_equal(amm_device_check(&d, "d"), AMM_OK);
    d.context_bytes = d.memory_bytes + 1;
    refused(amm_device_check(&d, "d"),
            "d:context_bytes: out of range, got 16000000001, allowed 0 to 16000000000");
    d = t4;
    d.name = "T4 16GB";
    refused(amm_device_check(&d, "d"),
            "d:name: wrong characters, got \"T4 16GB\", allowed letters, "
            "digits, . _ -");
    d = t4;
    d.hbm_bytes_per_s = 0;
    refused(amm_device_check(&d, "d"),
            "d:hbm_bytes_per_s: out of range, got 0, allowed above 0 to 1e+18");
    d = t4;
    d.overhead_count = 2;
    d.overhead_tp[0] = 1;
    d.overhead_tp[1] = 1;
    d.overhead_share[0] = d.overhead_share[1] = (amm_constant){ 0.5, 0, 0.95, -1, "" };
    refused(amm_device_check(&d, "d"), "d:overhead_share[1].tp: not ascending, got 1 after 1");
    d.overhead_tp[0] = 2;
    refused(amm_device_check(&d, "d"),
            "d:overhead_share[0].tp: the first point must be tp 1, got 2");
    d.overhead_tp[0] = 1;
    d.overhead_tp[1] = 2;
    d.overhead_share[1].value = 1;
    refused(amm_device_check(&d, "d"),
            "d:overhead_share[1].value: out of range, got 1, allowed 0 to 0.99");
    d = t4;
    d.inter_efficiency.low = 1.1;
    refused(amm_device_check(&d, "d"),
            "d:inter_efficiency.low: out of range, got 1.1, allowed 0.001 to 1");
}

static void runtime_checks(void **state)
{
    amm_runtime r = { .name = "r",
                      .source = "",
                      .static_bytes_per_parameter = 18,
                      .gradient_bytes = 4,
                      .activation_bytes = 2,
                      .logit_bytes = 10,
                      .p2p_exposed_share = 1,
                      .optimizer_bytes_per_parameter = 30 };
    (void)state;
    assert_int_equal(amm_runtime_check(&r, "r"), AMM_OK);
    r.p2p_exposed_share = 1.5;
    refused(amm_runtime_check(&r, "r"),
            "r:p2p_exposed_share: out of range, got 1.5, allowed 0 to 1");
    r.p2p_exposed_share = 1;
    r.static_bytes_per_parameter = -1;
    assert_int_equal(amm_runtime_check(&r, "r"), AMM_INPUT);
}

static const double times[] = { 0.5, 0.25 };
static const amm_profile_point points[] = { { "T4-16GB", 1, 1, times, NULL },
                                            { "T4-16GB", 1, 2, times, times },
                                            { "T4-16GB", 2, 1, times, NULL },
                                            { "V100-16GB", 1, 1, times, NULL } };
static const amm_profile profile = { "p", "", 2, 2, 4, points };

static void profile_finds_points(void **state)
{
    (void)state;
    assert_int_equal(amm_profile_check(&profile, "p"), AMM_OK);
    for (int i = 0; i < 4; i++) {
        assert_ptr_equal(
            amm_profile_find(&profile, points[i].device, points[i].tp, points[i].micro_batch),
            &points[i]);
    }
    assert_null(amm_profile_find(&profile, "V100-16GB", 2, 1));
    assert_null(amm_profile_find(&profile, "A", 1, 1));
    assert_null(amm_profile_find(&profile, "Z", 1, 1));
}

static void profile_bad_input(void **state)
{
    static const double negative[] = { 0.5, -0.25 };
    static const double nothing[] = { 0, 0 };
    amm_profile_point p[2] = { points[0], points[0] };
    amm_profile bad = profile;
    (void)state;
    bad.points = p;
    bad.point_count = 2;
    refused(amm_profile_check(&bad, "p"),
            "p:points: given twice: device T4-16GB, tp 1, micro_batch 1");
    p[1].forward_s = negative;
    refused(amm_profile_check(&bad, "p"),
            "p:points[1].forward_s[1]: out of range, got -0.25, allowed 0 to 1e+09");
    p[1].forward_s = nothing;
    refused(amm_profile_check(&bad, "p"), "p:points[1].forward_s: every layer takes no time");
    bad.point_count = 0;
    refused(amm_profile_check(&bad, "p"), "p:points: empty: a profile needs at least one point");
}

/* ---- clusters -------------------------------------------------------------------------------- */

static amm_status find_device(const amm_device **out, const char *name, const char *where,
                              void *payload)
{
    (void)payload;
    *out = amm_device_named(&t4, name) ? &t4 : amm_device_named(&v100, name) ? &v100 : NULL;
    return *out != NULL ? AMM_OK : amm_fail(AMM_INPUT, "%s: no device \"%s\"", where, name);
}

static amm_status find_node(const amm_cluster **out, const char *name, const char *where,
                            void *payload)
{
    static const int32_t types[] = { 0, 0 };
    static const amm_node node = { 2, types, 1e9, 1e9 };
    static const amm_device *const devices[] = { &v100 };
    static const amm_cluster cluster = { "duo", "", 1, devices, 1, &node, 0, NULL, 2 };
    (void)where;
    (void)payload;
    *out = strcmp(name, "duo") == 0 ? &cluster : NULL;
    return AMM_OK;
}

static amm_status parse_line(amm_cluster **out, const char *line)
{
    const amm_cluster_names names = { find_device, find_node, NULL };
    return amm_cluster_parse_line(&test_arena, out, line, &names, "cluster");
}

static void cluster_lines_round_trip(void **state)
{
    static const struct {
        const char *line, *back;
        int32_t nodes, devices, types, links;
    } cases[] = {
        { "4xnode:4xT4,intra=50gbit,inter=50gbit", "4xnode:4xT4-16GB,intra=50gbit,inter=50gbit", 4,
          16, 1, 0 },
        { "3xnode:4xV100-16GB,intra=170gbit,inter=10gbit+1xnode:4xT4,intra=50gbit,inter=50gbit",
          "3xnode:4xV100-16GB,intra=170gbit,inter=10gbit+1xnode:4xT4-16GB,intra=50gbit,inter="
          "50gbit",
          4, 16, 2, 0 },
        { " 2 x a : 1 x T4 / 2 x V100-16GB / 1xT4 , inter = 1GB , intra = 2GB ",
          "2xnode:1xT4-16GB/2xV100-16GB/1xT4-16GB,intra=16gbit,inter=8gbit", 2, 8, 2, 0 },
        { "2x4xT4,intra=1GB,inter=1GB+1x4xT4,intra=1GB,inter=1GB;link:2-0=5gbit;link:0-1=1B",
          "3xnode:4xT4-16GB,intra=8gbit,inter=8gbit;link:0-1=8bit;link:0-2=5gbit", 3, 12, 1, 2 },
        { "3xduo", "3xnode:2xV100-16GB,intra=8gbit,inter=8gbit", 3, 6, 1, 0 },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        amm_cluster *c = NULL;
        amm_text text;
        char *back = NULL;
        assert_int_equal(parse_line(&c, cases[i].line), AMM_OK);
        assert_int_equal(c->node_count, cases[i].nodes);
        assert_int_equal(c->device_count, cases[i].devices);
        assert_int_equal(c->type_count, cases[i].types);
        assert_int_equal(c->link_count, cases[i].links);
        for (int round = 0; round < 2; round++) { /* what it prints, it reads as the same */
            amm_text_init(&text, test_context());
            amm_cluster_format_line(&text, c);
            assert_int_equal(amm_text_take(&text, &back), AMM_OK);
            assert_string_equal(back, cases[i].back);
            assert_int_equal(parse_line(&c, back), AMM_OK);
            amm_text_free(test_context(), back);
        }
    }
}

static void cluster_lines_bad_input(void **state)
{
    static const struct {
        const char *line, *message;
    } cases[] = {
        { "", "cluster: expected nodes such as 4xnode:4xT4,intra=50gbit,inter=50gbit at the end of "
              "\"\"" },
        { "4xnode:4xT4,intra=50gbit",
          "cluster: expected ,inter=BANDWIDTH at the end of \"4xnode:4xT4,intra=50gbit\"" },
        { "4xnode:T4", "cluster: expected devices such as 4xT4 at character 8, got \"T4\"" },
        { "4xnode:4xT4,intra=50,inter=1GB",
          "cluster: expected a bandwidth such as 50gbit or 12.5GB at character 19, got "
          "\"50,inter=1GB\"" },
        { "4xnode:4xT4,intra=1GB,intra=1GB",
          "cluster: expected each of intra= and inter= once at character 23, got \"intra=1GB\"" },
        { "4xnode:4xT4,speed=1GB",
          "cluster: expected intra= or inter= at character 13, got \"speed=1GB\"" },
        { "4xnode:4xQ7,intra=1GB,inter=1GB", "cluster: no device \"Q7\"" },
        { "4xtrio", "cluster: no node preset \"trio\"; describe the node: "
                    "4xT4,intra=50gbit,inter=50gbit" },
        { "0xduo", "cluster:count: out of range, got 0, allowed 1 to 65536" },
        { "1000000000xduo", "cluster:count: out of range, got 1000000000, allowed 1 to 65536" },
        { "60000xduo+6000xduo",
          "cluster:count: too many nodes together, got 66000, allowed 65536" },
        { "1x1025xT4,intra=1GB,inter=1GB",
          "cluster: devices of a node out of range, got 1025, allowed 1 to 1024" },
        { "2000x1024xT4,intra=1GB,inter=1GB",
          "cluster:nodes: out of range, got 2048000 devices, allowed 1 to 1048576" },
        { "2xduo;link:0-2=1GB", "cluster: link between nodes 0 and 2, allowed 0 to 1" },
        { "2xduo;link:1-1=1GB", "cluster: a link joins two nodes, got node 1 twice" },
        { "2xduo;link:0-1=1GB;link:1-0=1GB", "cluster:link 0-1: given twice or not sorted" },
        { "2xduo;link:0=1GB",
          "cluster: expected link:A-B=BANDWIDTH with two node numbers at character 13, got "
          "\"=1GB\"" },
        { "2xduo more", "cluster: expected a node at character 3, got \"duo more\"" },
        { "2xduo,intra=1GB", "cluster: expected + and more nodes, or ;link:A-B=BANDWIDTH at "
                             "character 6, got \",intra=1GB\"" },
        { "99999999999999999999xduo",
          "cluster: expected nodes such as 4xnode:4xT4,intra=50gbit,inter=50gbit at character 1, "
          "got \"99999999999999999999xduo\"" },
    };
    amm_cluster *c = NULL;
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        refused(parse_line(&c, cases[i].line), cases[i].message);
    }
}

static void cluster_checks(void **state)
{
    static const int32_t types[] = { 0, 5 };
    amm_node node = { 2, types, 1e9, 1e9 };
    const amm_device *const devices[] = { &t4 };
    amm_cluster c = { "c", "", 1, devices, 1, &node, 0, NULL, 0 };
    (void)state;
    refused(amm_cluster_check(&c, "c"), "c:node 0: devices: out of range, got 5, allowed 0 to 0");
    node.device_count = 1;
    assert_int_equal(amm_cluster_check(&c, "c"), AMM_OK);
    assert_int_equal(c.device_count, 1);
    node.intra_bytes_per_s = 0;
    refused(amm_cluster_check(&c, "c"),
            "c:node 0: intra: out of range, got 0, allowed above 0 to 1e+18");
    node.device_count = 0;
    assert_int_equal(amm_cluster_check(&c, "c"), AMM_INPUT);
    c.node_count = 0;
    refused(amm_cluster_check(&c, "c"), "c:nodes: out of range, got 0 nodes, allowed 1 to 65536");
}

/* ---- problems -------------------------------------------------------------------------------- */

typedef struct small_problem {
    amm_layer layers[2];
    amm_model model;
    amm_cluster *cluster;
    amm_runtime runtime;
    amm_profile profile;
    amm_problem_desc desc;
} small_problem;

static void make_problem(small_problem *p, const char *line)
{
    static const int32_t work[] = { 0, 1 };
    p->layers[0] = layer(AMM_LAYER_BLOCK, 64);
    p->layers[1] = layer(AMM_LAYER_BLOCK, 64);
    assert_int_equal(amm_layer_finish(&p->layers[0], 0, "m"), AMM_OK);
    assert_int_equal(amm_layer_finish(&p->layers[1], 0, "m"), AMM_OK);
    p->model = (amm_model){ .name = "m", .seq_len = 1024, .layer_count = 2, .layers = p->layers };
    p->model.amp = (amm_amp_view){ true, 2, work, 2, 0, 0, 0, 0 };
    assert_int_equal(parse_line(&p->cluster, line), AMM_OK);
    p->runtime = (amm_runtime){ .name = "r",
                                .source = "",
                                .static_bytes_per_parameter = 18,
                                .gradient_bytes = 4,
                                .activation_bytes = 2,
                                .logit_bytes = 10,
                                .p2p_exposed_share = 1,
                                .optimizer_bytes_per_parameter = 30 };
    p->profile = profile;
    memset(&p->desc, 0, sizeof p->desc);
    p->desc.model = &p->model;
    p->desc.cluster = p->cluster;
    p->desc.runtime = &p->runtime;
    p->desc.profile = &p->profile;
    p->desc.global_batch = 32;
}

static void problem_is_whole(void **state)
{
    small_problem p;
    (void)state;
    make_problem(&p, "2x2xT4,intra=1GB,inter=1GB");
    assert_int_equal(amm_problem_check(&p.desc, "x.json"), AMM_OK);
    p.desc.profile = NULL;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:profile: missing: without one only language models (embedding, blocks, head) "
            "can be timed, and \"m\" is none");
    p.desc.cost_model = AMM_COST_AMP_REFERENCE;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:profile: missing, allowed measured layer times: a preset, a file or an object; "
            "give --profile NAME");
    p.desc.cluster = NULL;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:cluster: missing, allowed a preset, a file, or a line like "
            "4xnode:4xT4,intra=50gbit,inter=50gbit; give --cluster NAME --profile NAME");
    p.desc.model = NULL;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:model: missing, allowed a preset, a file or an object; give --model NAME "
            "--cluster NAME --profile NAME");
    make_problem(&p, "2x2xT4,intra=1GB,inter=1GB");
    p.desc.global_batch = 0;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:global_batch: missing, allowed samples per step; give --global-batch-size N");
    p.desc.global_batch = AMM_MAX_BATCH + 1;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:global_batch: out of range, got 16777217, allowed 1 to 16777216");
    p.desc.global_batch = 7; /* what does not divide is the search's to report */
    assert_int_equal(amm_problem_check(&p.desc, "x.json"), AMM_OK);
    p.desc.memory_margin = 1;
    refused(amm_problem_check(&p.desc, "x.json"),
            "x.json:memory_margin: out of range, got 1, allowed 0 to below 1");
}

static void problem_parts_fit(void **state)
{
    static const int64_t three[] = { 3, 4 };
    static const int64_t two[] = { 2, 3 };
    small_problem p;
    (void)state;
    make_problem(&p, "2x2xT4,intra=1GB,inter=1GB");
    p.profile.layer_count = 1;
    refused(amm_problem_check(&p.desc, "x"),
            "x:profile: \"p\" has 1 layers, the model \"m\" has 2");
    p.profile = profile;
    p.desc.seq_len = 2048;
    refused(amm_problem_check(&p.desc, "x"), "x:seq_len: a measured profile holds for the model's "
                                             "sequence length only, got 2048, allowed 1024");
    p.desc.seq_len = 1024;
    assert_int_equal(amm_problem_check(&p.desc, "x"), AMM_OK);
    p.desc.space.dims[AMM_DIM_PP] = (amm_list){ 2, three };
    refused(amm_problem_check(&p.desc, "x"), "x:space.pp: more stages than the model has layers, "
                                             "got at least 3, allowed 1 to 2");
    p.desc.space.dims[AMM_DIM_PP] = (amm_list){ 2, two };
    assert_int_equal(amm_problem_check(&p.desc, "x"), AMM_OK);
    p.profile.point_count = 3; /* without the V100 */
    make_problem(&p, "1x2xT4,intra=1GB,inter=1GB+1xduo");
    assert_int_equal(amm_problem_check(&p.desc, "x"), AMM_OK);
    p.profile.point_count = 3;
    refused(amm_problem_check(&p.desc, "x"),
            "x:profile: \"p\" has no times of device \"V100-16GB\", which the cluster uses");
}

static void problem_amp_reference(void **state)
{
    amm_mix_entry mix[] = { { "V100-16GB", 0.75 }, { "T4-16GB", 0.25 } };
    small_problem p;
    (void)state;
    make_problem(&p, "1x2xT4,intra=1GB,inter=1GB+1xduo");
    p.desc.cost_model = AMM_COST_AMP_REFERENCE;
    refused(amm_problem_check(&p.desc, "x"),
            "x:profile_mix: missing: amp-reference averages the times of the cluster's 2 device "
            "types with these weights");
    p.desc.mix = mix;
    p.desc.mix_count = 2;
    assert_int_equal(amm_problem_check(&p.desc, "x"), AMM_OK);
    mix[1].weight = 0.3;
    refused(amm_problem_check(&p.desc, "x"), "x:profile_mix: weights must add up to 1, got 1.05");
    mix[1] = mix[0];
    refused(amm_problem_check(&p.desc, "x"), "x:profile_mix: device \"V100-16GB\" given twice");
    mix[1] = (amm_mix_entry){ "A100-40GB", 0.25 };
    refused(amm_problem_check(&p.desc, "x"),
            "x:profile: \"p\" has no times of device \"A100-40GB\", which profile_mix uses");
    p.desc.mix_count = 0;
    p.model.amp.present = false;
    refused(amm_problem_check(&p.desc, "x"),
            "x:cost_model: amp-reference needs a model with \"amp_reference\", \"m\" has none");
    make_problem(&p, "1x2xT4,intra=1GB,inter=1GB+1x1xT4,intra=1GB,inter=1GB");
    assert_int_equal(amm_problem_check(&p.desc, "x"), AMM_OK);
    p.desc.cost_model = AMM_COST_AMP_REFERENCE;
    refused(amm_problem_check(&p.desc, "x"), "x:cost_model: amp-reference needs equally many "
                                             "devices in every node, node 0 has 2, node 1 has 1");
}

/* ---- another sequence length ----------------------------------------------------------------- */

/* Embedding, block with a window of 512, something that keeps 3 bytes a sample, head. */
static amm_model sequence_model(amm_layer layers[4])
{
    const amm_layer_kind kinds[] = { AMM_LAYER_EMBEDDING, AMM_LAYER_BLOCK, AMM_LAYER_OTHER,
                                     AMM_LAYER_HEAD };
    for (int i = 0; i < 4; i++) {
        layers[i] = layer(kinds[i], 64);
        layers[i].vocab = kinds[i] == AMM_LAYER_EMBEDDING || kinds[i] == AMM_LAYER_HEAD ? 100 : -1;
        layers[i].kept_bytes = 3;
    }
    layers[0].positions = 4096;
    layers[1].shape.window = 512;
    for (int i = 0; i < 4; i++) {
        assert_int_equal(amm_layer_finish(&layers[i], i == 0 ? 0 : layers[i - 1].out_elements, "m"),
                         AMM_OK);
    }
    return (amm_model){ .name = "m", .seq_len = 1024, .layer_count = 4, .layers = layers };
}

static void problem_resolves_its_seq_len(void **state)
{
    amm_layer layers[4];
    const amm_model model = sequence_model(layers);
    amm_problem_desc p = { .model = &model };
    (void)state;
    assert_int_equal(amm_problem_resolve(&p, &test_arena), AMM_OK);
    assert_ptr_equal(p.model, &model);
    p.seq_len = 256;
    assert_int_equal(amm_problem_resolve(&p, &test_arena), AMM_OK);
    assert_ptr_equal(p.model->given, &model);
    assert_int_equal(p.model->seq_len, 256);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(p.model->layers[i].tokens, 256);
        assert_int_equal(p.model->layers[i].parameters, layers[i].parameters);
    }
    assert_int_equal(p.model->layers[1].out_elements, 256 * 64);
    assert_same_bits(p.model->layers[1].shape.window, 256);
    assert_int_equal(p.model->layers[2].kept_bytes, 1); /* 3 / 4, rounded up */
    assert_int_equal(p.model->layers[3].out_elements, 256 * 100);
    /* From the model as given, not from what was made of it. */
    p.seq_len = 2048;
    assert_int_equal(amm_problem_resolve(&p, &test_arena), AMM_OK);
    assert_same_bits(p.model->layers[1].shape.window, 512);
    assert_int_equal(p.model->layers[2].kept_bytes, 6);
    p.seq_len = 0;
    assert_int_equal(amm_problem_resolve(&p, &test_arena), AMM_OK);
    assert_ptr_equal(p.model, &model);
}

static void seq_len_that_cannot_be(void **state)
{
    amm_layer layers[4];
    const amm_model model = sequence_model(layers);
    amm_problem_desc p = { .model = &model, .seq_len = 8192 };
    (void)state;
    assert_int_equal(amm_problem_resolve(&p, &test_arena), AMM_OK); /* the check refuses */
    assert_ptr_equal(p.model, &model);
    refused(amm_model_check_seq_len(&model, 8192, "x.json"),
            "x.json:seq_len: out of range, got 8192, allowed 1 to 4096 (rows of the position table "
            "of \"m\")");
    refused(amm_model_check_seq_len(&model, 0, "x.json"),
            "x.json:seq_len: out of range, got 0, allowed 1 to 2147483647");
    layers[0].positions = 0;
    layers[2].kept_bytes = INT64_C(9007199254740992);
    refused(amm_model_check_seq_len(&model, 8192, "x.json"),
            "x.json:seq_len: too large for layer 2 of \"m\", got 8192");
    layers[1].tokens = 81;
    refused(amm_model_check_seq_len(&model, 512, "x.json"),
            "x.json:seq_len: the layers of \"m\" have differing tokens (layer 1 81, the model "
            "1024), got 512, allowed 1024");
    assert_int_equal(amm_model_check_seq_len(&model, 1024, "x.json"), AMM_OK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bandwidth_units),
        cmocka_unit_test(bandwidth_round_trip),
        cmocka_unit_test(lists),
        cmocka_unit_test(layer_defaults),
        cmocka_unit_test(layer_bad_input),
        cmocka_unit_test(problem_resolves_its_seq_len),
        cmocka_unit_test(seq_len_that_cannot_be),
        cmocka_unit_test(model_checks),
        cmocka_unit_test(layer_kinds),
        cmocka_unit_test(device_checks),
        cmocka_unit_test(runtime_checks),
        cmocka_unit_test(profile_finds_points),
        cmocka_unit_test(profile_bad_input),
        cmocka_unit_test(cluster_lines_round_trip),
        cmocka_unit_test(cluster_lines_bad_input),
        cmocka_unit_test(cluster_checks),
        cmocka_unit_test(problem_is_whole),
        cmocka_unit_test(problem_parts_fit),
        cmocka_unit_test(problem_amp_reference),
    };
    return cmocka_run_group_tests_name("describe", tests, arena_start, arena_stop);
}
