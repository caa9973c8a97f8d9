#include "harness/timing/whole.h"

#include <algorithm>
#include <numeric>
#include <utility>

#include "harness/models/block.h"
#include "harness/models/sequence_model.h"
#include "harness/timing/drawing.h"

namespace seqbench {
namespace {

template <typename T>
std::vector<double> as_doubles(const Tensor<T>& tensor) {
  return {tensor.values().begin(), tensor.values().end()};
}

template <typename T>
class TimedBlock final : public Whole<T> {
 public:
  TimedBlock(const Case& one, std::uint64_t seed)
      : case_(one), block_(block_spec(model_spec(one.scoped(), one.shape, one.pass), 0, nullptr)) {
    const Index B = one.shape.batch, S = one.shape.steps, D = one.layer.width;
    if (one.pass == Pass::kDecode) {
      block_.reserve_decode(one.shape, one.threads);
    } else {
      block_.reserve(one.shape, B * S, one.threads);
    }
    Random inputs(seed, kInputStream);
    x_ = Tensor<T>({B, S, D});
    draw_normal(inputs, x_.values());
    if (one.pass == Pass::kTrain) {
      dy_ = Tensor<T>({B, S, D});
      overwritten_dy_ = Tensor<T>({B, S, D});
      dx_ = Tensor<T>({B, S, D});
      Random gradient(seed, kGradientStream);
      draw_normal(gradient, dy_.values());
    }
    if (one.pass == Pass::kDecode) {
      next_token_ = Tensor<T>({B, D});
      draw_normal(inputs, next_token_.values());
    }
    y_ = Tensor<T>({B, one.pass == Pass::kDecode ? 1 : S, D});
  }

  void initialise(Random& random) override {
    for (SequenceLayer<T>* layer : block_.layers()) initialise_as(case_, random, *layer);
    block_.initialise_rest(random);
  }
  std::vector<Parameter<T>*> parameters() override {
    std::vector<Parameter<T>*> all;
    block_.append_parameters(all);
    return all;
  }
  std::vector<SequenceLayer<T>*> layers() override { return block_.layers(); }

  void run(const ThreadTeam& team) override {
    switch (case_.pass) {
      case Pass::kForward:
        block_.forward(team, x_.sequence(), y_.sequence(), Keep::kNothing);
        break;
      case Pass::kTrain:
        block_.forward(team, x_.sequence(), y_.sequence(), Keep::kForBackward);
        std::ranges::copy(dy_.values(), overwritten_dy_.data());
        block_.backward(team, x_.sequence(), y_.sequence(), overwritten_dy_.sequence(),
                        dx_.sequence());
        break;
      case Pass::kDecode:
        if (!std::exchange(context_is_read_, true)) {
          Tensor<T> context_output(x_.shape());
          block_.prefill(team, x_.sequence(), context_output.sequence());
        }
        block_.rewind(case_.shape.steps);
        block_.decode(team, next_token_.matrix(), y_.sequence().step(0));
        break;
    }
  }

  std::vector<typename Whole<T>::Result> results() override {
    std::vector<typename Whole<T>::Result> results{{"y", as_doubles(y_)}};
    if (case_.pass == Pass::kTrain) results.push_back({"dx", as_doubles(dx_)});
    return results;
  }

 private:
  Case case_;
  Block<T> block_;
  Tensor<T> x_, y_, dy_, overwritten_dy_, dx_, next_token_;
  bool context_is_read_ = false;
};

template <typename T>
class TimedModel final : public Whole<T> {
 public:
  TimedModel(const Case& one, std::uint64_t seed)
      : case_(one), model_(model_spec(one.scoped(), one.shape, one.pass)) {
    const Index B = one.shape.batch, N = B * one.shape.steps;
    if (one.pass == Pass::kDecode) {
      model_.reserve_decode(one.shape, one.threads);
      logits_ = Tensor<T>({B, kTimedVocabulary});
    } else {
      model_.reserve(one.shape, N, one.threads);
    }
    Random random(seed, kInputStream);
    const auto draw = [&random](Index count) {
      std::vector<Token> tokens(static_cast<std::size_t>(count));
      for (Token& token : tokens) token = Token(random.below(kTimedVocabulary));
      return tokens;
    };
    batch_.start(one.shape);
    batch_.tokens = draw(N);
    batch_.targets = draw(N);
    batch_.answer_rows.resize(static_cast<std::size_t>(N));
    std::iota(batch_.answer_rows.begin(), batch_.answer_rows.end(), Index{0});
    next_tokens_ = draw(B);
  }

  void initialise(Random& random) override { model_.initialise(random); }
  std::vector<Parameter<T>*> parameters() override { return model_.parameters(); }
  std::vector<SequenceLayer<T>*> layers() override { return model_.layers(); }

  void run(const ThreadTeam& team) override {
    switch (case_.pass) {
      case Pass::kForward:
        model_.forward(team, batch_, Keep::kNothing);
        break;
      case Pass::kTrain:
        model_.forward(team, batch_, Keep::kForBackward);
        model_.backward(team, batch_);
        break;
      case Pass::kDecode:
        if (!std::exchange(context_is_read_, true)) {
          model_.prefill(team, case_.shape, batch_.tokens, logits_.matrix());
        }
        model_.rewind(case_.shape.steps);
        model_.decode(team, next_tokens_, logits_.matrix());
        break;
    }
  }

  std::vector<typename Whole<T>::Result> results() override {
    if (case_.pass == Pass::kDecode) return {{"logits", as_doubles(logits_)}};
    return {{"losses", model_.losses()}};
  }

 private:
  Case case_;
  SequenceModel<T> model_;
  TaskBatch batch_;
  std::vector<Token> next_tokens_;
  Tensor<T> logits_;
  bool context_is_read_ = false;
};

}  // namespace

template <typename T>
std::unique_ptr<Whole<T>> make_whole(const Case& one, std::uint64_t seed) {
  if (one.scope == Scope::kBlock) return std::make_unique<TimedBlock<T>>(one, seed);
  return std::make_unique<TimedModel<T>>(one, seed);
}
template std::unique_ptr<Whole<float>> make_whole(const Case&, std::uint64_t);
template std::unique_ptr<Whole<double>> make_whole(const Case&, std::uint64_t);

}  // namespace seqbench
