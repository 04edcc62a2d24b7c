# Defines amm_cmocka, the one name under which cmocka is linked: 1.1.5 and older export variables,
# newer ones a target.
find_package(cmocka CONFIG QUIET)
if(NOT cmocka_FOUND)
  message(FATAL_ERROR "cmocka not found: install libcmocka-dev (Debian, Ubuntu) or libcmocka-devel "
    "(Fedora), or build without tests (AMM_TESTS=OFF)")
endif()

add_library(amm_cmocka INTERFACE IMPORTED)
if(TARGET cmocka::cmocka)
  target_link_libraries(amm_cmocka INTERFACE cmocka::cmocka)
elseif(TARGET cmocka)
  target_link_libraries(amm_cmocka INTERFACE cmocka)
else()
  target_link_libraries(amm_cmocka INTERFACE ${CMOCKA_LIBRARIES})
  target_include_directories(amm_cmocka INTERFACE ${CMOCKA_INCLUDE_DIR})
endif()
