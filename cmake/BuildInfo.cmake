# Writes build_info.cc; run at every build, touches the file only when something changed.
# Sources without a repository of their own (an archive) may lie inside another one, and GIT_DIR may
# name any: only a repository whose top is the sources' folder tells their commit.
foreach(variable GIT_DIR GIT_WORK_TREE GIT_COMMON_DIR GIT_INDEX_FILE)
  unset(ENV{${variable}})
endforeach()
execute_process(COMMAND git -C "${SOURCE_DIR}" rev-parse --show-prefix
  OUTPUT_VARIABLE below_top OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(NOT failed AND below_top STREQUAL "")
  execute_process(COMMAND git -C "${SOURCE_DIR}" describe --always --dirty --abbrev=12 --exclude=*
    OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
endif()
if(failed OR NOT below_top STREQUAL "")
  set(commit "unknown")
endif()
file(CONFIGURE OUTPUT ${OUTPUT} @ONLY CONTENT [[
#include "harness/machine/build_info.h"

namespace seqbench {

const char* const kVersion = "@VERSION@";
const char* const kCompiler = "@COMPILER@";
const char* const kCompilerFlags = "@FLAGS@";
const char* const kBuildType = "@BUILD_TYPE@";
const char* const kBenchmarkVersion = "@BENCHMARK_VERSION@";
const char* const kGitCommit = "@commit@";

}  // namespace seqbench
]])
