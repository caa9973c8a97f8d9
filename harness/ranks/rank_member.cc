#include "harness/ranks/rank_member.h"

#include <cstring>
#include <limits>
#include <new>
#include <nlohmann/json.hpp>
#include <span>
#include <stdexcept>

#include "harness/base/stopwatch.h"
#include "harness/machine/placement.h"
#include "harness/ranks/message_probe.h"
#include "harness/ranks/rank_texts.h"
#include "harness/server/protocol.h"
#include "harness/timing/repetition.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

Json as_json(const RankShare& share) {
  Json steps = Json::array();
  for (const Part part : share.steps) steps.push_back({part.first, part.count});
  return {{"batch", {share.batch.first, share.batch.count}}, {"steps", steps}};
}

Json as_json(const RankTrace& trace) {
  Json events = Json::array();
  for (const RankEvent& event : trace) {
    events.push_back(Json::array({int(event.kind), event.seconds_before, event.to, event.from,
                                  event.bytes_to, event.bytes_from}));
  }
  return events;
}

/// Of the bits of all gradients (Fowler, Noll & Vo, "FNV-1a"), a word at a time.
std::uint64_t sum_of_bits(std::span<Parameter<float>> parameters) {
  std::uint64_t sum = 14695981039346656037u;
  for (const Parameter<float>& parameter : parameters) {
    for (const float value : parameter.gradient.values()) {
      std::uint32_t bits;
      std::memcpy(&bits, &value, sizeof(bits));
      sum = (sum ^ bits) * 1099511628211u;
    }
  }
  return sum;
}

}  // namespace

RankMember::RankMember(Communicator& ranks, const std::vector<Case>& cases,
                       const RankOptions& options)
    : ranks_(ranks), options_(options) {
  for (const Case& one : cases) cases_[one.id()] = &one;
}

void RankMember::follow() {
  for (;;) {
    const Json order = Json::parse(text_of_first(ranks_, ""));
    if (order.at("do") == "end") return;
    texts_at_first(ranks_, act(order).dump());
  }
}

Json RankMember::act(const Json& order) {
  const std::string what = order.at("do");
  if (what == "probe") return probe();
  const std::string id = order.at("case");
  if (what == "size") return size(id);
  if (what == "release") {
    held_.erase(id);
    return Json::object();
  }
  Held& held = held_.at(id);
  RankWorkload& workload = *held.workload;
  if (what == "allocate") return allocate(held);
  if (what == "warm") return warm(held);
  if (what == "forward") return forward(workload);
  if (what == "backward") return backward(workload);
  if (what == "repeat") return repeat(workload, order.at("passes"));
  if (what == "trace") {
    return {{"trace", as_json(workload.trace(make_team(workload.the_case().threads)))}};
  }
  if (what == "draw") {
    workload.draw_upstream_gradient();
    return Json::object();
  }
  throw std::logic_error("there is no order '" + what + "'");
}

Json RankMember::size(const std::string& id) {
  double bytes = std::numeric_limits<double>::infinity();
  try {
    held_[id] = {std::make_unique<RankWorkload>(*cases_.at(id), options_.seed, ranks_), nullptr};
    bytes = held_[id].workload->predicted_bytes();
  } catch (const std::bad_alloc&) {
    held_.erase(id);
  }
  return {{"bytes", or_null(bytes)}, {"limit_bytes", or_null(options_.memory_limit_bytes)}};
}

Json RankMember::allocate(Held& held) {
  try {
    held.growth = std::make_unique<MemoryGrowth>();
    held.workload->allocate();
    return as_json(held.workload->share());
  } catch (const std::bad_alloc&) {
    return {{"is_refused", true}};
  }
}

Json RankMember::warm(Held& held) {
  const ThreadTeam team = make_team(held.workload->the_case().threads);
  ranks_.barrier();
  const Stopwatch stopwatch;
  held.workload->run(team);
  held.workload->meet();
  const double seconds = stopwatch.seconds();
  const double peak_bytes = held.growth->peak_bytes();
  return {{"seconds", seconds}, {"peak_bytes", or_null(peak_bytes)}};
}

Json RankMember::forward(RankWorkload& workload) {
  hand_out(check_.x, workload.x());
  workload.forward(make_team(workload.the_case().threads));
  collect(workload.y(), check_.y);
  return Json::object();
}

Json RankMember::backward(RankWorkload& workload) {
  hand_out(check_.dy, workload.dy());
  workload.backward(make_team(workload.the_case().threads));
  collect(workload.dx(), check_.dx);
  return {{"gradients", sum_of_bits(workload.layer().parameters())}};
}

Json RankMember::repeat(RankWorkload& workload, Index passes) {
  const Case& one = workload.the_case();
  const ThreadTeam team = make_team(one.threads);
  ranks_.barrier();
  const RepetitionBracket bracket(team, one.layer.factors);
  ranks_.barrier();
  workload.take_traffic();
  const Stopwatch stopwatch;
  for (Index pass = 0; pass < passes; ++pass) {
    workload.run(team);
    workload.meet();  // no rank is ahead by a pass, which would hide that it waits in this one
  }
  const Sample sample = bracket.close(stopwatch.seconds() / double(passes));
  const Traffic traffic = workload.take_traffic();
  return {{"sample", told(sample)},
          {"comm_seconds", traffic.seconds / double(passes)},
          {"bytes_sent", traffic.bytes_sent / double(passes)}};
}

Json RankMember::probe() {
  const MessageCosts costs = probe_messages(ranks_);
  return {{"alone", as_json(costs.alone)}, {"shift", as_json(costs.shift)}};
}

void RankMember::hand_out(SequenceView<const float> whole, Tensor<float>& own) {
  if (ranks_.rank() != 0) return ranks_.receive(0, std::as_writable_bytes(own.values()));
  for (int r = 1; r < ranks_.size(); ++r) {
    const RankShare& share = check_.shares[std::size_t(r)];
    std::vector<float> part(std::size_t(share.shape().batch * share.shape().steps * whole.width));
    take_share(whole, share, part);
    ranks_.send(r, std::as_bytes(std::span<const float>(part)));
  }
  take_share(whole, check_.shares.front(), own.values());
}

void RankMember::collect(const Tensor<float>& own, SequenceView<float> whole) {
  if (ranks_.rank() != 0) return ranks_.send(0, std::as_bytes(own.values()));
  put_share(own.values(), check_.shares.front(), whole);
  for (int r = 1; r < ranks_.size(); ++r) {
    const RankShare& share = check_.shares[std::size_t(r)];
    std::vector<float> part(std::size_t(share.shape().batch * share.shape().steps * whole.width));
    ranks_.receive(r, std::as_writable_bytes(std::span(part)));
    put_share(part, share, whole);
  }
}

RankTrace trace_of(const Json& answer) {
  RankTrace trace;
  for (const Json& event : answer.at("trace")) {
    trace.push_back({.kind = RankEvent::Kind(event.at(0).get<int>()),
                     .seconds_before = event.at(1),
                     .to = event.at(2),
                     .from = event.at(3),
                     .bytes_to = event.at(4),
                     .bytes_from = event.at(5)});
  }
  return trace;
}

RankShare share_of(const Json& answer) {
  const auto part = [](const Json& pair) { return Part{pair.at(0), pair.at(1)}; };
  RankShare share{.batch = part(answer.at("batch")), .steps = {}};
  for (const Json& steps : answer.at("steps")) share.steps.push_back(part(steps));
  return share;
}

Json as_json(const std::vector<MessageSample>& samples) {
  Json all = Json::array();
  for (const MessageSample& one : samples) {
    all.push_back({{"bytes", one.bytes}, {"seconds", one.seconds}});
  }
  return all;
}

std::vector<MessageSample> message_samples_of(const Json& told) {
  std::vector<MessageSample> samples;
  for (const Json& one : told) {
    samples.push_back({.bytes = one.at("bytes"), .seconds = one.at("seconds")});
  }
  return samples;
}

}  // namespace seqbench
