#include "harness/ranks/rank_member.h"

#include <gtest/gtest.h>

#include <functional>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "harness/ranks/local_communicator.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

const std::vector<Case> kCases = {{.layer = {.model = "gru", .kernel = "persistent", .width = 8},
                                   .pass = Pass::kTrain,
                                   .shape = {.batch = 3, .steps = 4},
                                   .ranks = 2,
                                   .strategy = "data"}};

Json order(const char* what) { return {{"do", what}, {"case", kCases.front().id()}}; }

/// Both ranks carry out the same orders, as if rank 0 had given them.
void with_members(const std::function<void(RankMember&)>& body) {
  run_local_ranks(2, [&](Communicator& ranks) {
    RankMember member(ranks, kCases, {.min_seconds = 1e-4, .memory_limit_bytes = 1e9});
    body(member);
  });
}

TEST(RankMember, AnswersWhatItHoldsAndWhatItTook) {
  with_members([](RankMember& member) {
    const Json size = member.act(order("size"));
    EXPECT_GT(size.at("bytes"), 0);
    EXPECT_EQ(size.at("limit_bytes"), 1e9);
    const RankShare share = share_of(member.act(order("allocate")));
    EXPECT_EQ(share.batch.first, member.ranks().rank() == 0 ? 0 : 2);
    EXPECT_EQ(share.batch.count, member.ranks().rank() == 0 ? 2 : 1);
    EXPECT_EQ(share.shape().steps, 4);
    EXPECT_GT(member.act(order("warm")).at("seconds"), 0);
    Json repeat = order("repeat");
    repeat["passes"] = 3;
    const Json taken = member.act(repeat);
    EXPECT_GT(taken.at("sample").at("seconds"), 0);
    EXPECT_GT(taken.at("bytes_sent"), 0);
    const RankTrace trace = trace_of(member.act(order("trace")));
    EXPECT_EQ(trace.back().kind, RankEvent::Kind::kEnd);
    EXPECT_GT(sent_messages(trace), 0);
    member.act(order("release"));
    EXPECT_THROW(member.act(order("warm")), std::out_of_range);
  });
}

TEST(RankMember, AnUnknownOrderIsAnError) {
  with_members([](RankMember& member) {
    member.act(order("size"));
    EXPECT_THROW(member.act(order("stand on your head")), std::logic_error);
  });
}

}  // namespace
}  // namespace seqbench
