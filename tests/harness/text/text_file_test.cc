#include "harness/text/text_file.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "harness/base/errors.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

class TextFileTest : public FolderTest {
 protected:
  /// What opening the file says.
  std::string refused(const std::string& file) const {
    try {
      TextFile(folder_ / file);
    } catch (const UsageError& error) {
      return error.what();
    }
    return "";
  }
};

TEST_F(TextFileTest, ReadsAnyPieceOfTheFile) {
  write("a.txt", "0123456789");
  const TextFile file(folder_ / "a.txt");
  EXPECT_EQ(file.bytes(), 11);
  std::string piece(4, ' ');
  file.read(3, piece);
  EXPECT_EQ(piece, "3456");
  file.read(7, piece);
  EXPECT_EQ(piece, "789\n");
}

TEST_F(TextFileTest, RefusesWhatIsNoTextWithItsName) {
  std::ofstream(folder_ / "empty.txt").close();
  ASSERT_EQ(::mkfifo((folder_ / "pipe").c_str(), 0600), 0);
  EXPECT_NE(refused("empty.txt").find("not empty"), std::string::npos);
  EXPECT_NE(refused("absent.txt").find("No such file"), std::string::npos);
  EXPECT_NE(refused(".").find("regular"), std::string::npos);
  EXPECT_NE(refused("pipe").find("regular"), std::string::npos);
  EXPECT_NE(refused("pipe").find("--text"), std::string::npos);
}

TEST_F(TextFileTest, NamesAFileThatShrinks) {
  write("a.txt", std::string(100, 'x'));
  const TextFile file(folder_ / "a.txt");
  std::filesystem::resize_file(folder_ / "a.txt", 50);
  std::string piece(20, ' ');
  file.read(30, piece);
  try {
    file.read(40, piece);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("shorter"), std::string::npos);
    EXPECT_NE(std::string(error.what()).find("a.txt"), std::string::npos);
  }
}

}  // namespace
}  // namespace seqbench
