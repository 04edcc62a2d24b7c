/* The first look at every config of an analytic space; internal. */
#ifndef AMM_SEARCH_FIRST_LOOK_H
#define AMM_SEARCH_FIRST_LOOK_H

#include "search/waves.h"

/* Sets upper_s where the even cut of a config fits, and floor_s where that tells more. */
typedef amm_status amm_look_function(amm_search *s, const amm_config *config, amm_candidate *one);

/* Lists the configs that may hold one of the best plans in s->list, counts the others by what they
 * are out for, and the partitions of all that fit. On the threads of the result; `look` is called
 * by the caller's thread. INTERRUPTED: the parts of the space that were looked at. */
amm_status amm_first_look(amm_search *s, amm_look_function *look);

#endif
