#include "harness/files/csv.h"

#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <limits>

#include "harness/base/errors.h"
#include "tests/harness/file_error.h"
#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

namespace fs = std::filesystem;

class CsvTest : public FolderTest {
 protected:
  std::string text() const {
    std::ifstream file(path_, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
  }

  fs::path path_ = folder_ / "f.csv";
};

TEST_F(CsvTest, WritesRfc4180AndReadsItBack) {
  {
    CsvWriter writer(path_, {"name", "value", "note"});
    writer.append({{{"name", "a,b"}, {"value", 0.1}, {"note", "say \"hi\"\nthere"}},
                   {{"name", "plain"}, {"value", Index{-3}}}});
  }
  EXPECT_EQ(text(), "name,value,note\r\n\"a,b\",0.1,\"say \"\"hi\"\"\nthere\"\r\nplain,-3,\r\n");
  const CsvTable table = read_csv(path_);
  ASSERT_EQ(table.size(), 2u);
  EXPECT_EQ(table[0].at("name"), "a,b");
  EXPECT_EQ(table[0].at("note"), "say \"hi\"\nthere");
  EXPECT_EQ(table[1].at("note"), "");
}

TEST_F(CsvTest, NumbersReadBackExactlyAndNonFiniteIsEmpty) {
  for (const double value : {1.0 / 3, 1e-300, 123456789.123456789, -0.0, 5e15}) {
    EXPECT_EQ(std::strtod(CsvCell(value).text().c_str(), nullptr), value);
  }
  EXPECT_EQ(CsvCell(std::nan("")).text(), "");
  EXPECT_EQ(CsvCell(std::numeric_limits<double>::infinity()).text(), "");
  EXPECT_EQ(CsvCell(true).text(), "true");
}

TEST_F(CsvTest, AppendsToAFileOfItsOwnColumnsOnly) {
  CsvWriter(path_, {"a", "b"}).append({{{"a", 1}}});
  CsvWriter(path_, {"a", "b"}).append({{{"a", 2}}});
  EXPECT_EQ(text(), "a,b\r\n1,\r\n2,\r\n");
  EXPECT_THROW(CsvWriter(path_, {"a", "c"}), FileError);
  EXPECT_EQ(text(), "a,b\r\n1,\r\n2,\r\n");
}

TEST_F(CsvTest, RefusesAnUnknownColumn) {
  CsvWriter writer(path_, {"a"});
  EXPECT_THROW(writer.append({{{"b", 1}}}), std::invalid_argument);
  EXPECT_EQ(text(), "a\r\n");
}

TEST_F(CsvTest, LeavesNoFileWithoutRowsWhenAnExceptionEndsTheWriter) {
  const auto fail_after = [this](const std::vector<CsvRow>& rows) {
    try {
      CsvWriter writer(path_, {"a"});
      writer.append(rows);
      throw FileError("elsewhere");
    } catch (const FileError&) {
    }
  };
  fail_after({});
  EXPECT_FALSE(fs::exists(path_));
  fail_after({{{"a", 1}}});
  EXPECT_EQ(text(), "a\r\n1\r\n");
  fail_after({});  // rows of an earlier writer stay
  EXPECT_EQ(text(), "a\r\n1\r\n");
  fs::remove(path_);
  { CsvWriter writer(path_, {"a"}); }  // nothing to write is no failure
  EXPECT_EQ(text(), "a\r\n");
  { CsvWriter moved = CsvWriter(path_, {"a"}); }
  EXPECT_EQ(text(), "a\r\n");
}

TEST_F(CsvTest, RefusesTextThatIsNoUtf8AndAColumnThatIsThereTwice) {
  const auto error_of_reading = [this](const char* content) -> std::string {
    std::ofstream(path_, std::ios::binary) << content;
    return error_of([this] { read_csv(path_); });
  };
  const std::string name = path_.string();
  EXPECT_EQ(error_of_reading("a,b\r\n1,2\r\n3,caf\xe9\r\n"),
            name + ": row 3 has 'caf\xe9'; expected text in UTF-8");
  EXPECT_EQ(error_of_reading("a,\xed\xa0\x80\r\n1,2\r\n"),
            name + ": row 1 has '\xed\xa0\x80'; expected text in UTF-8");
  EXPECT_EQ(error_of_reading("a,b,a\r\n1,2,3\r\n"),
            name + ": has the column 'a' twice; expected it once");
  EXPECT_EQ(error_of_reading("a\r\ncaf\xc3\xa9\r\n"), "");
}

TEST_F(CsvTest, DropsATornLastLine) {
  std::ofstream(path_, std::ios::binary) << "a,b\r\n1,2\r\n3,";
  const CsvTable table = read_csv(path_);
  ASSERT_EQ(table.size(), 1u);
  EXPECT_EQ(table[0].at("b"), "2");
}

TEST_F(CsvTest, AppendsBehindTheLastWholeRow) {
  for (const char* torn : {"", "a,", "a,b\r", "a,b\r\n", "a,b\r\n3,", "a,b\r\n\"3\n"}) {
    std::ofstream(path_, std::ios::binary) << torn;
    CsvWriter(path_, {"a", "b"}).append({{{"a", 1}, {"b", 2}}});
    EXPECT_EQ(text(), "a,b\r\n1,2\r\n") << torn;
  }
}

TEST_F(CsvTest, LeavesAFileThatIsNoTableOfItsOwnAlone) {
  std::ofstream(path_, std::ios::binary) << "precious";
  EXPECT_THROW(CsvWriter(path_, {"a", "b"}), FileError);
  EXPECT_EQ(text(), "precious");
}

TEST_F(CsvTest, NamesTheLineOfARowWithOtherFields) {
  std::ofstream(path_, std::ios::binary) << "a,b\r\n1,2\r\n3\r\n";
  try {
    read_csv(path_);
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("row 3"), std::string::npos) << error.what();
  }
}

TEST_F(CsvTest, AFullDiskIsAnErrorWithItsCause) {
  if (!fs::exists("/dev/full")) GTEST_SKIP();
  try {
    CsvWriter writer("/dev/full", {"a"});
    FAIL();
  } catch (const FileError& error) {
    EXPECT_NE(std::string(error.what()).find("No space left"), std::string::npos) << error.what();
  }
}

TEST_F(CsvTest, RewriteReplacesAllRows) {
  CsvWriter(path_, {"a", "b"}).append({{{"a", 1}}, {{"a", 2}}});
  CsvTable table = read_csv(path_);
  table.erase(table.begin());
  rewrite_csv(path_, {"a", "b"}, table);
  EXPECT_EQ(text(), "a,b\r\n2,\r\n");
  EXPECT_THROW(rewrite_csv(path_, {"a"}, table), std::invalid_argument);
}

TEST_F(CsvTest, ReadsNothingFromAFileWithoutAWholeHeader) {
  for (const char* text : {"", "a,b", "\"a\nb\n"}) {
    std::ofstream(path_, std::ios::binary) << text;
    EXPECT_TRUE(read_csv(path_).empty()) << text;
  }
  std::ofstream(path_, std::ios::binary) << "a\r\n\"";  // a quote is the last that was written
  EXPECT_TRUE(read_csv(path_).empty());
  std::ofstream(path_, std::ios::binary) << "a\r\n\"b\"";
  EXPECT_TRUE(read_csv(path_).empty());
}

}  // namespace
}  // namespace seqbench
