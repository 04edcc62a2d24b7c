/* Any bytes as a model file: read, or refused with a message. What was read is written, and reads
 * back to the same text. */
#include "round_trip.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* NULL when the text is refused. */
static char *rewrite(amm_reader *r, const char *text, size_t size)
{
    const amm_model *model = NULL;
    if (amm_read_model(r, &model, text, size, "fuzz.json") != AMM_OK) {
        require(amm_last_error()[0] != '\0');
        return NULL;
    }
    return fuzz_write_model(r, model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_round_trip(data, size, rewrite);
}
