/* The step time of even pipelines against the simulation, through the calls that explain makes: what
 * transfers add is one closed form, of the schedule that is simulated. */
#include "core/random.h"
#include "search/planner.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

/* Ends are some 1e-5 of a stage; the closed forms have no error. */
static const double even_enough = 1e-3;

typedef struct tally {
    int count, slow; /* of these, those where transfers take 5 % and more */
    double worst;
} tally;

static int32_t pick(uint64_t *seed, int32_t low, int32_t high)
{
    return amm_random_range(seed, low, high);
}

static void set(amm_spec *spec, const char *key, const char *value)
{
    if (amm_spec_set(spec, key, value) != AMM_OK) {
        fail_msg("%s = %s: %s", key, value, amm_last_error());
    }
}

/* Wide blocks between ends that weigh nothing; `blocks` of them. */
static amm_spec *open_spec(int32_t stages, int32_t blocks, int64_t batch, int32_t gbit)
{
    char text[640];
    amm_spec *spec = NULL;
    assert_int_equal(amm_spec_create(&spec, test_context(), NULL), AMM_OK);
    (void)snprintf(text, sizeof text,
                   "{\"format\":\"ammeter-model\",\"version\":1,\"name\":\"wide\",\"seq_len\":4096,"
                   "\"layers\":[{\"kind\":\"embedding\",\"hidden\":1024,\"vocab\":128},"
                   "{\"kind\":\"block\",\"count\":%d,\"hidden\":1024,\"ffn\":1000000,\"heads\":8},"
                   "{\"kind\":\"norm\",\"hidden\":1024},"
                   "{\"kind\":\"head\",\"hidden\":1024,\"vocab\":128}]}",
                   (int)blocks);
    set(spec, "model", text);
    (void)snprintf(text, sizeof text, "%dxnode:1xH100-80GB,intra=450GB,inter=%dgbit", (int)stages,
                   (int)gbit);
    set(spec, "cluster", text);
    (void)snprintf(text, sizeof text, "%lld", (long long)batch);
    set(spec, "global_batch", text);
    set(spec, "runtime", "generic");
    return spec;
}

/* A layout that the schedule's closed form is exact for. */
static void random_config(amm_config *c, amm_schedule_kind kind, uint64_t *seed)
{
    const int32_t least = kind == AMM_SCHEDULE_ZB_H2   ? 2 * c->pp - 1
                          : kind == AMM_SCHEDULE_ZB_H1 ? c->pp
                                                       : 1;
    c->vpp = kind == AMM_SCHEDULE_INTERLEAVED ? pick(seed, 2, 4) : 1;
    c->micro_batches =
        kind == AMM_SCHEDULE_INTERLEAVED ? c->pp * pick(seed, 1, 8) : pick(seed, least, 40);
    c->choice[AMM_CHOICE_SCHEDULE] =
        kind == AMM_SCHEDULE_INTERLEAVED ? AMM_SCHEDULE_1F1B : (int32_t)kind;
}

static void compare(tally *out, const amm_spec *spec, amm_config *c, double exposed)
{
    amm_lowered lowered;
    amm_plan_entry plan;
    amm_stages *stages = NULL;
    int32_t cuts[32];
    amm_run run;
    assert_int_equal(amm_lower_init(&lowered, test_context(), &spec->problem), AMM_OK);
    amm_analytic *a = lowered.analytic;
    a->machine.rates.launch_s = 0.0; /* of the ends: all that is left of them */
    a->machine.facts.p2p_exposed = a->machine.facts.p2p_exposed_interleaved = exposed;
    amm_even_cuts(&lowered, cuts, c);
    assert_int_equal(amm_analytic_rescore(&plan, &lowered.arena, &lowered, c, cuts), AMM_OK);
    assert_int_equal(amm_analytic_simulate(&plan, &lowered), AMM_OK);
    amm_lower_run(&run, a, c, NULL);
    stages = &a->stages;
    amm_stage_costs(stages, &a->network, &a->machine, &run);
    const double pass_s = stages->stage[0].forward_s / c->vpp;
    const double held_s = exposed * amm_transfer_seconds(&a->network, &a->machine, &run);
    if (held_s <= pass_s) { /* what the forms allow: a forward pass is the shortest */
        const double error = fabs(plan.time_s / plan.simulated_s - 1.0);
        if (error > even_enough) {
            fail_msg("%s p %d v %d G %lld: step %.9g, simulated %.9g, transfer %.3g of a pass",
                     amm_schedule_kind_word((amm_schedule_kind)run.schedule), c->pp, c->vpp,
                     (long long)c->micro_batches, plan.time_s, plan.simulated_s, held_s / pass_s);
        }
        out->worst = fmax(out->worst, error);
        out->count++;
        out->slow += plan.time.pp_s > 0.05 * plan.time_s;
        assert_true(plan.time.pp_s * (1.0 + 1e-9) >=
                    amm_least_boundary_seconds(&a->network, &a->machine, &run));
    }
    amm_lower_free(&lowered);
}

static void steps_equal_the_simulation(void **state)
{
    static const double shares[] = { 0.0, 0.2, 0.5, 1.0 };
    static const int32_t rates[] = { 1, 2, 5, 10, 100, 400 };
    uint64_t seed = 77;
    (void)state;
    for (int k = 0; k < AMM_SCHEDULE_COUNT; k++) {
        tally sum = { 0, 0, 0.0 };
        for (int n = 0; n < 120; n++) {
            amm_config c = { 0 };
            c.tp = c.dp = c.cp = c.ep = c.etp = 1;
            c.micro_batch = 1;
            c.pp = pick(&seed, 2, 9);
            random_config(&c, (amm_schedule_kind)k, &seed);
            const int32_t rate = rates[pick(&seed, 0, 5)];
            amm_spec *spec = open_spec(c.pp, c.pp * c.vpp, c.micro_batches, rate);
            const int32_t schedule = c.choice[AMM_CHOICE_SCHEDULE];
            amm_config_usual(&c, spec->problem.runtime);
            c.choice[AMM_CHOICE_SCHEDULE] = schedule;
            compare(&sum, spec, &c, shares[pick(&seed, 0, 3)]);
            amm_spec_free(spec);
        }
        printf("%-12s %d steps, %d with 5 %% and more in transfers, worst %.1e\n",
               amm_schedule_kind_word((amm_schedule_kind)k), sum.count, sum.slow, sum.worst);
        assert_true(sum.count > 60 && sum.slow > 10);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_equal_the_simulation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
