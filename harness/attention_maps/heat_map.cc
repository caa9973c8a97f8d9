#include "harness/attention_maps/heat_map.h"

#include <algorithm>
#include <cmath>

namespace seqbench {
namespace {

/// Characters, not bytes: all but UTF-8's continuation bytes.
std::size_t characters(const std::string& text) {
  return std::size_t(std::ranges::count_if(
      text, [](char c) { return (static_cast<unsigned char>(c) & 0xC0) != 0x80; }));
}

std::string spaces(const std::string& text, std::size_t width) {
  const std::size_t has = characters(text);
  return std::string(width > has ? width - has : 0, ' ');
}

/// Five shades, a fifth each.
const char* shade(double weight) {
  constexpr const char* kShades[] = {" ", "░", "▒", "▓", "█"};
  return kShades[std::clamp(static_cast<int>(5 * weight), 0, 4)];
}

}  // namespace

std::string padded_right(const std::string& text, std::size_t width) {
  return text + spaces(text, width);
}

std::string padded_left(const std::string& text, std::size_t width) {
  return spaces(text, width) + text;
}

std::string heat_map(const std::vector<std::string>& words, MatrixView<const double> weights) {
  constexpr std::size_t kCell = 5;  // "100" and two blocks
  std::size_t margin = 0;
  for (const std::string& word : words) margin = std::max(margin, characters(word));
  std::string text = std::string(margin, ' ');
  for (const std::string& word : words) text += std::string(1, ' ') + padded_left(word, kCell);
  text += "\n";
  for (std::size_t i = 0; i < words.size(); ++i) {
    text += padded_right(words[i], margin);
    for (std::size_t j = 0; j < words.size(); ++j) {
      const double weight = weights(Index(i), Index(j));
      const std::string percent = std::to_string(std::lround(100 * weight));
      const std::string block = shade(weight);
      text += std::string(1, ' ') +
              padded_left(percent + block + block, std::max(kCell, characters(words[j])));
    }
    text += "\n";
  }
  return text;
}

}  // namespace seqbench
