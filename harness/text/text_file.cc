#include "harness/text/text_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cassert>
#include <cerrno>
#include <cstring>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"

namespace seqbench {

// O_NONBLOCK: opening a pipe that nobody writes to must end in an error, not in waiting.
TextFile::TextFile(const std::filesystem::path& path)
    : name_(path.string()), descriptor_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC)) {
  if (descriptor_ < 0) {
    refuse_option("text", name_, std::string("a file that can be read: ") + std::strerror(errno));
  }
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0 || !S_ISREG(status.st_mode)) {
    refuse_option("text", name_, "a regular file");
  }
  bytes_ = status.st_size;
  if (bytes_ == 0) refuse_option("text", name_, "a file that is not empty");
}

void TextFile::read(Index first, std::span<char> into) const {
  assert(first >= 0 && first + Index(into.size()) <= bytes_);
  while (!into.empty()) {
    const ssize_t count = ::pread(descriptor_, into.data(), into.size(), first);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) throw FileError(name_ + ": cannot be read: " + std::strerror(errno));
    if (count == 0) {
      throw FileError(name_ + ": has become shorter while it was read, from " +
                      std::to_string(bytes_) + " to " + std::to_string(first) + " bytes or less");
    }
    into = into.subspan(static_cast<std::size_t>(count));
    first += count;
  }
}

}  // namespace seqbench
