#include "rnn/cell.h"

#include <gtest/gtest.h>

#include <vector>

namespace seqbench {
namespace {

using Tag = hn::CappedTag<double, 1>;

// Gates lie further apart than they have units, each kind by a stride of its own.
TEST(StepRow, FindsEachUnitOfEachGate) {
  std::vector<double> a(20), u(30), gates(40);
  for (std::size_t i = 0; i < a.size(); ++i) a[i] = double(i);
  for (std::size_t i = 0; i < u.size(); ++i) u[i] = 100 + double(i);
  const StepRow<double> row{.units = 3,
                            .a = {a.data(), 5},
                            .u = {u.data(), 7},
                            .gates = {gates.data(), 9},
                            .h_previous = nullptr,
                            .h = nullptr,
                            .kept_previous = nullptr,
                            .kept = nullptr};
  const Tag d;
  EXPECT_EQ(hn::GetLane(row.a_at(d, 0, 2)), 2);
  EXPECT_EQ(hn::GetLane(row.a_at(d, 2, 1)), 11);
  EXPECT_EQ(hn::GetLane(row.u_at(d, 2, 1)), 115);
  row.store_gate(d, 3, 2, hn::Set(d, 5.0));
  EXPECT_EQ(gates[29], 5);
}

TEST(StepBackwardRow, AddsBothGradientsOfTheOutputAndStoresThoseOfTheGates) {
  const std::vector<double> dy{1, 2, 3};
  std::vector<double> dh{10, 20, 30}, gates(20), da(20), du(30);
  gates[11] = 4;
  const StepBackwardRow<double> row{.units = 3,
                                    .h = nullptr,
                                    .h_previous = nullptr,
                                    .dy = dy.data(),
                                    .gates = {gates.data(), 5},
                                    .da = {da.data(), 5},
                                    .du = {du.data(), 7},
                                    .kept = nullptr,
                                    .kept_du = nullptr,
                                    .kept_previous = nullptr,
                                    .dh = dh.data(),
                                    .dkept = nullptr};
  const Tag d;
  EXPECT_EQ(hn::GetLane(row.dh_at(d, 2)), 33);
  EXPECT_EQ(hn::GetLane(row.gate_at(d, 2, 1)), 4);
  row.store_gradients(d, 2, 1, hn::Set(d, 6.0), hn::Set(d, 7.0));
  EXPECT_EQ(gates[11], 4);
  EXPECT_EQ(da[11], 6);
  EXPECT_EQ(du[15], 7);
}

}  // namespace
}  // namespace seqbench
