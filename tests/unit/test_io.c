#define _POSIX_C_SOURCE 200809L
#include "test_support.h"

#include "io/io.h"
#include <locale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static amm_reader new_reader(void)
{
    const amm_reader r = { .context = test_context(),
                           .arena = &test_arena,
                           .hash = AMM_HASH_START };
    return r;
}

static void refused(amm_status status, const char *message)
{
    assert_int_equal(status, AMM_INPUT);
    assert_string_equal(amm_last_error(), message);
}

/* ---- every kind through one door ------------------------------------------------------------- */

/* Reads `what` (NULL: `text`) and writes it again. *out is NULL after a failure. */
static amm_status rewrite(amm_reader *r, amm_preset_kind kind, const char *what, const char *text,
                          size_t size, char **out)
{
    amm_text written;
    amm_json j;
    amm_status status = AMM_INTERNAL;
    *out = NULL;
    amm_text_init(&written, r->context);
    amm_json_init(&j, &written, true);
#define REWRITE(KIND, word)                                                                        \
    case AMM_PRESET_##KIND: {                                                                      \
        const amm_##word *object = NULL;                                                           \
        status = what != NULL ? amm_get_##word(r, &object, what, "option " #word)                  \
                              : amm_read_##word(r, &object, text, size, "x.json");                 \
        if (status == AMM_OK) {                                                                    \
            amm_write_##word(&j, NULL, object);                                                    \
        }                                                                                          \
        break;                                                                                     \
    }
    switch (kind) {
        REWRITE(MODEL, model)
        REWRITE(DEVICE, device)
        REWRITE(CLUSTER, cluster)
        REWRITE(RUNTIME, runtime)
        REWRITE(PROFILE, profile)
    case AMM_PRESET_PROBLEM: {
        amm_problem_desc problem;
        status = what != NULL ? amm_get_problem(r, &problem, what, "option problem")
                              : amm_read_problem(r, &problem, text, size, "x.json");
        if (status == AMM_OK) {
            amm_write_problem(&j, NULL, &problem);
        }
        break;
    }
    case AMM_PRESET_KIND_COUNT:
        break;
    }
#undef REWRITE
    if (status == AMM_OK) {
        return amm_text_take(&written, out);
    }
    amm_text_discard(&written);
    return status;
}

static amm_status read_text(amm_preset_kind kind, const char *text, size_t size)
{
    amm_reader r = new_reader();
    char *out = NULL;
    const amm_status status = rewrite(&r, kind, NULL, text, size, &out);
    amm_text_free(test_context(), out);
    return status;
}

static amm_status get(amm_preset_kind kind, const char *what)
{
    amm_reader r = new_reader();
    char *out = NULL;
    const amm_status status = rewrite(&r, kind, what, NULL, 0, &out);
    amm_text_free(test_context(), out);
    return status;
}

static void presets_round_trip(void **state)
{
    (void)state;
    int count = 0;
    for (int k = 0; k < AMM_PRESET_KIND_COUNT; k++) {
        const amm_preset_kind kind = (amm_preset_kind)k;
        amm_preset_kind parsed = AMM_PRESET_KIND_COUNT;
        const char *name = NULL;
        assert_true(amm_preset_kind_parse(&parsed, amm_preset_kind_word(kind)));
        assert_int_equal(parsed, kind);
        for (int32_t i = 0; (name = amm_preset_name(kind, i)) != NULL; i++, count++) {
            amm_reader r = new_reader();
            char *first = NULL;
            char *second = NULL;
            assert_int_equal(rewrite(&r, kind, name, NULL, 0, &first), AMM_OK);
            assert_int_equal(rewrite(&r, kind, NULL, first, strlen(first), &second), AMM_OK);
            assert_string_equal(first, second);
            amm_text_free(test_context(), first);
            amm_text_free(test_context(), second);
        }
        assert_null(amm_preset_name(kind, -1));
    }
    assert_true(count >= 16);
    amm_preset_kind parsed = AMM_PRESET_MODEL;
    assert_false(amm_preset_kind_parse(&parsed, "networks"));
}

static void problem_presets_are_whole(void **state)
{
    const char *name = NULL;
    (void)state;
    for (int32_t i = 0; (name = amm_preset_name(AMM_PRESET_PROBLEM, i)) != NULL; i++) {
        amm_reader r = new_reader();
        amm_problem_desc problem;
        assert_int_equal(amm_get_problem(&r, &problem, name, "problem"), AMM_OK);
        assert_int_equal(amm_problem_check(&problem, name), AMM_OK);
        if (problem.profile != NULL) {
            problem.cost_model = AMM_COST_AMP_REFERENCE;
            assert_int_equal(amm_problem_check(&problem, name), AMM_OK);
        }
    }
}

/* Parameter counts by hand: blocks 12 h^2 + 13 h, embedding (V + s) h, final norm 2 h. */
static void gpt2_has_its_size(void **state)
{
    amm_reader r = new_reader();
    const amm_model *model = NULL;
    (void)state;
    assert_int_equal(amm_get_model(&r, &model, "gpt2-amp", "model"), AMM_OK);
    assert_int_equal(model->layer_count, 30);
    assert_true(amm_model_parameters(model) ==
                24 * (12 * 1024 * 1024 + 13 * 1024) + (52256 + 1024) * 1024 + 2 * 1024);
    assert_true(model->layers[29].out_sharded);
    assert_int_equal(model->layers[29].out_elements, 1024 * 52256);
    assert_int_equal(model->layers[27].kind, AMM_LAYER_NORM);
    assert_int_equal(model->amp.work_count, 30);
    assert_int_equal(amm_get_model(&r, &model, "transgan-amp", "model"), AMM_OK);
    assert_int_equal(model->layer_count, 56);
    assert_int_equal(model->amp.work_count, 25);
    assert_int_equal(model->amp.work[13], 41);
    /* Blocks of width h/64 after 288^2 tokens; 12 h^2 + 13 h at both widths. */
    assert_int_equal(model->layers[41].parameters, 12 * 16 * 16 + 13 * 16);
    assert_int_equal(model->layers[41].out_elements, 1327104);
    assert_int_equal(model->layers[14].out_elements, 82944);
}

/* Digits of the profile survive: the sums that were published with it. */
static void profile_keeps_every_digit(void **state)
{
    amm_reader r = new_reader();
    const amm_profile *profile = NULL;
    (void)state;
    assert_int_equal(amm_get_profile(&r, &profile, "amp-gpt2", "profile"), AMM_OK);
    const amm_profile_point *p = amm_profile_find(profile, "T4-16GB", 1, 1);
    assert_non_null(p);
    assert_same_bits(p->forward_s[0], 0.0002741813659667969);
    assert_same_bits(p->forward_s[29], 0.0014796257019042969);
    double sum = 0;
    for (int i = 0; i < 30; i++) {
        sum += p->forward_s[i];
    }
    assert_close(sum, 0.13628029823303223, 1e-15, 0);
    assert_null(p->backward_s);
    assert_same_bits(profile->backward_ratio, 2);
}

/* ---- names, aliases, paths ------------------------------------------------------------------- */

static void devices_have_aliases(void **state)
{
    static const char *const names[] = { "v100-16", "V100-16GB", "V100-16", "V100" };
    (void)state;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        amm_reader r = new_reader();
        const amm_device *device = NULL;
        assert_int_equal(amm_get_device(&r, &device, names[i], "device"), AMM_OK);
        assert_string_equal(device->name, "V100-16GB");
    }
    amm_reader r = new_reader();
    const amm_profile *profile = NULL;
    const char *text =
        "{\"format\":\"ammeter-profile\",\"version\":1,\"name\":\"p\",\"points\":["
        "{\"device\":\"V100\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[1]},"
        "{\"device\":\"T4\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[1],\"backward_s\":[3]},"
        "{\"device\":\"My-GPU\",\"tp\":1,\"micro_batch\":1,\"forward_s\":[1]}]}";
    assert_int_equal(amm_get_profile(&r, &profile, text, "profile"), AMM_OK);
    assert_string_equal(profile->points[0].device, "My-GPU");
    assert_string_equal(profile->points[1].device, "T4-16GB");
    assert_string_equal(profile->points[2].device, "V100-16GB");
    assert_same_bits(profile->points[1].backward_s[0], 3);
}

static void unknown_names_get_advice(void **state)
{
    (void)state;
    refused(get(AMM_PRESET_CLUSTER, "aws-g4dn.12xlarge-x5"),
            "option cluster: no cluster preset and no file is called \"aws-g4dn.12xlarge-x5\", "
            "close presets: aws-g4dn.12xlarge-x4");
    refused(get(AMM_PRESET_MODEL, "gpt2-anp"),
            "option model: no model preset and no file is called \"gpt2-anp\", close presets: "
            "gpt2-amp");
    refused(get(AMM_PRESET_MODEL, "no/such/file.json"),
            "option model: no model preset and no file is called \"no/such/file.json\"");
    refused(
        get(AMM_PRESET_MODEL, ""),
        "option model: no model preset and no file is called \"\"; presets: ammeter list models");
    refused(get(AMM_PRESET_CLUSTER, "2xnode:4xA1,intra=1GB,inter=1GB"),
            "option cluster: no device preset and no file is called \"A1\", close presets: "
            "a100-40, a100-80");
    assert_int_equal(get(AMM_PRESET_MODEL, "/"), AMM_IO);
    assert_string_equal(amm_last_error(), "option model: cannot read \"/\": it is a directory");
}

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, strlen(text), file), strlen(text));
    assert_int_equal(fclose(file), 0);
}

static void remove_file(const char *folder, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(remove(path), 0);
}

/* What a problem file names lies beside it, wherever the program runs. */
static void problem_paths_are_relative(void **state)
{
    char folder[128];
    const char *temporary = getenv("TMPDIR");
    (void)snprintf(folder, sizeof folder, "%.90s/ammeter-test-XXXXXX",
                   temporary == NULL ? "/tmp" : temporary);
    char path[256];
    (void)state;
    assert_non_null(mkdtemp(folder));
    write_file(folder, "c.json",
               "{\"format\":\"ammeter-cluster\",\"version\":1,\"name\":\"two\",\"nodes\":["
               "{\"count\":2,\"devices\":[{\"device\":\"d.json\",\"count\":3}],"
               "\"intra\":\"80gbit\",\"inter\":1e9}]}");
    write_file(folder, "d.json",
               "{\"format\":\"ammeter-device\",\"version\":1,\"name\":\"D\",\"memory_bytes\":1e10,"
               "\"hbm_bytes_per_s\":1e12}");
    write_file(folder, "p.json",
               "{\"format\":\"ammeter-problem\",\"version\":1,\"name\":\"p\","
               "\"cluster\":\"c.json\",\"runtime\":\"generic\",\"space\":{\"tp\":\"1..3\"}}");
    write_file(folder, "q.json",
               "{\"format\":\"ammeter-problem\",\"version\":1,\"name\":\"p\","
               "\"cluster\":\"nowhere.json\"}");
    amm_reader r = new_reader();
    amm_problem_desc problem;
    (void)snprintf(path, sizeof path, "%s/p.json", folder);
    assert_int_equal(amm_get_problem(&r, &problem, path, "problem"), AMM_OK);
    assert_int_equal(problem.cluster->device_count, 6);
    assert_same_bits(problem.cluster->nodes[1].intra_bytes_per_s, 1e10);
    assert_same_bits(problem.cluster->types[0]->intra_efficiency.value, 1);
    assert_int_equal(problem.space.dims[AMM_DIM_TP].count, 3);
    assert_int_equal(problem.space.dims[AMM_DIM_PP].count, 0);
    assert_null(problem.model);
    (void)snprintf(path, sizeof path, "%s/q.json", folder);
    assert_int_equal(amm_get_problem(&r, &problem, path, "problem"), AMM_INPUT);
    assert_non_null(strstr(amm_last_error(), "q.json:cluster: no cluster preset and no file is "
                                             "called \"nowhere.json\""));
    remove_file(folder, "c.json");
    remove_file(folder, "d.json");
    remove_file(folder, "p.json");
    remove_file(folder, "q.json");
    assert_int_equal(rmdir(folder), 0);
}

static void hash_follows_the_input(void **state)
{
    static const char *const texts[] = { "2xp3.8xlarge", "3xp3.8xlarge", "p3.8xlarge" };
    uint64_t hashes[3];
    (void)state;
    for (int i = 0; i < 3; i++) {
        amm_reader r = new_reader();
        amm_reader again = new_reader();
        const amm_cluster *cluster = NULL;
        assert_int_equal(amm_get_cluster(&r, &cluster, texts[i], "cluster"), AMM_OK);
        assert_int_equal(amm_get_cluster(&again, &cluster, texts[i], "cluster"), AMM_OK);
        assert_true(r.hash == again.hash && r.hash != AMM_HASH_START);
        hashes[i] = r.hash;
    }
    assert_true(hashes[0] != hashes[1] && hashes[1] != hashes[2] && hashes[0] != hashes[2]);
}

/* ---- bad input ------------------------------------------------------------------------------- */

#define HEAD(word)    "{\"format\":\"ammeter-" word "\",\"version\":1,\"name\":\"n\","
#define DEVICE_END    "\"memory_bytes\":1e10,\"hbm_bytes_per_s\":1e12"
#define NODE(devices) "{\"devices\":" devices ",\"intra\":\"1GB\",\"inter\":\"1GB\"}"
#define POINT         "\"device\":\"T4\",\"tp\":1,\"micro_batch\":1"

static const struct {
    amm_preset_kind kind;
    const char *text, *message;
} bad_texts[] = {
    /* not JSON */
    { AMM_PRESET_MODEL, "", "x.json:1:1: expected a value, got the end of the text" },
    { AMM_PRESET_MODEL, "{\n \"format\": NaN}", "x.json:2:12: expected a value, got \"NaN\"" },
    { AMM_PRESET_MODEL, "[1e999]", "x.json:1:2: number too large for a double" },
    { AMM_PRESET_MODEL, "[01]", "x.json:1:3: a number may not start with 0" },
    { AMM_PRESET_MODEL, "[1.]", "x.json:1:4: expected a digit, got \"]\"" },
    { AMM_PRESET_MODEL, "[-]", "x.json:1:3: expected a digit, got \"]\"" },
    { AMM_PRESET_MODEL, "[1234567890123456789012345678901234567890123456789012345678901234]",
      "x.json:1:2: number too long, allowed 63 characters" },
    { AMM_PRESET_MODEL, "{} x", "x.json:1:4: expected the end of the text, got \"x\"" },
    { AMM_PRESET_MODEL, "{\"a\":1,}", "x.json:1:8: expected a string, got \"}\"" },
    { AMM_PRESET_MODEL, "{\"a\" 1}", "x.json:1:6: expected \":\", got \"1\"" },
    { AMM_PRESET_MODEL, "[1 2]", "x.json:1:4: expected \",\" or \"]\", got \"2\"" },
    { AMM_PRESET_MODEL, "{\"a\":1",
      "x.json:1:7: expected \",\" or \"}\", got the end of the text" },
    { AMM_PRESET_MODEL, "{\"µ\":\"x", "x.json:1:6: string without end" },
    { AMM_PRESET_MODEL, "[\"a\nb\"]", "x.json:1:4: control character in a string, use an escape" },
    { AMM_PRESET_MODEL, "[\"\\x\"]", "x.json:1:3: unknown escape in a string" },
    { AMM_PRESET_MODEL, "[\"\\u12g4\"]", "x.json:1:3: unknown escape in a string" },
    { AMM_PRESET_MODEL, "[\"\\u0000\"]", "x.json:1:3: a string may not contain NUL" },
    { AMM_PRESET_MODEL, "[\"\\ud800\"]", "x.json:1:3: half of a surrogate pair in a string" },
    { AMM_PRESET_MODEL, "[\"\\udc00x\"]", "x.json:1:3: half of a surrogate pair in a string" },
    { AMM_PRESET_MODEL, "[\"\\ud800\\u0041\"]",
      "x.json:1:3: half of a surrogate pair in a string" },
    { AMM_PRESET_MODEL, "[\"\xff\"]", "x.json:1:3: invalid UTF-8" },
    { AMM_PRESET_MODEL, "[\"\xc0\xaf\"]", "x.json:1:3: invalid UTF-8" },
    { AMM_PRESET_MODEL, "[\"\xed\xa0\x80\"]", "x.json:1:3: invalid UTF-8" },
    { AMM_PRESET_MODEL, "\xef\xbb\xbf{}", "x.json:1:1: byte order mark, expected plain UTF-8" },
    { AMM_PRESET_MODEL, "truE", "x.json:1:1: expected a value, got \"truE\"" },
    { AMM_PRESET_MODEL, "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
      "x.json:1:33: nested too deeply, allowed 32 levels" },
    /* not what it says */
    { AMM_PRESET_MODEL, "[]", "x.json: wrong type, got an array, allowed an object" },
    { AMM_PRESET_MODEL, "{}",
      "x.json:format: missing, allowed \"ammeter-model\"; a Hugging Face config has model_type or "
      "architectures instead" },
    { AMM_PRESET_MODEL, "{\"format\":\"ammeter-device\"}",
      "x.json:format: wrong format, got \"ammeter-device\", allowed \"ammeter-model\"" },
    { AMM_PRESET_MODEL, "{\"format\":\"ammeter-model\"}", "x.json:version: missing" },
    { AMM_PRESET_MODEL, "{\"format\":\"ammeter-model\",\"version\":2}",
      "x.json:version: unknown version, got 2, allowed 1" },
    { AMM_PRESET_MODEL, "{\"format\":7}",
      "x.json:format: wrong type, got a number, allowed a "
      "string" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seqlen\":1}", "x.json:seqlen: unknown key" },
    { AMM_PRESET_MODEL, HEAD("model") "\"name\":\"m\"}", "x.json:name: key given twice" },
    { AMM_PRESET_MODEL, HEAD("model") "\"x-a\":1,\"x-a\":2}", "x.json:x-a: key given twice" },
    /* models */
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":8}", "x.json:layers: missing" },
    { AMM_PRESET_MODEL, HEAD("model") "\"layers\":[]}", "x.json:seq_len: missing" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":0,\"layers\":[]}",
      "x.json:seq_len: out of range, got 0, allowed 1 to 2147483647" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":1.5,\"layers\":[]}",
      "x.json:seq_len: not an integer, got 1.5" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":\"8\",\"layers\":[]}",
      "x.json:seq_len: wrong type, got a string, allowed a number" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":8,\"layers\":[]}",
      "x.json:layers: out of range, got 0 layers, allowed 1 to 4096" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":8,\"layers\":{}}",
      "x.json:layers: wrong type, got an object, allowed an array" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":8,\"layers\":[5]}",
      "x.json:layers[0]: wrong type, allowed an object" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"magic\"}]}",
      "x.json:layers[0].kind: unknown kind, got \"magic\", allowed embedding, block, norm, head, "
      "other" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"norm\",\"hidden\":4},"
                    "{\"kind\":\"block\",\"hidden\":-4,\"heads\":1}]}",
      "x.json:layers[1].hidden: out of range, got -4, allowed 1 to 16777216" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":"
                    "1000000000000000000,\"heads\":1}]}",
      "x.json:layers[0].hidden: out of range, got 1e+18, allowed 1 to 16777216" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":4,\"vocab\":9}]}",
      "x.json:layers[0].vocab: unknown key" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"count\":5000,\"hidden\":4}]}",
      "x.json:layers[0].count: out of range, got 5000, allowed 1 to 4096" },
    { AMM_PRESET_MODEL, HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"other\"}]}",
      "x.json:layers[0].out_elements: missing (nothing enters this layer)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"norm\",\"hidden\":4}],"
                    "\"amp_reference\":{\"work_layers\":[[0,1]],\"uniform_units\":1}}",
      "x.json:amp_reference.work_layers[0][1]: out of range, got 1, allowed 0 to 0" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"norm\",\"hidden\":4}],"
                    "\"amp_reference\":{\"work_layers\":[[0,0],[0,0]],\"uniform_units\":1}}",
      "x.json:amp_reference.work_layers[1]: ranges [first, last] must ascend without overlap" },
    /* blocks */
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,\"kv_"
                    "heads\":3}]}",
      "x.json:layers[0].kv_heads: does not divide heads, got 3, allowed divisors of 8" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,\"kv_"
                    "heads\":0}]}",
      "x.json:layers[0].kv_heads: out of range, got 0, allowed 1 to 16777216" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":7}]}",
      "x.json:layers[0].head_size: missing (heads does not divide hidden)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,\"key_"
                    "value_rank\":4}]}",
      "x.json:layers[0].head_size: missing (key_value_rank needs it)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"query_rank\":4}]}",
      "x.json:layers[0].key_value_rank: missing (query_rank is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"rope_size\":4}]}",
      "x.json:layers[0].key_value_rank: missing (rope_size is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,\"key_"
                    "value_rank\":4,\"head_size\":8,\"rope_size\":9}]}",
      "x.json:layers[0].rope_size: out of range, got 9, allowed 1 to 8" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":4}]}",
      "x.json:layers[0].top_k: missing (experts is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":4,\"top_k\":2}]}",
      "x.json:layers[0].expert_ffn: missing (experts is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"expert_ffn\":4}]}",
      "x.json:layers[0].experts: missing (expert_ffn is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":4,\"top_k\":5,\"expert_ffn\":8}]}",
      "x.json:layers[0].top_k: out of range, got 5, allowed 1 to 4" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":8,\"top_k\":4,\"expert_ffn\":8,\"expert_groups\":3,\"token_"
                    "groups\":1}]}",
      "x.json:layers[0].expert_groups: got 3, allowed a divisor of experts, 8" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":8,\"top_k\":4,\"expert_ffn\":8,\"expert_groups\":4}]}",
      "x.json:layers[0].token_groups: missing (expert_groups is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":8,\"top_k\":4,\"expert_ffn\":8,\"expert_groups\":4,\"token_"
                    "groups\":1}]}",
      "x.json:layers[0].token_groups: out of range, got 1, allowed 2 to 4" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"token_groups\":1}]}",
      "x.json:layers[0].expert_groups: missing (token_groups is given)" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"experts\":65537}]}",
      "x.json:layers[0].experts: out of range, got 65537, allowed 1 to 65536" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"norm\":\"batch\"}]}",
      "x.json:layers[0].norm: unknown norm, got \"batch\", allowed layer, rms" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"gated\":1}]}",
      "x.json:layers[0].gated: wrong type, got a number, allowed true or false" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"block\",\"hidden\":64,\"heads\":8,"
                    "\"window\":9}]}",
      "x.json:layers[0].window: out of range, got 9, allowed 1 to 8" },
    { AMM_PRESET_MODEL,
      HEAD("model") "\"seq_len\":8,\"layers\":[{\"kind\":\"norm\",\"hidden\":4}],"
                    "\"prediction_layers\":1}",
      "x.json:prediction_layers: needs a block to be like, the model has none" },
    /* devices, runtimes */
    { AMM_PRESET_DEVICE, HEAD("device") "\"memory_bytes\":-1,\"hbm_bytes_per_s\":1}",
      "x.json:memory_bytes: out of range, got -1, allowed 1 to 9007199254740992" },
    { AMM_PRESET_DEVICE, HEAD("device") DEVICE_END ",\"intra_efficiency\":{\"value\":0.5}}",
      "x.json:intra_efficiency.source: missing" },
    { AMM_PRESET_DEVICE,
      HEAD("device") DEVICE_END ",\"overhead_share\":[{\"tp\":2,\"value\":0.5,\"source\":\"\"}]}",
      "x.json:overhead_share[0].tp: the first point must be tp 1, got 2" },
    { AMM_PRESET_DEVICE,
      HEAD("device") DEVICE_END ",\"intra_efficiency\":{\"value\":0.5,\"sd\":-1,\"source\":\"\"}}",
      "x.json:intra_efficiency.sd: out of range, got -1, allowed 0 and more" },
    { AMM_PRESET_DEVICE, HEAD("device") DEVICE_END ",\"aliases\":[\"a b\"]}",
      "x.json:aliases[0]: wrong characters, got \"a b\", allowed letters, digits, . _ -" },
    { AMM_PRESET_RUNTIME, HEAD("runtime") "\"gradient_bytes\":4}",
      "x.json:static_bytes_per_parameter: missing" },
    /* clusters */
    { AMM_PRESET_CLUSTER, HEAD("cluster") "\"nodes\":[]}",
      "x.json:nodes: empty: a cluster needs a node" },
    { AMM_PRESET_CLUSTER, HEAD("cluster") "\"nodes\":[" NODE("{}") "]}",
      "x.json:nodes[0].devices: empty" },
    { AMM_PRESET_CLUSTER, HEAD("cluster") "\"nodes\":[" NODE("{\"T4\":0}") "]}",
      "x.json:nodes[0].devices.T4: out of range, got 0, allowed 1 to 1024" },
    { AMM_PRESET_CLUSTER, HEAD("cluster") "\"nodes\":[" NODE("{\"T4\":1,\"T4\":1}") "]}",
      "x.json:nodes[0].devices.T4: key given twice" },
    { AMM_PRESET_CLUSTER, HEAD("cluster") "\"nodes\":[" NODE("{\"Q\":1}") "]}",
      "x.json:nodes[0].devices.Q: no device preset and no file is called \"Q\"; presets: ammeter "
      "list devices" },
    { AMM_PRESET_CLUSTER,
      HEAD("cluster") "\"nodes\":[{\"count\":1000000000,\"devices\":{\"T4\":1},\"intra\":1,"
                      "\"inter\":1}]}",
      "x.json:nodes[0].count: out of range, got 1000000000, allowed 1 to 65536" },
    { AMM_PRESET_CLUSTER,
      HEAD("cluster") "\"nodes\":[{\"devices\":{\"T4\":1},\"intra\":\"fast\",\"inter\":1}]}",
      "x.json:nodes[0].intra: not a bandwidth, got \"fast\", allowed e.g. 50gbit or 12.5GB" },
    { AMM_PRESET_CLUSTER,
      HEAD("cluster") "\"nodes\":[{\"devices\":{\"T4\":1},\"intra\":1,\"inter\":-1}]}",
      "x.json:nodes[0].inter: out of range, got -1, allowed above 0 to 1e+18" },
    { AMM_PRESET_CLUSTER,
      HEAD("cluster") "\"nodes\":[" NODE("{\"T4\":1}") "],\"links\":[{\"nodes\":[0,1],"
                                                       "\"bandwidth\":1}]}",
      "x.json:links[0].nodes[1]: out of range, got 1, allowed 0 to 0" },
    { AMM_PRESET_CLUSTER,
      HEAD("cluster") "\"nodes\":[" NODE(
          "[{\"device\":{\"name\":\"D\"," DEVICE_END "}},"
          "{\"device\":{\"name\":\"D\",\"context_bytes\":1," DEVICE_END "}}]") "]}",
      "x.json:nodes[0].devices[1].device: device \"D\" is described twice, differently; describe "
      "it once and name it elsewhere" },
    /* profiles */
    { AMM_PRESET_PROFILE, HEAD("profile") "\"points\":[]}",
      "x.json:points: empty: a profile needs at least one point" },
    { AMM_PRESET_PROFILE, HEAD("profile") "\"points\":[{" POINT ",\"forward_s\":[]}]}",
      "x.json:points[0].forward_s: empty" },
    { AMM_PRESET_PROFILE, HEAD("profile") "\"points\":[{" POINT ",\"forward_s\":[1,-1]}]}",
      "x.json:points[0].forward_s[1]: out of range, got -1, allowed 0 to 1e+09" },
    { AMM_PRESET_PROFILE,
      HEAD("profile") "\"points\":[{" POINT ",\"forward_s\":[1]},{" POINT ",\"forward_s\":[1]}]}",
      "x.json:points: given twice: device T4-16GB, tp 1, micro_batch 1" },
    { AMM_PRESET_PROFILE,
      HEAD("profile") "\"points\":[{" POINT ",\"forward_s\":[1,2],\"backward_s\":[1]}]}",
      "x.json:points[0].backward_s: got 1 layers, the first point has 2" },
    /* problems */
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"global_batch\":0}",
      "x.json:global_batch: out of range, got 0, allowed 1 to 16777216" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"cost_model\":\"amp\"}",
      "x.json:cost_model: unknown cost model, got \"amp\", allowed default, amp-reference" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"memory_margin\":1}",
      "x.json:memory_margin: out of range, got 1, allowed 0 to below 1" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"cp\":[1],\"ep\":[1,0]}}",
      "x.json:space.ep[1]: out of range, got 0, allowed 1 to 16777216" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"recompute\":[\"none\",\"some\"]}}",
      "x.json:space.recompute[1]: unknown, got \"some\", allowed none, selective, full, or "
      "core_attn, mlp, moe_act, moe, layernorm, mla_up_proj, shared_experts joined by +" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"sharding\":\"zero1,zero4\"}}",
      "x.json:space.sharding: unknown, got \"zero4\", allowed none, zero1, zero2, zero3" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":\"wide\"}",
      "x.json:space: got \"wide\", allowed launchable, full or an object" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"full\":1}}",
      "x.json:space.full: wrong type, got a number, allowed true or false" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"zp\":[1]}}",
      "x.json:space.zp: unknown key" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"tp\":[]}}",
      "x.json:space.tp: empty: leave the key out to allow everything" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"space\":{\"tp\":\"4..1\"}}",
      "x.json:space.tp: not a list, got \"4..1\", allowed e.g. 1,2,4 or 1..8" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"profile_mix\":{\"T4\":2}}",
      "x.json:profile_mix.T4: out of range, got 2, allowed above 0 to 1" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"profile_mix\":{\"T4\":0.5,\"T4-16GB\":0.5}}",
      "x.json:profile_mix.T4-16GB: device \"T4-16GB\" given twice" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"model\":5}",
      "x.json:model: wrong type, allowed a preset name, a path or an object" },
    { AMM_PRESET_PROBLEM,
      HEAD("problem") "\"model\":{\"name\":\"m\",\"seq_len\":8,\"layers\":["
                      "{\"kind\":\"block\",\"heads\":2}]}}",
      "x.json:model.layers[0].hidden: missing" },
    { AMM_PRESET_PROBLEM, HEAD("problem") "\"model\":\"gpt3\"}",
      "x.json:model: no model preset and no file is called \"gpt3\", close presets: gpt2, "
      "gpt3-175b" },
};

static void bad_input_is_named(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof bad_texts / sizeof bad_texts[0]; i++) {
        const char *text = bad_texts[i].text;
        refused(read_text(bad_texts[i].kind, text, strlen(text)), bad_texts[i].message);
    }
}

static void embedded_nul_is_refused(void **state)
{
    static const char in_string[] = "{\"format\":\"ammeter\0\"}";
    static const char trailing[] = "{}\0{";
    (void)state;
    refused(read_text(AMM_PRESET_MODEL, in_string, sizeof in_string - 1),
            "x.json:1:19: a string may not contain NUL");
    refused(read_text(AMM_PRESET_MODEL, trailing, sizeof trailing - 1),
            "x.json:1:3: expected the end of the text, got a NUL byte");
}

static void deep_and_long_texts(void **state)
{
    enum { SIZE = 1 << 20 };
    (void)state;
    char *text = malloc(SIZE);
    assert_non_null(text);
    memset(text, '[', SIZE);
    refused(read_text(AMM_PRESET_MODEL, text, SIZE),
            "x.json:1:33: nested too deeply, allowed 32 levels");
    memset(text, '{', SIZE);
    refused(read_text(AMM_PRESET_MODEL, text, SIZE), "x.json:1:2: expected a string, got \"{\"");
    memset(text, '7', SIZE);
    refused(read_text(AMM_PRESET_MODEL, text, SIZE),
            "x.json:1:1: number too long, allowed 63 characters");
    memset(text, 'x', SIZE);
    text[0] = '"';
    text[SIZE - 1] = '"';
    refused(read_text(AMM_PRESET_MODEL, text, SIZE),
            "x.json: wrong type, got a string, allowed an object");
    free(text);
}

static void private_keys_are_kept_out(void **state)
{
    static const char text[] =
        HEAD("device") DEVICE_END ",\"x-note\":{\"any\":[1,null]},\"context_bytes\":7}";
    amm_reader r = new_reader();
    const amm_device *device = NULL;
    (void)state;
    assert_int_equal(amm_read_device(&r, &device, text, sizeof text - 1, "x.json"), AMM_OK);
    assert_int_equal(device->context_bytes, 7);
}

/* ---- clusters in files ----------------------------------------------------------------------- */

static void cluster_file_equals_its_line(void **state)
{
    static const char text[] =
        HEAD("cluster") "\"nodes\":["
                        "{\"count\":2,\"devices\":[{\"device\":\"T4\",\"count\":2},{\"device\":"
                        "\"V100\"},"
                        "{\"device\":\"T4-16GB\"}],\"intra\":\"16gbit\",\"inter\":1e9}," NODE(
                            "{\"V100-16\":8}") "],\"links\":[{\"nodes\":[2,0],\"bandwidth\":"
                                               "\"5gbit\"}]}";
    amm_reader r = new_reader();
    const amm_cluster *cluster = NULL;
    amm_text line;
    char *out = NULL;
    (void)state;
    assert_int_equal(amm_read_cluster(&r, &cluster, text, sizeof text - 1, "x.json"), AMM_OK);
    assert_int_equal(cluster->device_count, 16);
    assert_int_equal(cluster->links[0].a, 0);
    assert_int_equal(cluster->links[0].b, 2);
    amm_text_init(&line, test_context());
    amm_cluster_format_line(&line, cluster);
    assert_int_equal(amm_text_take(&line, &out), AMM_OK);
    assert_string_equal(out, "2xnode:2xT4-16GB/1xV100-16GB/1xT4-16GB,intra=16gbit,inter=8gbit+"
                             "1xnode:8xV100-16GB,intra=8gbit,inter=8gbit;link:0-2=5gbit");
    assert_int_equal(amm_get_cluster(&r, &cluster, out, "cluster"), AMM_OK);
    assert_int_equal(cluster->device_count, 16);
    assert_int_equal(cluster->nodes[1].device_type[2], 1);
    amm_text_free(test_context(), out);
}

/* ---- writing --------------------------------------------------------------------------------- */

static void write_sample(amm_json *j)
{
    amm_json_open(j, NULL, '{');
    amm_json_string(j, "text", "a\"\\\n\x01µ\xff");
    amm_json_string(j, "none", NULL);
    amm_json_number(j, "number", 0.1 + 0.2);
    amm_json_number(j, "infinite", (double)INFINITY);
    amm_json_integer(j, "integer", INT64_MIN);
    amm_json_id(j, "id", UINT64_MAX);
    amm_json_hex(j, "hex", 255);
    amm_json_bool(j, "yes", true);
    amm_json_null(j, "null");
    amm_json_open(j, "empty", '[');
    amm_json_close(j, ']');
    amm_json_open_row(j, "row", '[');
    amm_json_open(j, NULL, '[');
    amm_json_integer(j, NULL, 1);
    amm_json_integer(j, NULL, 2);
    amm_json_close(j, ']');
    amm_json_integer(j, NULL, 3);
    amm_json_close(j, ']');
    amm_json_open(j, "list", '[');
    amm_json_open_row(j, NULL, '{');
    amm_json_integer(j, "a", 1);
    amm_json_integer(j, "b", 2);
    amm_json_close(j, '}');
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void writer_writes(void **state)
{
    static const char *const expected[] = {
        "{\"text\":\"a\\\"\\\\\\u000a\\u0001µ\\ufffd\",\"none\":null,"
        "\"number\":0.30000000000000004,\"infinite\":null,\"integer\":-9223372036854775808,"
        "\"id\":\"18446744073709551615\",\"hex\":\"00000000000000ff\",\"yes\":true,\"null\":null,"
        "\"empty\":[],\"row\":[[1,2],3],\"list\":[{\"a\":1,\"b\":2}]}",
        "{\n  \"text\": \"a\\\"\\\\\\u000a\\u0001µ\\ufffd\",\n  \"none\": null,\n"
        "  \"number\": 0.30000000000000004,\n  \"infinite\": null,\n"
        "  \"integer\": -9223372036854775808,\n  \"id\": \"18446744073709551615\",\n"
        "  \"hex\": \"00000000000000ff\",\n  \"yes\": true,\n  \"null\": null,\n"
        "  \"empty\": [],\n  \"row\": [[1, 2], 3],\n  \"list\": [\n    {\"a\": 1, \"b\": 2}\n  "
        "]\n}",
    };
    (void)state;
    for (int pretty = 0; pretty < 2; pretty++) {
        amm_text text;
        amm_json j;
        char *out = NULL;
        amm_text_init(&text, test_context());
        amm_json_init(&j, &text, pretty == 1);
        write_sample(&j);
        assert_int_equal(amm_text_take(&text, &out), AMM_OK);
        assert_string_equal(out, expected[pretty]);
        amm_text_free(test_context(), out);
    }
}

static void decimal_comma_does_not_matter(void **state)
{
    amm_reader r = new_reader();
    const amm_device *device = NULL;
    char *written = NULL;
    (void)state;
    if (setlocale(LC_ALL, "de_DE.UTF-8") == NULL) {
        skip();
    }
    const amm_status status = amm_get_device(&r, &device, "T4", "device");
    const amm_status again = rewrite(&r, AMM_PRESET_DEVICE, "T4", NULL, 0, &written);
    (void)setlocale(LC_ALL, "C");
    assert_int_equal(status, AMM_OK);
    assert_int_equal(again, AMM_OK);
    assert_true(device->inter_efficiency.low > 0.04 && device->inter_efficiency.low < 0.06);
    assert_non_null(strstr(written, "\"low\": 0.05"));
    amm_text_free(test_context(), written);
}

/* ---- memory ---------------------------------------------------------------------------------- */

/* Reads and writes with an allocator that fails from the n-th allocation on; true when it did not
 * have to. */
static bool survives(amm_preset_kind kind, const char *what, int64_t n)
{
    failing_allocator failing = { n, 0, 0 };
    amm_context_options options = AMM_CONTEXT_OPTIONS_INIT;
    amm_context *context = NULL;
    amm_arena own;
    char *out = NULL;
    options.allocator = failing_allocator_make(&failing);
    amm_status status = amm_context_create(&context, &options);
    if (status == AMM_OK) {
        amm_arena_init(&own, context);
        amm_reader r = { .context = context, .arena = &own, .hash = AMM_HASH_START };
        status = rewrite(&r, kind, what, NULL, 0, &out);
        amm_text_free(context, out);
        amm_arena_free(&own);
    }
    amm_context_free(context);
    assert_int_equal(failing.live, 0);
    if (status != AMM_OK) {
        assert_int_equal(status, AMM_NO_MEMORY);
        assert_non_null(strstr(amm_last_error(), "out of memory"));
    }
    return status == AMM_OK;
}

static void every_allocation_may_fail(void **state)
{
    const char *name = NULL;
    (void)state;
    for (int32_t i = 0; (name = amm_preset_name(AMM_PRESET_PROBLEM, i)) != NULL; i++) {
        int64_t n = 0;
        while (!survives(AMM_PRESET_PROBLEM, name, n)) {
            n++;
        }
        assert_true(n > 100);
    }
    int64_t n = 0;
    while (
        !survives(AMM_PRESET_CLUSTER, "2xp3.8xlarge+1x4xT4,intra=1GB,inter=1GB;link:0-2=1GB", n)) {
        n++;
    }
    assert_true(n > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(presets_round_trip),
        cmocka_unit_test(problem_presets_are_whole),
        cmocka_unit_test(gpt2_has_its_size),
        cmocka_unit_test(profile_keeps_every_digit),
        cmocka_unit_test(devices_have_aliases),
        cmocka_unit_test(unknown_names_get_advice),
        cmocka_unit_test(problem_paths_are_relative),
        cmocka_unit_test(hash_follows_the_input),
        cmocka_unit_test(bad_input_is_named),
        cmocka_unit_test(embedded_nul_is_refused),
        cmocka_unit_test(deep_and_long_texts),
        cmocka_unit_test(private_keys_are_kept_out),
        cmocka_unit_test(cluster_file_equals_its_line),
        cmocka_unit_test(writer_writes),
        cmocka_unit_test(decimal_comma_does_not_matter),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests_name("io", tests, arena_start, arena_stop);
}
