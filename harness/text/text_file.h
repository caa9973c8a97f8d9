// A text on disk, of any size, read in pieces as they are needed.
//
// Pieces come from the page cache by pread() and not through a mapping: as many copies of a file of
// several GB are in memory (none of the program's own), and one that shrinks meanwhile is an error
// with a name where a mapping has a signal.
#pragma once

#include <filesystem>
#include <span>
#include <string>

#include "core/tensor.h"
#include "harness/base/durable_file.h"

namespace seqbench {

class TextFile {
 public:
  /// Throws UsageError, as of the option --text, for what cannot be opened, is no regular file or
  /// is empty.
  explicit TextFile(const std::filesystem::path& path);

  const std::string& name() const { return name_; }
  /// When it was opened.
  Index bytes() const { return bytes_; }

  /// Assigns the bytes from `first` on; first + into.size() ≤ bytes(). Throws FileError when they
  /// cannot be read or are no longer there.
  void read(Index first, std::span<char> into) const;

 private:
  std::string name_;
  FileDescriptor descriptor_;
  Index bytes_ = 0;
};

}  // namespace seqbench
