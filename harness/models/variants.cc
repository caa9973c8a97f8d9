#include "harness/models/variants.h"

#include <algorithm>
#include <cmath>
#include <stdexcept>

#include "core/initialisers.h"
#include "harness/models/registry.h"
#include "harness/tasks/task.h"

namespace seqbench {
namespace {

const std::string kConvolution = "conv3";
constexpr Index kTaps = 3;

// Which model has which stands in the registry.
const std::vector<Variant>& all_variants() {
  static const std::vector<Variant> variants = {
      {.name = "default"},
      {.name = "forget1", .initialisation = Initialisation::kForgetOne},
      {.name = "chrono", .initialisation = Initialisation::kChrono},
      {.name = "orthogonal", .initialisation = Initialisation::kOrthogonal},
      {.name = "linear", .linear_candidate = true},
      {.name = "learned", .positions = Positions::kLearned},
      {.name = "sinusoidal", .positions = Positions::kSinusoidal},
      {.name = "rotary", .positions = Positions::kRotary},
      {.name = "nopos"},
      {.name = "meanpool", .positions = Positions::kLearned, .uniform_weights = true},
      {.name = "window8", .positions = Positions::kLearned, .window = 8},
      {.name = "noanswer", .evidence = Evidence::kRemoved},
  };
  return variants;
}

const Variant& variant_named(const std::string& name) {
  const auto found = std::ranges::find(all_variants(), name, &Variant::name);
  if (found == all_variants().end()) {
    throw std::invalid_argument("there is no variant '" + name + "'");
  }
  return *found;
}

/// Those that a model has, its plain form first.
std::vector<Variant> variants_of(const std::string& model) {
  std::vector<Variant> variants;
  for (const std::string& name : model_info(model).variants) {
    variants.push_back(variant_named(name));
  }
  // With the evidence removed it is the plain form that must stay at chance.
  for (Variant& variant : variants) {
    if (variant.evidence == Evidence::kRemoved) variant.positions = variants.front().positions;
  }
  return variants;
}

}  // namespace

std::optional<Variant> find_variant(const std::string& model, const std::string& name) {
  for (Variant& variant : variants_of(model)) {
    if (variant.name == name) return variant;
    const std::string convolved = variant.name + "+" + kConvolution;
    if (name != convolved && name != kConvolution) continue;
    variant.name = convolved;
    variant.taps = kTaps;
    return variant;
  }
  return std::nullopt;
}

std::vector<std::string> variant_names() {
  std::vector<std::string> names;
  for (const Variant& variant : all_variants()) names.push_back(variant.name);
  const std::vector<std::string> plain = names;
  names.push_back(kConvolution);
  for (const std::string& name : plain) names.push_back(name + "+" + kConvolution);
  return names;
}

std::vector<std::string> variant_names(const std::vector<std::string>& models) {
  std::vector<std::string> names = variant_names();
  std::erase_if(names, [&](const std::string& name) {
    return std::ranges::none_of(
        models, [&](const std::string& model) { return find_variant(model, name).has_value(); });
  });
  return names;
}

std::vector<std::string> start_names() {
  std::vector<std::string> names;
  for (const Variant& variant : all_variants()) {
    if (variant.name == "default" || variant.initialisation != Initialisation::kPyTorch) {
      names.push_back(variant.name);
    }
  }
  return names;
}

template <typename T>
void initialise(Random& random, SequenceLayer<T>& layer, Initialisation initialisation,
                Index longest) {
  switch (initialisation) {
    case Initialisation::kPyTorch:
      return layer.initialise(random);
    case Initialisation::kForgetOne:
      return initialise_forget_one(random, layer);
    case Initialisation::kChrono:
      return initialise_chrono(random, layer, longest);
    case Initialisation::kOrthogonal:
      return initialise_orthogonal(random, layer);
  }
}

template <typename T>
void initialise_forget_one(Random& random, SequenceLayer<T>& layer) {
  layer.initialise(random);
  const auto parameters = layer.parameters();  // weight_ih, weight_hh, bias_ih, bias_hh
  assert(parameters.size() == 4 && parameters[2].value.size() >= 3 * layer.width());
  const Index H = layer.width();
  // The second gate in PyTorch's order of either model: i f g o, r z n.
  std::fill_n(parameters[2].value.data() + H, H, T(1));
  std::fill_n(parameters[3].value.data() + H, H, T(0));
}

template <typename T>
void initialise_orthogonal(Random& random, SequenceLayer<T>& elman) {
  elman.initialise(random);
  orthogonal(random, elman.parameters()[1].value);
}

template <typename T>
void initialise_chrono(Random& random, SequenceLayer<T>& layer, Index longest) {
  assert(longest >= 2);
  const auto parameters = layer.parameters();  // weight_ih, weight_hh, bias_ih, bias_hh
  const Index H = layer.width();
  if (parameters.size() == 2) {  // minGRU: weight_ih, bias_ih of z and h̃
    uniform_by_fan_in(random, parameters[0].value, H);
    std::ranges::fill(parameters[1].value.values(), T(0));
    for (T& bias : parameters[1].value.values().first(std::size_t(H))) {
      bias = static_cast<T>(-std::log(random.uniform(1, double(longest - 1))));
    }
    return;
  }
  assert(parameters.size() == 4 && parameters[2].value.size() >= 3 * H);
  uniform_by_fan_in(random, parameters[0].value, H);
  orthogonal(random, parameters[1].value);
  std::ranges::fill(parameters[2].value.values(), T(0));
  std::ranges::fill(parameters[3].value.values(), T(0));
  // PyTorch's orders: i f g o and r z n. The second gate of either keeps the state.
  const bool is_lstm = parameters[2].value.size() == 4 * H;
  T* const first_gate = parameters[2].value.data();
  T* const keeping_gate = first_gate + H;
  for (Index j = 0; j < H; ++j) {
    keeping_gate[j] = static_cast<T>(std::log(random.uniform(1, double(longest - 1))));
    if (is_lstm) first_gate[j] = -keeping_gate[j];
  }
}

#define SEQBENCH_INSTANTIATE(T)                                                \
  template void initialise(Random&, SequenceLayer<T>&, Initialisation, Index); \
  template void initialise_forget_one(Random&, SequenceLayer<T>&);             \
  template void initialise_orthogonal(Random&, SequenceLayer<T>&);             \
  template void initialise_chrono(Random&, SequenceLayer<T>&, Index);
SEQBENCH_INSTANTIATE(float)
SEQBENCH_INSTANTIATE(double)
#undef SEQBENCH_INSTANTIATE

}  // namespace seqbench
