// What a test asks of code that refuses a file.
#pragma once

#include <functional>
#include <string>

#include "harness/base/errors.h"

namespace seqbench {

/// The message of the FileError that `action` throws, "" if it throws none.
inline std::string error_of(const std::function<void()>& action) {
  try {
    action();
  } catch (const FileError& error) {
    return error.what();
  }
  return "";
}

}  // namespace seqbench
