// `seqbench repeat --text`: steps of a training on a text on request, so that scripts/peers can
// interleave them with those of another library that trains the same model.
//
// The requests are those of harness/server/step_server.h; a case is a model of a published setting
// on a number of threads. The file that prepare writes has the parameters under their names, the
// windows of the first steps ("tokens" and "targets" [S, B, T], whole numbers), their learning
// rates and losses ("learning_rates", "losses" [S]), and as metadata the model's form and the
// optimiser's settings. Steps that are timed are on the last of these windows at the last of these
// rates.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "harness/server/protocol.h"
#include "harness/text/corpus.h"
#include "harness/text/text_training.h"
#include "harness/timing/measure_options.h"

namespace seqbench {

/// Steps of these settings' training.
struct TextStepCase {
  TextSettings settings;
  Index threads = 1;

  /// "nanogpt-shakespeare:lstm:seqbench:B12:T64:D128:t1".
  std::string id() const;
};

/// A training under way.
struct RunningTextTraining {
  RunningTextTraining(const TextStepCase& one, const Corpus& corpus);

  ThreadTeam team;
  TextTraining training;
};

/// Answers the requests about some trainings' steps.
class TextStepServer : public CaseServer<TextStepCase, std::unique_ptr<RunningTextTraining>> {
 public:
  /// The corpus must outlive this.
  TextStepServer(std::vector<TextStepCase> cases, const Corpus& corpus,
                 const MeasureOptions& options)
      : CaseServer(std::move(cases), {"file"}), corpus_(corpus), options_(options) {}

 private:
  Json prepare_case(const TextStepCase& one, const Json& request) override;
  Json repeat(const TextStepCase& one, std::unique_ptr<RunningTextTraining>& running,
              Index passes) override;
  Json judge(const TextStepCase& one, const JudgeRequest& request) override;

  const Corpus& corpus_;
  MeasureOptions options_;
};

/// Declares --text.
void add_text_step_options(CommandLine& line);

/// The cases of --model and --threads. Throws UsageError, also for an option of the grid that the
/// setting fixes.
std::vector<TextStepCase> parse_text_step_cases(const CommandLine& line, const Corpus& corpus);

}  // namespace seqbench
