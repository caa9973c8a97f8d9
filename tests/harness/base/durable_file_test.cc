#include "harness/base/durable_file.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <csignal>
#include <fstream>

#include "core/tensor.h"
#include "tests/harness/file_error.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class DurableFileTest : public FolderTest {
 protected:
  Index files() const { return std::distance(fs::directory_iterator(folder_), {}); }

  fs::path path_ = folder_ / "f";
};

/// No file grows beyond `bytes` while this lives: writing fails as on a full disk, after a part.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{.rlim_cur = bytes, .rlim_max = before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  FileSizeLimit(FileSizeLimit&&) = delete;
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*handler_)(int);
  rlimit before_{};
};

TEST_F(DurableFileTest, AppendsToWhatIsThere) {
  EXPECT_TRUE(AppendedFile(path_).is_empty());
  AppendedFile(path_).append("one");
  AppendedFile file(path_);
  file.append("two");
  EXPECT_EQ(read_file(path_), "onetwo");
  file.cut_to(2);
  file.append("!");
  EXPECT_EQ(read_file(path_), "on!");
}

TEST_F(DurableFileTest, TakesBackWhatCouldBeAppendedInPartOnly) {
  AppendedFile file(path_);
  file.append("one");
  const FileSizeLimit limit(5);
  EXPECT_EQ(error_of([&] { file.append("two"); }),
            path_.string() + ": cannot be written: File too large");
  EXPECT_EQ(read_file(path_), "one");
}

TEST_F(DurableFileTest, ReplacesAFileWhole) {
  replace_file(path_, "one");
  replace_file(path_, "two");
  EXPECT_EQ(read_file(path_), "two");
  EXPECT_EQ(files(), 1);
}

TEST_F(DurableFileTest, KeepsTheOldFileWhenTheNewOneCannotBeWritten) {
  replace_file(path_, "one");
  const FileSizeLimit limit(5);
  EXPECT_EQ(error_of([&] { replace_file(path_, "longer"); }),
            path_.string() + ": cannot be written: File too large");
  EXPECT_EQ(read_file(path_), "one");
  EXPECT_EQ(files(), 1);
}

TEST_F(DurableFileTest, RefusesToReplaceEvenWhatAppearsMeanwhile) {
  NewFile file(path_, Existing::kRefuse);
  file.write("result");
  std::ofstream(path_) << "precious";
  EXPECT_EQ(error_of([&] { file.commit(); }), path_.string() + ": cannot be written: File exists");
  EXPECT_EQ(read_file(path_), "precious");
  EXPECT_EQ(error_of([&] { NewFile(path_, Existing::kRefuse); }),
            path_.string() + ": exists already and is not written over; choose another name");
}

TEST_F(DurableFileTest, ThatWasNeverCommittedDisappears) {
  { NewFile(path_).write("half"); }
  EXPECT_EQ(files(), 0);
}

TEST_F(DurableFileTest, NamesPathAndCause) {
  const fs::path missing = folder_ / "missing" / "f";
  const std::string cause = ": No such file or directory";
  EXPECT_EQ(error_of([&] { read_file(missing); }), missing.string() + ": cannot be opened" + cause);
  EXPECT_EQ(error_of([&] { AppendedFile{missing}; }),
            missing.string() + ": cannot be opened for writing" + cause);
  EXPECT_EQ(error_of([&] { replace_file(missing, "x"); }),
            missing.string() + ": cannot be written" + cause);
  ASSERT_EQ(mkfifo(path_.c_str(), 0600), 0);
  EXPECT_EQ(error_of([&] { read_file(path_); }), path_.string() + ": is not a regular file");
}

TEST_F(DurableFileTest, TakesANameWithoutAFolder) {
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  AppendedFile("appended").append("one");
  replace_file("replaced", "two");
  fs::current_path(before);
  EXPECT_EQ(read_file(folder_ / "appended"), "one");
  EXPECT_EQ(read_file(folder_ / "replaced"), "two");
}

TEST_F(DurableFileTest, IsMovedWithItsDescriptor) {
  AppendedFile first(path_), second(folder_ / "other");
  second = std::move(first);
  second.append("one");
  EXPECT_EQ(read_file(path_), "one");
}

}  // namespace
}  // namespace seqbench
