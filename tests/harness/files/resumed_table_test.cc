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

TEST_F(ResumedTableTest, CellsThatFailedOrWereCutOffAreTakenAnew) {
  const auto open = [&] {
    return ResumedCells({folder_ / "cells.csv", {"model", "length", "status"}},
                        {folder_ / "details.csv", {"model", "length", "ratio"}},
                        {"model", "length"});
  };
  const auto cell = [](int length, const char* status) {
    return CsvRow{{"model", "gru"}, {"length", length}, {"status", status}};
  };
  const auto detail = [](int length, int ratio) {
    return CsvRow{{"model", "gru"}, {"length", length}, {"ratio", ratio}};
  };
  {
    ResumedCells cells = open();
    cells.add(cell(1, "ok"), {detail(1, 10), detail(1, 11)});
    cells.add(cell(2, "failed"), {detail(2, 20)});
    cells.add(cell(3, "skipped"), {});
  }
  ResumedTable(folder_ / "details.csv", {"model", "length", "ratio"}).append({detail(4, 40)});
  const ResumedCells cells = open();
  EXPECT_TRUE(cells.holds(cell(1, "")));
  EXPECT_FALSE(cells.holds(cell(2, "")));
  EXPECT_TRUE(cells.holds(cell(3, "")));
  EXPECT_FALSE(cells.holds(cell(4, "")));
  ASSERT_EQ(cells.details().size(), 2u);
  EXPECT_EQ(cells.details()[1].at("ratio"), "11");
  EXPECT_EQ(read_csv(folder_ / "cells.csv").size(), 2u);
}

}  // namespace
}  // namespace seqbench
