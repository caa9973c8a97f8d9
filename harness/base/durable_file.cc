#include "harness/base/durable_file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <system_error>
#include <utility>

#include "harness/base/errors.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

constexpr const char* kDraft = ".new";  // and the process's number behind a temporary name
constexpr const char* kCannotWrite = "cannot be written";

std::string cause() { return std::generic_category().message(errno); }

[[noreturn]] void fail(const fs::path& path, const std::string& problem) {
  throw FileError(path.string() + ": " + problem + ": " + cause());
}

/// False with errno.
bool write_all(int file, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(file, bytes.data(), bytes.size());
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(count));
  }
  return true;
}

/// A name is on the disk when its folder is.
void flush_folder_of(const fs::path& path) {
  const fs::path folder = path.has_parent_path() ? path.parent_path() : ".";
  const FileDescriptor descriptor(::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Some file systems flush names by themselves and say EINVAL; a folder that may not be listed
  // cannot be opened to be flushed.
  if (descriptor < 0 && errno == EACCES) return;
  if (descriptor < 0 || (::fsync(descriptor) != 0 && errno != EINVAL)) {
    fail(path, "its folder cannot be flushed to the disk");
  }
}

struct Renaming {
  fs::path from, to;
};

/// False with errno.
bool rename(const Renaming& names) { return ::rename(names.from.c_str(), names.to.c_str()) == 0; }

/// The same, with EEXIST when something has the new name.
bool rename_to_new_name(const Renaming& names) {
  const char *const from = names.from.c_str(), *const to = names.to.c_str();
  if (::renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) == 0) return true;
  if (errno != EINVAL && errno != ENOSYS) return false;
  // Some file systems (NFS) cannot promise to replace nothing: look, then rename.
  refuse_existing(names.to);
  return rename(names);
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);
}

std::string read_file(const fs::path& path) {
  // O_NONBLOCK: opening a pipe that nobody writes to must end in an error, not in waiting.
  const FileDescriptor descriptor(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_CLOEXEC));
  if (descriptor < 0) fail(path, "cannot be opened");
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) fail(path, "cannot be read");
  if (!S_ISREG(status.st_mode)) throw FileError(path.string() + ": is not a regular file");
  std::string text(static_cast<std::size_t>(status.st_size), '\0');
  std::size_t filled = 0;
  while (filled < text.size()) {
    const ssize_t count = ::read(descriptor, text.data() + filled, text.size() - filled);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) fail(path, "cannot be read");
    if (count == 0) break;  // the file shrank meanwhile
    filled += static_cast<std::size_t>(count);
  }
  text.resize(filled);
  return text;
}

AppendedFile::AppendedFile(fs::path path)
    : path_(std::move(path)),
      descriptor_(::open(path_.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666)) {
  if (descriptor_ < 0) fail(path_, "cannot be opened for writing");
  if (!is_empty()) return;
  try {
    flush_folder_of(path_);
  } catch (const FileError&) {
    remove();
    throw;
  }
}

void AppendedFile::append(std::string_view text) {
  const std::size_t size_before = size_in_bytes();
  if (write_all(descriptor_, text) && ::fdatasync(descriptor_) == 0) return;
  const std::string problem = path_.string() + ": " + kCannotWrite + ": " + cause();
  if (size_in_bytes() != size_before &&
      ::ftruncate(descriptor_, static_cast<off_t>(size_before)) != 0) {
    throw FileError(problem + "; a part was, which cannot be taken back: " + cause());
  }
  throw FileError(problem);
}

void AppendedFile::cut_to(std::size_t bytes) {
  if (::ftruncate(descriptor_, static_cast<off_t>(bytes)) != 0) fail(path_, kCannotWrite);
}

void AppendedFile::remove() const noexcept {
  struct stat status {};
  if (::fstat(descriptor_, &status) == 0 && S_ISREG(status.st_mode)) ::unlink(path_.c_str());
}

std::size_t AppendedFile::size_in_bytes() const {
  struct stat status {};
  if (::fstat(descriptor_, &status) != 0) fail(path_, "cannot be examined");
  return static_cast<std::size_t>(status.st_size);
}

NewFile::NewFile(fs::path path, Existing existing)
    : path_(std::move(path)),
      temporary_(path_.string() + kDraft + std::to_string(::getpid())),
      existing_(existing),
      descriptor_(-1) {
  if (existing_ == Existing::kRefuse) refuse_existing(path_);
  ::unlink(temporary_.c_str());  // of a process that had the same number and was killed
  descriptor_ =
      FileDescriptor(::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (descriptor_ < 0) fail(path_, kCannotWrite);
}

NewFile::~NewFile() {
  if (!committed_ && descriptor_ >= 0) ::unlink(temporary_.c_str());
}

void NewFile::write(std::string_view bytes) {
  if (!write_all(descriptor_, bytes)) fail(path_, kCannotWrite);
}

void NewFile::commit() {
  if (::fsync(descriptor_) != 0) fail(path_, kCannotWrite);
  const Renaming names{.from = temporary_, .to = path_};
  committed_ = existing_ == Existing::kRefuse ? rename_to_new_name(names) : rename(names);
  if (!committed_) fail(path_, kCannotWrite);
  flush_folder_of(path_);
}

void replace_file(const fs::path& path, std::string_view text) {
  NewFile file(path);
  file.write(text);
  file.commit();
}

void remove_drafts(const fs::path& folder) {
  std::error_code ignored;  // a draft that stays does no harm
  for (const fs::directory_entry& entry : fs::directory_iterator(folder, ignored)) {
    const std::string ending = entry.path().extension().string();
    const std::string number = ending.starts_with(kDraft) ? ending.substr(std::strlen(kDraft)) : "";
    if (!number.empty() && number.find_first_not_of("0123456789") == std::string::npos) {
      fs::remove(entry.path(), ignored);
    }
  }
}

void refuse_existing(const fs::path& path) {
  std::error_code ignored;  // what cannot be looked at cannot be written either, and says so then
  if (fs::exists(fs::symlink_status(path, ignored))) {
    throw FileError(path.string() +
                    ": exists already and is not written over; choose another name");
  }
}

}  // namespace seqbench
