// Writing with a trained model, one token after the other: attention from its key-value cache, a
// recurrent model from its state.
//
//   p(v) ∝ exp(logit_v/τ)        τ = 0: the largest logit
//
// A model reads no more context than it was trained with: where attention's is full, it goes on
// from the later half. A recurrent model carries its state on without end.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/random.h"
#include "harness/models/sequence_model.h"
#include "harness/text/text_settings.h"
#include "harness/text/vocabulary.h"

namespace seqbench {

class Sampler {
 public:
  /// The model, made for the settings, must outlive this, and can_decode(). Allocates.
  Sampler(const TextSettings& settings, const ThreadTeam& team, SequenceModel<float>& model);

  /// Reads the prompt, one token or more; of what is longer than the context, the end.
  void read(std::span<const Token> prompt);
  /// Draws the token that follows what was read and written so far.
  Token next(Random& random, double temperature);

  /// What the model carries from token to token: the caches or states of all layers.
  double state_bytes() const { return state_bytes_; }

 private:
  void start(std::span<const Token> context);

  const ThreadTeam& team_;
  SequenceModel<float>& model_;
  bool forgets_;  // the context is limited
  Index length_;  // of it
  double state_bytes_;
  std::vector<Token> context_;  // read so far; of a model that forgets, what it still sees
  bool is_read_ = false;        // whether logits_ are of all of the context
  Tensor<float> logits_;        // [1, V]
};

/// What a model wrote: as `seqbench sample` does where nothing else is asked for.
struct TextSample {
  static constexpr Index kTokens = 500;
  static constexpr double kTemperature = 0.8;
  static constexpr Index kSeed = 1;
  static constexpr const char* kPrompt = "\n";

  std::string prompt;  // kPrompt, or the vocabulary's first token where it does not have that
  std::string text;    // behind the prompt: bytes of the vocabulary's tokens
};

/// The model is one that can_decode(), made for the settings.
TextSample write_sample(const TextSettings& settings, const Vocabulary& vocabulary,
                        SequenceModel<float>& model);

/// Draws from the softmax of logits/temperature; the first largest one where that is 0.
Token draw_token(Random& random, std::span<const float> logits, double temperature);

}  // namespace seqbench
