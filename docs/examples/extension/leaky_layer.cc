#include "leaky_layer.h"

#include <array>
#include <cmath>
#include <vector>

#include "core/buffers.h"
#include "core/elementwise.h"
#include "core/gemm.h"
#include "core/initialisers.h"
#include "harness/models/registry.h"

namespace {

using namespace seqbench;

/// Workspace, as core/buffers.h says.
template <typename Buffer>
struct LeakyBuffers {
  Buffer v;   // [B, T, D] W·x, then in backward dv
  Buffer h;   // [B, D] decode: the state
  Buffer dh;  // [B, D] train: gradient of h that comes from the step after
  Buffer da;  // [B, D] train: of a, a row a sequence

  std::array<Buffer*, 4> buffers() { return {&v, &h, &dh, &da}; }
};

LeakyBuffers<BufferShape> leaky_workspace(Index D, SequenceShape shape, Pass pass) {
  LeakyBuffers<BufferShape> workspace;
  workspace.v = {shape.batch, shape.steps, D};
  if (pass == Pass::kDecode) workspace.h = {shape.batch, D};
  if (pass == Pass::kTrain) workspace.dh = workspace.da = {shape.batch, D};
  return workspace;
}

std::vector<ParameterShape> leaky_parameters(Index D) {
  return {{"weight_ih_l0", {D, D}}, {"decay_l0", {D}}};
}

template <typename T>
LayerCost leaky_cost(const LayerSpec& spec, SequenceShape shape, Pass pass, int /*workers*/) {
  const double B = double(shape.batch), D = double(spec.width);
  const double tokens = pass == Pass::kDecode ? B : B * double(shape.steps);
  LayerCost cost{.flops = (pass == Pass::kTrain ? 3 : 1) * 2 * tokens * D * D,
                 .state_bytes = B * D * sizeof(T)};
  for (const ParameterShape& parameter : leaky_parameters(spec.width)) {
    cost.parameters += element_count(parameter.shape);
    if (pass == Pass::kTrain) cost.workspace_bytes += allocated_bytes<T>(parameter.shape);
  }
  cost.workspace_bytes += allocated_bytes<T>(leaky_workspace(spec.width, shape, pass));
  return cost;
}

template <typename T>
class LeakyLayer final : public SequenceLayer<T> {
 public:
  explicit LeakyLayer(const LayerSpec& spec) : spec_(spec) {
    for (const ParameterShape& declared : leaky_parameters(spec.width)) {
      parameters_.push_back(make_parameter<T>(declared));
    }
  }

  Index width() const override { return spec_.width; }
  std::span<Parameter<T>> parameters() override { return parameters_; }

  /// α so that memories of 1 to 100 steps are there from the start.
  void initialise(Random& random) override {
    uniform_by_fan_in(random, parameters_[kWeight].value, width());
    fill_uniform(random, parameters_[kDecay].value.values(), 0, 4.6);
  }

  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    return leaky_cost<T>(spec_, shape, pass, workers);
  }

  void reserve(SequenceShape shape, Pass pass, int /*workers*/) override {
    for (auto& parameter : parameters_) reserve_gradient(parameter, pass == Pass::kTrain);
    allocate_buffers(leaky_workspace(width(), shape, pass), buffers_);
  }

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               Keep /*keep: always*/) override {
    const SequenceView<T> v = v_over(x.batch, x.steps);
    for_each_product(team, x.steps, [&](auto rows) { project(team, rows(x), rows(v)); });
    team.for_each_task(x.batch, [&](Index b, int) {
      for (Index t = 0; t < x.steps; ++t) {
        const T* const before = t > 0 ? y.step(t - 1).row(b) : nullptr;
        step(before, v.step(t).row(b), y.step(t).row(b));
      }
    });
  }

  /// The steps of forward from the last to the first, then its products.
  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    const SequenceView<T> v = v_over(x.batch, x.steps);
    team.for_each_task(x.batch, [&](Index b, int) { retreat(v, y, dy, b); });
    assign_decay_gradient(x.batch);
    const MatrixView<T> dweight = parameters_[kWeight].gradient.matrix();
    set_zero(dweight);
    for_each_product(team, x.steps, [&](auto rows) {
      gemm(team, rows(v), weight(), rows(dx));
      gemm(team, rows(v), rows(x), dweight, {.transpose_a = true, .accumulate = true});
    });
  }

  void prefill(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y) override {
    forward(team, x, y, Keep::kNothing);
    copy<T>(y.step(y.steps - 1), state_of(y.batch));
  }

  void decode(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> y) override {
    const MatrixView<T> h = state_of(x.rows), v = v_over(x.rows, 1).tokens();
    project(team, x, v);
    for (Index b = 0; b < x.rows; ++b) step(h.row(b), v.row(b), h.row(b));
    copy<T>(h, y);
  }

  void rewind(Index) override {}

 private:
  enum { kWeight, kDecay };  // in parameters_

  MatrixView<const T> weight() const {
    return const_cast<const Tensor<T>&>(parameters_[kWeight].value).matrix();
  }
  T kept(Index d) const { return 1 / (1 + std::exp(-parameters_[kDecay].value[d])); }
  SequenceView<T> v_over(Index batch, Index steps) {
    return {buffers_.v.data(), batch, steps, width()};
  }
  MatrixView<T> state_of(Index batch) { return {buffers_.h.data(), batch, width()}; }

  void project(const ThreadTeam& team, MatrixView<const T> x, MatrixView<T> v) const {
    gemm(team, x, weight(), v, {.transpose_b = true});
  }

  /// Calls body(rows) for each product of the kernel, where rows(tensor) are its tokens: those of a
  /// step, or all.
  template <typename Body>
  void for_each_product(const ThreadTeam& team, Index steps, const Body& body) const {
    if (spec_.kernel == "scan") return body([](auto tensor) { return tensor.tokens(); });
    for (Index t = 0; t < steps; ++t) {
      team.note_steps(1);
      body([t](auto tensor) { return tensor.step(t); });
    }
  }

  /// h [D] = a ∘ h_previous [D] + (1 − a) ∘ v [D]; h_previous may be h, or null for 0.
  void step(const T* h_previous, const T* v, T* h) const {
    for (Index d = 0; d < width(); ++d) {
      const T a = kept(d);
      h[d] = (h_previous != nullptr ? a * h_previous[d] : 0) + (1 - a) * v[d];
    }
  }

  /// Sequence b: v becomes dv, da is assigned.
  void retreat(SequenceView<T> v, SequenceView<const T> y, SequenceView<const T> dy, Index b) {
    T* const dh = buffers_.dh.data() + b * width();
    T* const da = buffers_.da.data() + b * width();
    std::fill_n(dh, width(), T{0});
    std::fill_n(da, width(), T{0});
    for (Index t = y.steps - 1; t >= 0; --t) {
      T* const v_t = v.step(t).row(b);
      for (Index d = 0; d < width(); ++d) {
        const T a = kept(d), before = t > 0 ? y.step(t - 1).row(b)[d] : 0;
        dh[d] += dy.step(t).row(b)[d];
        da[d] += dh[d] * (before - v_t[d]);
        v_t[d] = (1 - a) * dh[d];
        dh[d] *= a;
      }
    }
  }

  void assign_decay_gradient(Index batch) {
    for (Index d = 0; d < width(); ++d) {
      T sum = 0;
      for (Index b = 0; b < batch; ++b) sum += buffers_.da[b * width() + d];
      parameters_[kDecay].gradient[d] = sum * kept(d) * (1 - kept(d));
    }
  }

  LayerSpec spec_;
  std::vector<Parameter<T>> parameters_;
  LeakyBuffers<Tensor<T>> buffers_;
};

/// No step waits for a product.
RooflineTerms leaky_roofline(const LayerSpec& spec, SequenceShape shape, Pass pass) {
  const LayerCost cost = leaky_cost<float>(spec, shape, pass, 1);
  const double read = sizeof(float) * cost.parameters;
  return {.bulk_flops = cost.flops, .bulk_bytes = pass == Pass::kDecode ? read : 0};
}

template <typename T>
std::unique_ptr<SequenceLayer<T>> make_leaky(const LayerSpec& spec) {
  return std::make_unique<LeakyLayer<T>>(spec);
}

}  // namespace

void register_leaky() {
  register_model({.info = {.name = "leaky",
                           .kernels = {"stepwise", "scan"},  // slowest first
                           .default_kernel = "scan",
                           .reference_kernels = {"scan", "stepwise"},
                           .variants = {"default", "noanswer"}},
                  .make_float = make_leaky<float>,
                  .make_double = make_leaky<double>,
                  .cost = leaky_cost<float>,
                  .roofline = leaky_roofline},
                 {.stands = Stands::kBare, .rates = {{"first_token", 1e-2}}, .other_rate = 3e-3});
}
