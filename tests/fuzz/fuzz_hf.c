/* Any bytes as a Hugging Face config.json (or a model): read, or refused with a message. What was
 * read is written as a model, which reads back to the same text, and can be taken at other sequence
 * lengths or says why not. */
#include "round_trip.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void resize(amm_reader *r, const amm_model *model)
{
    static const int64_t lengths[] = { 1, 7, INT32_MAX };
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        amm_problem_desc problem = { .model = model, .seq_len = lengths[i] };
        require(amm_problem_resolve(&problem, r->arena) == AMM_OK);
        const bool taken = amm_model_check_seq_len(model, lengths[i], "fuzz.json") == AMM_OK;
        require(taken == (problem.model->seq_len == lengths[i]));
        require(amm_model_parameters(problem.model) == amm_model_parameters(model));
    }
}

/* NULL when the text is refused. */
static char *rewrite(amm_reader *r, const char *text, size_t size)
{
    const amm_model *model = NULL;
    if (amm_read_model(r, &model, text, size, "fuzz.json") != AMM_OK) {
        require(amm_last_error()[0] != '\0');
        return NULL;
    }
    require(amm_model_active_parameters(model) <= amm_model_parameters(model));
    resize(r, model);
    return fuzz_write_model(r, model);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    return fuzz_round_trip(data, size, rewrite);
}
