# Run by target amm_build_info on every build; see cmake/AmmBuildInfo.cmake for the arguments.
# An unpacked archive inside somebody else's repository is not that repository's commit, hence the
# look for .git in our own root. No locks: a build must not disturb a git command next to it.
set(COMMIT "unknown")
if(GIT AND EXISTS "${SOURCE_DIR}/.git")
  set(ENV{GIT_OPTIONAL_LOCKS} 0)
  execute_process(COMMAND "${GIT}" -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12
    OUTPUT_VARIABLE answer ERROR_QUIET RESULT_VARIABLE result OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(result EQUAL 0)
    set(COMMIT "${answer}")
  endif()
endif()

string(REPLACE "." ";" parts "${PROJECT_VERSION}")
list(GET parts 0 MAJOR)
list(GET parts 1 MINOR)
list(GET parts 2 PATCH)
configure_file("${CMAKE_CURRENT_LIST_DIR}/version.h.in" "${OUTPUT}" @ONLY)
