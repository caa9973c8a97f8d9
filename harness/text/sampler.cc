#include "harness/text/sampler.h"

#include <algorithm>
#include <cassert>
#include <cmath>

#include "harness/models/registry.h"

namespace seqbench {

Sampler::Sampler(const TextSettings& settings, const ThreadTeam& team, SequenceModel<float>& model)
    : team_(team),
      model_(model),
      forgets_(model_info(settings.model).has_heads()),
      length_(settings.length),
      state_bytes_(carried_bytes(model_spec(settings), settings.length - 1)),
      logits_({1, settings.vocabulary}) {
  assert(model.can_decode());
  model_.reserve_decode({1, length_}, team.size());
}

void Sampler::start(std::span<const Token> context) {
  model_.prefill(team_, {1, Index(context.size())}, context, logits_.matrix());
  is_read_ = true;
}

void Sampler::read(std::span<const Token> prompt) {
  assert(!prompt.empty());
  const auto most = static_cast<std::size_t>(length_);
  context_.assign(prompt.end() - std::ptrdiff_t(std::min(most, prompt.size())), prompt.end());
  start(context_);
}

Token Sampler::next(Random& random, double temperature) {
  if (!is_read_ && forgets_ && Index(context_.size()) > length_) {
    context_.erase(context_.begin(), context_.end() - std::max<Index>(1, length_ / 2));
    start(context_);
  } else if (!is_read_) {
    model_.decode(team_, std::span(context_).last(1), logits_.matrix());
    is_read_ = true;
  }
  const Token token = draw_token(random, logits_.values(), temperature);
  if (!forgets_) context_.clear();
  context_.push_back(token);
  is_read_ = false;
  return token;
}

TextSample write_sample(const TextSettings& settings, const Vocabulary& vocabulary,
                        SequenceModel<float>& model) {
  std::vector<Token> prompt;
  vocabulary.encode(TextSample::kPrompt, 1, prompt);
  if (prompt.empty()) prompt = {0};
  const ThreadTeam team;
  Sampler sampler(settings, team, model);
  sampler.read(prompt);
  Random random(TextSample::kSeed);
  TextSample sample{.prompt = vocabulary.spelling(prompt.front()), .text = {}};
  for (Index written = 0; written < TextSample::kTokens; ++written) {
    sample.text += vocabulary.spelling(sampler.next(random, TextSample::kTemperature));
  }
  return sample;
}

Token draw_token(Random& random, std::span<const float> logits, double temperature) {
  const auto largest = std::ranges::max_element(logits);
  if (temperature == 0) return static_cast<Token>(largest - logits.begin());
  const auto weight = [&](float logit) {
    return std::exp((double(logit) - double(*largest)) / temperature);
  };
  double sum = 0;
  for (const float logit : logits) sum += weight(logit);
  double left = random.uniform() * sum;
  for (std::size_t token = 0; token < logits.size(); ++token) {
    left -= weight(logits[token]);
    if (left < 0) return static_cast<Token>(token);
  }
  return static_cast<Token>(largest - logits.begin());  // rounding left a trace
}

}  // namespace seqbench
