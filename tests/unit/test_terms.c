/* Terms of a step and of the memory ledger that single collectives and tables make, by hand. */
#include "test_support.h"

#include "analytic/stage.h"
#include <math.h>
#include <string.h>

static const double tight = 1e-12;
static const uint8_t kind_of[8] = { 0 };

typedef struct bench {
    amm_network network;
    amm_machine machine;
    amm_run run;
} bench;

/* Every device sends 100 bytes/s into the network; links inside domains and matrix units cost next
 * to nothing. Eight blocks, 10 wide, 40 words; t 2, p 4, D 2 on 16 devices in domains of 4. */
static bench start(void)
{
    bench b = { 0 };
    amm_constant facts[AMM_FACT_COUNT];
    amm_named_defaults(facts, amm_fact_table, AMM_FACT_COUNT);
#define TAKE(name, low, high, usual, what) b.machine.facts.name = facts[AMM_FACT_##name].value;
    AMM_FACT_LIST(TAKE)
#undef TAKE
    amm_rates *r = &b.machine.rates;
    r->flops_fp32 = r->flops_tf32 = r->flops_16bit = r->flops_8bit = r->flops_4bit = 1e15;
    r->hbm_bytes_per_s = 1e15;
    r->gemm_efficiency = r->weight_gradient_slowdown = r->unaligned_efficiency = 1.0;
    r->attention_efficiency = r->memory_efficiency = r->scaleup_efficiency = 1.0;
    r->low_precision_share = r->network_efficiency = 1.0;
    r->scaleup_bytes_per_s = 1e15;
    b.machine.fabric = (amm_fabric){ 16.0, 4.0, 1e15, 1e15, 1.0, 1.0, 400.0, 1.0 };
    b.machine.memory_bytes = 1e6;
    b.network.hidden = 10.0;
    b.network.vocab = 40.0;
    b.network.tied = 1;
    b.network.block_count = 8;
    b.network.kind_count = 1;
    b.network.kind_of = kind_of;
    amm_block_shape *x = &b.network.kind[0];
    x->hidden = 10.0;
    x->heads = x->kv_heads = 2.0;
    x->head_qk = x->head_v = 5.0;
    x->ffn = 40.0;
    x->norm_vectors = 2.0;
    amm_network_finish(&b.network);
    b.run.devices = 16.0;
    b.run.tp = b.run.dp = 2.0;
    b.run.pp = 4.0;
    b.run.cp = b.run.ep = b.run.etp = b.run.vpp = b.run.micro_batch = 1.0;
    b.run.micro_batches = 8.0;
    b.run.seq_len = 20.0;
    b.run.schedule = AMM_SCHEDULE_1F1B;
    b.run.shard_group = 1.0;
    b.run.attention = AMM_ATTENTION_FLASH;
    b.run.precision = AMM_PRECISION_BF16;
    b.run.norm_fused = 1;
    return b;
}

static double other_s(const bench *b)
{
    amm_step step;
    amm_step_time(&step, &b->network, &b->machine, &b->run);
    return step.other_s - b->machine.facts.step_host_s;
}

static amm_ledger stage_of(const bench *b, int32_t stage)
{
    amm_ledger out;
    amm_stage_memory(&out, &b->network, &b->machine, &b->run, stage);
    return out;
}

/* 40 x 10 / 2 gradients of 4 bytes between two ranks: 800 bytes each way at 100 bytes/s. */
static void tied_table(void **state)
{
    bench b = start();
    (void)state;
    assert_close(other_s(&b), 8.0, tight, 0);
    b.machine.fabric.collective_share = 0.25; /* two ranks exchange messages */
    assert_close(other_s(&b), 8.0, tight, 0);
    b.run.sharding = AMM_SHARDING_OPTIMIZER; /* whole gradients still */
    b.run.shard_group = 2.0;
    assert_close(other_s(&b), 8.0, tight, 0);
    b.run.sharding = AMM_SHARDING_GRADIENTS; /* each rank its half */
    assert_close(other_s(&b), 4.0, tight, 0);
    b.run.sharding = AMM_SHARDING_NONE;
    b.run.tp = 1.0; /* two devices of a domain send, and have its NICs for themselves: twice the
                       bytes, twice the rate */
    b.run.pp = 8.0;
    assert_close(other_s(&b), 8.0, tight, 0);
    b.run.pp = 1.0;
    assert_close(other_s(&b), 0.0, 0, 0);
    b = start();
    b.network.tied = 0;
    assert_close(other_s(&b), 0.0, 0, 0);
    b.network.prediction_layers = 1.0; /* reads the embedding on the last stage */
    assert_close(other_s(&b), 8.0, tight, 0);
    b = start();
    b.machine.fabric.domain = 16.0; /* no network */
    assert_close(other_s(&b), 800e-15 * pow(1.0 + 1e15 / 6e3 / 800.0, 0.42), 0, 1e-12);
}

/* Dense: two all-reduces of 20 x 10 x 2 bytes over two ranks, 400 bytes each across the network. */
static void tensor_parts(void **state)
{
    bench b = start();
    amm_block_seconds out;
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    amm_block_shape x = b.network.kind[0];
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 4 * 4.0, tight, 0);
    x.ffn = 0.0; /* experts: attention's alone */
    x.experts = 4.0;
    x.top_k = 2.0;
    x.expert_ffn = 40.0;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 2 * 4.0, tight, 0);
    assert_close(out.ep_s, 0.0, 0, 0);
    x.shared_ffn = 40.0; /* and those of the shared experts */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 4 * 4.0, tight, 0);
}

/* As above, four all-reduces of 4 s, where backward ones run beside weight-gradient GEMMs of
 * 2 20 10 w FLOP: w = 15 of query, key and value, 20 of the feed-forward. */
static void tensor_reduce_beside(void **state)
{
    bench b = start();
    amm_block_seconds out;
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    b.machine.facts.tp_reduce_beside = b.machine.facts.hopper_gemm_rate = 1.0;
    b.machine.rates.gemm_half_size = 0.0;
    const amm_block_shape x = b.network.kind[0];
    b.machine.rates.flops_16bit = 1e3; /* 6 s and 8 s: both hidden */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 2 * 4.0, tight, 0);
    b.machine.rates.flops_16bit = 2e3; /* 3 s and 4 s */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 2 * 4.0 + 1.0, tight, 0);
    b.machine.rates.weight_gradient_slowdown = 2.0; /* 6 s and 8 s */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 2 * 4.0, tight, 0);
    b.run.sequence_parallel = 1; /* only the reduce-scatter, half of it */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 2 * 4.0 + 2 * 2.0, tight, 0);
    b.run.recompute = AMM_RECOMPUTE_FULL; /* forward once more */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 4 * 4.0 + 2 * 2.0, tight, 0);
}

/* Launches of 1 s: 4 experts on one rank, or 2 on each of two. */
static void local_experts(void **state)
{
    bench b = start();
    amm_block_seconds one;
    amm_block_seconds two;
    (void)state;
    b.machine.rates.launch_s = 1.0;
    b.machine.facts.launches_per_local_expert = 3.0;
    amm_block_shape x = b.network.kind[0];
    x.ffn = 0.0;
    x.experts = 4.0;
    x.top_k = 2.0;
    x.expert_ffn = 40.0;
    amm_block_cost(&one, &b.machine, &b.run, &x);
    b.run.ep = 2.0;
    amm_block_cost(&two, &b.machine, &b.run, &x);
    assert_close(one.forward_s - two.forward_s, 6.0, 0, 1e-9);
    assert_close(one.backward_s - two.backward_s, 2.0 * 6.0, 0, 1e-9);
    b.run.graph = 1; /* graphs of parts leave out experts */
    b.machine.facts.graph_part_share = 0.0;
    amm_block_cost(&two, &b.machine, &b.run, &x);
    assert_close(two.forward_s, 6.0, 0, 1e-7);
    b.run.graph = 0;
    b.machine.rates.flops_16bit = b.machine.rates.flops_8bit =
        1.0; /* the device takes longer: hidden */
    amm_block_cost(&two, &b.machine, &b.run, &x);
    b.machine.facts.launches_per_local_expert = 0.0;
    amm_block_cost(&one, &b.machine, &b.run, &x);
    assert_close(two.forward_s, one.forward_s, 1e-9, 0);
}

/* The reduction of the feed-forward, half of the four 4 s of a pass, is done again with it; that of experts is
 * of the shared ones. */
static void recomputed_reductions(void **state)
{
    bench b = start();
    amm_block_seconds out;
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    amm_block_shape x = b.network.kind[0];
    b.run.recompute = AMM_RECOMPUTE_MLP;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 4 * 4.0 + 4.0, tight, 0);
    const double with_s = out.backward_s;
    b.run.recompute = 0;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(with_s - out.backward_s, 4.0, 1e-6, 0);
    x.ffn = 0.0;
    x.experts = 4.0;
    x.top_k = 2.0;
    x.expert_ffn = x.shared_ffn = 40.0;
    b.run.recompute = AMM_RECOMPUTE_MOE;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 4 * 4.0 + 4.0, tight, 0);
    x.shared_ffn = 0.0;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 2 * 4.0, tight, 0);
}

/* Two heads of a rank and the sequences of a micro-batch: 2, 4, 6. */
static void softmax_rows(void **state)
{
    bench b = start();
    amm_block_seconds fused;
    amm_block_seconds torch;
    amm_kept_class kept[2];
    (void)state;
    const amm_block_shape *x = &b.network.kind[0];
    amm_facts *f = &b.machine.facts;
    b.run.tp = 1.0;
    b.run.attention = AMM_ATTENTION_FUSED_SOFTMAX;
    b.machine.rates.launch_s = b.machine.rates.unfused_efficiency = 1.0;
    f->launches_torch_softmax = 5.0;
    amm_block_cost(&fused, &b.machine, &b.run, x); /* no limit: 1 */
    amm_kept_class_of(&kept[0], &b.network, &b.machine, &b.run, 0);
    f->softmax_rows_multiple = 4.0;
    assert_int_equal(amm_run_attention(&b.machine, &b.run, x), AMM_ATTENTION_TORCH);
    amm_block_cost(&torch, &b.machine, &b.run, x);
    amm_kept_class_of(&kept[1], &b.network, &b.machine, &b.run, 0);
    assert_close(torch.forward_s - fused.forward_s, 5.0, 0, 1e-9);
    assert_close(torch.backward_s - fused.backward_s, 1.4 * 5.0, 0, 1e-9);
    /* fp32 instead of 16-bit results of 20 x 20 x 2 scores */
    assert_close(kept[1].kept[0] - kept[0].kept[0], (4.0 - f->softmax_kept_bytes) * 800.0, tight,
                 0);
    b.run.micro_batch = 2.0;
    assert_int_equal(amm_run_attention(&b.machine, &b.run, x), AMM_ATTENTION_FUSED_SOFTMAX);
    b.run.micro_batch = 3.0;
    assert_int_equal(amm_run_attention(&b.machine, &b.run, x), AMM_ATTENTION_TORCH);
    b.run.attention = AMM_ATTENTION_FLASH; /* another kernel */
    assert_int_equal(amm_run_attention(&b.machine, &b.run, x), AMM_ATTENTION_FLASH);
}

/* 16 elements in NVFP4 are 8 bytes and a scale; 32 in MXFP8 are 32 and a scale. */
static void linear_inputs(void **state)
{
    (void)state;
    assert_close(16.0 * amm_linear_input_bytes(AMM_PRECISION_NVFP4), 9.0, 0, 0);
    assert_close(32.0 * amm_linear_input_bytes(AMM_PRECISION_MXFP8), 33.0, 0, 0);
    assert_close(amm_linear_input_bytes(AMM_PRECISION_FP8), 1.0, 0, 0);
    assert_close(amm_linear_input_bytes(AMM_PRECISION_BF16), 2.0, 0, 0);
    assert_close(amm_linear_input_bytes(AMM_PRECISION_TF32), 4.0, 0, 0);
}

/* With sequence parallelism the inputs of both column-parallel layers, 20 x 10 x 2 bytes, are gathered
 * again: 2 s each, beside GEMMs of 2 x 20 x 10 x 15 and x 20 FLOP. */
static void gathered_again(void **state)
{
    bench b = start();
    amm_block_seconds out;
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    b.machine.facts.hopper_gemm_rate = 1.0;
    b.run.sequence_parallel = 1;
    const amm_block_shape x = b.network.kind[0];
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 4 * 4.0 + 2 * 2.0, 1e-9, 0); /* GEMMs take no time */
    b.machine.rates.flops_16bit = b.machine.rates.flops_8bit = 1e4;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s,
                 4 * 4.0 + (2.0 - 2 * 20 * 10 * 15 / 1e4) + (2.0 - 2 * 20 * 10 * 20 / 1e4), 1e-9,
                 0);
    b.run.recompute = AMM_RECOMPUTE_FULL;
    b.machine.rates.flops_16bit = b.machine.rates.flops_8bit = 1e3; /* all hidden */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.tp_s, 6 * 4.0, 1e-9, 0);
}

/* Ranks of an expert hold 10 tokens each; two copies of both ranks' tokens, 800 bytes, are gathered
 * and scattered again each way: 400 bytes cross at 100 bytes/s, four times. */
static void expert_tensor(void **state)
{
    bench b = start();
    amm_block_seconds out;
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    b.run.sequence_parallel = 1;
    b.run.etp = 2.0;
    amm_block_shape x = b.network.kind[0];
    x.ffn = 0.0;
    x.experts = 4.0;
    x.top_k = 2.0;
    x.expert_ffn = 40.0;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.ep_s, 4 * 4.0, tight, 0);
    b.machine.facts.expert_imbalance = 1.5; /* the busiest rank's */
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.ep_s, 4 * 6.0, tight, 0);
    b.run.recompute = AMM_RECOMPUTE_MOE;
    amm_block_cost(&out, &b.machine, &b.run, &x);
    assert_close(out.ep_s, 6 * 6.0, tight, 0);
}

/* 32 data-parallel ranks, shared by 8: four instances. Experts over 8 ranks each have 32 / 4 = 8
 * expert-data ranks with t = 2, ε = 8: two of them share. */
static void hybrid_experts(void **state)
{
    bench b = start();
    (void)state;
    b.run.dp = 32.0;
    b.run.ep = 8.0;
    b.run.sharding = AMM_SHARDING_PARAMETERS;
    b.run.shard_group = 8.0;
    assert_close(amm_expert_ranks(&b.run), 8.0, 0, 0);
    assert_close(amm_expert_shards(&b.run), 2.0, 0, 0);
    b.run.shard_group = 32.0; /* one instance: all of them */
    assert_close(amm_expert_shards(&b.run), 8.0, 0, 0);
    b.run.shard_group = 2.0; /* more instances than expert ranks */
    assert_close(amm_expert_shards(&b.run), 1.0, 0, 0);
    b.run.sharding = AMM_SHARDING_NONE;
    assert_close(amm_expert_shards(&b.run), 1.0, 0, 0);
}

/* Time and memory count the same shares: the optimizer's traffic over that of whole states is the
 * share of its bytes. */
static void hybrid_agrees(void **state)
{
    bench b = start();
    amm_stage_seconds s = { 0 };
    (void)state;
    b.run.pp = 1.0;
    b.run.dp = 32.0;
    b.run.ep = 8.0;
    b.run.sharding = AMM_SHARDING_PARAMETERS;
    b.run.shard_group = 8.0;
    s.expert_parameters = 1e6;
    const double shared = amm_optimizer_seconds(&b.machine, &b.run, &s);
    b.run.shard_group = 2.0;
    assert_close(amm_optimizer_seconds(&b.machine, &b.run, &s) / shared, 2.0, tight, 0);
    amm_block_shape *x = &b.network.kind[0];
    x->experts = 8.0;
    x->top_k = 1.0;
    x->expert_ffn = 1e6; /* nothing else counts */
    x->ffn = 0.0;
    amm_network_finish(&b.network);
    const double whole = stage_of(&b, 0).optimizer;
    b.run.shard_group = 8.0;
    assert_close(whole / stage_of(&b, 0).optimizer, 2.0, 1e-4, 0);
}

/* A head of 400 parameters; attention adds 20 keys x 2 heads x 10 to a block. A second block
 * and head where there is an extra prediction layer, with its parts of the communication. */
static void prediction_layer(void **state)
{
    bench b = start();
    amm_stages stages;
    (void)state;
    b.run.pp = 1.0;
    b.run.sequence_parallel = 1;
    b.run.cp = 2.0;
    b.machine.fabric.domain = 1.0;
    amm_block_shape *x = &b.network.kind[0];
    x->experts = 4.0;
    x->top_k = 2.0;
    x->expert_ffn = 40.0;
    b.run.ep = 2.0;
    amm_network_finish(&b.network);
    const double block =
        2.0 * (b.network.kind_parameters[0] + b.network.kind_expert_parameters[0] * 2.0 / 4.0) +
        20.0 * 2.0 * 10.0;
    const double tokens = 8.0 * 2.0 * 20.0; /* micro-batches, replicas, sequence */
    assert_close(amm_model_flops(&b.network, &b.run), 3.0 * tokens * (800.0 + 8.0 * block), tight,
                 0);
    amm_stage_costs(&stages, &b.network, &b.machine, &b.run);
    const amm_stage_seconds eight = stages.stage[0];
    b.network.prediction_layers = 1.0;
    assert_close(amm_model_flops(&b.network, &b.run), 3.0 * tokens * (1600.0 + 9.0 * block), tight,
                 0);
    amm_stage_costs(&stages, &b.network, &b.machine, &b.run);
    assert_true(eight.tp_s > 0.0 && eight.cp_s > 0.0 && eight.ep_s > 0.0);
    assert_close(stages.stage[0].tp_s, eight.tp_s * 9.0 / 8.0, tight, 0);
    assert_close(stages.stage[0].cp_s, eight.cp_s * 9.0 / 8.0, tight, 0);
    assert_close(stages.stage[0].ep_s, eight.ep_s * 9.0 / 8.0, tight, 0);
}

/* 100 parameters over four ranks at 100 bytes/s: two gathers of 200 bytes, 1.5 s each, and a reduction
 * of 400, 3 s, in each of eight micro-batches. Two instances of two ranks: 1 + 1 + 2 s each, and once an
 * all-reduce of half the gradients, 200 bytes. */
static void sharded_gradients(void **state)
{
    bench b = start();
    amm_stage_seconds s = { 0 };
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    b.run.tp = 1.0;
    b.run.dp = b.run.shard_group = 4.0;
    b.run.sharding = AMM_SHARDING_PARAMETERS;
    s.parameters = 100.0;
    s.blocks = 1.0;
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 8 * 6.0, tight, 0);
    b.machine.facts.gradient_bytes_bf16 = 2.0;
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 8 * 4.5, tight, 0);
    b.machine.facts.gradient_bytes_bf16 = 4.0;
    b.run.shard_group = 2.0;
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 8 * 4.0 + 2.0, tight, 0);
}

/* A broadcast per owner of a share, where the owners are in several domains. Tensor groups wider than a
 * domain alone share nothing. */
static void broadcast_per_rank(void **state)
{
    bench b = start();
    const amm_stage_seconds s = { 0 };
    (void)state;
    b.machine.facts.zero_rank_s = 0.5;
    b.run.tp = 8.0;
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 0.0, 0, 0);
    b.run.sharding = AMM_SHARDING_OPTIMIZER;
    b.run.shard_group = 2.0;
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 1.0, tight, 0);
}

/* Tables 400 / 2, positions 20 x 10 whole, norm 2 x 10. */
static void end_parameters(void **state)
{
    bench b = start();
    (void)state;
    b.network.positions = 20.0;
    assert_close(amm_end_parameters(&b.network, &b.run, 1, 0), 200.0 + 200.0, 0, 0);
    assert_close(amm_end_parameters(&b.network, &b.run, 0, 1), 20.0 + 200.0, 0, 0);
    assert_close(amm_end_parameters(&b.network, &b.run, 0, 0), 0.0, 0, 0);
    b.network.prediction_layers =
        1.0; /* needs the embedding, which is the head's copy of a tied table */
    assert_close(amm_end_parameters(&b.network, &b.run, 0, 1), 20.0 + 200.0, 0, 0);
    b.network.tied = 0;
    assert_close(amm_end_parameters(&b.network, &b.run, 0, 1), 20.0 + 400.0, 0, 0);
    b.network.tied = 1;
    b.run.pp = 1.0; /* tied and on one stage: one table */
    assert_close(amm_end_parameters(&b.network, &b.run, 1, 1), 400.0 + 20.0, 0, 0);
}

/* First stage, 4 in flight: indices 8 x 20, masks 20 x 10 each. Last: 20 x 10 values of 2 bytes before
 * norm and head. */
static void end_activations(void **state)
{
    bench b = start();
    (void)state;
    const double block = stage_of(&b, 1).activations / 3.0; /* three micro-batches in flight */
    assert_close(stage_of(&b, 0).activations, 4 * block + 4 * (160.0 + 200.0), tight, 0);
    assert_close(stage_of(&b, 3).activations, block + 2 * 400.0, tight, 0);
    const double logits = stage_of(&b, 3).logits;
    assert_close(logits, 20 * 40 * b.machine.facts.logit_bytes / 2, tight, 0);
    b.run.sequence_parallel = 1; /* masks and what enters norm and head are divided */
    const double cut = stage_of(&b, 1).activations / 3.0;
    assert_close(stage_of(&b, 0).activations, 4 * cut + 4 * (160.0 + 100.0), tight, 0);
    assert_close(stage_of(&b, 3).activations, cut + 2 * 200.0, tight, 0);
    b.run.schedule = AMM_SCHEDULE_GPIPE; /* all eight before the first backward pass */
    assert_close(stage_of(&b, 3).activations, 8 * cut + 8 * 2 * 200.0, tight, 0);
    assert_close(stage_of(&b, 3).logits, 8 * logits, tight, 0);
}

/* Weights of 2, gradients of 4 bytes. Two blocks, and the gradients of one; with tables of 4000 words, 10
 * wide, twice and a norm of 20 the root is the largest unit. A wider kind of block counts, wherever. */
static void gathered_units(void **state)
{
    static const uint8_t kinds[8] = { 0, 0, 0, 1, 0, 0, 0, 0 };
    bench b = start();
    (void)state;
    b.network.tied = 0;
    b.run.tp = b.run.pp = 1.0;
    b.run.dp = b.run.shard_group = 16.0;
    b.run.sharding = AMM_SHARDING_PARAMETERS;
    const double block = amm_block_parameters_of(&b.network.kind[0]);
    assert_close(stage_of(&b, 0).gathered, 2.0 * 2.0 * block + 4.0 * block, tight, 0);
    b.network.vocab = 4000.0;
    assert_close(stage_of(&b, 0).gathered, 2.0 * (80020.0 + block) + 4.0 * 80020.0, tight, 0);
    b.network.vocab = 40.0;
    b.network.kind_count = 2;
    b.network.kind_of = kinds;
    b.network.kind[1] = b.network.kind[0];
    b.network.kind[1].ffn = 80.0;
    amm_network_finish(&b.network);
    const double wide = amm_block_parameters_of(&b.network.kind[1]);
    assert_true(wide > block);
    assert_close(stage_of(&b, 0).gathered, 8.0 * wide, tight, 0);
}

/* The copy counts where it is more than what the step holds besides. */
static void gradient_copy(void **state)
{
    bench b = start();
    (void)state;
    b.run.precision = AMM_PRECISION_FP16;
    b.run.seq_len = 1.0;
    b.machine.facts.gradient_copy_bytes_fp16 = 0.0;
    const amm_ledger none = stage_of(&b, 1);
    b.machine.facts.gradient_copy_bytes_fp16 = 4.0;
    const amm_ledger copy = stage_of(&b, 1);
    const double parameters = 2.0 * amm_block_rank_parameters(&b.network.kind[0], 2.0);
    assert_close(copy.working, 4.0 * parameters - none.activations, tight, 0);
    b.run.seq_len = 20000.0; /* activations are gone when it is made */
    assert_close(stage_of(&b, 1).working, none.working, tight, 0);
    b.run.precision = AMM_PRECISION_BF16;
    b.run.seq_len = 1.0;
    assert_close(stage_of(&b, 1).working, none.working, tight, 0);
}

/* One table of peaks. */
static void peaks(void **state)
{
    amm_rates r = { 0 };
    amm_device device = { 0 };
    (void)state;
    for (int k = 0; k < AMM_PEAK_COUNT; k++) {
        device.peaks[k] = k + 1.0;
    }
    amm_named_defaults(device.rates, amm_rate_table, AMM_RATE_COUNT);
    amm_device_rates(&r, &device);
    for (int p = 0; p < AMM_PRECISION_COUNT; p++) {
        assert_same_bits(amm_nominal_peak(&r, p), device.peaks[amm_precision_peak(p)]);
    }
    assert_int_equal(amm_precision_peak(AMM_PRECISION_TF32), AMM_PEAK_flops_tf32);
    assert_int_equal(amm_precision_peak(AMM_PRECISION_MXFP8), AMM_PEAK_flops_8bit);
    assert_same_bits(amm_matrix_peak(&r, AMM_PRECISION_BF16), r.flops_16bit);
    assert_same_bits(amm_matrix_peak(&r, AMM_PRECISION_NVFP4),
                     r.flops_4bit * r.low_precision_share);
}

/* At m = x, n and k large, half the rate; twice the m where the format is twice as fast. */
static void half_size(void **state)
{
    amm_rates r = { 0 };
    amm_facts facts = { 0 };
    amm_op_env env = { 0 };
    (void)state;
    r.flops_16bit = 1e12;
    r.flops_8bit = 1.5e12; /* no hopper_gemm_rate */
    r.gemm_efficiency = r.low_precision_share = r.memory_efficiency = 1.0;
    r.hbm_bytes_per_s = 1e30;
    r.gemm_half_size = 100.0;
    env.rates = &r;
    env.facts = &facts;
    env.element_bytes = 2.0;
    env.precision = AMM_PRECISION_FP8;
    const double n = 64e12; /* its own faces do not count */
    assert_close(amm_gemm_time(&env, AMM_PRECISION_BF16, 100.0, n, n),
                 2.0 * (2.0 * 100.0 * n * n / 1e12), 1e-9, 0);
    assert_close(amm_gemm_time(&env, AMM_PRECISION_FP8, 150.0, n, n),
                 2.0 * (2.0 * 150.0 * n * n / 1.5e12), 1e-9, 0);
    /* Groups of 150 of 600 rows: a face each; quantisation as ever, 2 x 600 n bytes each way. */
    facts.quantise_bytes = 2.0;
    r.hbm_bytes_per_s = 600.0 * n;
    const amm_linear l = { 600.0, n, n, 150.0 };
    const double gemm_s = 2.0 * (2.0 * 600.0 * n * n / 1.5e12);
    r.weight_gradient_slowdown = 1.5;
    assert_close(amm_linear_forward(&env, AMM_PRECISION_FP8, &l), gemm_s + 2.0, 1e-9, 0);
    assert_close(amm_linear_backward(&env, AMM_PRECISION_FP8, &l), 2.5 * gemm_s + 2.0, 1e-9, 0);
    /* Slow memory: the weights of four groups, and every row in and out. */
    r.hbm_bytes_per_s = 1.0;
    facts.quantise_bytes = 0.0;
    assert_close(amm_linear_forward(&env, AMM_PRECISION_FP8, &l),
                 2.0 * (4.0 * n * n + 2.0 * 600.0 * n), 1e-9, 0);
}

/* One data-parallel rank, whose two tensor ranks hold the same experts: their gradients are reduced. */
static void experts_alone_reduce(void **state)
{
    bench b = start();
    amm_stage_seconds s = { .parameters = 100.0, .expert_parameters = 50.0, .blocks = 1.0 };
    (void)state;
    b.machine.fabric.domain = 1.0;
    b.machine.fabric.network_bytes_per_s = 100.0;
    b.run.dp = b.run.cp = b.run.ep = b.run.etp = 1.0;
    b.run.tp = 2.0;
    b.run.sharding = AMM_SHARDING_NONE;
    b.run.dp_overlap = 0;
    assert_close(amm_expert_ranks(&b.run), 2.0, 0, 0);
    const double reduce_s = amm_data_exposed(&b.machine, &b.run, &s);
    /* fp32; an all-reduce of two moves its bytes once */
    assert_close(reduce_s, 50.0 * 4.0 / 100.0, 1e-9, 0);
    b.run.etp = 2.0; /* cut, not copied */
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 0.0, 0, 0);
    b.run.etp = 1.0;
    s.expert_parameters = 0.0; /* nothing sent takes no time */
    b.machine.rates.network_latency_s = b.machine.rates.scaleup_latency_s = 1.0;
    assert_close(amm_data_exposed(&b.machine, &b.run, &s), 0.0, 0, 0);
}

/* Links of a group: joined in pairs g - 1 of seven; in a hybrid cube mesh 1, 4, 6 of six. */
static void links_of_a_group(void **state)
{
    amm_fabric f = { .pair_share = 1.0 / 7.0, .quad_share = 3.0 / 7.0 };
    (void)state;
    for (double g = 2.0; g <= 8.0; g += 1.0) {
        assert_close(amm_mesh_share(&f, g), (g - 1.0) / 7.0, tight, 0);
    }
    f.pair_share = 1.0 / 6.0;
    f.quad_share = 4.0 / 6.0;
    assert_close(amm_mesh_share(&f, 2.0), 1.0 / 6.0, tight, 0);
    assert_close(amm_mesh_share(&f, 4.0), 4.0 / 6.0, tight, 0);
    assert_close(amm_mesh_share(&f, 8.0), 1.0, tight, 0);
    /* Of 150 B/s a pair has 25; a node that says less than a quad's 100 has that. */
    amm_rates r = { .scaleup_efficiency = 1.0 };
    f.links_bytes_per_s = f.scaleup_bytes_per_s = 150.0;
    const double v = 1e12; /* large messages */
    assert_close(amm_scaleup_time(&f, &r, 2.0, v), v / 25.0, 1e-6, 0);
    f.scaleup_bytes_per_s = 60.0;
    assert_close(amm_scaleup_time(&f, &r, 2.0, v), v / 25.0, 1e-6, 0);
    assert_close(amm_scaleup_time(&f, &r, 4.0, v), v / 60.0, 1e-6, 0);
    f.pair_share = f.quad_share = 1.0; /* a switch, of any number of devices */
    assert_close(amm_mesh_share(&f, 2.0), 1.0, 0, 0);
    assert_close(amm_mesh_share(&f, 72.0), 1.0, 0, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_of_a_group),     cmocka_unit_test(recomputed_reductions),
        cmocka_unit_test(experts_alone_reduce), cmocka_unit_test(tensor_reduce_beside),
        cmocka_unit_test(local_experts),        cmocka_unit_test(softmax_rows),
        cmocka_unit_test(linear_inputs),        cmocka_unit_test(tied_table),
        cmocka_unit_test(tensor_parts),         cmocka_unit_test(expert_tensor),
        cmocka_unit_test(hybrid_experts),       cmocka_unit_test(hybrid_agrees),
        cmocka_unit_test(end_parameters),       cmocka_unit_test(end_activations),
        cmocka_unit_test(gradient_copy),        cmocka_unit_test(peaks),
        cmocka_unit_test(gathered_again),       cmocka_unit_test(sharded_gradients),
        cmocka_unit_test(prediction_layer),     cmocka_unit_test(broadcast_per_rank),
        cmocka_unit_test(gathered_units),       cmocka_unit_test(half_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
