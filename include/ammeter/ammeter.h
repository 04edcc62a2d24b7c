/* Ammeter: given a model and the accelerators someone has, the fastest way to train it, why, and
 * how sure that is.
 *
 *     amm_context *context;
 *     amm_spec *spec;
 *     amm_result *result;
 *     char *table;
 *     amm_context_create(&context, NULL);
 *     amm_spec_create(&spec, context, "amp-homogeneous");   // a preset, a path, or JSON
 *     amm_spec_set(spec, "global_batch", "64");
 *     amm_plan(&result, spec, NULL);
 *     amm_result_table(result, &table, 0);
 *     … free in the opposite order.
 *
 * Every function returns an amm_status; amm_last_error() has the message. The library never prints,
 * never exits, installs no signal handler. Texts in and out are UTF-8. One object is used by one
 * thread at a time. */
#ifndef AMMETER_H
#define AMMETER_H

#include <ammeter/bench.h>
#include <ammeter/context.h>
#include <ammeter/map.h>
#include <ammeter/plan.h>
#include <ammeter/spec.h>
#include <ammeter/status.h>
#include <ammeter/validate.h>
#include <ammeter/verify.h>

#endif
