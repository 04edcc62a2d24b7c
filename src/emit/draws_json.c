#include "emit/emit.h"

#include "io/io.h"
#include <math.h>

static void write_names(amm_json *j, const char *key, const amm_named *table, const int32_t *index,
                        int32_t count)
{
    amm_json_open_row(j, key, '[');
    for (int32_t k = 0; k < count; k++) {
        amm_json_string(j, NULL, table[index[k]].name);
    }
    amm_json_close(j, ']');
}

static void write_config_of(amm_json *j, const char *key, const amm_draws *list, int32_t number)
{
    if (number < 0) {
        amm_json_null(j, key);
    } else {
        amm_json_id(j, key, list->items[number].plan.config.index);
    }
}

static void write_candidate(amm_json *j, const amm_result *r, const amm_draw_candidate *one)
{
    amm_text strategy;
    amm_text_init(&strategy, r->context);
    amm_emit_strategy(&strategy, &r->spec->problem, &one->plan.config);
    amm_json_open(j, NULL, '{');
    amm_json_id(j, "config", one->plan.config.index);
    if (one->rank < 0) {
        amm_json_null(j, "rank");
    } else {
        amm_json_integer(j, "rank", one->rank);
    }
    amm_json_string(j, "strategy", strategy.data);
    amm_json_open_row(j, "stage_layers", '[');
    for (int32_t s = 0; s < one->plan.config.pp; s++) {
        amm_json_integer(j, NULL, one->plan.stages[s].counted);
    }
    amm_json_close(j, ']');
    amm_json_number(j, "time_s", one->plan.time_s);
    amm_json_integer(j, "wins", one->wins);
    amm_json_number(j, "p_best",
                    r->draws.done > 0 ? (double)one->wins / r->draws.done : (double)NAN);
    amm_json_integer(j, "misfits", one->misfits);
    amm_json_number(j, "expected_regret", one->mean_regret); /* infinite: null */
    amm_json_number(j, "regret_95", one->regret_95);
    amm_json_number(j, "largest_regret", one->largest_regret);
    amm_json_close(j, '}');
    if (strategy.status != AMM_OK) {
        j->text->status = strategy.status;
    }
    amm_text_discard(&strategy);
}

void amm_json_draws(amm_json *j, const amm_result *r)
{
    const amm_draws *list = &r->draws;
    if (list->asked == 0) {
        return;
    }
    amm_json_open(j, "draws", '{');
    amm_json_integer(j, "asked", list->asked);
    amm_json_integer(j, "done", list->done);
    amm_json_integer(j, "without_plan", list->without_plan);
    amm_json_integer(j, "redrawn", (int64_t)list->redrawn);
    write_names(j, "constants", amm_rate_table, list->rate, list->rate_count);
    write_names(j, "facts", amm_fact_table, list->fact, list->fact_count);
    write_config_of(j, "minimax", list, list->minimax);
    write_config_of(j, "least_expected", list, list->least_mean);
    amm_json_open(j, "candidates", '[');
    for (int32_t k = 0; k < list->count; k++) {
        write_candidate(j, r, &list->items[k]);
    }
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}
