/* Random problems without a profile, small enough for brute force over all layouts and partitions. */
#ifndef AMM_TESTS_RANDOM_SPEC_H
#define AMM_TESTS_RANDOM_SPEC_H

#include <ammeter/ammeter.h>
#include <stdint.h>

/* Descriptions: dense; experts after dense blocks; tied with odd sizes. */
extern const char *const random_models[3];
extern const char *const random_clusters[5];

/* amm_spec_set that fails the test. */
void set_spec(amm_spec *spec, const char *key, const char *value);

amm_spec *random_spec(uint64_t *seed);

/* Pipelines of two to four stages that choose what they recompute, with memory that is short anywhere
 * between nothing and all of it. */
amm_spec *choosing_spec(uint64_t *seed);

#endif
