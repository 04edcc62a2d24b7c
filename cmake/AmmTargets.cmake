# amm_target_defaults(TARGET): language, warnings and instrumentation of every target of ours.
# Everything is a property of the target: no global flag variable is edited.

set(amm_warnings
  -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wdouble-promotion
  -Wstrict-prototypes -Wmissing-prototypes -Wvla)

if(AMM_FUZZ AND NOT CMAKE_C_COMPILER_ID MATCHES "Clang")
  message(FATAL_ERROR "AMM_FUZZ=ON needs clang, this build uses ${CMAKE_C_COMPILER_ID}")
endif()

set(amm_instrumentation "") # goes to the compiler and to the linker
if(AMM_SANITIZE)
  list(APPEND amm_instrumentation
    "-fsanitize=${AMM_SANITIZE}" -fno-sanitize-recover=all -fno-omit-frame-pointer)
endif()
if(AMM_COVERAGE)
  list(APPEND amm_instrumentation --coverage)
endif()
if(AMM_FUZZ)
  list(APPEND amm_instrumentation -fsanitize=fuzzer-no-link)
endif()

function(amm_target_defaults target)
  set_target_properties(${target} PROPERTIES
    C_STANDARD 11
    C_STANDARD_REQUIRED ON
    C_EXTENSIONS OFF
    C_VISIBILITY_PRESET hidden
    POSITION_INDEPENDENT_CODE ON
    COMPILE_WARNING_AS_ERROR ${AMM_WERROR})
  # Contraction to fused multiply-add would give each machine its own last bit.
  target_compile_options(${target} PRIVATE -ffp-contract=off ${amm_warnings} ${amm_instrumentation})
  target_link_options(${target} PRIVATE ${amm_instrumentation})
  if(AMM_ASSERTS)
    target_compile_options(${target} PRIVATE -UNDEBUG)
  endif()
endfunction()
