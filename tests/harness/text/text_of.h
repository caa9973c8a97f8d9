// Small texts and trainings for the tests of this folder.
#pragma once

#include <string>

#include "harness/models/registry.h"
#include "harness/text/text_settings.h"

namespace seqbench {

/// Lines of words that repeat with a twist: something can be learned, and not all of it.
inline std::string small_text(std::size_t bytes) {
  const std::string words[] = {"the cat sat on the mat. ", "a dog ran off.\n", "it was late, "};
  std::string text;
  for (std::size_t i = 0; text.size() < bytes; ++i) text += words[i * i % 7 % 3];
  text.resize(bytes);
  return text;
}

/// Two blocks of width 8 on windows of 6 tokens, eight a step: two slices.
inline TextSettings small_training(const std::string& model, Index vocabulary) {
  TextSettings settings;
  settings.model = model;
  settings.variant = *find_variant(model, model == "attention" ? "rotary" : "default");
  settings.form = gpt2_form(8, 2, 2);
  settings.vocabulary = vocabulary;
  settings.length = 6;
  settings.batch = 8;
  settings.budget = {.steps = 20};
  settings.warmup_steps = 3;
  return settings;
}

}  // namespace seqbench
