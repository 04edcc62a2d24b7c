/* A problem as its user describes it: model, cluster, runtime, profile, batch, space. */
#ifndef AMMETER_SPEC_H
#define AMMETER_SPEC_H

#include <ammeter/context.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct amm_spec amm_spec;

/* An empty problem; `problem` (may be NULL) is a preset name, a path, "-", or JSON text. Errors:
 * INPUT with "file:path.to.key: what, got, allowed", IO, NO_MEMORY. */
AMM_API amm_status amm_spec_create(amm_spec **out, amm_context *context, const char *problem);
AMM_API void amm_spec_free(amm_spec *spec);

/* Sets or replaces one part; `value` as a person would type it. Keys:
 *   model cluster runtime profile   preset name, path, or JSON; cluster also a one-line form
 *   precision                       label; without a profile a number format such as bf16
 *   global_batch seq_len            samples per step, tokens
 *   cost_model                      default | amp-reference
 *   memory_margin                   share of device memory to leave free, [0, 1)
 *   tp dp pp micro_batch            what the search may use: "1,2,4" or "1..8"
 *   cp ep etp vpp                   the same, without a profile only
 *   recompute                       "none,core_attn+mlp,full", without a profile only
 *   sharding                        "none,zero1,zero2,zero3", without a profile only
 *   schedule sequence_parallel cp_comm tp_overlap dp_overlap ep_overlap dispatcher graphs
 *   shard_group attention fused_norm
 *                                   choices such as "1f1b,zb-h1" or "off,on" (docs/formats.md),
 *                                   without a profile only
 *   space                           launchable | full
 * Without a profile and a runtime the runtime is megatron-core.
 * Errors: INPUT, IO, NO_MEMORY; the spec is unchanged then. */
AMM_API amm_status amm_spec_set(amm_spec *spec, const char *key, const char *value);

/* Checks that all parts are there and fit each other. amm_plan and amm_evaluate do so themselves. */
AMM_API amm_status amm_spec_check(const amm_spec *spec);

/* The problem as JSON text that reads back to the same problem. Free with amm_text_free. */
AMM_API amm_status amm_spec_json(const amm_spec *spec, char **out);

/* Presets. kind: "model", "device", "cluster", "runtime", "profile" or "problem".
 * amm_preset: name of the index-th, NULL past the end. */
AMM_API const char *amm_preset(const char *kind, int32_t index);

/* What the program understood of one description, with derived numbers. `json`: 0 a text for
 * people, 1 JSON that reads back, 2 (clusters only) the one-line form. Free with amm_text_free. */
AMM_API amm_status amm_show(amm_context *context, char **out, const char *kind, const char *what,
                            int json);

/* What works here and what does not, one line each. `json`: 0 text, 1 JSON. */
AMM_API amm_status amm_doctor(amm_context *context, char **out, int json);

#ifdef __cplusplus
}
#endif
#endif
