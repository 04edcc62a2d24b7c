/* Lists of the best, compared. */
#ifndef AMM_VERIFY_TOPS_H
#define AMM_VERIFY_TOPS_H

#include "backend/top.h"

/* Place of the first difference, the shorter list's end included; -1: none. */
int32_t amm_tops_differ(const amm_top *a, const amm_top *b);

enum { AMM_KEY_CHARS = 160 };
/* "place 3 of 1000: T … base ticks, config id …, rank …", or "3 entries". */
void amm_top_text(char out[AMM_KEY_CHARS], const amm_top *top, int32_t at);

#endif
