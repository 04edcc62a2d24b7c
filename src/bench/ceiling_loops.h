/* The loops of one instruction set; included once for each, with
 *     NAME(x)                  name of a function
 *     TARGET, LANES            instruction set, floats of a vector
 *     VEC, INDICES             types
 *     SET1, SET_INDEX, FMA, MAX, PERMUTE, GATHER, LOAD
 * defined, and undefined again here. */

__attribute__((target(TARGET))) static void NAME(fma)(int64_t rounds)
{
    VEC x = SET1(0.5f);
    VEC y = SET1(1.0f);
    KEEP(x);
    KEEP(y);
    EACH_CHAIN(START_CHAIN)
    for (int64_t n = 0; n < rounds; n++) {
        EACH_CHAIN(FMA_CHAIN)
    }
}

__attribute__((target(TARGET))) static void NAME(max)(int64_t rounds)
{
    VEC x = SET1(0.5f);
    KEEP(x);
    EACH_CHAIN(START_CHAIN)
    for (int64_t n = 0; n < rounds; n++) {
        EACH_CHAIN(MAX_CHAIN)
    }
}

__attribute__((target(TARGET))) static void NAME(permute)(int64_t rounds)
{
    VEC x = SET1(0.5f);
    INDICES index = SET_INDEX(3);
    KEEP(x);
    KEEP(index);
    EACH_CHAIN(START_CHAIN)
    for (int64_t n = 0; n < rounds; n++) {
        EACH_CHAIN(PERMUTE_CHAIN)
    }
}

__attribute__((target(TARGET))) static void NAME(gather)(int64_t rounds, const float *from)
{
    INDICES index = SET_INDEX(5);
    for (int64_t n = 0; n < rounds; n++) {
        EACH_CHAIN(GATHER_CHAIN)
    }
}

__attribute__((target(TARGET))) static void NAME(load)(int64_t rounds, const float *from)
{
    for (int64_t n = 0; n < rounds; n++) {
        for (int k = 0; k + (LANES) <= FLOATS; k += 4 * (LANES)) {
            VEC a = LOAD(from + k);
            VEC b = LOAD(from + k + (LANES));
            VEC c = LOAD(from + k + 2 * (LANES));
            VEC d = LOAD(from + k + 3 * (LANES));
            KEEP(a);
            KEEP(b);
            KEEP(c);
            KEEP(d);
        }
    }
}

#undef NAME
#undef TARGET
#undef LANES
#undef VEC
#undef INDICES
#undef SET1
#undef SET_INDEX
#undef FMA
#undef MAX
#undef PERMUTE
#undef GATHER
#undef LOAD
