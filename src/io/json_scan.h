/* A strict look at a JSON text before it is parsed: the parser accepts more than JSON. */
#ifndef AMM_IO_JSON_SCAN_H
#define AMM_IO_JSON_SCAN_H

#include "core/core.h"

/* AMM_OK when `text` is one JSON value (RFC 8259) in UTF-8 without byte order mark, not deeper than
 * AMM_MAX_JSON_DEPTH, with no NUL in any string and only numbers that a double can hold. Otherwise
 * INPUT with "file:line:column: what". */
amm_status amm_json_scan(const char *text, size_t size, const char *file);

#endif
