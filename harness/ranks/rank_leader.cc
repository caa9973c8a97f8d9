#include "harness/ranks/rank_leader.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <nlohmann/json.hpp>
#include <optional>
#include <span>
#include <stdexcept>
#include <utility>

#include "harness/base/units.h"
#include "harness/machine/placement.h"
#include "harness/ranks/rank_texts.h"
#include "harness/server/protocol.h"
#include "harness/timing/case.h"
#include "harness/timing/reference.h"
#include "harness/timing/workload.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

// A pass of each rank alone behind each of the first repetitions: the median of three leaves out
// one that was disturbed.
constexpr std::size_t kTracedPasses = 3;

double number_in(const Json& answer, const char* key) {
  const Json value = answer.value(key, Json());
  return value.is_null() ? std::numeric_limits<double>::quiet_NaN() : value.get<double>();
}

/// Not a number where one of them is none.
double largest(const std::vector<Json>& answers, const char* key) {
  double most = -std::numeric_limits<double>::infinity();
  for (const Json& answer : answers) {
    const double value = number_in(answer, key);
    if (std::isnan(value)) return value;
    most = std::max(most, value);
  }
  return most;
}

std::optional<Index> total(const std::optional<Index>& some, const std::optional<Index>& more) {
  return some && more ? std::optional(*some + *more) : std::nullopt;
}

double larger(double one, double other) { return std::isnan(one) || one > other ? one : other; }

/// All ranks' sample: the time of the one that took longest, the peak of all together, the worst
/// of what disturbed them.
Sample joined(const std::vector<Json>& answers) {
  Sample all = parse_sample(answers.front().at("sample"), "rank 0");
  all.comm_seconds = all.bytes_sent = 0;
  for (std::size_t r = 0; r < answers.size(); ++r) {
    all.comm_seconds = std::max(all.comm_seconds, number_in(answers[r], "comm_seconds"));
    all.bytes_sent += number_in(answers[r], "bytes_sent");
    if (r == 0) continue;
    const Sample one = parse_sample(answers[r].at("sample"), "rank " + std::to_string(r));
    all.seconds = std::max(all.seconds, one.seconds);
    all.peak_gflops += one.peak_gflops;
    Disturbance& worst = all.disturbance;
    worst.steal_fraction = larger(one.disturbance.steal_fraction, worst.steal_fraction);
    worst.wait_fraction = larger(one.disturbance.wait_fraction, worst.wait_fraction);
    worst.involuntary_switches =
        total(worst.involuntary_switches, one.disturbance.involuntary_switches);
    worst.throttled = total(worst.throttled, one.disturbance.throttled);
    worst.unpinned_threads += one.disturbance.unpinned_threads;
  }
  return all;
}

/// The ranks as one layer on rank 0, which hands out its input and collects its output: what the
/// check of a case sees. Its parameters are drawn as those of a process alone.
class LayerOverRanks : public SequenceLayer<float> {
 public:
  struct Passes {
    std::function<void(SequenceView<const float> x, SequenceView<float> y)> forward;
    std::function<void(SequenceView<const float> dy, SequenceView<float> dx)> backward;
    std::function<std::span<Parameter<float>>()> own_parameters;  // of rank 0, with gradients
  };

  LayerOverRanks(const LayerSpec& spec, Passes passes)
      : plain_(make_layer<float>(spec)), passes_(std::move(passes)) {}

  Index width() const override { return plain_->width(); }
  std::span<Parameter<float>> parameters() override { return plain_->parameters(); }
  void initialise(Random& random) override { plain_->initialise(random); }
  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    return plain_->cost(shape, pass, workers);
  }
  void reserve(SequenceShape /*shape*/, Pass pass, int /*workers*/) override {
    for (Parameter<float>& parameter : parameters()) {
      reserve_gradient(parameter, pass == Pass::kTrain);
    }
  }

  void forward(const ThreadTeam& /*team*/, SequenceView<const float> x, SequenceView<float> y,
               Keep /*keep*/) override {
    passes_.forward(x, y);
  }
  void backward(const ThreadTeam& /*team*/, SequenceView<const float> /*x*/,
                SequenceView<const float> /*y*/, SequenceView<const float> dy,
                SequenceView<float> dx) override {
    passes_.backward(dy, dx);
    const std::span<Parameter<float>> from = passes_.own_parameters();
    for (std::size_t i = 0; i < from.size(); ++i) {
      std::ranges::copy(from[i].gradient.values(), parameters()[i].gradient.data());
    }
  }

  void prefill(const ThreadTeam&, SequenceView<const float>, SequenceView<float>) override {
    refuse_decode();
  }
  void decode(const ThreadTeam&, MatrixView<const float>, MatrixView<float>) override {
    refuse_decode();
  }
  void rewind(Index) override { refuse_decode(); }

 private:
  [[noreturn]] static void refuse_decode() { throw std::logic_error("ranks do not decode"); }

  std::unique_ptr<SequenceLayer<float>> plain_;
  Passes passes_;
};

Preparation skipped(const std::string& reason) {
  Preparation result;
  result.status = "skipped";
  result.reason = reason;
  return result;
}

}  // namespace

RankLeader::RankLeader(RankMember& member, const RankOptions& options)
    : member_(member), options_(options) {}

RankLeader::~RankLeader() {
  if (is_lost_ || member_.ranks().is_broken()) return;
  try {
    text_of_first(member_.ranks(), Json({{"do", "end"}}).dump());
  } catch (const std::exception&) {
    // What ends this rank says why.
  }
}

OtherProcesses RankLeader::as_other_processes() {
  return {.prepare = [this](const Case& one,
                            const PrepareOptions& options) { return prepare(one, options); },
          .repeat = [this](const RemoteRequest& request) { return repeat(request); },
          .release = [this] { release_all(); }};
}

std::vector<Json> RankLeader::ask(const Json& order) {
  Communicator& ranks = member_.ranks();
  text_of_first(ranks, order.dump());
  Json own;
  try {
    own = member_.act(order);
  } catch (const std::bad_alloc&) {
    is_lost_ = true;
    throw RankLost(
        "rank 0 was refused memory while the other ranks waited for it; use a smaller "
        "--batch or --length");
  }
  std::vector<Json> answers;
  for (const std::string& text : texts_at_first(ranks, own.dump())) {
    answers.push_back(Json::parse(text));
  }
  return answers;
}

std::vector<Json> RankLeader::ask(const std::string& what, const Case& one) {
  return ask({{"do", what}, {"case", one.id()}});
}

const MessageCosts& RankLeader::message_costs() {
  if (costs_.is_known() || member_.ranks().size() == 1) return costs_;
  const Json answer = ask({{"do", "probe"}}).front();
  costs_ = {.alone = message_samples_of(answer.at("alone")),
            .shift = message_samples_of(answer.at("shift"))};
  return costs_;
}

/// Then it is the one used most recently.
bool RankLeader::is_held(const Case& one) {
  const std::string id = one.id();
  return held_.use([&](const Held& held) { return held.id == id; }) != nullptr;
}

Preparation RankLeader::hold(const Case& one) {
  const std::vector<Json> sizes = ask("size", one);
  const double bytes = largest(sizes, "bytes");
  double limit = std::numeric_limits<double>::infinity();
  for (const Json& answer : sizes) {
    const double own = number_in(answer, "limit_bytes");
    if (own < limit) limit = own;
  }
  if (std::isnan(bytes) || bytes > limit) {
    ask("release", one);
    return skipped(std::isnan(bytes)
                       ? refused_memory(one)
                       : "needs " + human_bytes(bytes) + " on a rank, limit " + human_bytes(limit) +
                             "; use a smaller --batch or --length, or more machines");
  }
  held_.make_room(
      bytes, limit, [](const Held& held) { return held.bytes; },
      [this](const Held& held) { release(held); });
  bool is_there = allocate(one);
  if (!is_there) {
    release_all();  // memory can be refused below the limit
    ask("release", one);
    ask("size", one);
    is_there = allocate(one);
  }
  if (!is_there) {
    ask("release", one);
    return skipped(refused_memory(one));
  }
  held_.add({.id = one.id(), .bytes = bytes});
  const std::vector<Json> warm = ask("warm", one);
  Preparation result;
  result.peak_bytes = largest(warm, "peak_bytes");
  result.predicted_bytes = bytes;
  result.first_pass_seconds = largest(warm, "seconds");
  return result;
}

/// Whether no rank was refused the memory.
bool RankLeader::allocate(const Case& one) {
  std::vector<RankShare> shares;
  for (const Json& answer : ask("allocate", one)) {
    if (answer.contains("is_refused")) return false;
    shares.push_back(share_of(answer));
  }
  member_.check_tensors().shares = std::move(shares);
  return true;
}

Preparation RankLeader::prepare(const Case& one, const PrepareOptions& options) {
  Preparation result = hold(one);
  options.on_lap(Activity::kSetUp);
  if (!result.status.empty()) return result;
  try {
    result.reason = difference(one, options);
  } catch (const std::bad_alloc&) {
    result.status = "skipped";
    result.reason = "rank 0 was refused memory to check it; use a smaller --batch or --length";
  }
  options.on_lap(Activity::kChecks);
  if (result.status.empty() && !result.reason.empty()) result.status = "failed";
  if (!result.status.empty()) {
    release_all();
    return result;
  }
  ask("draw", one);
  options.on_lap(Activity::kSetUp);
  return result;
}

/// What is wrong with the ranks' results, "" when nothing is.
std::string RankLeader::difference(const Case& one, const PrepareOptions& options) {
  std::string problem;
  RankMember::CheckTensors& tensors = member_.check_tensors();
  const LayerOverRanks::Passes passes = {
      .forward =
          [&](SequenceView<const float> x, SequenceView<float> y) {
            tensors.x = x;
            tensors.y = y;
            ask("forward", one);
          },
      .backward =
          [&](SequenceView<const float> dy, SequenceView<float> dx) {
            tensors.dy = dy;
            tensors.dx = dx;
            const std::vector<Json> sums = ask("backward", one);
            for (std::size_t r = 1; r < sums.size(); ++r) {
              if (sums[r] == sums.front()) continue;
              problem = "rank " + std::to_string(r) + " has other gradients than rank 0";
            }
          },
      .own_parameters = [&] { return member_.workload(one.id()).layer().parameters(); }};
  Workload whole(one, options.seed, [&](const LayerSpec& spec) {
    return std::make_unique<LayerOverRanks>(spec, passes);
  });
  Reference::keep_sampled_gradient(whole);
  whole.run(make_team(one.threads));
  options.on_lap(Activity::kPasses);
  const std::string found = options.check(whole);
  return problem.empty() ? found : problem;
}

RemoteRepetition RankLeader::repeat(const RemoteRequest& request) {
  const Case& one = request.the_case;
  if (!is_held(one)) {
    const Preparation again = hold(one);
    if (!again.status.empty()) return {.status = again.status, .reason = again.reason};
    request.on_lap(Activity::kSetUp);
  }
  Index passes = request.passes;
  if (passes == 0) {
    const double seconds = repeat_passes(one, 1).sample.seconds;
    passes = Index(std::clamp(std::ceil(options_.min_seconds / seconds), 1.0, 1e9));
  }
  const RemoteRepetition taken =
      slow_periods_.taken_outside(one, [&] { return repeat_passes(one, passes); });
  request.on_lap(Activity::kPasses);
  if (traces_[one.id()].size() < kTracedPasses) take_trace(one);
  request.on_lap(Activity::kProbes);
  return taken;
}

RemoteRepetition RankLeader::repeat_passes(const Case& one, Index passes) {
  return {.sample = joined(ask({{"do", "repeat"}, {"case", one.id()}, {"passes", passes}})),
          .passes = passes};
}

void RankLeader::take_trace(const Case& one) {
  std::vector<RankTrace> traces;
  for (const Json& answer : ask("trace", one)) traces.push_back(trace_of(answer));
  traces_[one.id()].push_back(std::move(traces));
}

void RankLeader::release(const Held& held) { ask({{"do", "release"}, {"case", held.id}}); }

void RankLeader::release_all() {
  while (!held_.empty()) release(held_.take_oldest());
}

RankPrediction RankLeader::prediction(const Case& one) {
  const auto found = traces_.find(one.id());
  if (found == traces_.end()) return {};
  const std::vector<std::vector<RankTrace>>& passes = found->second;
  RankPrediction result{.passes = Index(passes.size())};
  std::vector<RankTrace> ranks;
  for (std::size_t r = 0; r < passes.front().size(); ++r) {
    std::vector<RankTrace> own;
    for (const std::vector<RankTrace>& pass : passes) own.push_back(pass[r]);
    ranks.push_back(median_trace(own));
    result.compute_seconds = std::max(result.compute_seconds, computed_seconds(ranks.back()));
    result.messages += double(sent_messages(ranks.back()));
  }
  result.seconds = replayed_seconds(ranks, message_costs());
  return result;
}

}  // namespace seqbench
