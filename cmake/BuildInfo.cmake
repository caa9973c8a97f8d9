# Writes build_info.cc; run at every build, touches the file only when something changed.
execute_process(COMMAND git -C ${SOURCE_DIR} describe --always --dirty --abbrev=12 --exclude=*
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
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
