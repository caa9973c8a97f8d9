#include "harness/text/text_training.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <numbers>
#include <utility>

#include "core/elementwise.h"
#include "harness/base/stopwatch.h"
#include "harness/training/training_settings.h"

namespace seqbench {
namespace {

// Behind those of streams::kFirstSequence.
constexpr std::uint64_t kFirstStep = std::uint64_t{1} << 40;
constexpr std::uint64_t kStreamStarts = kFirstStep - 1;

}  // namespace

TextTraining::TextTraining(const TextSettings& settings, const Corpus& corpus,
                           const ThreadTeam& team)
    : settings_(settings),
      corpus_(corpus),
      team_(team),
      spec_(model_spec(settings)),
      model_(std::make_unique<SequenceModel<float>>(spec_)) {
  Random random(static_cast<std::uint64_t>(settings.seed), streams::kParameters);
  model_->initialise(random);
  pass_ = std::make_unique<ParallelPass>(spec_, SequenceShape{settings.batch, settings.length},
                                         team_, *model_);
  optimiser_ = std::make_unique<AdamW<float>>(model_->parameters(), settings.optimiser);
  if (!settings.stateful) {
    validation_ = corpus_.plan_validation(settings.length, pass_->evaluated_sequences());
    return;
  }
  assert(model_->carried_width() > 0);
  const SequenceShape shape{settings.batch, settings.length};
  corpus_.require_streams(shape);
  Random places(static_cast<std::uint64_t>(settings.seed), kStreamStarts);
  const std::vector<Index> state_shape{settings.batch, model_->carried_width()};
  segments_.emplace(Segments{.streams = corpus_.start_streams(places, shape),
                             .before = Tensor<float>(state_shape),
                             .after = Tensor<float>(state_shape)});
  validation_ = corpus_.plan_streams(settings.length, pass_->slices());
}

TextModelFacts TextTraining::facts() const {
  return {.settings = settings_,
          .vocabulary = corpus_.vocabulary(),
          .text_sha256 = corpus_.sha256(),
          .at = at_,
          .is_finished = progress() >= 1,
          .places = segments_ ? segments_->streams.places : std::vector<Index>()};
}

void TextTraining::go_on_from(const TensorFile& file) {
  refuse_other_training(file, facts());
  const TextModelFacts there = text_model_facts(file);
  load_text_model(file, there, *model_, there.is_finished ? nullptr : &optimiser_->state());
  if (segments_ && !there.is_finished) {
    if (!corpus_.has_streams_at(there.places, settings_.batch)) {
      file.refuse_metadata("places", "a place in each of --batch parts of the text");
    }
    segments_->streams.places = there.places;
    load_carried_state(file, segments_->after);
  }
  at_ = before_last_ = stretch_start_ = there.at;
}

void TextTraining::save(const std::filesystem::path& path) {
  assert(stretch_start_.step == at_.step);
  write_text_model(path, facts(), *model_, optimiser_->state(),
                   segments_ ? &segments_->after : nullptr);
}

double TextTraining::progress_at(const TextProgress& at) const {
  const TextBudget& budget = settings_.budget;
  if (budget.steps > 0) return double(at.step) / double(budget.steps);
  if (budget.tokens > 0) {
    // The step that reaches the budget is the last one.
    const Index steps = parts_in(budget.tokens, tokens_a_step());
    return double(at.step) / double(steps);
  }
  return std::min(1.0, at.seconds / budget.seconds);
}

double TextTraining::progress() const { return progress_at(at_); }

bool TextTraining::is_due(Index parts) const {
  // Whole steps over whole steps: 29 of 100 is not just below its part.
  constexpr double kRounding = 1e-9;
  const auto parts_done = [&](const TextProgress& at) {
    return std::floor(progress_at(at) * double(parts) + kRounding);
  };
  return parts_done(at_) > parts_done(before_last_) || !is_sound_;
}

double TextTraining::learning_rate() const {
  const LearningRateSchedule schedule{.peak = settings_.learning_rate,
                                      .floor = settings_.last_learning_rate,
                                      .training_steps = settings_.warmup_steps + 1,
                                      .warmup_steps = settings_.warmup_steps};
  if (at_.step < settings_.warmup_steps) return schedule.at(at_.step);
  return schedule.decayed(
      std::clamp((progress() - at_.warmup_share) / (1 - at_.warmup_share), 0.0, 1.0));
}

double TextTraining::update() {
  const double loss = pass_->train(batch_, carried_state());
  clip_global_norm(team_, model_->parameters(), settings_.max_gradient_norm);
  optimiser_->step(team_, last_rate_);
  return loss;
}

void TextTraining::draw_windows() {
  const SequenceShape shape{settings_.batch, settings_.length};
  if (!segments_) {
    Random random(static_cast<std::uint64_t>(settings_.seed),
                  kFirstStep + static_cast<std::uint64_t>(at_.step));
    return corpus_.draw_training(random, shape, batch_);
  }
  corpus_.read_segments(segments_->streams, shape, batch_);
  std::swap(segments_->before, segments_->after);
  for (Index b = 0; b < shape.batch; ++b) {
    if (!segments_->streams.restarted[static_cast<std::size_t>(b)]) continue;
    set_zero(segments_->before.matrix().row_block(b, 1));
  }
}

CarriedState<float> TextTraining::carried_state() {
  if (!segments_) return {};
  return {segments_->before.matrix(), segments_->after.matrix()};
}

double TextTraining::step() {
  const Stopwatch stopwatch;
  draw_windows();
  last_rate_ = learning_rate();
  const double loss = update();
  stretch_loss_ += loss;
  is_sound_ = is_sound_ && std::isfinite(loss);
  before_last_ = at_;
  ++at_.step;
  at_.seconds += stopwatch.seconds();
  if (at_.step == settings_.warmup_steps) at_.warmup_share = progress();
  return loss;
}

TextPoint TextTraining::take_point() {
  const Index steps = at_.step - stretch_start_.step;
  TextPoint point{.step = at_.step,
                  .tokens = at_.step * tokens_a_step(),
                  .seconds = at_.seconds,
                  .learning_rate = last_rate_,
                  .train_loss = stretch_loss_ / double(steps),
                  .tokens_per_second =
                      double(steps * tokens_a_step()) / (at_.seconds - stretch_start_.seconds)};
  if (is_validation_due()) {
    point.valid_loss = pass_->evaluate(corpus_, validation_).mean;
    point.bits_per_byte = *point.valid_loss * double(validation_.tokens) /
                          double(validation_.bytes) / std::numbers::ln2;
  }
  stretch_start_ = at_;
  stretch_loss_ = 0;
  return point;
}

std::vector<ContextLoss> TextTraining::context_losses() {
  std::vector<ContextLoss> losses;
  pass_.reset();
  for (const Index times : {1, 2, 4}) {
    const Index length = times * settings_.length;
    if (length > settings_.longest()) break;
    // As many tokens at a time as in training, but not fewer than a window for each slice.
    const Index sequences = std::max<Index>(1, settings_.batch / times);
    ParallelPass pass(spec_, {sequences, length}, team_, *model_);
    const ValidationPlan plan = corpus_.plan_validation(length, pass.evaluated_sequences());
    if (plan.batches.empty() || plan.batches.front().steps < length) break;
    losses.push_back({length, pass.evaluate(corpus_, plan).by_position});
  }
  return losses;
}

std::optional<TextSample> TextTraining::write_sample() {
  pass_.reset();
  if (!model_->can_decode()) return std::nullopt;
  return seqbench::write_sample(settings_, corpus_.vocabulary(), *model_);
}

}  // namespace seqbench
