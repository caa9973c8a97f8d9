#include "harness/commands/sample.h"

#include <cstdio>
#include <iostream>
#include <memory>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/stopwatch.h"
#include "harness/base/units.h"
#include "harness/base/utf8.h"
#include "harness/machine/placement.h"
#include "harness/text/checkpoint.h"
#include "harness/text/sampler.h"

namespace seqbench {
namespace {

void add_options(CommandLine& line) {
  line.option("model-file", "", "a model that seqbench train wrote into OUT/models/");
  line.option("prompt", TextSample::kPrompt, "what the text goes on from (default: a new line)");
  line.option("tokens", std::to_string(TextSample::kTokens), "how many to write");
  line.option("temperature", "0.8", "0: always the likeliest token; 1: as the model has it");
  line.option("seed", std::to_string(TextSample::kSeed), "of what is drawn");
  line.option("threads", "1", "threads");
  line.option("config", "", "file of further options, one name=value a line");
}

/// A file's model. Throws UsageError for what is none that writes.
struct TrainedModel {
  explicit TrainedModel(const std::string& path) {
    try {
      const TensorFile file = read_safetensors(path);
      facts = text_model_facts(file);
      facts.settings.factors = Factors::kAsTheyAre;  // the file has the master weights
      model = std::make_unique<SequenceModel<float>>(model_spec(facts.settings));
      if (!model->can_decode()) {
        throw FileError(file.name + ": its variant, " + facts.settings.variant.name +
                        ", cannot write token by token");
      }
      load_text_model(file, facts, *model, nullptr);
    } catch (const FileError& error) {
      throw UsageError("--model-file: " + std::string(error.what()));
    }
  }

  TextModelFacts facts;
  std::unique_ptr<SequenceModel<float>> model;
};

/// The tokens of the prompt. Throws UsageError for what the model's text does not have.
std::vector<Token> prompt_tokens(const CommandLine& line, const Vocabulary& vocabulary) {
  const std::string prompt = line.text("prompt");
  std::vector<Token> tokens;
  const std::size_t taken = vocabulary.encode(prompt, prompt.size(), tokens);
  if (taken != prompt.size()) {
    refuse_option("prompt", prompt,
                  "characters that the model's text has: " + printable(vocabulary.alphabet()));
  }
  return tokens;
}

/// Prints text that arrives token by token, which may be bytes that are no characters.
class Printer {
 public:
  void print(const std::string& bytes) {
    rest_ += bytes;
    for (;;) {
      const std::size_t length = whole_character();
      if (length == 0) break;
      write(rest_.substr(0, length));
      rest_.erase(0, length);
    }
    std::fflush(stdout);
  }
  void end() {
    write(rest_);
    std::printf("\n");
    std::fflush(stdout);
  }

 private:
  /// Bytes of the character that the rest begins with, or 1 for a byte that begins none; 0: its end
  /// has not arrived.
  std::size_t whole_character() const {
    if (rest_.empty()) return 0;
    for (std::size_t length = 1; length <= std::size_t(kLongestCharacter); ++length) {
      if (length <= rest_.size() && is_utf8(rest_.substr(0, length))) return length;
    }
    return rest_.size() < std::size_t(kLongestCharacter) && may_begin_character() ? 0 : 1;
  }
  bool may_begin_character() const {
    const auto byte = static_cast<unsigned char>(rest_.front());
    return byte >= 0xc2 && byte < 0xf5;
  }
  static void write(const std::string& bytes) { std::fputs(readable(bytes).c_str(), stdout); }

  std::string rest_;
};

}  // namespace

int sample_command(const std::vector<std::string>& arguments) {
  CommandLine line(
      "sample", "--model-file FILE [options]",
      "Write text with a model that seqbench train trained.",
      "  seqbench sample --model-file results/book/models/lstm-default-seed1.safetensors "
      "\\\n      --prompt 'To be' --temperature 0.8 --seed 1\n");
  add_options(line);
  if (!line.parse(arguments)) return 0;
  line.refuse_passed_on();
  const double temperature = line.number("temperature", 0, 100);
  const Index count = line.integer("tokens");
  Random random(static_cast<std::uint64_t>(line.integer("seed", 0)));
  const ThreadTeam team = make_team(int(line.integer("threads", 1, kMostThreads)));
  if (!line.given("model-file")) refuse_option("model-file", "", "a file");

  const TrainedModel trained(line.text("model-file"));
  const TextModelFacts& facts = trained.facts;
  SequenceModel<float>& model = *trained.model;
  const std::vector<Token> prompt = prompt_tokens(line, facts.vocabulary);
  Sampler sampler(facts.settings, team, model);
  Printer printer;
  for (const Token token : prompt) printer.print(facts.vocabulary.spelling(token));
  sampler.read(prompt);
  const Stopwatch stopwatch;
  for (Index written = 0; written < count; ++written) {
    stop_if_interrupted();
    printer.print(facts.vocabulary.spelling(sampler.next(random, temperature)));
  }
  const double seconds = stopwatch.seconds();
  printer.end();
  char rate[32];
  std::snprintf(rate, sizeof(rate), "%.0f", double(count) / seconds);
  std::cerr << label(facts.settings) << ": " << rate << " tokens/s; carries "
            << human_bytes(sampler.state_bytes()) << " (" << Index(sampler.state_bytes())
            << " bytes) from token to token\n";
  return 0;
}

}  // namespace seqbench
