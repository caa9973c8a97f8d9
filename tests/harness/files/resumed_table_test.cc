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

}  // namespace
}  // namespace seqbench
