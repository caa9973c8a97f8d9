#include "core/reversed_layer.h"

#include <stdexcept>

#include "core/buffers.h"
#include "core/elementwise.h"

namespace seqbench {
namespace {

/// All memory of the wrapper itself; `Buffer` as core/buffers.h says.
template <typename Buffer>
struct ReversedBuffers {
  Buffer x, y;    // the layer's input and output, its steps in reversed order [B, T, D]
  Buffer dx, dy;  // train: their gradients [B, T, D]

  std::vector<Buffer*> buffers() { return {&x, &y, &dx, &dy}; }
};

ReversedBuffers<BufferShape> buffer_shapes(SequenceShape shape, Index D, Pass pass) {
  const BufferShape sequence{shape.batch, shape.steps, D};
  ReversedBuffers<BufferShape> shapes{.x = sequence, .y = sequence, .dx = {}, .dy = {}};
  if (pass == Pass::kTrain) shapes.dx = shapes.dy = sequence;
  return shapes;
}

/// to[b, t] = from[b, T − 1 − t].
template <typename T>
void reverse(SequenceView<const T> from, SequenceView<T> to) {
  for (Index b = 0; b < from.batch; ++b) {
    copy(from.sequence(b).upside_down(), to.sequence(b));
  }
}

template <typename T>
class ReversedLayer final : public SequenceLayer<T> {
 public:
  explicit ReversedLayer(std::unique_ptr<SequenceLayer<T>> layer) : layer_(std::move(layer)) {
    for (Parameter<T>& parameter : layer_->parameters()) parameter.name += "_reverse";
  }

  Index width() const override { return layer_->width(); }
  std::span<Parameter<T>> parameters() override { return layer_->parameters(); }
  void initialise(Random& random) override { layer_->initialise(random); }

  LayerCost cost(SequenceShape shape, Pass pass, int workers) const override {
    LayerCost cost = layer_->cost(shape, pass, workers);
    cost.workspace_bytes += reversed_workspace_bytes<T>(shape, width(), pass);
    return cost;
  }

  void reserve(SequenceShape shape, Pass pass, int workers) override {
    if (pass == Pass::kDecode) refuse_decode();
    layer_->reserve(shape, pass, workers);
    allocate_buffers(buffer_shapes(shape, width(), pass), buffers_);
  }

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               Keep keep) override {
    reverse(x, like(x, buffers_.x));
    layer_->forward(team, like(x, buffers_.x), like(x, buffers_.y), keep);
    reverse<T>(like(x, buffers_.y), y);
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> /*y*/,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    reverse(dy, like(x, buffers_.dy));
    layer_->backward(team, like(x, buffers_.x), like(x, buffers_.y), like(x, buffers_.dy),
                     like(x, buffers_.dx));
    reverse<T>(like(x, buffers_.dx), dx);
  }

  void prefill(const ThreadTeam&, SequenceView<const T>, SequenceView<T>) override {
    refuse_decode();
  }
  void decode(const ThreadTeam&, MatrixView<const T>, MatrixView<T>) override { refuse_decode(); }
  void rewind(Index) override { refuse_decode(); }
  SweepCounts sweep_counts() const override { return layer_->sweep_counts(); }

 private:
  [[noreturn]] static void refuse_decode() {
    throw std::logic_error("a layer in reversed time does not decode");
  }
  /// The first elements of a buffer in the shape of x.
  static SequenceView<T> like(SequenceView<const T> x, Tensor<T>& buffer) {
    return {buffer.data(), x.batch, x.steps, x.width};
  }

  std::unique_ptr<SequenceLayer<T>> layer_;
  ReversedBuffers<Tensor<T>> buffers_;
};

}  // namespace

template <typename T>
std::unique_ptr<SequenceLayer<T>> make_reversed(std::unique_ptr<SequenceLayer<T>> layer) {
  return std::make_unique<ReversedLayer<T>>(std::move(layer));
}

template <typename T>
double reversed_workspace_bytes(SequenceShape shape, Index width, Pass pass) {
  return allocated_bytes<T>(buffer_shapes(shape, width, pass));
}

template double reversed_workspace_bytes<float>(SequenceShape, Index, Pass);
template double reversed_workspace_bytes<double>(SequenceShape, Index, Pass);
template std::unique_ptr<SequenceLayer<float>> make_reversed(std::unique_ptr<SequenceLayer<float>>);
template std::unique_ptr<SequenceLayer<double>> make_reversed(
    std::unique_ptr<SequenceLayer<double>>);

}  // namespace seqbench
