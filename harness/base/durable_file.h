// Files that are read whole, appended to the disk, or replaced in one step. Whatever stops the
// program, a reader of a replaced file finds the old content or the new; the last text appended to
// a file may be there in part. Every error is a FileError that names the path and the problem.
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

namespace seqbench {

/// Owns an open file; -1 is none.
class FileDescriptor {
 public:
  explicit FileDescriptor(int number) : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~FileDescriptor();

  operator int() const { return number_; }

 private:
  int number_;
};

/// The content of a regular file. Throws FileError.
std::string read_file(const std::filesystem::path& path);

/// A file that grows at its end.
class AppendedFile {
 public:
  /// Opens the file, or creates it empty. Throws FileError.
  explicit AppendedFile(std::filesystem::path path);

  bool is_empty() const { return size_in_bytes() == 0; }
  /// Keeps the first `bytes`. Throws FileError.
  void cut_to(std::size_t bytes);
  /// Takes a regular file out of its folder; it stays where that is impossible.
  void remove() const noexcept;

  /// Returns when `text` is on the disk. Throws FileError; what was written of the text is taken
  /// back then, or the message says that it could not be.
  void append(std::string_view text);

 private:
  std::size_t size_in_bytes() const;

  std::filesystem::path path_;
  FileDescriptor descriptor_;
};

enum class Existing { kReplace, kRefuse };

/// A file under a temporary name in the folder of `path`, which takes that name when it is
/// complete, and disappears when it never is.
class NewFile {
 public:
  /// Throws FileError; with Existing::kRefuse also when `path` exists.
  explicit NewFile(std::filesystem::path path, Existing existing = Existing::kReplace);
  NewFile(NewFile&&) = delete;
  ~NewFile();

  /// Throws FileError.
  void write(std::string_view bytes);
  /// Gives the file its name once all of it is on the disk. Throws FileError, and `path` is as it
  /// was then; only when the message says that the folder cannot be flushed is it the new file,
  /// which a power failure may still undo.
  void commit();

 private:
  std::filesystem::path path_, temporary_;
  Existing existing_;
  FileDescriptor descriptor_;
  bool committed_ = false;
};

/// Makes `text` the content of `path`, in one step. Throws as NewFile::commit().
void replace_file(const std::filesystem::path& path, std::string_view text);

/// Removes from the folder the files of NewFile that a killed process left under their temporary
/// names; nobody else may be writing there.
void remove_drafts(const std::filesystem::path& folder);

/// Throws FileError when something of that name exists: a result is never written over.
void refuse_existing(const std::filesystem::path& path);

}  // namespace seqbench
