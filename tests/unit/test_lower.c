/* Lowering by hand: who shares which link, what a layer costs, what a stage holds. */
#include "formula/cost/collective.h"
#include "formula/cost/compute.h"
#include "formula/cost/pipeline.h"
#include "formula/cost/kept.h"
#include "formula/tick/index.h"
#include "lower/lower.h"
#include "search/result.h"
#include "test_support.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* Two device types with round constants: efficiency 1 inside nodes, 0.5 between them. */
#define DEVICE(name, memory)                                                                       \
    "{\"format\":\"ammeter-device\",\"version\":1,\"name\":\"" name "\",\"source\":\"test\","      \
    "\"memory_bytes\":" memory ",\"context_bytes\":100,\"hbm_bytes_per_s\":1e9,"                   \
    "\"overhead_share\":[{\"tp\":1,\"value\":0.25,\"low\":0,\"high\":0.9,\"source\":\"test\"}],"   \
    "\"intra_efficiency\":{\"value\":1,\"low\":0.5,\"high\":1,\"source\":\"test\"},"               \
    "\"inter_efficiency\":{\"value\":0.5,\"low\":0.5,\"high\":1,\"source\":\"test\"}}"

/* Nodes of 4 devices, 8 GB/s inside, 4 GB/s NIC. */
#define NODES(count, device)                                                                       \
    "{\"count\":" count ",\"devices\":[{\"device\":" device ",\"count\":4}],\"intra\":\"8GB\","    \
    "\"inter\":\"4GB\"}"

#define CLUSTER(nodes)                                                                             \
    "{\"format\":\"ammeter-cluster\",\"version\":1,\"name\":\"test\",\"nodes\":[" nodes "]}"

/* Embedding, two blocks, tied head; h 8, s 4, V 32: small enough to count by hand. */
static const char model_json[] =
    "{\"format\":\"ammeter-model\",\"version\":1,\"name\":\"tiny\",\"seq_len\":4,\"layers\":["
    "{\"kind\":\"embedding\",\"hidden\":8,\"vocab\":32,\"positions\":4},"
    "{\"kind\":\"block\",\"count\":2,\"hidden\":8,\"heads\":2},"
    "{\"kind\":\"head\",\"hidden\":8,\"vocab\":32,\"tied\":true}]}";

static const char profile_json[] =
    "{\"format\":\"ammeter-profile\",\"version\":1,\"name\":\"tiny\",\"points\":["
    "{\"device\":\"A\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[1,2,3,4]},"
    "{\"device\":\"A\",\"tp\":2,\"micro_batch\":1,\"forward_s\":[1,2,3,4]},"
    "{\"device\":\"A\",\"tp\":2,\"micro_batch\":4,\"forward_s\":[2,4,6,8]},"
    "{\"device\":\"B\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[2,1,3,4]}]}";

static const char runtime_json[] =
    "{\"format\":\"ammeter-runtime\",\"version\":1,\"name\":\"tiny\",\"source\":\"test\","
    "\"static_bytes_per_parameter\":16,\"gradient_bytes\":4,\"activation_bytes\":2,"
    "\"logit_bytes\":6,\"p2p_exposed_share\":0.5,\"optimizer_bytes_per_parameter\":20}";

static amm_spec *spec_of(const char *cluster)
{
    amm_spec *spec = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    const char *const parts[][2] = { { "model", model_json },
                                     { "profile", profile_json },
                                     { "runtime", runtime_json },
                                     { "cluster", cluster },
                                     { "global_batch", "16" } };
    for (size_t k = 0; k < 5; k++) {
        if (amm_spec_set(spec, parts[k][0], parts[k][1]) != AMM_OK) {
            fail_msg("%s", amm_last_error());
        }
    }
    return spec;
}

static amm_config config_of(int32_t tp, int32_t dp, int32_t pp, int64_t micro_batch)
{
    const amm_config c = { .tp = tp,
                           .dp = dp,
                           .pp = pp,
                           .micro_batch = micro_batch,
                           .micro_batches = 16 / dp / micro_batch };
    return c;
}

static const char four_nodes[] = CLUSTER(NODES("4", DEVICE("A", "1000000")));

static void rings_share_the_nic(void **state)
{
    (void)state;
    amm_spec *spec = spec_of(four_nodes);
    amm_lowered lowered;
    amm_lowered_config out;
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    /* tp 4, dp 4: four rings leave every node together: 4 GB/s * 0.5 / 4. */
    amm_config c = config_of(4, 4, 1, 1);
    assert_int_equal(amm_lower_config(&lowered, &out, &c, true, false), AMM_OK);
    assert_close(out.links.ring_bytes_per_s[0], 0.5e9, 1e-15, 0);
    /* tp 1, dp 16: one ring enters and leaves every node: 4 GB/s * 0.5. */
    c = config_of(1, 16, 1, 1);
    assert_int_equal(amm_lower_config(&lowered, &out, &c, true, false), AMM_OK);
    assert_close(out.links.ring_bytes_per_s[0], 2e9, 1e-15, 0);
    /* dp 4, pp 4: every stage's ring stays inside its node. */
    c = config_of(1, 4, 4, 1);
    assert_int_equal(amm_lower_config(&lowered, &out, &c, true, false), AMM_OK);
    for (int p = 0; p < 4; p++) {
        assert_close(out.links.ring_bytes_per_s[p], 8e9, 1e-15, 0);
    }
    /* Its boundaries cross with four replicas at once: 4 GB/s * 0.5 / 4. */
    assert_close(out.links.boundary_bytes_per_s[0], 0.5e9, 1e-15, 0);
    /* dp 2, pp 8: stages 0 and 1 share a node (inside: 8 GB/s), 1 -> 2 crosses with two. */
    c = config_of(1, 2, 8, 1);
    amm_arena arena;
    amm_links links;
    amm_arena_init(&arena, test_context());
    assert_int_equal(amm_links_of(&links, &arena, &lowered.layout, &c), AMM_OK);
    assert_close(links.boundary_bytes_per_s[0], 8e9, 1e-15, 0);
    assert_close(links.boundary_bytes_per_s[1], 1e9, 1e-15, 0);
    amm_arena_free(&arena);
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

static void slow_pairs_limit_their_flows(void **state)
{
    (void)state;
    static const char pair[] =
        "{\"format\":\"ammeter-cluster\",\"version\":1,\"name\":\"test\",\"nodes\":[" NODES(
            "2", DEVICE("A", "1000000")) "],\"links\":[{\"nodes\":[0,1],\"bandwidth\":\"1GB\"}]}";
    amm_spec *spec = spec_of(pair);
    amm_lowered lowered;
    amm_lowered_config out;
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    const amm_config c = config_of(2, 4, 1, 1);
    assert_int_equal(amm_lower_config(&lowered, &out, &c, true, false), AMM_OK);
    /* Two rings cross each way: min(4 GB/s / 2, 1 GB/s / 2) * 0.5. */
    assert_close(out.links.ring_bytes_per_s[0], 0.25e9, 1e-15, 0);
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

/* A listed pair is shared by the transfers on that pair only. Nodes of 3, 3, 2 and 4 devices, two
 * stages of six: the six transfers are 0 -> 2 (twice), 0 -> 3, 1 -> 3 (three times). */
static void pairs_count_their_own_flows(void **state)
{
    (void)state;
    static const char cluster[] =
        "{\"format\":\"ammeter-cluster\",\"version\":1,\"name\":\"test\",\"nodes\":["
        "{\"count\":2,\"devices\":[{\"device\":" DEVICE(
            "A", "1000000") ",\"count\":3}],"
                            "\"intra\":\"8GB\",\"inter\":\"400GB\"},"
                            "{\"devices\":{\"A\":2},\"intra\":\"8GB\",\"inter\":\"400GB\"},"
                            "{\"devices\":{\"A\":4},\"intra\":\"8GB\",\"inter\":\"400GB\"}],"
                            "\"links\":[{\"nodes\":[0,3],\"bandwidth\":\"1GB\"}]}";
    amm_spec *spec = spec_of(cluster);
    amm_lowered lowered;
    amm_lowered_config out;
    assert_int_equal(amm_spec_set(spec, "global_batch", "6"), AMM_OK);
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    const amm_config c = { .tp = 1, .dp = 6, .pp = 2, .micro_batch = 1, .micro_batches = 1 };
    assert_int_equal(amm_lower_config(&lowered, &out, &c, true, false), AMM_OK);
    assert_close(out.links.boundary_bytes_per_s[0], 0.5e9, 1e-15, 0);
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

/* What leaves and what enters a node are counted apart: one node of four against two of two. */
static void the_busier_end_decides(void **state)
{
    (void)state;
    static const char *const counts[] = { "4", "2", "2", "4" };
    for (int k = 0; k < 2; k++) {
        char cluster[2048];
        (void)snprintf(cluster, sizeof cluster,
                       "{\"format\":\"ammeter-cluster\",\"version\":1,\"name\":\"test\",\"nodes\":["
                       "{\"count\":%d,\"devices\":[{\"device\":%s,\"count\":%s}],\"intra\":\"8GB\","
                       "\"inter\":\"4GB\"},{\"count\":%d,\"devices\":{\"A\":%s},\"intra\":\"8GB\","
                       "\"inter\":\"4GB\"}]}",
                       k == 0 ? 1 : 2, DEVICE("A", "1000000"), counts[2 * k], k == 0 ? 2 : 1,
                       counts[2 * k + 1]);
        amm_spec *spec = spec_of(cluster);
        amm_lowered lowered;
        amm_lowered_config out;
        assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
        const amm_config c = config_of(1, 4, 2, 1);
        assert_int_equal(amm_lower_config(&lowered, &out, &c, true, false), AMM_OK);
        assert_close(out.links.boundary_bytes_per_s[0], 0.5e9, 1e-15, 0);
        amm_lower_free(&lowered);
        amm_spec_free(spec);
    }
}

/* Each type brings its own context: 1,000,000 - 100 against 2,000,000 - 100. */
static void room_is_the_tightest_type(void **state)
{
    (void)state;
    amm_spec *spec =
        spec_of(CLUSTER(NODES("1", DEVICE("A", "1000000")) "," NODES("1", DEVICE("B", "2000000"))));
    amm_lowered lowered;
    assert_int_equal(amm_spec_set(spec, "memory_margin", "0.5"), AMM_OK);
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    assert_close(amm_lower_room(&lowered, 1).usable_bytes, 499900.0, 1e-15, 0);
    assert_close(amm_lower_room(&lowered, 2).usable_bytes, 999900.0, 1e-15, 0);
    assert_close(amm_lower_room(&lowered, 3).usable_bytes, 499900.0, 1e-15, 0);
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

static void layer_times(void **state)
{
    (void)state;
    amm_spec *spec =
        spec_of(CLUSTER(NODES("1", DEVICE("A", "1000000")) "," NODES("1", DEVICE("B", "1000000"))));
    amm_lowered lowered;
    double times[4];
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    /* One point at 1, share 1/4, batch 2: f (0.25 + 0.75 * 2) + 2 f * 0.75 * 2 = 4.75 f. */
    amm_config c = config_of(1, 4, 2, 2);
    amm_lower_layer_times(&lowered, times, 1, &c);
    assert_close(times[0], 4.75, 1e-15, 0);
    assert_close(times[3], 19.0, 1e-15, 0);
    /* Types 0 and 1 in step: the slower at every layer. B has the same share. */
    amm_lower_layer_times(&lowered, times, 3, &c);
    assert_close(times[0], 9.5, 1e-15, 0);
    assert_close(times[1], 9.5, 1e-15, 0);
    /* Two points, f and 2 f at 1 and 4, overhead f / 4 in both: f + 2 (0.75 f) = 2.5 f and
     * 2 f + 2 (1.75 f) = 5.5 f; the line through them at 2: 3.5 f, at 7: 8.5 f. */
    c = config_of(2, 2, 2, 2);
    amm_lower_layer_times(&lowered, times, 1, &c);
    assert_close(times[0], 3.5, 1e-15, 0);
    c.micro_batch = 4;
    amm_lower_layer_times(&lowered, times, 1, &c);
    assert_close(times[0], 5.5, 1e-15, 0);
    c.micro_batch = 7;
    amm_lower_layer_times(&lowered, times, 1, &c);
    assert_close(times[0], 8.5, 1e-15, 0);
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

static void memory_of_a_layer(void **state)
{
    (void)state;
    amm_spec *spec = spec_of(four_nodes);
    amm_lowered lowered;
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    const amm_config c = config_of(2, 2, 4, 2); /* G = 4 */
    /* Block: 12 * 64 + 13 * 8 = 872 parameters; 872 * 16 / 2. In flight at stage 1: min(4, 3) = 3
     * times b s h (10 + 24 / 2 + 5 a s / (h t)) = 2 * 4 * 8 * (22 + 5 * 2 * 4 / 16). */
    const amm_memory block = amm_lower_layer_memory(&lowered, 1, 1, &c);
    assert_close(block.static_bytes, 6976.0, 1e-15, 0);
    assert_close(block.activation_bytes, 3 * 64 * 24.5, 1e-15, 0);
    /* Embedding: (32 + 4) * 8 parameters; an index of 8 bytes per token and a mask of b s h. */
    const amm_memory embedding = amm_lower_layer_memory(&lowered, 0, 0, &c);
    assert_close(embedding.static_bytes, 288 * 8.0, 1e-15, 0);
    assert_close(embedding.activation_bytes, 4 * (8 * 8.0 + 64.0), 1e-15, 0);
    /* Head: a copy of the table under a pipeline; b s V * 6 / 2 of logits, once. */
    const amm_memory head = amm_lower_layer_memory(&lowered, 3, 3, &c);
    assert_close(head.static_bytes, 256 * 8.0, 1e-15, 0);
    assert_close(head.logit_bytes, 2 * 4 * 32 * 3.0, 1e-15, 0);
    assert_close(amm_lower_parameters(&lowered, 3, 1), 0.0, 0, 0);
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

static void formulas(void **state)
{
    (void)state;
    assert_close(amm_ring_all_reduce_time(100.0, 4.0, 10.0), 15.0, 1e-15, 0);
    assert_close(amm_boundary_factor(9.0, 4.0, 0.5), 2.0 + 0.5 * 8 * 2 / 4, 1e-15, 0);
    assert_close(amm_in_flight_1f1b(2.0, 8.0, 1.0), 2.0, 0, 0);
    assert_close(amm_in_flight_1f1b(64.0, 8.0, 6.0), 2.0, 0, 0);
    /* AMP's own rule is the case without overhead: 3 f b. */
    assert_close(amm_layer_time_affine(0.5, 1.0, 0.0, 8.0, 1.0), 12.0, 1e-15, 0);
    /* Measurements that fall are not continued downwards. */
    assert_close(amm_layer_time_between(5.0, 1.0, 4.0, 2.0, 100.0), 4.0, 1e-15, 0);
    assert_close(amm_layer_time_between(5.0, 1.0, 4.0, 2.0, 1.5), 4.5, 1e-15, 0);
    assert_close(amm_layer_time_between(4.0, 2.0, 6.0, 4.0, 8.0), 10.0, 1e-15, 0);
    /* Korthikanti et al. 2022, equation 1 with f = 4 h, w = s, t = 1: s b h (34 + 5 a s / h). */
    assert_close(amm_block_kept_bytes(2, 2048, 2048, 6144, 4 * 6144, 64, 1),
                 2048.0 * 2 * 6144 * (34.0 + 5.0 * 64 * 2048 / 6144), 1e-15, 0);
}

static void ticks_are_exact_integers(void **state)
{
    (void)state;
    amm_spec *spec = spec_of(four_nodes);
    amm_lowered lowered;
    amm_lowered_config ticks;
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    const amm_config c = config_of(1, 8, 2, 1);
    assert_int_equal(amm_lower_config(&lowered, &ticks, &c, false, true), AMM_OK);
    assert_true(ticks.unit_s == ldexp(1.0, ticks.scale - 40));
    for (int32_t p = 0; p < 2; p++) {
        const amm_solve_entry *entry = &ticks.solve.stage[p].entries[0];
        for (int l = 0; l <= 4; l++) {
            assert_true(entry->t[l] == floor(entry->t[l]) && entry->t[l] < 16777216.0);
            assert_true(entry->d[l] == floor(entry->d[l]) && entry->d[l] < 16777216.0);
        }
    }
    amm_lower_free(&lowered);
    amm_spec_free(spec);
}

static void index_is_a_bijection(void **state)
{
    (void)state;
    const int32_t radix[4] = { 3, 1, 5, 7 };
    int32_t before[4] = { -1, 0, 0, 0 };
    assert_int_equal(amm_index_count(radix, 4), 105);
    for (uint64_t index = 0; index < 105; index++) {
        int32_t digits[4];
        amm_index_decode(digits, index, radix, 4);
        assert_int_equal(amm_index_encode(digits, radix, 4), index);
        assert_true(memcmp(digits, before, sizeof digits) != 0);
        memcpy(before, digits, sizeof digits);
    }
    const int32_t huge[4] = { 2147483647, 2147483647, 3, 1 };
    assert_int_equal(amm_index_count(huge, 4), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rings_share_the_nic),
        cmocka_unit_test(slow_pairs_limit_their_flows),
        cmocka_unit_test(pairs_count_their_own_flows),
        cmocka_unit_test(the_busier_end_decides),
        cmocka_unit_test(room_is_the_tightest_type),
        cmocka_unit_test(layer_times),
        cmocka_unit_test(memory_of_a_layer),
        cmocka_unit_test(formulas),
        cmocka_unit_test(ticks_are_exact_integers),
        cmocka_unit_test(index_is_a_bijection),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
