/* UTF-8 as RFC 3629 has it: no overlong forms, no surrogates, nothing above U+10FFFF. */
#ifndef AMM_IO_UTF8_H
#define AMM_IO_UTF8_H

#include <stddef.h>

/* Bytes of the character at `text` (1 to 4), 0 when it is not a valid one. */
size_t amm_utf8_length(const char *text, size_t size);

#endif
