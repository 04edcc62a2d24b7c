#define _POSIX_C_SOURCE 200809L
#include "emit/emit.h"

#include "io/io.h"
#include "search/enumerate.h"
#include <math.h>
#include <string.h>
#include <time.h>

/* What one call needs; the layout says which device serves which rank. */
typedef struct writer {
    amm_json json;
    const amm_result *result;
    amm_layout layout;
    double best_s;
    const char *regime;
    bool analytic;
    int32_t runtime_count;
    const amm_runtime **runtimes; /* that a strategy may be launched with */
} writer;

static bool reference_mode(const writer *w)
{
    return w->result->spec->problem.cost_model == AMM_COST_AMP_REFERENCE;
}

static void write_program(amm_json *j)
{
    amm_json_open(j, "program", '{');
    amm_json_string(j, "name", "ammeter");
    amm_json_string(j, "version", amm_version());
    amm_json_string(j, "commit", amm_commit());
    amm_json_close(j, '}');
}

static void write_problem(amm_json *j, const amm_spec *spec)
{
    const amm_problem_desc *p = &spec->problem;
    amm_json_open(j, "problem", '{');
    amm_json_string(j, "name", p->name);
    amm_json_hex(j, "hash", spec->hash);
    amm_json_string(j, "model", p->model->name);
    amm_json_string(j, "cluster", p->cluster->name);
    amm_json_string(j, "runtime", p->runtime == NULL ? NULL : p->runtime->name);
    amm_json_string(j, "precision", p->precision);
    amm_json_integer(j, "devices", p->cluster->device_count);
    amm_json_integer(j, "global_batch", p->global_batch);
    amm_json_integer(j, "seq_len", amm_problem_tokens(p));
    amm_json_string(j, "cost_model",
                    p->cost_model == AMM_COST_DEFAULT ? "default" : "amp-reference");
    amm_json_string(j, "flop_convention",
                    amm_problem_is_analytic(p)
                        ? "model FLOP without recomputation, causal attention half, extra "
                          "prediction layers counted"
                        : NULL);
    amm_json_close(j, '}');
}

static void write_search(amm_json *j, const amm_result *r)
{
    amm_json_open(j, "search", '{');
    amm_json_string(j, "status", amm_result_status_word(r));
    amm_json_string(j, "method",
                    r->evaluated_only ? "none" : (r->annealed ? "anneal" : "exhaustive"));
    amm_json_bool(j, "proven", r->proven);
    amm_json_number(j, "gap",
                    r->interrupted || r->annealed ? (double)NAN : r->gap); /* unknown: null */
    amm_json_number(j, "resolution_s", r->resolution_s);
    amm_json_number(j, "model_gap", r->model_gap);
    amm_json_integer(j, "configs", (int64_t)r->configs);
    amm_json_open(j, "configs_rejected", '{');
    for (amm_rejection k = (amm_rejection)0; k < AMM_REJECTION_COUNT; k++) {
        if (r->rejected[k].count > 0) {
            amm_json_integer(j, amm_rejection_word(k), (int64_t)r->rejected[k].count);
        }
    }
    amm_json_close(j, '}');
    amm_json_number(j, "candidates_covered", r->candidates_covered);
    amm_json_id(j, "seed", r->seed);
    if (r->nodes_given > 0) {
        amm_json_integer(j, "min_nodes", r->spec->problem.cluster->node_count);
        amm_json_integer(j, "nodes_given", r->nodes_given);
    }
    amm_json_close(j, '}');
}

/* Everything that may differ between equal runs. */
static void write_run(amm_json *j, const amm_result *r)
{
    char date[sizeof "9999-12-31T23:59:59Z"] = "";
    const time_t now = time(NULL);
    struct tm utc;
    if (gmtime_r(&now, &utc) == NULL ||
        strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%SZ", &utc) == 0) {
        date[0] = '\0';
    }
    amm_json_open(j, "run", '{');
    amm_json_number(j, "wall_s", r->wall_s);
    amm_json_string(j, "date", date[0] == '\0' ? NULL : date);
    amm_json_null(j, "host");
    amm_json_integer(j, "threads", r->threads);
    if (r->partitions.asked) {
        amm_json_id(j, "candidates_scored", r->partitions.scored);
    } else {
        amm_json_null(j, "candidates_scored");
    }
    amm_json_integer(j, "solves", (int64_t)r->solved);
    amm_json_integer(j, "solves_on_host", (int64_t)r->host_solved);
    amm_json_integer(j, "bounded_out", (int64_t)r->bounded_out);
    amm_json_integer(j, "passes", r->passes);
    amm_json_close(j, '}');
}

/* ---- strategy -------------------------------------------------------------------------------- */

/* Name of the device type, or all names joined where types work together. */
static void write_device_names(writer *w, uint32_t mask)
{
    char names[AMM_MAX_DEVICE_TYPES * (AMM_MAX_NAME + 1) + 1] = "";
    const amm_cluster *cluster = w->result->spec->problem.cluster;
    size_t length = 0;
    for (int32_t type = 0; type < cluster->type_count; type++) {
        const size_t more = strlen(cluster->types[type]->name);
        if ((mask >> type & 1U) == 0 || length + more + 2 > sizeof names) {
            continue;
        }
        if (length > 0) {
            names[length++] = '+';
        }
        memcpy(names + length, cluster->types[type]->name, more + 1);
        length += more;
    }
    amm_json_string(&w->json, "device", names);
}

static void write_replica(writer *w, const amm_plan_entry *plan, int32_t stage, int32_t replica)
{
    const amm_config *c = &plan->config;
    uint32_t mask = 0;
    amm_json_open_row(&w->json, NULL, '{');
    amm_json_open(&w->json, "devices", '[');
    const int32_t ranks = c->tp * (c->cp > 1 ? c->cp : 1); /* tensor fastest, then context */
    for (int32_t t = 0; t < ranks; t++) {
        const int32_t rank = t + ranks * (replica + c->dp * stage);
        const int32_t device = plan->device_of_rank == NULL ? rank : plan->device_of_rank[rank];
        mask |= UINT32_C(1) << w->layout.type_of[device];
        amm_json_integer(&w->json, NULL, device);
    }
    amm_json_close(&w->json, ']');
    write_device_names(w, mask);
    amm_json_integer(&w->json, "micro_batch", c->micro_batch);
    amm_json_close(&w->json, '}');
}

static int32_t cp_of(const amm_config *c)
{
    return c->cp > 1 ? c->cp : 1;
}

/* A measured layer knows one mesh only. */
static void write_mesh(writer *w, const amm_config *c)
{
    amm_json_integer(&w->json, "cp", cp_of(c));
    amm_json_integer(&w->json, "ep", w->analytic ? c->ep : 1);
    amm_json_integer(&w->json, "etp", w->analytic ? c->etp : c->tp);
}

/* A set; none: null. */
static void write_recompute(amm_json *j, int32_t set)
{
    char word[AMM_RECOMPUTE_CHARS];
    if (set == AMM_RECOMPUTE_PER_STAGE) {
        amm_json_null(j, "recompute");
        return;
    }
    amm_recompute_format(word, set);
    amm_json_string(j, "recompute", word);
}

static void write_strategy_stage(writer *w, const amm_plan_entry *plan, int32_t stage)
{
    const amm_config *c = &plan->config;
    amm_json *j = &w->json;
    amm_json_open(j, NULL, '{');
    amm_json_open_row(j, "layers", '[');
    amm_json_integer(j, NULL, plan->stages[stage].first);
    amm_json_integer(j, NULL, plan->stages[stage].end);
    amm_json_close(j, ']');
    amm_json_integer(j, "tp", c->tp);
    write_mesh(w, c);
    amm_json_integer(j, "dp", c->dp);
    write_recompute(j, amm_recompute_at(c->recompute, c->stage_recompute, stage));
    amm_json_open(j, "replicas", '[');
    for (int32_t d = 0; d < c->dp; d++) {
        write_replica(w, plan, stage, d);
    }
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void write_sharding(amm_json *j, const amm_config *c)
{
    const bool sharded = c->sharding != AMM_SHARDING_NONE;
    const int32_t ranks = c->dp * cp_of(c);
    const int32_t group = c->choice[AMM_CHOICE_SHARD_GROUP];
    const int32_t shard = sharded && group != AMM_SHARD_ALL ? group : ranks;
    amm_json_open_row(j, "sharding", '{');
    amm_json_string(j, "kind", amm_sharding_word(c->sharding));
    amm_json_integer(j, "shard", sharded ? shard : 1);
    amm_json_integer(j, "replicate", sharded ? ranks / shard : c->dp);
    amm_json_bool(j, "reshard_after_forward", c->sharding == AMM_SHARDING_PARAMETERS);
    amm_json_close(j, '}');
}

static void write_choice(amm_json *j, const amm_config *c, amm_choice choice)
{
    char word[AMM_RECOMPUTE_CHARS];
    amm_choice_format(word, choice, c->choice[choice]);
    amm_json_string(j, amm_choice_key(choice), word);
}

/* Null where the layout has no use for it. */
static void write_word(amm_json *j, const amm_config *c, amm_choice choice)
{
    if (amm_choice_matters(choice, c)) {
        write_choice(j, c, choice);
    } else {
        amm_json_null(j, amm_choice_key(choice));
    }
}

/* On, and of use in this layout. */
static void write_switch(amm_json *j, const amm_config *c, amm_choice choice)
{
    amm_json_bool(j, amm_choice_key(choice),
                  c->choice[choice] != 0 && amm_choice_matters(choice, c));
}

static void write_choices(writer *w, const amm_config *c)
{
    amm_json *j = &w->json;
    if (!w->analytic) { /* inside the measured times */
        amm_json_string(j, "schedule", "1f1b");
        amm_json_bool(j, "sequence_parallel", false);
        amm_json_null(j, "cp_comm");
        amm_json_null(j, "dispatcher");
        return;
    }
    if (c->vpp > 1) {
        amm_json_string(j, "schedule", amm_schedule_kind_word(AMM_SCHEDULE_INTERLEAVED));
    } else {
        write_choice(j, c, AMM_CHOICE_SCHEDULE);
    }
    write_switch(j, c, AMM_CHOICE_SEQUENCE_PARALLEL);
    write_word(j, c, AMM_CHOICE_CP_COMM);
    write_word(j, c, AMM_CHOICE_DISPATCHER);
    write_switch(j, c, AMM_CHOICE_TP_OVERLAP);
    write_switch(j, c, AMM_CHOICE_DP_OVERLAP);
    write_switch(j, c, AMM_CHOICE_EP_OVERLAP);
    write_choice(j, c, AMM_CHOICE_GRAPHS);
    write_choice(j, c, AMM_CHOICE_ATTENTION);
    write_switch(j, c, AMM_CHOICE_FUSED_NORM);
}

static void write_degrees(writer *w, const amm_config *c)
{
    amm_json *j = &w->json;
    amm_json_integer(j, "tp", c->tp);
    amm_json_integer(j, "pp", c->pp);
    amm_json_integer(j, "dp", c->dp);
    write_mesh(w, c);
    amm_json_integer(j, "edp", w->analytic ? c->tp * c->cp * c->dp / (c->ep * c->etp) : c->dp);
    amm_json_integer(j, "vpp", w->analytic ? c->vpp : 1);
    amm_json_integer(j, "micro_batch", c->micro_batch);
    amm_json_integer(j, "micro_batches", c->micro_batches);
    write_choices(w, c);
    write_recompute(j, c->recompute);
}

static void write_strategy(writer *w, const amm_plan_entry *plan)
{
    amm_json *j = &w->json;
    amm_json_open(j, "strategy", '{');
    write_degrees(w, &plan->config);
    write_sharding(j, &plan->config);
    amm_json_open_row(j, "stage_layers", '[');
    for (int32_t p = 0; p < plan->config.pp; p++) {
        amm_json_integer(j, NULL, plan->stages[p].counted);
    }
    amm_json_close(j, ']');
    amm_json_open(j, "stages", '[');
    for (int32_t p = 0; p < plan->config.pp; p++) {
        write_strategy_stage(w, plan, p);
    }
    amm_json_close(j, ']');
    amm_json_open_row(j, "idle_devices", '['); /* every strategy of this version uses all */
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

/* ---- plans ----------------------------------------------------------------------------------- */

static void write_time(amm_json *j, const amm_time_parts *t)
{
    amm_json_open(j, "time", '{');
    amm_json_number(j, "compute_s", t->compute_s);
    amm_json_number(j, "bubble_s", t->bubble_s);
    amm_json_number(j, "tp_s", t->tp_s); /* 0: inside the measured layer times, like cp and ep */
    amm_json_number(j, "cp_s", t->cp_s);
    amm_json_number(j, "ep_s", t->ep_s);
    amm_json_number(j, "pp_s", t->pp_s);
    amm_json_number(j, "dp_s", t->dp_s);
    amm_json_number(j, "optimizer_s", t->optimizer_s);
    amm_json_number(j, "other_s", t->other_s);
    amm_json_close(j, '}');
}

/* The four of a profile's memory, then all that they consist of. */
static void write_ledger(amm_json *j, const amm_ledger *x)
{
    amm_json_open(j, "memory", '{');
    amm_json_number(j, "static_bytes", x->weights + x->gradients + x->optimizer);
    amm_json_number(j, "activation_bytes", x->activations + x->working + x->gathered);
    amm_json_number(j, "logit_bytes", x->logits);
    amm_json_number(j, "context_bytes", x->context + x->reserve);
    amm_json_close(j, '}');
    amm_json_open(j, "ledger", '{');
    amm_json_number(j, "weight_bytes", x->weights);
    amm_json_number(j, "gradient_bytes", x->gradients);
    amm_json_number(j, "optimizer_bytes", x->optimizer);
    amm_json_number(j, "kept_bytes", x->activations);
    amm_json_number(j, "working_bytes", x->working);
    amm_json_number(j, "logit_bytes", x->logits);
    amm_json_number(j, "gathered_bytes", x->gathered);
    amm_json_number(j, "context_bytes", x->context);
    amm_json_number(j, "reserve_bytes", x->reserve);
    amm_json_close(j, '}');
}

static void write_memory(amm_json *j, const amm_memory *x)
{
    amm_json_open(j, "memory", '{');
    amm_json_number(j, "static_bytes", x->static_bytes);
    amm_json_number(j, "activation_bytes", x->activation_bytes);
    amm_json_number(j, "logit_bytes", x->logit_bytes);
    amm_json_number(j, "context_bytes", x->context_bytes);
    amm_json_close(j, '}');
}

static void write_stage(writer *w, const amm_stage_plan *stage)
{
    amm_json *j = &w->json;
    amm_json_open(j, NULL, '{');
    amm_json_number(j, "time_s", stage->time_s);
    if (reference_mode(w)) { /* the reference does not model memory */
        amm_json_null(j, "memory_bytes");
        amm_json_null(j, "capacity_bytes");
        amm_json_null(j, "memory");
    } else {
        amm_json_number(j, "memory_bytes", stage->memory_bytes);
        amm_json_number(j, "capacity_bytes", stage->capacity_bytes);
        if (w->analytic) {
            write_ledger(j, &stage->ledger);
        } else {
            write_memory(j, &stage->memory);
        }
    }
    amm_json_close(j, '}');
}

static void write_fit(amm_json *j, const amm_plan_entry *plan)
{
    int32_t stage = 0;
    amm_json_bool(j, "fits", plan->fits);
    if (!plan->fits) {
        amm_json_number(j, "short_bytes", amm_plan_short_bytes(plan, &stage));
    }
}

/* The problem's own runtime first, then the presets by name. */
static amm_status find_runtimes(writer *w, amm_arena *scratch)
{
    const amm_runtime *own = w->result->spec->problem.runtime;
    amm_reader reader = { .context = w->result->context, .arena = scratch, .hash = AMM_HASH_START };
    int32_t presets = 0;
    while (amm_preset_name(AMM_PRESET_RUNTIME, presets) != NULL) {
        presets++;
    }
    w->runtimes = amm_arena_alloc(scratch, (size_t)presets + 1, sizeof *w->runtimes);
    if (w->runtimes == NULL) {
        return AMM_NO_MEMORY;
    }
    w->runtimes[w->runtime_count++] = own;
    for (int32_t k = 0; k < presets; k++) {
        const char *name = amm_preset_name(AMM_PRESET_RUNTIME, k);
        if (strcmp(name, own->name) != 0) {
            AMM_TRY(amm_get_runtime(&reader, &w->runtimes[w->runtime_count++], name, "runtime"));
        }
    }
    return AMM_OK;
}

static void write_launchable(writer *w, const amm_plan_entry *plan)
{
    amm_json *j = &w->json;
    if (!w->analytic) { /* whoever measured the layers launched them */
        amm_json_null(j, "launchable");
        return;
    }
    amm_json_open_row(j, "launchable", '[');
    for (int32_t k = 0; k < w->runtime_count; k++) {
        if (amm_runtime_launches(w->runtimes[k], &plan->config)) {
            amm_json_string(j, NULL, w->runtimes[k]->name);
        }
    }
    amm_json_close(j, ']');
}

static void write_rates(writer *w, const amm_plan_entry *plan)
{
    const amm_problem_desc *problem = &w->result->spec->problem;
    const double samples_per_s = (double)problem->global_batch / plan->time_s;
    amm_json *j = &w->json;
    amm_json_number(j, "oom_probability", w->analytic ? plan->oom_probability : (double)NAN);
    amm_json_number(j, "samples_per_s", samples_per_s);
    amm_json_number(j, "tokens_per_s_per_device",
                    samples_per_s * (double)amm_problem_tokens(problem) /
                        (double)problem->cluster->device_count);
    const double flops = plan->flops / plan->time_s / (double)problem->cluster->device_count;
    amm_json_number(j, "tflops_per_device", w->analytic ? 1e-12 * flops : (double)NAN);
    amm_json_number(j, "mfu", w->analytic ? flops / amm_problem_peak_flops(problem) : (double)NAN);
    amm_json_null(j, "cost");
    write_launchable(w, plan);
    amm_json_string(j, "regime", w->analytic ? amm_analytic_regime(problem, plan) : w->regime);
    amm_json_null(j, "evidence");
}

static void write_tie_class(writer *w, const amm_plan_entry *plan)
{
    char letters[AMM_TIE_CHARS];
    amm_tie_class_format(letters, w->analytic ? plan->tie_class : -1);
    amm_json_string(&w->json, "tie_class", letters[0] == '\0' ? NULL : letters);
}

static void write_plan(writer *w, size_t index)
{
    const amm_plan_entry *plan = &w->result->plans[index];
    amm_json *j = &w->json;
    amm_json_open(j, NULL, '{');
    amm_json_integer(j, "rank", (int64_t)index);
    if (w->result->evaluated_only) {
        amm_json_null(j, "config");
    } else {
        amm_json_id(j, "config", plan->config.index);
    }
    write_tie_class(w, plan);
    write_strategy(w, plan);
    amm_json_number(j, "time_s", plan->time_s);
    amm_json_number(j, "simulated_s", w->analytic ? plan->simulated_s : (double)NAN);
    amm_json_number(j, "time_low_s", w->analytic ? plan->range.low_s : (double)NAN);
    amm_json_number(j, "time_high_s", w->analytic ? plan->range.high_s : (double)NAN);
    amm_json_open_row(j, "vs_best", '{');
    amm_json_number(j, "ratio", plan->time_s / w->best_s);
    amm_json_number(j, "low", w->analytic ? plan->vs_best.low : (double)NAN);
    amm_json_number(j, "high", w->analytic ? plan->vs_best.high : (double)NAN);
    amm_json_close(j, '}');
    write_time(j, &plan->time);
    amm_json_open(j, "stages", '[');
    for (int32_t p = 0; p < plan->config.pp; p++) {
        write_stage(w, &plan->stages[p]);
    }
    amm_json_close(j, ']');
    write_fit(j, plan);
    if (plan->largest_micro_batch > 0) {
        amm_json_integer(j, "largest_micro_batch", plan->largest_micro_batch);
    }
    write_rates(w, plan);
    amm_json_close(j, '}');
}

static void write_nearest(writer *w, const amm_rejected *rejected)
{
    amm_json *j = &w->json;
    const amm_config *c = &rejected->nearest;
    if (!rejected->has_nearest) {
        amm_json_null(j, "nearest");
        return;
    }
    amm_text detail;
    const bool memory = rejected == &w->result->rejected[AMM_REJECT_MEMORY];
    amm_text_init(&detail, w->result->context);
    if (memory) {
        amm_text_printf(&detail, "short %.2f GiB on stage %d", rejected->short_bytes / AMM_GIB,
                        rejected->stage);
    } else {
        amm_text_append(&detail, "differs least from the best plan");
    }
    amm_json_open(j, "nearest", '{');
    amm_json_open_row(j, "strategy", '{');
    amm_json_integer(j, "tp", c->tp);
    amm_json_integer(j, "pp", c->pp);
    amm_json_integer(j, "dp", c->dp);
    amm_json_integer(j, "micro_batch", c->micro_batch);
    amm_json_integer(j, "micro_batches", c->micro_batches);
    if (w->analytic) {
        write_mesh(w, c);
        amm_json_integer(j, "vpp", c->vpp);
        write_recompute(j, c->recompute);
        amm_json_string(j, "sharding", amm_sharding_word(c->sharding));
        write_choices(w, c);
    }
    amm_json_close(j, '}');
    amm_json_string(j, "detail", detail.data);
    if (memory) {
        amm_json_number(j, "short_bytes", rejected->short_bytes);
        amm_json_integer(j, "stage", rejected->stage);
    }
    amm_json_close(j, '}');
    if (detail.status != AMM_OK) {
        j->text->status = detail.status;
    }
    amm_text_discard(&detail);
}

static void write_why(writer *w)
{
    amm_json *j = &w->json;
    if (!w->analytic || w->result->evaluated_only) {
        return;
    }
    amm_json_open(j, "why", '[');
    for (int32_t k = 0; k < w->result->neighbour_count; k++) {
        const amm_plan_entry *plan = &w->result->neighbours[k].plan;
        amm_text change;
        amm_text_init(&change, w->result->context);
        amm_emit_changes(&change, &w->result->plans[0].config, &plan->config);
        amm_json_open(j, NULL, '{');
        amm_json_string(j, "change", change.length > 0 ? change.data + 1 : "");
        amm_json_number(j, "time_s", plan->time_s);
        write_time(j, &plan->time);
        write_fit(j, plan);
        amm_json_close(j, '}');
        if (change.status != AMM_OK) {
            j->text->status = change.status;
        }
        amm_text_discard(&change);
    }
    amm_json_close(j, ']');
}

static void write_partition(writer *w, const amm_partition *one)
{
    amm_json *j = &w->json;
    const amm_plan_entry *plan = &one->plan;
    const amm_stage_plan *stage = amm_plan_tightest(plan);
    amm_json_open_row(j, NULL, '{');
    amm_json_id(j, "rank", one->rank);
    amm_json_number(j, "time_s", plan->time_s);
    amm_json_number(j, "engine_s", plan->engine_s);
    amm_json_number(j, "memory_bytes", stage->memory_bytes);
    amm_json_number(j, "capacity_bytes", stage->capacity_bytes);
    write_fit(j, plan);
    amm_json_bool(j, "of_plan", amm_plan_same_cuts(plan, &w->result->plans[0]));
    amm_json_open(j, "stage_layers", '[');
    for (int32_t s = 0; s < plan->config.pp; s++) {
        amm_json_integer(j, NULL, plan->stages[s].counted);
    }
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void write_partitions(writer *w)
{
    amm_json *j = &w->json;
    const amm_partition_list *list = &w->result->partitions;
    if (!list->asked) {
        return;
    }
    amm_json_open(j, "partitions", '{');
    amm_json_bool(j, "complete", list->complete);
    if (list->all > 0) {
        amm_json_id(j, "all", list->all);
    } else {
        amm_json_null(j, "all");
    }
    amm_json_id(j, "covered", list->covered);
    amm_json_integer(j, "ties", amm_partition_ties(list));
    amm_json_open(j, "best", '[');
    for (int32_t k = 0; k < list->count; k++) {
        write_partition(w, &list->items[k]);
    }
    amm_json_close(j, ']');
    amm_json_close(j, '}');
}

static void write_rejected(writer *w)
{
    amm_json *j = &w->json;
    amm_json_open(j, "rejected", '[');
    for (amm_rejection k = (amm_rejection)0; k < AMM_REJECTION_COUNT; k++) {
        const amm_rejected *rejected = &w->result->rejected[k];
        if (rejected->count > 0) {
            amm_json_open(j, NULL, '{');
            amm_json_string(j, "reason", amm_rejection_word(k));
            amm_json_integer(j, "count", (int64_t)rejected->count);
            write_nearest(w, rejected);
            amm_json_close(j, '}');
        }
    }
    amm_json_close(j, ']');
}

amm_status amm_result_json(const amm_result *result, char **out, int flags)
{
    amm_text text;
    amm_arena scratch;
    writer w = { .result = result,
                 .best_s = amm_result_best_s(result),
                 .regime = amm_result_regime(result),
                 .analytic = amm_problem_is_analytic(&result->spec->problem) };
    *out = NULL;
    if ((flags & ~(int)AMM_RESULT_NO_RUN_INFO) != 0) {
        return amm_fail(AMM_INPUT, "result flags: got %d, allowed 0 or %d", flags,
                        (int)AMM_RESULT_NO_RUN_INFO);
    }
    amm_arena_init(&scratch, result->context);
    amm_status status = amm_layout_init(&w.layout, &scratch, &result->spec->problem);
    if (status == AMM_OK && w.analytic) {
        status = find_runtimes(&w, &scratch);
    }
    if (status == AMM_OK) {
        amm_text_init(&text, result->context);
        amm_json_init(&w.json, &text, true);
        amm_json_open(&w.json, NULL, '{');
        amm_json_string(&w.json, "format", "ammeter-result");
        amm_json_integer(&w.json, "version", 1);
        write_program(&w.json);
        amm_json_string(&w.json, "backend", result->backend);
        write_problem(&w.json, result->spec);
        write_search(&w.json, result);
        if ((flags & (int)AMM_RESULT_NO_RUN_INFO) == 0) {
            write_run(&w.json, result);
        }
        amm_json_open(&w.json, "plans", '[');
        for (size_t k = 0; k < result->plan_count; k++) {
            write_plan(&w, k);
        }
        amm_json_close(&w.json, ']');
        write_partitions(&w);
        amm_json_draws(&w.json, result);
        write_why(&w);
        write_rejected(&w);
        amm_json_close(&w.json, '}');
        amm_text_append(&text, "\n");
        status = amm_text_take(&text, out);
    }
    amm_arena_free(&scratch);
    return status;
}
