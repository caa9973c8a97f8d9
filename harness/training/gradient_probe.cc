#include "harness/training/gradient_probe.h"

#include <algorithm>
#include <cmath>

#include "core/eigen_view.h"
#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"

namespace seqbench {
namespace {

// Of sequences at a time and in all: what a mean over sequences needs, without the memory of a
// large batch of long ones.
constexpr Index kProbeBatch = 8, kMostSequences = 64;

// 2⁹⁶⁰ ≈ 10²⁸⁹: room for gradients down to 10⁻⁵⁹⁶ below and up to 10¹⁹ above.
constexpr int kScaleExponent = 960;

/// Forgets all answers of a sequence but the last.
void keep_last_answers(TaskBatch& batch) {
  TaskBatch last;
  last.start(batch.shape);
  for (Index a = 0; a < batch.answers(); ++a) {
    if (!batch.is_last_answer(a)) continue;
    const auto i = static_cast<std::size_t>(a);
    last.answer_rows.push_back(batch.answer_rows[i]);
    if (!batch.targets.empty()) last.targets.push_back(batch.targets[i]);
    if (!batch.values.empty()) last.values.push_back(batch.values[i]);
  }
  last.tokens = std::move(batch.tokens);
  last.numbers = std::move(batch.numbers);
  batch = std::move(last);
}

/// The training's setting, at a distance whose sequences reach `steps` back from their end where
/// the task has such.
TaskSetting setting_of(const GradientProbe& probe) {
  const auto length = [&](const TaskSetting& setting) {
    return probe.task->sequence_length(setting);
  };
  TaskSetting setting = probe.setting;
  while (length(setting) <= probe.reach) {
    TaskSetting longer = setting;
    longer.distance += probe.reach + 1 - length(setting);
    if (length(longer) <= length(setting)) break;
    setting = longer;
  }
  return setting;
}

/// Mean norms over sequences of `scale` times the gradient, by distance − 1; −1 where no sequence
/// reaches so far back.
std::vector<double> mean_norms(const ThreadTeam& team, const GradientProbe& probe,
                               const TaskSetting& setting, double scale,
                               SequenceModel<double>& model) {
  const Index T = probe.task->sequence_length(setting);
  const Index farthest = probe.reach > 0 ? std::min(probe.reach, T - 1) : T - 1;
  std::vector<double> sums(static_cast<std::size_t>(farthest));
  std::vector<Index> counts(sums.size());
  Random random(probe.seed, probe.stream);
  TaskBatch batch;
  for (Index left = std::min(probe.sequences, kMostSequences); left > 0; left -= kProbeBatch) {
    const Index B = std::min(left, kProbeBatch);
    probe.task->draw(
        random,
        {.sequences = B, .setting = setting, .evidence = probe.evidence, .split = Split::kTest},
        batch);
    keep_last_answers(batch);
    model.forward(team, batch, Keep::kForBackward);
    model.backward(team, batch, scale);
    for (Index b = 0; b < B; ++b) {
      const auto gradient = as_eigen(model.embedding_gradient().sequence(b));
      const Index answer = batch.answer_rows[std::size_t(b)] % T;
      for (Index distance = 1; distance <= std::min(answer, farthest); ++distance) {
        const auto at = static_cast<std::size_t>(distance - 1);
        // The loss is a mean over B sequences: that of one alone has B times the gradient.
        sums[at] += double(B) * gradient.row(answer - distance).stableNorm();
        ++counts[at];
      }
    }
  }
  for (std::size_t i = 0; i < sums.size(); ++i) {
    sums[i] = counts[i] > 0 ? sums[i] / double(counts[i]) : -1;
  }
  return sums;
}

}  // namespace

GradientProbe gradient_probe(const TrainingSettings& settings) {
  return {.task = settings.task,
          .setting = settings.task_setting(),
          .evidence = settings.variant.evidence,
          .spec = model_spec(settings),
          .sequences = settings.batch,
          .reach = settings.gradient_reach,
          .seed = static_cast<std::uint64_t>(settings.seed),
          .stream = streams::kGradientData};
}

SequenceModelSpec probed_spec(const GradientProbe& probe) {
  SequenceModelSpec spec = probe.spec;
  spec.longest = std::max(spec.longest, probe_shape(probe).steps);
  spec.embedding_gradient = true;
  return spec;
}

SequenceShape probe_shape(const GradientProbe& probe) {
  return {std::min(probe.sequences, kProbeBatch), probe.task->sequence_length(setting_of(probe))};
}

std::vector<GradientPoint> gradients_by_distance(const ThreadTeam& team, const GradientProbe& probe,
                                                 SequenceModel<float>& trained) {
  const TaskSetting setting = setting_of(probe);
  const SequenceShape shape = probe_shape(probe);
  const SequenceModelSpec spec = probed_spec(probe);
  SequenceModel<double> model(spec);
  if (spec.longest > probe.spec.longest) {
    Random drawn(probe.seed, probe.stream + 1);
    model.initialise(drawn);  // for the positions that the trained model does not have
  }
  copy_parameters(trained, model);

  model.reserve(shape, shape.batch, team.size());
  int exponent = kScaleExponent;
  auto norms = mean_norms(team, probe, setting, std::ldexp(1.0, exponent), model);
  // What explodes instead overflows when scaled.
  if (!std::ranges::all_of(norms, [](double norm) { return std::isfinite(norm); })) {
    exponent = 0;
    norms = mean_norms(team, probe, setting, 1, model);
  }

  std::vector<GradientPoint> points;
  for (std::size_t i = 0; i < norms.size(); ++i) {
    if (norms[i] < 0) continue;
    points.push_back({.distance = Index(i) + 1,
                      .norm = std::ldexp(norms[i], -exponent),
                      .log10_norm = std::log10(norms[i]) - exponent * std::log10(2.0)});
  }
  return points;
}

std::optional<LineFit> fit_decay(const std::vector<GradientPoint>& points) {
  std::vector<double> distances, logs;
  for (const GradientPoint& point : points) {
    if (!std::isfinite(point.log10_norm)) continue;
    distances.push_back(double(point.distance));
    logs.push_back(point.log10_norm);
  }
  if (distances.size() < 2) return std::nullopt;
  return fit_line(distances, logs);
}

}  // namespace seqbench
