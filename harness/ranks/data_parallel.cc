#include "harness/ranks/data_parallel.h"

#include "harness/ranks/rank_parameters.h"

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
    return layer_->cost(own, pass, workers).workspace_bytes +
           summing_bytes<T>(layer_->parameters(), pass, ranks_.size());
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
    sum_gradients<T>(ranks_, layer_->parameters());
  }

 private:
  RankShare share_of(SequenceShape whole) const {
    return {.batch = EvenParts::into(whole.batch, ranks_.size())[ranks_.rank()],
            .steps = {{0, whole.steps}}};
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
