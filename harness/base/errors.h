// The two kinds of failure that end a command with one clear line.
#pragma once

#include <stdexcept>

namespace seqbench {

/// Wrong use: the message names the option or config key, the value and what is allowed. Exit 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// A file that cannot be read, understood or written: the message names it and the cause. Exit 1.
class FileError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

}  // namespace seqbench
