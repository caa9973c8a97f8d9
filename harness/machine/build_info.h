// Facts of the build, written by CMake (cmake/BuildInfo.cmake) into build_info.cc.
#pragma once

namespace seqbench {

extern const char* const kVersion;
extern const char* const kCompiler;
extern const char* const kCompilerFlags;
extern const char* const kBuildType;
extern const char* const kBenchmarkVersion;
extern const char* const kGitCommit;  // "-dirty" behind it when the tree had changes

}  // namespace seqbench
