#include "random_spec.h"
#include "test_support.h"

#include "core/random.h"
#include "search/enumerate.h"
#include <stdio.h>

const char *const random_models[3] = {
    "{\"format\":\"ammeter-model\",\"version\":1,\"name\":\"dense\",\"seq_len\":2048,\"layers\":["
    "{\"kind\":\"embedding\",\"hidden\":4096,\"vocab\":128000},"
    "{\"kind\":\"block\",\"count\":6,\"hidden\":4096,\"ffn\":14336,\"heads\":32,\"kv_heads\":8,"
    "\"gated\":true,\"norm\":\"rms\"},"
    "{\"kind\":\"norm\",\"hidden\":4096,\"norm\":\"rms\"},"
    "{\"kind\":\"head\",\"hidden\":4096,\"vocab\":128000}]}",
    "{\"format\":\"ammeter-model\",\"version\":1,\"name\":\"moe\",\"seq_len\":4096,\"layers\":["
    "{\"kind\":\"embedding\",\"hidden\":2048,\"vocab\":32000},"
    "{\"kind\":\"block\",\"count\":2,\"hidden\":2048,\"ffn\":10944,\"heads\":16,\"gated\":true,"
    "\"norm\":\"rms\"},"
    "{\"kind\":\"block\",\"count\":5,\"hidden\":2048,\"heads\":16,\"gated\":true,\"experts\":16,"
    "\"top_k\":4,\"expert_ffn\":1408,\"shared_ffn\":2816,\"norm\":\"rms\"},"
    "{\"kind\":\"norm\",\"hidden\":2048,\"norm\":\"rms\"},"
    "{\"kind\":\"head\",\"hidden\":2048,\"vocab\":32000}]}",
    "{\"format\":\"ammeter-model\",\"version\":1,\"name\":\"tied\",\"seq_len\":1024,\"layers\":["
    "{\"kind\":\"embedding\",\"hidden\":1600,\"vocab\":50257,\"positions\":1024},"
    "{\"kind\":\"block\",\"count\":7,\"hidden\":1600,\"heads\":20},"
    "{\"kind\":\"norm\",\"hidden\":1600},"
    "{\"kind\":\"head\",\"hidden\":1600,\"vocab\":50257,\"tied\":true}]}",
};
const char *const random_clusters[5] = {
    "2xdgx-h100",
    "2xnode:4xH100-80GB,intra=450GB,inter=100gbit",
    "4xnode:2xA100-40GB,intra=300GB,inter=10gbit",
    "1xnode:8xL40S,intra=32GB,inter=100gbit",
    "3xnode:2xV100-16GB,intra=150GB,inter=1gbit",
};
static const char *const runtimes[] = { "megatron-core", "megatron-lm-2021", "generic",
                                        "llm-foundry" };
static const char *const batches[] = { "8", "12", "16", "48" };

static const char *const schedules[] = { "gpipe", "1f1b,zb-h1", "zb-h2", "1f1b,gpipe" };
static const char *const choices[][2] = { { "tp_overlap", "off,on" }, { "dp_overlap", "off" },
                                          { "shard_group", "all,2" }, { "cp_comm", "p2p,a2a" },
                                          { "graphs", "partial" },    { "sequence_parallel", "on" },
                                          { "attention", "fused" },   { "dispatcher", "deepep" } };

#define PICK(array, seed)                                                                          \
    (array)[amm_random_range(seed, 0, (int32_t)(sizeof(array) / sizeof(array)[0]) - 1)]

void set_spec(amm_spec *spec, const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

/* Few sets and stages where every stage chooses its own, so that brute force can try them all. */
static void choose_few(amm_spec *spec, uint64_t *seed)
{
    static const char *const lists[][2] = { { "none,full", "1,2,4" },
                                            { "core_attn,full", "1,2,4" },
                                            { "none,mlp,full", "1,2,3" },
                                            { "none,moe_act+layernorm,moe,full", "1,2,3" } };
    const int32_t k = amm_random_range(seed, 0, 3);
    set_spec(spec, "recompute", lists[k][0]);
    set_spec(spec, "pp", lists[k][1]);
    set_spec(spec, "micro_batch", "1,2");
}

amm_spec *random_spec(uint64_t *seed)
{
    static const char *const margins[] = { "0", "0.3", "0.6", "0.8", "0.85" };
    amm_spec *spec = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set_spec(spec, "model", PICK(random_models, seed));
    set_spec(spec, "cluster", PICK(random_clusters, seed));
    set_spec(spec, "precision", "fp16"); /* every device has it */
    set_spec(spec, "runtime", PICK(runtimes, seed));
    set_spec(spec, "global_batch", PICK(batches, seed));
    set_spec(spec, "memory_margin", PICK(margins, seed));
    set_spec(spec, "micro_batch", "1,2,4");
    if (amm_random_range(seed, 0, 3) == 0) {
        set_spec(spec, "space", "full");
    }
    if (amm_random_range(seed, 0, 2) == 0) {
        set_spec(spec, "schedule", PICK(schedules, seed));
        const char *const *more = PICK(choices, seed);
        set_spec(spec, more[0], more[1]);
    }
    if (amm_space_chooses(&spec->problem)) {
        choose_few(spec, seed);
    }
    return spec;
}

amm_spec *choosing_spec(uint64_t *seed)
{
    amm_spec *spec = NULL;
    char margin[16];
    snprintf(margin, sizeof margin, "0.%02d", amm_random_range(seed, 0, 95));
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    set_spec(spec, "model", PICK(random_models, seed));
    set_spec(spec, "cluster", PICK(random_clusters, seed));
    set_spec(spec, "precision", "fp16");
    set_spec(spec, "runtime", PICK(runtimes, seed));
    set_spec(spec, "global_batch", PICK(batches, seed));
    set_spec(spec, "memory_margin", margin);
    set_spec(spec, "space", "full");
    choose_few(spec, seed);
    if (amm_random_range(seed, 0, 2) == 0) { /* gradients reduced behind every micro-batch */
        set_spec(spec, "sharding", "zero2");
    }
    set_spec(spec, "pp", spec->problem.space.dims[AMM_DIM_PP].values[2] == 4 ? "2,4" : "2,3");
    return spec;
}
