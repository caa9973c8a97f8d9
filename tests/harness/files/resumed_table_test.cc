#include "harness/files/resumed_table.h"

#include <gtest/gtest.h>

#include "tests/harness/temporary_folder.h"

namespace seqbench {
namespace {

using ResumedTableTest = FolderTest;

TEST_F(ResumedTableTest, AppendsBehindTheRowsThatWereNotDropped) {
  ResumedTable table(folder_ / "t.csv", {"name", "status"});
  table.append({{{"name", "a"}, {"status", "failed"}}, {{"name", "b"}, {"status", "ok"}}});
  table.drop([](const auto& row) { return row.at("status") == "failed"; });
  table.append({{{"name", "c"}, {"status", "ok"}}});
  const CsvTable rows = read_csv(folder_ / "t.csv");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("name"), "b");
  EXPECT_EQ(rows[1].at("name"), "c");
}

TEST_F(ResumedTableTest, AppendsBehindTheRowsThatCameInPlaceOfTheOld) {
  ResumedTable table(folder_ / "t.csv", {"a"});
  table.append({{{"a", 1}}});
  table.replace({{{"a", "4"}}});
  table.append({{{"a", 5}}});
  const CsvTable rows = table.rows();
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].at("a"), "4");
  EXPECT_EQ(rows[1].at("a"), "5");
}

}  // namespace
}  // namespace seqbench
