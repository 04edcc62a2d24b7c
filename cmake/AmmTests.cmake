# How a test is registered. Every test has two environment variables: SRC, the source directory,
# and AMMETER, the path of the command.

# Exit code of a script that cannot run here (a tool is missing): shown as skipped, never as passed.
set(AMM_SKIP 77)

# amm_set_test(NAME x LABELS l... [TIMEOUT seconds] [SKIP_CODE code] [ENVIRONMENT VAR=value...])
# sets the properties all tests share.
function(amm_set_test)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT;SKIP_CODE" "LABELS;ENVIRONMENT" ${ARGN})
  if(NOT arg_TIMEOUT)
    set(arg_TIMEOUT 300)
  endif()
  # The OpenMP runtime is not instrumented: what it does to its own locks is not for us to judge.
  if(AMM_SANITIZE MATCHES "thread")
    list(APPEND arg_ENVIRONMENT "TSAN_OPTIONS=ignore_noninstrumented_modules=1")
  endif()
  set(command "")
  if(TARGET ammeter_cli)
    set(command "AMMETER=$<TARGET_FILE:ammeter_cli>")
  endif()
  set_tests_properties(${arg_NAME} PROPERTIES
    LABELS "${arg_LABELS}"
    TIMEOUT ${arg_TIMEOUT}
    ENVIRONMENT "SRC=${PROJECT_SOURCE_DIR};${command};${arg_ENVIRONMENT}")
  if(arg_SKIP_CODE)
    set_tests_properties(${arg_NAME} PROPERTIES SKIP_RETURN_CODE ${arg_SKIP_CODE})
  endif()
endfunction()

# amm_add_test(NAME x SOURCES a.c... [LABELS l...] [ARGS a...] [TIMEOUT seconds] [SKIP_CODE code])
# builds a cmocka program and registers it. It is linked with the static library and the test
# support, and may include internal headers of src/.
function(amm_add_test)
  cmake_parse_arguments(arg "" "NAME;TIMEOUT;SKIP_CODE" "SOURCES;LABELS;ARGS" ${ARGN})
  string(REPLACE "." "_" target "test_${arg_NAME}")
  add_executable(${target} ${arg_SOURCES})
  amm_target_defaults(${target})
  target_link_libraries(${target} PRIVATE amm_test_support)
  add_test(NAME ${arg_NAME} COMMAND ${target} ${arg_ARGS})
  amm_set_test(NAME ${arg_NAME} LABELS ${arg_LABELS}
    TIMEOUT ${arg_TIMEOUT} SKIP_CODE ${arg_SKIP_CODE})
endfunction()

# amm_add_script_test(NAME x COMMAND interpreter script... LABELS l... [ENVIRONMENT VAR=value...])
function(amm_add_script_test)
  cmake_parse_arguments(arg "" "NAME" "COMMAND;LABELS;ENVIRONMENT" ${ARGN})
  add_test(NAME ${arg_NAME} COMMAND ${arg_COMMAND})
  amm_set_test(NAME ${arg_NAME} LABELS ${arg_LABELS}
    SKIP_CODE ${AMM_SKIP} ENVIRONMENT ${arg_ENVIRONMENT})
endfunction()
