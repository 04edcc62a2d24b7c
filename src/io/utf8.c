#include "io/utf8.h"

#include <stdbool.h>

size_t amm_utf8_length(const char *text, size_t size)
{
    if (size == 0) {
        return 0;
    }
    const unsigned char *c = (const unsigned char *)text;
    if (c[0] < 0x80) {
        return 1;
    }
    const size_t length = c[0] >= 0xc2 && c[0] <= 0xdf   ? 2
                          : c[0] >= 0xe0 && c[0] <= 0xef ? 3
                          : c[0] >= 0xf0 && c[0] <= 0xf4 ? 4
                                                         : 0;
    if (length == 0 || length > size) {
        return 0;
    }
    for (size_t i = 1; i < length; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            return 0;
        }
    }
    const bool overlong = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xf0 && c[1] < 0x90);
    const bool surrogate = c[0] == 0xed && c[1] >= 0xa0;
    const bool above = c[0] == 0xf4 && c[1] >= 0x90;
    return overlong || surrogate || above ? 0 : length;
}
