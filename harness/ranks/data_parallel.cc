#include "harness/ranks/data_parallel.h"

#include <algorithm>

namespace seqbench {
namespace {

template <typename T>
class DataParallelLayer : public RankLayer<T> {
 public:
  DataParallelLayer(const LayerSpec& spec, Communicator& ranks)
      : ranks_(ranks), layer_(make_layer<T>(spec)) {}

  std::span<Parameter<T>> parameters() override { return layer_->parameters(); }

  double workspace_bytes(SequenceShape whole, Pass pass, int workers) const override {
    const SequenceShape own = share_of(whole).shape();
    return layer_->cost(own, pass, workers).workspace_bytes + sum_bytes(pass);
  }

  void reserve(SequenceShape whole, Pass pass, int workers) override {
    share_ = share_of(whole);
    layer_->reserve(share_.shape(), pass, workers);
  }

  RankShare share() const override { return share_; }

  void forward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<T> y,
               Keep keep) override {
    layer_->forward(team, x, y, keep);
  }

  void backward(const ThreadTeam& team, SequenceView<const T> x, SequenceView<const T> y,
                SequenceView<const T> dy, SequenceView<T> dx) override {
    layer_->backward(team, x, y, dy, dx);
    for (Parameter<T>& parameter : layer_->parameters()) ranks_.sum(parameter.gradient.values());
  }

 private:
  RankShare share_of(SequenceShape whole) const {
    return {.batch = EvenParts::into(whole.batch, ranks_.size())[ranks_.rank()],
            .steps = {{0, whole.steps}}};
  }

  /// What Communicator::sum() holds: as much as the largest gradient.
  double sum_bytes(Pass pass) const {
    if (pass != Pass::kTrain || ranks_.size() == 1) return 0;
    Index largest = 0;
    for (const Parameter<T>& parameter : layer_->parameters()) {
      largest = std::max(largest, parameter.value.size());
    }
    return double(largest) * sizeof(T);
  }

  Communicator& ranks_;
  std::unique_ptr<SequenceLayer<T>> layer_;
  RankShare share_{};
};

}  // namespace

template <typename T>
std::unique_ptr<RankLayer<T>> make_data_parallel(const LayerSpec& spec, Communicator& ranks) {
  return std::make_unique<DataParallelLayer<T>>(spec, ranks);
}
template std::unique_ptr<RankLayer<float>> make_data_parallel(const LayerSpec&, Communicator&);
template std::unique_ptr<RankLayer<double>> make_data_parallel(const LayerSpec&, Communicator&);

}  // namespace seqbench
