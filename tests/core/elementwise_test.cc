#include "core/elementwise.h"

#include <gtest/gtest.h>

#include <array>
#include <vector>

namespace seqbench {
namespace {

/// [3, 2] in the middle of [3, 4]; its surroundings must stay.
struct Window {
  std::vector<float> all = {9, 1, 2, 9,  //
                            9, 3, 4, 9,  //
                            9, 5, 6, 9};
  MatrixView<float> view{all.data() + 1, 3, 2, 4};
};

const std::vector<float> kOther = {10, 20, 30, 40, 50, 60};
const MatrixView<const float> kOtherView(kOther.data(), 3, 2);
constexpr std::array<int, 3> kPlaces = {2, 0, 2};

TEST(Elementwise, WholeMatrices) {
  Window w;
  add(kOtherView, w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 11, 22, 9, 9, 33, 44, 9, 9, 55, 66, 9}));
  scale(w.view, 2.0f);
  EXPECT_EQ(w.all, (std::vector<float>{9, 22, 44, 9, 9, 66, 88, 9, 9, 110, 132, 9}));
  assign_sum(kOtherView, kOtherView, w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 20, 40, 9, 9, 60, 80, 9, 9, 100, 120, 9}));
  assign_sum(w.view, kOtherView, w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 30, 60, 9, 9, 90, 120, 9, 9, 150, 180, 9}));
  copy(kOtherView, w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 10, 20, 9, 9, 30, 40, 9, 9, 50, 60, 9}));
  set_zero(w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 0, 0, 9, 9, 0, 0, 9, 9, 0, 0, 9}));
}

TEST(Elementwise, RowsApart) {
  Window w;
  gather_rows(kOtherView, std::span<const int>(kPlaces), w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 50, 60, 9, 9, 10, 20, 9, 9, 50, 60, 9}));
  add_gathered_rows(kOtherView, std::span<const int>(kPlaces), w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 100, 120, 9, 9, 20, 40, 9, 9, 100, 120, 9}));
}

TEST(Elementwise, RowsPutApart) {
  Window w;
  scatter_add_rows(kOtherView, std::span<const int>(kPlaces), w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 31, 42, 9, 9, 3, 4, 9, 9, 65, 86, 9}));
  constexpr std::array<int, 2> kTwo = {2, 0};
  scatter_rows(kOtherView.row_block(0, 2), std::span<const int>(kTwo), w.view);
  EXPECT_EQ(w.all, (std::vector<float>{9, 30, 40, 9, 9, 0, 0, 9, 9, 10, 20, 9}));
}

}  // namespace
}  // namespace seqbench
