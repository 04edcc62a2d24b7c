# Defines amm_cjson, the one name under which cJSON is linked, or leaves it undefined when cJSON is
# missing. Sources include <cjson/cJSON.h>. Installed with the package, which needs the same target.
if(NOT TARGET amm_cjson)
  find_package(cJSON CONFIG QUIET)
  if(NOT TARGET cjson)
    find_package(PkgConfig QUIET)
    if(PkgConfig_FOUND)
      pkg_check_modules(AMM_CJSON QUIET IMPORTED_TARGET libcjson)
    endif()
  endif()

  if(TARGET cjson)
    add_library(amm_cjson INTERFACE IMPORTED)
    target_link_libraries(amm_cjson INTERFACE cjson)
  elseif(TARGET PkgConfig::AMM_CJSON)
    add_library(amm_cjson INTERFACE IMPORTED)
    target_link_libraries(amm_cjson INTERFACE PkgConfig::AMM_CJSON)
  endif()
endif()
