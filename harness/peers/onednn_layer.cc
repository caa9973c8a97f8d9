#include "harness/peers/onednn_layer.h"

#include <omp.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <oneapi/dnnl/dnnl.hpp>
#include <stdexcept>
#include <unordered_map>
#include <vector>

namespace seqbench {
namespace {

using Kind = dnnl::prop_kind;
using Tag = dnnl::memory::format_tag;
using Description = dnnl::memory::desc;
using Arguments = std::unordered_map<int, dnnl::memory>;

constexpr auto kFloat = dnnl::memory::data_type::f32;
constexpr auto kDirection = dnnl::rnn_direction::unidirectional_left2right;

/// Descriptions of the tensors of one case.
struct Shapes {
  Description sequence;  // [T, B, D], stored batch first
  Description weights;   // [1, 1, D, G, D] in whatever order the library prefers
  Description bias;      // [1, 1, G or G + 1, D]
  // State before the first step, [1, 1, B, D]. It is zero and could be left out, but then version
  // 2.6.3 gets the recurrent weights' gradient wrong for B = 1 in time-first order.
  Description first;
  Description none;
};

// Each cell: its gates in oneDNN's order as places in PyTorch's; whether the last gate has a
// recurrent bias of its own (elsewhere both biases are summed into one); its primitives.

struct Elman {
  using Forward = dnnl::vanilla_rnn_forward;
  using Backward = dnnl::vanilla_rnn_backward;
  static constexpr Index kGates[] = {0};
  static constexpr bool kSeparateBias = false;

  static Forward::desc forward(Kind kind, const Shapes& s) {
    return {kind,       dnnl::algorithm::eltwise_tanh,
            kDirection, s.sequence,
            s.first,    s.weights,
            s.weights,  s.bias,
            s.sequence, s.none};
  }
  static Backward::desc backward(const Shapes& s) {
    return {Kind::backward, dnnl::algorithm::eltwise_tanh,
            kDirection,     s.sequence,
            s.first,        s.weights,
            s.weights,      s.bias,
            s.sequence,     s.none,
            s.sequence,     s.first,
            s.weights,      s.weights,
            s.bias,         s.sequence,
            s.none};
  }
};

struct Lstm {
  using Forward = dnnl::lstm_forward;
  using Backward = dnnl::lstm_backward;
  static constexpr Index kGates[] = {0, 1, 2, 3};  // i f g o
  static constexpr bool kSeparateBias = false;

  static Forward::desc forward(Kind kind, const Shapes& s) {
    return {kind,      kDirection, s.sequence, s.first, s.first, s.weights,
            s.weights, s.bias,     s.sequence, s.none,  s.none};
  }
  static Backward::desc backward(const Shapes& s) {
    return {Kind::backward, kDirection, s.sequence, s.first,    s.first,    s.weights, s.weights,
            s.bias,         s.sequence, s.none,     s.none,     s.sequence, s.first,   s.first,
            s.weights,      s.weights,  s.bias,     s.sequence, s.none,     s.none};
  }
};

struct Gru {
  using Forward = dnnl::lbr_gru_forward;
  using Backward = dnnl::lbr_gru_backward;
  static constexpr Index kGates[] = {1, 0, 2};  // z r n of r z n
  static constexpr bool kSeparateBias = true;

  static Forward::desc forward(Kind kind, const Shapes& s) {
    return {kind,      kDirection, s.sequence, s.first, s.weights,
            s.weights, s.bias,     s.sequence, s.none};
  }
  static Backward::desc backward(const Shapes& s) {
    return {Kind::backward, kDirection, s.sequence, s.first,    s.weights, s.weights,
            s.bias,         s.sequence, s.none,     s.sequence, s.first,   s.weights,
            s.weights,      s.bias,     s.sequence, s.none};
  }
};

float* floats(const dnnl::memory& memory) { return static_cast<float*>(memory.get_data_handle()); }

template <typename Cell>
class OnednnLayer : public SequenceLayer<float> {
 public:
  explicit OnednnLayer(const LayerSpec& spec) : own_(make_layer<float>(own_spec(spec))) {}

  Index width() const override { return own_->width(); }
  void initialise(Random& random) override { own_->initialise(random); }
  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    return own_->cost(shape, pass, workers);
  }

  std::span<Parameter<float>> parameters() override {
    if (gradients_are_new_) unpack_gradients();
    gradients_are_new_ = false;
    return own_->parameters();
  }

  void reserve(SequenceShape shape, Pass pass, int workers) override {
    if (pass == Pass::kDecode) throw std::invalid_argument("oneDNN's layers do not decode");
    omp_set_num_threads(workers);  // what the library's loops use, now and when they run
    const Shapes shapes = shapes_of(shape);
    if (pass == Pass::kTrain) {
      reserve_backward(shapes, reserve_forward(Kind::forward_training, shapes));
      return;
    }
    // Inference may run either primitive. At batch 1 that of training can be the faster one.
    reserve_forward(Kind::forward_training, shapes);
    const double training = seconds_of_forward(shapes.sequence);
    reserve_forward(Kind::forward_inference, shapes);
    if (training < seconds_of_forward(shapes.sequence)) {
      reserve_forward(Kind::forward_training, shapes);
    }
  }

  void forward(const ThreadTeam&, SequenceView<const float> x, SequenceView<float> y,
               Keep) override {
    bind(forward_arguments_, DNNL_ARG_SRC_LAYER, x.data);
    bind(forward_arguments_, DNNL_ARG_DST_LAYER, y.data);
    forward_.execute(stream_, forward_arguments_);
    stream_.wait();
  }

  void backward(const ThreadTeam&, SequenceView<const float> x, SequenceView<const float> y,
                SequenceView<const float> dy, SequenceView<float> dx) override {
    bind(backward_arguments_, DNNL_ARG_SRC_LAYER, x.data);
    bind(backward_arguments_, DNNL_ARG_DST_LAYER, y.data);
    bind(backward_arguments_, DNNL_ARG_DIFF_DST_LAYER, dy.data);
    bind(backward_arguments_, DNNL_ARG_DIFF_SRC_LAYER, dx.data);
    // The library adds to them.
    for (const int gradient :
         {DNNL_ARG_DIFF_WEIGHTS_LAYER, DNNL_ARG_DIFF_WEIGHTS_ITER, DNNL_ARG_DIFF_BIAS}) {
      const dnnl::memory& memory = backward_arguments_.at(gradient);
      std::fill_n(floats(memory), memory.get_desc().get_size() / sizeof(float), 0.0f);
    }
    backward_.execute(stream_, backward_arguments_);
    stream_.wait();
    gradients_are_new_ = true;
  }

  void prefill(const ThreadTeam&, SequenceView<const float>, SequenceView<float>) override {
    throw std::logic_error("oneDNN's layers do not decode");
  }
  void decode(const ThreadTeam&, MatrixView<const float>, MatrixView<float>) override {
    throw std::logic_error("oneDNN's layers do not decode");
  }
  void rewind(Index) override {}

 private:
  static constexpr Index G = std::size(Cell::kGates);
  static constexpr Index kBiases = G + (Cell::kSeparateBias ? 1 : 0);
  // PyTorch's order of the parameters.
  static constexpr int kInputWeights = 0, kRecurrentWeights = 1, kInputBias = 2, kRecurrentBias = 3;

  static LayerSpec own_spec(LayerSpec spec) {
    spec.kernel = model_info(spec.model).default_kernel;
    return spec;
  }

  static void bind(Arguments& arguments, int name, const float* data) {
    arguments.at(name).set_data_handle(const_cast<float*>(data));
  }

  Shapes shapes_of(SequenceShape shape) const {
    const Index D = width();
    // One sequence is the same bytes in either order, and the library is faster time first.
    const Tag order = shape.batch == 1 ? Tag::tnc : Tag::ntc;
    return {.sequence = {{shape.steps, shape.batch, D}, kFloat, order},
            .weights = {{1, 1, D, G, D}, kFloat, Tag::any},
            .bias = {{1, 1, kBiases, D}, kFloat, Tag::ldgo},
            .first = {{1, 1, shape.batch, D}, kFloat, Tag::ldnc},
            .none = {}};
  }

  typename Cell::Forward::primitive_desc reserve_forward(Kind kind, const Shapes& shapes) {
    const typename Cell::Forward::primitive_desc forward(Cell::forward(kind, shapes), engine_);
    forward_ = typename Cell::Forward(forward);
    const dnnl::memory first(shapes.first, engine_);
    std::fill_n(floats(first), shapes.first.get_size() / sizeof(float), 0.0f);
    forward_arguments_ = {
        {DNNL_ARG_SRC_LAYER, dnnl::memory(shapes.sequence, engine_, nullptr)},
        {DNNL_ARG_DST_LAYER, dnnl::memory(shapes.sequence, engine_, nullptr)},
        {DNNL_ARG_WEIGHTS_LAYER, packed_weights(kInputWeights, forward.weights_layer_desc())},
        {DNNL_ARG_WEIGHTS_ITER, packed_weights(kRecurrentWeights, forward.weights_iter_desc())},
        {DNNL_ARG_SRC_ITER, first},
        {DNNL_ARG_SRC_ITER_C, first},
        {DNNL_ARG_BIAS, packed_bias(shapes.bias)}};
    if (kind == Kind::forward_training) {
      forward_arguments_[DNNL_ARG_WORKSPACE] = dnnl::memory(forward.workspace_desc(), engine_);
    }
    return forward;
  }

  void reserve_backward(const Shapes& shapes,
                        const typename Cell::Forward::primitive_desc& forward) {
    const typename Cell::Backward::primitive_desc backward(Cell::backward(shapes), engine_,
                                                           forward);
    backward_ = typename Cell::Backward(backward);
    const auto new_sequence = [&] { return dnnl::memory(shapes.sequence, engine_, nullptr); };
    backward_arguments_ = forward_arguments_;
    backward_arguments_[DNNL_ARG_WEIGHTS_LAYER] =
        packed_weights(kInputWeights, backward.weights_layer_desc());
    backward_arguments_[DNNL_ARG_WEIGHTS_ITER] =
        packed_weights(kRecurrentWeights, backward.weights_iter_desc());
    backward_arguments_.insert(
        {{DNNL_ARG_DIFF_DST_LAYER, new_sequence()},
         {DNNL_ARG_DIFF_SRC_LAYER, new_sequence()},
         {DNNL_ARG_DIFF_SRC_ITER, dnnl::memory(shapes.first, engine_)},
         {DNNL_ARG_DIFF_SRC_ITER_C, dnnl::memory(shapes.first, engine_)},
         {DNNL_ARG_DIFF_WEIGHTS_LAYER, dnnl::memory(backward.diff_weights_layer_desc(), engine_)},
         {DNNL_ARG_DIFF_WEIGHTS_ITER, dnnl::memory(backward.diff_weights_iter_desc(), engine_)},
         {DNNL_ARG_DIFF_BIAS, dnnl::memory(shapes.bias, engine_)}});
    for (Parameter<float>& parameter : own_->parameters()) {
      parameter.gradient = Tensor<float>(parameter.value.shape());
    }
  }

  /// The fastest of some passes over zeros.
  double seconds_of_forward(const Description& sequence) {
    constexpr int kPasses = 5;
    const Index count = static_cast<Index>(sequence.get_size() / sizeof(float));
    Tensor<float> x({count}), y({count});
    bind(forward_arguments_, DNNL_ARG_SRC_LAYER, x.data());
    bind(forward_arguments_, DNNL_ARG_DST_LAYER, y.data());
    double fastest = HUGE_VAL;
    for (int pass = 0; pass < kPasses; ++pass) {
      const auto start = std::chrono::steady_clock::now();
      forward_.execute(stream_, forward_arguments_);
      stream_.wait();
      fastest = std::min(
          fastest, std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
    }
    return fastest;
  }

  Parameter<float>& parameter(int place) {
    return own_->parameters()[static_cast<std::size_t>(place)];
  }

  /// W [G·D, D] of PyTorch as the library wants it: by way of [input, gate, output].
  dnnl::memory packed_weights(int place, const Description& wanted) {
    const Index D = width();
    dnnl::memory plain({{1, 1, D, G, D}, kFloat, Tag::ldigo}, engine_);
    const float* weight = parameter(place).value.data();
    for_each_weight([&](Index torch, Index theirs) { floats(plain)[theirs] = weight[torch]; });
    dnnl::memory packed(wanted, engine_);
    dnnl::reorder(plain, packed).execute(stream_, plain, packed);
    stream_.wait();
    return packed;
  }

  dnnl::memory packed_bias(const Description& wanted) {
    dnnl::memory packed(wanted, engine_);
    const float* input = parameter(kInputBias).value.data();
    const float* recurrent = parameter(kRecurrentBias).value.data();
    std::fill_n(floats(packed), kBiases * width(), 0.0f);
    for_each_bias([&](Index torch, Index theirs, Index theirs_recurrent) {
      floats(packed)[theirs] += input[torch];
      floats(packed)[theirs_recurrent] += recurrent[torch];
    });
    return packed;
  }

  void unpack_gradients() {
    const Index D = width();
    for (const auto& [place, name] : {std::pair(kInputWeights, DNNL_ARG_DIFF_WEIGHTS_LAYER),
                                      std::pair(kRecurrentWeights, DNNL_ARG_DIFF_WEIGHTS_ITER)}) {
      dnnl::memory packed = backward_arguments_.at(name);
      dnnl::memory plain({{1, 1, D, G, D}, kFloat, Tag::ldigo}, engine_);
      dnnl::reorder(packed, plain).execute(stream_, packed, plain);
      stream_.wait();
      float* gradient = parameter(place).gradient.data();
      for_each_weight([&](Index torch, Index theirs) { gradient[torch] = floats(plain)[theirs]; });
    }
    const float* packed = floats(backward_arguments_.at(DNNL_ARG_DIFF_BIAS));
    float* input = parameter(kInputBias).gradient.data();
    float* recurrent = parameter(kRecurrentBias).gradient.data();
    for_each_bias([&](Index torch, Index theirs, Index theirs_recurrent) {
      input[torch] = packed[theirs];
      recurrent[torch] = packed[theirs_recurrent];
    });
  }

  /// body(place in PyTorch's [gate, output, input], place in [input, gate, output]).
  template <typename Body>
  void for_each_weight(const Body& body) const {
    const Index D = width();
    for (Index g = 0; g < G; ++g) {
      for (Index out = 0; out < D; ++out) {
        for (Index in = 0; in < D; ++in) {
          body((Cell::kGates[g] * D + out) * D + in, (in * G + g) * D + out);
        }
      }
    }
  }

  /// body(place in either bias of PyTorch, place of the input's bias, of the recurrent one).
  template <typename Body>
  void for_each_bias(const Body& body) const {
    const Index D = width();
    for (Index g = 0; g < G; ++g) {
      const Index recurrent = Cell::kSeparateBias && g == G - 1 ? G : g;
      for (Index out = 0; out < D; ++out) {
        body(Cell::kGates[g] * D + out, g * D + out, recurrent * D + out);
      }
    }
  }

  std::unique_ptr<SequenceLayer<float>> own_;  // for its parameters
  dnnl::engine engine_{dnnl::engine::kind::cpu, 0};
  dnnl::stream stream_{engine_};
  dnnl::primitive forward_, backward_;
  Arguments forward_arguments_, backward_arguments_;
  bool gradients_are_new_ = false;
};

}  // namespace

std::unique_ptr<SequenceLayer<float>> make_onednn_layer(const LayerSpec& spec) {
  if (spec.model == "elman") return std::make_unique<OnednnLayer<Elman>>(spec);
  if (spec.model == "lstm") return std::make_unique<OnednnLayer<Lstm>>(spec);
  if (spec.model == "gru") return std::make_unique<OnednnLayer<Gru>>(spec);
  throw std::invalid_argument("oneDNN has no layer for the model " + spec.model);
}

std::string onednn_version() {
  const dnnl::version_t* version = dnnl::version();
  return std::to_string(version->major) + "." + std::to_string(version->minor) + "." +
         std::to_string(version->patch);
}

}  // namespace seqbench
