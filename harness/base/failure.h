// What a command that went wrong says, and its exit code.
#pragma once

#include <string>

namespace seqbench {

constexpr int kFailed = 1, kUsage = 2;

/// Writes out what was printed so far, then one line on standard error; returns the exit code.
int tell(const std::string& message, int exit_code);

/// The same about the exception that is being handled, with the exit code of its kind. To be called
/// in a catch block.
int tell_failure();

}  // namespace seqbench
