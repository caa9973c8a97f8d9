#include "harness/variants.h"

#include <algorithm>
#include <cmath>

#include "core/initialisers.h"

namespace seqbench {
namespace {

const std::vector<std::string> kRecurrent = {"elman", "lstm", "gru"};

const std::vector<Variant>& all_variants() {
  static const std::vector<Variant> variants = {
      {.name = "default", .models = kRecurrent},
      {.name = "chrono", .models = {"lstm"}, .initialisation = Initialisation::kChrono},
      {.name = "learned", .models = {"attention"}, .positions = Positions::kLearned},
      {.name = "noanswer", .models = kRecurrent, .evidence = Evidence::kRemoved},
      {.name = "noanswer",
       .models = {"attention"},
       .positions = Positions::kLearned,
       .evidence = Evidence::kRemoved},
  };
  return variants;
}

}  // namespace

const Variant* find_variant(const std::string& model, const std::string& name) {
  for (const Variant& variant : all_variants()) {
    const bool has_it = std::ranges::find(variant.models, model) != variant.models.end();
    if (variant.name == name && has_it) return &variant;
  }
  return nullptr;
}

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const Variant& variant : all_variants()) {
    if (std::ranges::find(names, variant.name) == names.end()) names.push_back(variant.name);
  }
  return names;
}

std::vector<std::string> variant_names(const std::vector<std::string>& models) {
  std::vector<std::string> names = variant_names();
  std::erase_if(names, [&](const std::string& name) {
    return std::ranges::none_of(
        models, [&](const std::string& model) { return find_variant(model, name) != nullptr; });
  });
  return names;
}

template <typename T>
void initialise_chrono(Random& random, SequenceLayer<T>& lstm, Index longest) {
  assert(longest >= 2);
  const auto parameters = lstm.parameters();  // weight_ih, weight_hh, bias_ih, bias_hh
  assert(parameters.size() == 4);
  const Index H = lstm.width();
  uniform_by_fan_in(random, parameters[0].value, H);
  orthogonal(random, parameters[1].value);
  std::ranges::fill(parameters[2].value.values(), T(0));
  std::ranges::fill(parameters[3].value.values(), T(0));
  T* const input_gate = parameters[2].value.data();  // PyTorch's order: i f g o, H of each
  T* const forget_gate = input_gate + H;
  for (Index j = 0; j < H; ++j) {
    forget_gate[j] = static_cast<T>(std::log(random.uniform(1, double(longest - 1))));
    input_gate[j] = -forget_gate[j];
  }
}

template void initialise_chrono(Random&, SequenceLayer<float>&, Index);
template void initialise_chrono(Random&, SequenceLayer<double>&, Index);

}  // namespace seqbench
