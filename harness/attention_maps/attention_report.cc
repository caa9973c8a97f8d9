#include "harness/attention_maps/attention_report.h"

#include <strings.h>

#include <algorithm>
#include <cstdio>
#include <optional>
#include <utility>

#include "harness/attention_maps/heat_map.h"
#include "harness/base/errors.h"
#include "harness/base/statistics.h"
#include "harness/tasks/grammar.h"
#include "harness/tasks/task.h"

namespace seqbench {
namespace {

bool same_word(const std::string& one, const std::string& other) {
  return strcasecmp(one.c_str(), other.c_str()) == 0;
}

/// The word's first place in the sentence, or nothing.
std::optional<Index> place_of(const Sentence& sentence, const std::string& word) {
  const auto found = std::ranges::find_if(
      sentence.words, [&](const std::string& each) { return same_word(each, word); });
  if (found == sentence.words.end()) return std::nullopt;
  return found - sentence.words.begin();
}

void print_vector(const char* name, MatrixView<const double> rows, Index i) {
  constexpr Index kPerLine = 12;
  for (Index c = 0; c < rows.cols; ++c) {
    if (c % kPerLine == 0) std::printf("%s  %-2s", c == 0 ? "" : "\n", c == 0 ? name : "");
    std::printf(" %7.3f", rows(i, c));
  }
  std::printf("\n");
}

std::string median_and_range(const std::vector<double>& values) {
  const auto [low, high] = std::ranges::minmax(values);
  char text[64];
  if (values.size() == 1) {
    std::snprintf(text, sizeof(text), "%.3f", low);
  } else {
    std::snprintf(text, sizeof(text), "%.3f (%.3f to %.3f)", median(values), low, high);
  }
  return text;
}

}  // namespace

void check_word(const std::vector<Sentence>& sentences, const std::string& word) {
  for (const Sentence& sentence : sentences) {
    if (place_of(sentence, word)) continue;
    throw UsageError("--explain: '" + word + "' is not in '" + sentence.text +
                     "'; expected one of its words");
  }
}

void print_answer(const AttentionReading& reading) {
  const std::string& asks = reading.sentence->words[std::size_t(reading.sentence->query())];
  const bool verb = reading.sentence->task->answers == kVerbClasses;
  std::printf("%s\n  %td layer%s, seed %td: %s %s (%s)\n", reading.sentence->text.c_str(),
              reading.layers, reading.layers == 1 ? "" : "s", reading.seed,
              verb ? "the hidden verb is like" : ("\"" + asks + "\" is the").c_str(),
              reading.answer.c_str(), reading.right ? "right" : "wrong");
}

void print_maps(const AttentionReading& reading) {
  for (Index layer = 0; layer < reading.layers; ++layer) {
    for (Index head = 0; head < reading.heads; ++head) {
      std::printf(
          "\nlayer %td, head %td: weights in %%; a line for each word that asks, a column "
          "for each that is read\n%s",
          layer + 1, head + 1,
          heat_map(reading.sentence->words,
                   std::as_const(reading.map(layer, head).weights).matrix())
              .c_str());
    }
  }
  std::printf("\n");
}

void print_explanation(const AttentionReading& reading, const std::string& word) {
  const Index i = *place_of(*reading.sentence, word);
  const auto& words = reading.sentence->words;
  for (Index layer = 0; layer < reading.layers; ++layer) {
    for (Index head = 0; head < reading.heads; ++head) {
      const AttentionMap& map = reading.map(layer, head);
      std::printf("layer %td, head %td: query, key and value of \"%s\"\n", layer + 1, head + 1,
                  words[std::size_t(i)].c_str());
      print_vector("q", map.q.matrix(), i);
      print_vector("k", map.k.matrix(), i);
      print_vector("v", map.v.matrix(), i);
      std::printf("  score = q·k/√%td, weight = softmax of the scores\n  %-12s %9s %9s\n",
                  map.q.shape()[1], "key", "score", "weight");
      for (Index j = 0; j < Index(words.size()); ++j) {
        std::printf("  %s %9.3f %9.4f\n", padded_right(words[std::size_t(j)], 12).c_str(),
                    map.scores.matrix()(i, j), map.weights.matrix()(i, j));
      }
      std::printf("\n");
    }
  }
}

void print_interventions(const Task& task, Index layers,
                         const std::vector<InterventionResult>& results) {
  const auto over_models = [&results](const auto& value) {
    std::vector<double> values;
    for (const InterventionResult& result : results) values.push_back(value(result));
    return median_and_range(values);
  };
  const auto of_weights = [&](double WeightStatistics::*member) {
    return over_models([member](const InterventionResult& r) { return r.weights.*member; });
  };
  const bool verb = task.answers == kVerbClasses;
  std::printf("\n%s, %td layer%s, %zu model%s, %td test sentences each%s\n", task.name.c_str(),
              layers, layers == 1 ? "" : "s", results.size(), results.size() == 1 ? "" : "s",
              results.front().sentences,
              results.size() == 1 ? "" : ": median (least to most) over models");
  const char* const row = verb ? "the hidden verb" : "\"it\"";
  std::printf("  weights of %s in layer %td\n", row, layers);
  std::printf("    %-44s %s\n", verb ? "on the first noun" : "on the right noun",
              of_weights(&WeightStatistics::noun_weight).c_str());
  std::printf("    %-44s %s\n", verb ? "on the second noun" : "on the other noun",
              of_weights(&WeightStatistics::other_noun_weight).c_str());
  if (verb) {
    std::printf("    %-44s %s\n", "on both nouns together",
                over_models([](const InterventionResult& r) {
                  return r.weights.noun_weight + r.weights.other_noun_weight;
                }).c_str());
  }
  std::printf("    %-44s %s\n",
              verb ? "sentences with the largest on a noun"
                   : "sentences with the largest on the right noun",
              of_weights(&WeightStatistics::largest_share).c_str());
  if (!verb) {
    std::printf("    %-44s %s\n", "sentences with more on the right noun",
                of_weights(&WeightStatistics::outweighs_share).c_str());
  }
  std::printf("  accuracy with this word hidden in every layer, from every query or from one\n");
  for (std::size_t k = 0; k < results.front().interventions.size(); ++k) {
    const Intervention& intervention = results.front().interventions[k];
    std::string name = intervention.hidden;
    if (intervention.key_index)
      name += " (word " + std::to_string(*intervention.key_index + 1) + ")";
    if (intervention.hidden_from != "all" && !intervention.hidden_from.empty())
      name += " from " + intervention.hidden_from + " alone";
    std::printf("    %-44s %s\n", name.c_str(), over_models([k](const InterventionResult& r) {
                                                  return r.interventions[k].accuracy;
                                                }).c_str());
  }
}

}  // namespace seqbench
