/* The amp-reference cost model against recorded outputs of the AMP reference code: 171 candidates
 * term by term and in rank order, 132 evaluations of the placement path, the tilings, and the
 * decisions of its annealing. */
#include "csv_rows.h"
#include "formula/cost/amp.h"
#include "search/planner.h"
#include "test_support.h"

#include <ammeter/ammeter.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static amm_spec *spec_of(const char *problem)
{
    amm_spec *spec = NULL;
    if (amm_spec_create(&spec, test_context(), problem) != AMM_OK) {
        fail_msg("%s", amm_last_error());
    }
    assert_int_equal(amm_spec_set(spec, "cost_model", "amp-reference"), AMM_OK);
    return spec;
}

static void check_plan(const amm_plan_entry *plan, const csv_rows *row)
{
    int layers[64];
    int boundaries[65];
    assert_int_equal(plan->config.tp, atoi(row->field[1]));
    assert_int_equal(plan->config.dp, atoi(row->field[2]));
    assert_int_equal(plan->config.pp, atoi(row->field[3]));
    assert_int_equal(plan->config.micro_batch, atoi(row->field[4]));
    assert_close(plan->time.compute_s, atof(row->field[5]), 1e-12, 0.0);
    assert_close(plan->time.bubble_s, atof(row->field[6]), 1e-12, 0.0);
    assert_close(plan->time.pp_s, atof(row->field[7]), 1e-12, 0.0);
    assert_same_bits(plan->time.dp_s, atof(row->field[8]));
    assert_same_bits(plan->time_s, atof(row->field[9]));
    assert_int_equal(csv_integers(row->field[10], '-', layers, 64), plan->config.pp);
    assert_int_equal(csv_integers(row->field[11], '-', boundaries, 65), plan->config.pp + 1);
    for (int32_t p = 0; p < plan->config.pp; p++) {
        assert_int_equal(plan->stages[p].counted, layers[p]);
        assert_int_equal(plan->stages[p].end, boundaries[p + 1]);
    }
}

static void all_candidates(const char *problem, const char *file, size_t count)
{
    amm_spec *spec = spec_of(problem);
    amm_plan_options options = AMM_PLAN_OPTIONS_INIT;
    amm_result *result = NULL;
    csv_rows rows;
    size_t seen = 0;
    options.top = AMM_TOP_ALL;
    if (amm_plan(&result, spec, &options) != AMM_OK) {
        fail_msg("%s", amm_last_error());
    }
    assert_int_equal(amm_result_count(result), count);
    assert_true(result->proven);
    csv_open(&rows, file);
    for (; csv_next(&rows); seen++) {
        check_plan(&result->plans[atoi(rows.field[0])], &rows);
    }
    csv_close(&rows);
    assert_int_equal(seen, count);
    amm_result_free(result);
    amm_spec_free(spec);
}

static void homogeneous(void **state)
{
    (void)state;
    all_candidates("amp-homogeneous", "amp_homogeneous.csv", 53);
}

static void het_cluster(void **state)
{
    (void)state;
    all_candidates("amp-het-cluster", "amp_het_cluster.csv", 53);
}

static void het_model(void **state)
{
    (void)state;
    all_candidates("amp-het-model", "amp_het_model.csv", 65);
}

/* "1 2;1 2" as the value of placement=. */
static void placement_text(char *out, size_t size, const char *grid)
{
    size_t n = (size_t)snprintf(out, size, "[[");
    for (; *grid != '\0' && n + 4 < size; grid++) {
        n += (size_t)snprintf(out + n, size - n, "%s",
                              *grid == ' '   ? ","
                              : *grid == ';' ? "],["
                                             : (char[]){ *grid, '\0' });
    }
    (void)snprintf(out + n, size - n, "]]");
}

static amm_spec *placement_spec(bool het)
{
    amm_spec *spec = spec_of("amp-homogeneous");
    if (het) {
        const char *line = "3xnode:4xT4,intra=170gbit,inter=10gbit+"
                           "1xnode:4xT4,intra=50gbit,inter=50gbit";
        assert_int_equal(amm_spec_set(spec, "cluster", line), AMM_OK);
    }
    return spec;
}

static void placement_evaluations(void **state)
{
    (void)state;
    amm_spec *specs[2] = { placement_spec(false), placement_spec(true) };
    csv_rows rows;
    int seen = 0;
    csv_open(&rows, "amp_placement.csv");
    for (; csv_next(&rows); seen++) {
        char grid[256];
        char text[512];
        const char *strategies[1] = { text };
        int boundaries[65];
        amm_result *result = NULL;
        placement_text(grid, sizeof grid, rows.field[10]);
        (void)snprintf(text, sizeof text,
                       "tp=%s,dp=%s,pp=%s,micro-batch=%s,tp-term=%s,placement=%s", rows.field[2],
                       rows.field[3], rows.field[4], rows.field[5], rows.field[1], grid);
        const bool het = strcmp(rows.field[0], "het_bw") == 0;
        if (amm_evaluate(&result, specs[het], strategies, 1) != AMM_OK) {
            fail_msg("%s", amm_last_error());
        }
        const amm_plan_entry *plan = &result->plans[0];
        assert_same_bits(plan->time_s, atof(rows.field[8]));
        assert_same_bits(plan->time.dp_s, atof(rows.field[7]));
        assert_int_equal(csv_integers(rows.field[9], '-', boundaries, 65), plan->config.pp + 1);
        for (int32_t p = 0; p < plan->config.pp; p++) {
            assert_int_equal(plan->stages[p].end, boundaries[p + 1]);
        }
        amm_result_free(result);
    }
    csv_close(&rows);
    assert_int_equal(seen, 132);
    amm_spec_free(specs[0]);
    amm_spec_free(specs[1]);
}

static void tilings(void **state)
{
    (void)state;
    csv_rows rows;
    csv_open(&rows, "amp_tilings.csv");
    while (csv_next(&rows)) {
        int32_t grid[16];
        int32_t scratch[16];
        int want[16];
        const int64_t index = atoi(rows.field[3]);
        assert_int_equal(amm_placement_tilings(grid, scratch, 4, 4, atoi(rows.field[0]),
                                               atoi(rows.field[1]), index),
                         atoi(rows.field[2]));
        for (char *c = rows.field[4]; *c != '\0'; c++) {
            *c = *c == ';' ? ' ' : *c;
        }
        const int cells = csv_integers(rows.field[4], ' ', want, 16);
        for (int k = 0; k < cells; k++) {
            assert_int_equal(grid[k], want[k]);
        }
    }
    csv_close(&rows);
}

/* Costs and decisions of the recorded annealing, given its proposals and its dice. */
static void annealing(void **state)
{
    (void)state;
    amm_spec *spec = placement_spec(false);
    csv_rows rows;
    float cost[2] = { 0.0F, 0.0F };
    int steps = 0;
    csv_open(&rows, "amp_anneal.csv");
    while (csv_next(&rows)) {
        char grid[256];
        char text[512];
        const char *strategies[1] = { text };
        amm_result *result = NULL;
        const int chain = atoi(rows.field[1]);
        if (strcmp(rows.field[2], "stopped") == 0) {
            continue;
        }
        placement_text(grid, sizeof grid, rows.field[12]);
        (void)snprintf(text, sizeof text,
                       "tp=%s,dp=%s,pp=%s,micro-batch=%s,tp-term=explicit,placement=%s",
                       rows.field[2], rows.field[3], rows.field[4], rows.field[5], grid);
        if (amm_evaluate(&result, spec, strategies, 1) != AMM_OK) {
            fail_msg("%s", amm_last_error());
        }
        const float total = (float)result->plans[0].time_s;
        assert_same_bits((double)total, atof(rows.field[10]));
        amm_result_free(result);
        bool accepted = true;
        if (strcmp(rows.field[0], "init") != 0) {
            const double temperature = amm_amp_temperature(atoi(rows.field[0]), 50);
            const float exponent = amm_amp_acceptance_exponent(cost[chain], total, temperature);
            assert_close(temperature, atof(rows.field[6]), 1e-12, 0.0);
            assert_close((double)expf(exponent), atof(rows.field[7]), 2e-7, 0.0);
            accepted = atof(rows.field[8]) < (double)expf(exponent);
            assert_int_equal(accepted, atoi(rows.field[9]));
            steps++;
        }
        cost[chain] = accepted ? total : cost[chain];
    }
    csv_close(&rows);
    assert_int_equal(steps, 61);
    amm_spec_free(spec);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(homogeneous), cmocka_unit_test(het_cluster),
        cmocka_unit_test(het_model),   cmocka_unit_test(placement_evaluations),
        cmocka_unit_test(tilings),     cmocka_unit_test(annealing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
