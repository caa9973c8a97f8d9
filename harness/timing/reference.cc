#include "harness/timing/reference.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <limits>
#include <numeric>
#include <set>

#include "core/bfloat16.h"
#include "core/eigen_view.h"
#include "core/parts.h"
#include "harness/machine/placement.h"
#include "harness/timing/case.h"

namespace seqbench {
namespace {

using Matrix = RowMajorMatrix<double>;
using RowVector = Eigen::RowVectorXd;

// Sampled query rows of a longer sequence: its first two, its last two and the middle one, those on
// both sides of 32, 64, 128 and 256, and some drawn at random. The powers of two are edges of the
// fused kernel's query tiles, or halves of them (attention/fused_tile.h). Its key tiles have 132
// rows: none is chosen for their edges, but every later row passes over them.
constexpr Index kWholeBelowSteps = 64;
constexpr Index kRandomRows = 8;

// Sampled sequences of a larger batch: the first, the last, and some drawn at random.
constexpr Index kSequences = 4;

std::vector<Index> sampled_sequences(Index batch) {
  std::set<Index> sample = {0, batch - 1};
  Random random(static_cast<std::uint64_t>(batch));
  while (static_cast<Index>(sample.size()) < std::min(batch, kSequences)) {
    sample.insert(random.below(batch));
  }
  return {sample.begin(), sample.end()};
}

std::vector<Index> sampled_query_rows(Index steps) {
  std::set<Index> sample;
  if (steps <= kWholeBelowSteps) {
    for (Index t = 0; t < steps; ++t) sample.insert(t);
  } else {
    for (const Index t :
         {Index{0}, Index{1}, Index{31}, Index{32}, Index{63}, Index{64}, Index{127}, Index{128},
          Index{255}, Index{256}, steps / 2, steps - 2, steps - 1}) {
      if (t < steps) sample.insert(t);
    }
    Random random(static_cast<std::uint64_t>(steps));
    for (Index i = 0; i < kRandomRows; ++i) sample.insert(random.below(steps));
  }
  return {sample.begin(), sample.end()};
}

/// Whether its formula stands in this file; else another kernel of the model, in double precision,
/// says what is right.
bool has_own_formula(const Case& one) { return one.model().reference_kernels.empty(); }

/// In each sampled sequence. A recurrent layer's reference has all steps anyway.
std::vector<Index> sampled_steps(const Case& one) {
  if (one.pass == Pass::kDecode) return {one.shape.steps};
  if (has_own_formula(one)) return sampled_query_rows(one.shape.steps);
  std::vector<Index> all(static_cast<std::size_t>(one.shape.steps));
  std::iota(all.begin(), all.end(), Index{0});
  return all;
}

Matrix as_double(MatrixView<const float> view) { return as_eigen(view).cast<double>(); }

Matrix parameter_of(Workload& workload, const std::string& name) {
  for (const Parameter<float>& parameter : workload.layer().parameters()) {
    if (parameter.name == name) return as_double(parameter.value.matrix());
  }
  return {};
}

/// Parameters of several blocks have the same names.
std::string gradient_name(std::size_t i, const std::string& parameter) {
  return "d." + std::to_string(i) + "." + parameter;
}

/// Whether a tensor of this name is a parameter's gradient.
bool is_gradient(const std::string& name) { return name.starts_with("d."); }

/// Elements of what a block or a model gave, in one row.
RowMajorMatrix<double> actual_of_whole(const std::string& name, Whole<float>& whole) {
  if (is_gradient(name)) {
    const std::vector<Parameter<float>*> parameters = whole.parameters();
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      if (gradient_name(i, parameters[i]->name) != name) continue;
      const Tensor<float>& gradient = parameters[i]->gradient;
      return Eigen::Map<const RowMajorMatrix<float>>(gradient.data(), 1, gradient.size())
          .cast<double>();
    }
    return {};
  }
  for (const auto& [result, values] : whole.results()) {
    if (result == name) return Eigen::Map<const Matrix>(values.data(), 1, Index(values.size()));
  }
  return {};
}

/// Of an element of y: a layer's, and of each block two norms' and an MLP's besides, its hidden
/// layer four times as wide.
double chain_of_roundings(const Case& one) {
  const double D = double(one.layer.width);
  const double of_layer = 4 * D + double(one.shape.steps);
  if (one.scope == Scope::kLayer) return of_layer;
  const double of_block = of_layer + 2 * 2 * D + D + 4 * D;
  if (one.scope == Scope::kBlock) return of_block;
  return double(one.layers) * of_block + 2 * D + D + double(kTimedVocabulary);
}

Tensor<double> as_tensor(const Matrix& matrix) {
  Tensor<double> tensor({matrix.rows(), matrix.cols()});
  as_eigen(tensor.matrix()) = matrix;
  return tensor;
}

/// Tokens that sequence b of the case is made of: [T, D], in decode [T + 1, D].
Matrix input_of(const Workload& workload, Index b) {
  const Matrix context = as_double(workload.x().sequence(b));
  if (workload.the_case().pass != Pass::kDecode) return context;
  Matrix input(context.rows() + 1, context.cols());
  input << context, as_double(workload.next_token().row_block(b, 1));
  return input;
}

/// The factors of a product as bfloat16 has them.
Matrix rounded(const Matrix& factors) {
  return factors.unaryExpr([](double x) { return double(nearest_bfloat16(float(x))); });
}

/// Softmax attention of some query rows of one sequence, all heads, and its gradients when only
/// these rows have an upstream gradient. Walks over the keys in blocks, so that beside the rows'
/// scores nothing of length T is held but the input and its gradient.
class AttentionRows {
 public:
  struct Weights {
    Matrix in, in_bias, out, out_bias;
  };
  struct Gradients {
    Matrix in, in_bias, out, out_bias;
  };

  AttentionRows(const Weights& weights, const LayerSpec& spec, Matrix input,
                std::vector<Index> rows)
      : weights_(weights),
        D_(spec.width),
        H_(spec.heads),
        d_k_(spec.width / spec.heads),
        causal_(spec.causal),
        factors_(spec.factors),
        scale_(1 / std::sqrt(double(d_k_))),
        x_(std::move(input)),
        rows_(std::move(rows)) {
    x_ = as_factor(x_);
    x_rows_ = x_(rows_, Eigen::all);
    q_ = project(x_rows_, 0);
  }

  /// y [rows, D].
  Matrix forward() {
    const Index R = q_.rows(), T = x_.rows();
    p_.assign(static_cast<std::size_t>(H_), Matrix(R, T));
    for_each_block([&](Index first, Index count, const Matrix& k, const Matrix&) {
      for (Index h = 0; h < H_; ++h) {
        p(h).middleCols(first, count) = scale_ * head(q_, h) * head(k, h).transpose();
      }
    });
    for (Index h = 0; h < H_; ++h) softmax(p(h));
    context_ = Matrix::Zero(R, D_);
    for_each_block([&](Index first, Index count, const Matrix&, const Matrix& v) {
      for (Index h = 0; h < H_; ++h) {
        context_.middleCols(h * d_k_, d_k_) += p(h).middleCols(first, count) * head(v, h);
      }
    });
    return (as_factor(context_) * weights_.out.transpose()).rowwise() +
           RowVector(weights_.out_bias.row(0));
  }

  /// From dy [rows, D]: returns dx [T, D], adds to the parameters' gradients.
  Matrix backward(const Matrix& dy, Gradients& gradients) {
    const Matrix factor = as_factor(dy);
    gradients.out += factor.transpose() * as_factor(context_);
    gradients.out_bias += dy.colwise().sum();
    const Matrix d_context = as_factor(factor * weights_.out);
    const Matrix product = d_context.cwiseProduct(context_);

    Matrix dx = Matrix::Zero(x_.rows(), D_);
    Matrix dq = Matrix::Zero(q_.rows(), D_);
    for_each_block([&](Index first, Index count, const Matrix& k, const Matrix& v) {
      Matrix dk(count, D_), dv(count, D_);
      for (Index h = 0; h < H_; ++h) {
        const auto probability = p(h).middleCols(first, count);
        const Eigen::VectorXd delta = product.middleCols(h * d_k_, d_k_).rowwise().sum();
        const Matrix dp = head(d_context, h) * head(v, h).transpose();
        const Matrix ds = probability.cwiseProduct(dp.colwise() - delta);
        dv.middleCols(h * d_k_, d_k_) = probability.transpose() * head(d_context, h);
        dk.middleCols(h * d_k_, d_k_) = scale_ * ds.transpose() * head(q_, h);
        dq.middleCols(h * d_k_, d_k_) += scale_ * ds * head(k, h);
      }
      const auto x_block = x_.middleRows(first, count);
      add_projection_gradient(1, dk, x_block, gradients);
      add_projection_gradient(2, dv, x_block, gradients);
      dx.middleRows(first, count) += as_factor(dk) * weight(1) + as_factor(dv) * weight(2);
    });
    add_projection_gradient(0, dq, x_rows_, gradients);
    const Matrix dx_rows = as_factor(dq) * weight(0);
    for (std::size_t i = 0; i < rows_.size(); ++i) dx.row(rows_[i]) += dx_rows.row(Index(i));
    return dx;
  }

 private:
  static constexpr Index kBlock = 1024;

  Matrix as_factor(const Matrix& matrix) const {
    return factors_ == Factors::kBfloat16 ? rounded(matrix) : matrix;
  }
  // Part 0, 1, 2 of the input projection: Q, K, V.
  Matrix weight(Index part) const { return weights_.in.middleRows(part * D_, D_); }
  Matrix project(const Matrix& x, Index part) const {
    const RowVector bias = weights_.in_bias.middleCols(part * D_, D_).row(0);
    const Matrix projected = (x * weight(part).transpose()).rowwise() + bias;
    return as_factor(projected);
  }
  template <typename Rows>
  void add_projection_gradient(Index part, const Matrix& d_part, const Rows& x,
                               Gradients& gradients) const {
    gradients.in.middleRows(part * D_, D_) += as_factor(d_part).transpose() * x;
    gradients.in_bias.middleCols(part * D_, D_) += d_part.colwise().sum();
  }
  Matrix head(const Matrix& tensor, Index h) const { return tensor.middleCols(h * d_k_, d_k_); }
  Matrix& p(Index h) { return p_[static_cast<std::size_t>(h)]; }

  template <typename Body>
  void for_each_block(const Body& body) const {
    for (Index first = 0; first < x_.rows(); first += kBlock) {
      const Index count = std::min(kBlock, x_.rows() - first);
      const Matrix x = x_.middleRows(first, count);
      body(first, count, project(x, 1), project(x, 2));
    }
  }

  void softmax(Matrix& s) const {
    for (Index i = 0; i < s.rows(); ++i) {
      const Index visible = causal_ ? rows_[static_cast<std::size_t>(i)] + 1 : s.cols();
      auto seen = s.row(i).head(visible).array();
      seen = (seen - seen.maxCoeff()).exp();
      seen /= seen.sum();
      s.row(i).tail(s.cols() - visible).setZero();
    }
  }

  const Weights& weights_;
  Index D_, H_, d_k_;
  bool causal_;
  Factors factors_;
  double scale_;
  Matrix x_;
  std::vector<Index> rows_;
  Matrix x_rows_, q_, context_;
  std::vector<Matrix> p_;  // per head [rows, T]
};

}  // namespace

Reference::Reference(Workload& workload)
    : sequences_(sampled_sequences(workload.the_case().shape.batch)),
      steps_(sampled_steps(workload.the_case())) {
  if (workload.the_case().scope != Scope::kLayer) {
    compute_whole(workload);
  } else if (has_own_formula(workload.the_case())) {
    compute_attention(workload);
  } else {
    compute_recurrent(workload);
  }
}

void Reference::compute_attention(Workload& workload) {
  const Case& one = workload.the_case();
  const bool train = one.pass == Pass::kTrain;
  const Index S = Index(sequences_.size()), R = Index(steps_.size());
  const Index T = one.shape.steps, D = one.layer.width;
  const bool rounds = one.layer.factors == Factors::kBfloat16;
  const auto factors_of = [&](const char* name) {
    const Matrix weight = parameter_of(workload, name);
    return rounds ? rounded(weight) : weight;
  };
  const AttentionRows::Weights weights{
      .in = factors_of("in_proj_weight"),
      .in_bias = parameter_of(workload, "in_proj_bias"),
      .out = factors_of("out_proj.weight"),
      .out_bias = parameter_of(workload, "out_proj.bias"),
  };
  AttentionRows::Gradients gradients{.in = Matrix::Zero(3 * D, D),
                                     .in_bias = Matrix::Zero(1, 3 * D),
                                     .out = Matrix::Zero(D, D),
                                     .out_bias = Matrix::Zero(1, D)};
  Matrix y(S * R, D), dx(train ? S * T : 0, D);
  for (Index s = 0; s < S; ++s) {
    const Index b = sequences_[static_cast<std::size_t>(s)];
    AttentionRows rows(weights, one.layer, input_of(workload, b), steps_);
    y.middleRows(s * R, R) = rows.forward();
    if (!train) continue;
    const Matrix dy = as_double(SequenceView<const float>(workload.dy()).sequence(b));
    dx.middleRows(s * T, T) = rows.backward(dy(steps_, Eigen::all), gradients);
  }
  expected_.push_back({"y", as_tensor(y)});
  if (!train) return;
  expected_.push_back({"dx", as_tensor(dx)});
  expected_.push_back({"d.in_proj_weight", as_tensor(gradients.in)});
  expected_.push_back({"d.in_proj_bias", as_tensor(gradients.in_bias)});
  expected_.push_back({"d.out_proj.weight", as_tensor(gradients.out)});
  expected_.push_back({"d.out_proj.bias", as_tensor(gradients.out_bias)});
}

void Reference::compute_recurrent(Workload& workload) {
  const Case& one = workload.the_case();
  const bool train = one.pass == Pass::kTrain;
  const Index S = Index(sequences_.size()), D = one.layer.width;
  const Index T = one.shape.steps + (one.pass == Pass::kDecode ? 1 : 0);
  LayerSpec spec = one.layer;
  spec.kernel = kernel_for(one);
  const auto layer = make_layer<double>(spec);
  for (std::size_t i = 0; i < layer->parameters().size(); ++i) {
    const Tensor<float>& value = workload.layer().parameters()[i].value;
    std::copy_n(value.data(), value.size(), layer->parameters()[i].value.data());
  }

  const ThreadTeam team = make_team(static_cast<int>(usable_cpus().size()));
  Tensor<double> x({S, T, D}), y({S, T, D});
  for (Index s = 0; s < S; ++s) {
    as_eigen(x.sequence().sequence(s)) =
        input_of(workload, sequences_[static_cast<std::size_t>(s)]);
  }
  layer->reserve({.batch = S, .steps = T}, train ? Pass::kTrain : Pass::kForward, team.size());
  layer->forward(team, x.sequence(), y.sequence(), train ? Keep::kForBackward : Keep::kNothing);

  Tensor<double> dx;
  if (train) {
    Tensor<double> dy({S, T, D});
    dx = Tensor<double>({S, T, D});
    for (Index s = 0; s < S; ++s) {
      as_eigen(dy.sequence().sequence(s)) =
          as_double(SequenceView<const float>(workload.dy())
                        .sequence(sequences_[static_cast<std::size_t>(s)]));
    }
    layer->backward(team, x.sequence(), y.sequence(), dy.sequence(), dx.sequence());
  }
  if (one.pass == Pass::kDecode) {
    Tensor<double> last({S, D});
    as_eigen(last.matrix()) = as_eigen(y.sequence().step(T - 1));
    y = std::move(last);
  }
  expected_.push_back({"y", std::move(y)});
  if (!train) return;
  expected_.push_back({"dx", std::move(dx)});
  for (Parameter<double>& parameter : layer->parameters()) {
    expected_.push_back({"d." + parameter.name, std::move(parameter.gradient)});
  }
  if (one.model().bends && !spec.linear_candidate) {
    leave_undecided(x, layer->parameters(), spec.factors);
  }
}

void Reference::compute_whole(Workload& workload) {
  Case one = workload.the_case();
  if (const std::string kernel = kernel_for(one); !kernel.empty()) one.layer.kernel = kernel;
  const ThreadTeam team = make_team(static_cast<int>(usable_cpus().size()));
  one.threads = team.size();
  const auto whole = make_whole<double>(one, workload.seed());
  const std::vector<Parameter<float>*> from = workload.whole().parameters();
  const std::vector<Parameter<double>*> to = whole->parameters();
  for (std::size_t i = 0; i < to.size(); ++i) {
    std::copy_n(from[i]->value.data(), from[i]->value.size(), to[i]->value.data());
  }
  whole->run(team);
  for (const auto& [name, values] : whole->results()) {
    Tensor<double> value({Index(values.size())});
    std::ranges::copy(values, value.data());
    expected_.push_back({name, std::move(value)});
  }
  if (one.pass != Pass::kTrain) return;
  if (one.model().bends) {
    std::erase_if(expected_, [](const auto& each) { return each.name == "dx"; });
    return;
  }
  for (std::size_t i = 0; i < to.size(); ++i) {
    expected_.push_back({gradient_name(i, to[i]->name), std::move(to[i]->gradient)});
  }
}

/// Of `x` [S, T, D]. An element v of a sum over D products is taken for 0 below 2·ε·√D·rms(v): some
/// ten standard deviations of its rounding in float.
void Reference::leave_undecided(const Tensor<double>& x,
                                std::span<const Parameter<double>> parameters, Factors factors) {
  const auto as_factors = [&](const Matrix& matrix) {
    return factors == Factors::kBfloat16 ? rounded(matrix) : matrix;
  };
  const Matrix weight = as_factors(as_eigen(parameters[0].value.matrix()));
  const auto bias = as_eigen(parameters[1].value.matrix());
  const Index D = weight.cols();
  std::set<Index> tokens, units;
  const EvenParts blocks = EvenParts::of_at_most(x.matrix().rows, 1024);  // some MiB at a time
  for (Index k = 0; k < blocks.count(); ++k) {
    const Part block = blocks[k];
    Matrix v = as_factors(as_eigen(x.matrix()).middleRows(block.first, block.count)) *
               weight.bottomRows(D).transpose();
    v.rowwise() += RowVector(bias.row(0).tail(D));
    const double rms = std::sqrt(v.squaredNorm() / double(v.size()));
    const double rounding =
        2 * double(std::numeric_limits<float>::epsilon()) * std::sqrt(double(D)) * rms;
    for (Index i = 0; i < v.size(); ++i) {
      if (std::abs(v.data()[i]) > rounding) continue;
      tokens.insert(block.first + i / D);
      units.insert(D + i % D);
    }
  }
  for (Expected& expected : expected_) {
    if (expected.name == "y") continue;
    const std::set<Index>& rows = expected.name == "dx" ? tokens : units;
    expected.undecided.assign(rows.begin(), rows.end());
  }
}

void Reference::keep_sampled_gradient(Workload& workload) {
  const Case& one = workload.the_case();
  if (one.pass != Pass::kTrain || one.scope != Scope::kLayer) return;
  const std::vector<Index> sequences = sampled_sequences(one.shape.batch);
  const std::vector<Index> steps = sampled_steps(one);
  const SequenceView<float> dy = workload.dy();
  for (Index b = 0; b < dy.batch; ++b) {
    const bool is_sampled = std::ranges::binary_search(sequences, b);
    for (Index t = 0; t < dy.steps; ++t) {
      if (is_sampled && std::ranges::binary_search(steps, t)) continue;
      std::fill_n(dy.data + (b * dy.steps + t) * dy.width, dy.width, 0.0f);
    }
  }
}

std::string Reference::difference(Workload& workload) const {
  for (const Expected& expected : expected_) {
    const std::string found = compare(expected, workload);
    if (!found.empty()) return found;
  }
  return "";
}

std::string Reference::kernel_for(const Case& one) {
  for (const std::string& kernel : one.model().reference_kernels) {
    if (kernel != one.layer.kernel) return kernel;
  }
  return "";
}

RowMajorMatrix<double> Reference::actual_of(const Expected& expected, Workload& workload) const {
  const Case& one = workload.the_case();
  const Index S = Index(sequences_.size()), T = one.shape.steps, D = one.layer.width;
  const bool decode = one.pass == Pass::kDecode;
  Matrix actual;
  if (expected.name == "y") {
    const Index R = Index(steps_.size());
    actual.resize(S * R, D);
    for (Index s = 0; s < S; ++s) {
      const auto y = as_eigen(workload.y().sequence(sequences_[static_cast<std::size_t>(s)]));
      for (Index r = 0; r < R; ++r) {
        const Index t = decode ? 0 : steps_[static_cast<std::size_t>(r)];
        actual.row(s * R + r) = y.row(t).cast<double>();
      }
    }
  } else if (expected.name == "dx") {
    actual.resize(S * T, D);
    for (Index s = 0; s < S; ++s) {
      actual.middleRows(s * T, T) =
          as_double(workload.dx().sequence(sequences_[static_cast<std::size_t>(s)]));
    }
  } else {
    for (const Parameter<float>& parameter : workload.layer().parameters()) {
      if ("d." + parameter.name == expected.name) {
        actual = as_double(parameter.gradient.matrix());
      }
    }
  }
  return actual;
}

std::string Reference::compare(const Expected& expected, Workload& workload) const {
  const Case& one = workload.the_case();
  const bool is_layer = one.scope == Scope::kLayer;
  Matrix actual =
      is_layer ? actual_of(expected, workload) : actual_of_whole(expected.name, workload.whole());

  // An element is a chain of n roundings: products of depth D, a carry or a sum over T and, in a
  // parameter's gradient, over all tokens. Random signs grow the error as √n; 8 standard deviations
  // make a false alarm unlikely in any sweep (Higham & Mary 2019, theorem 2.4).
  const bool is_parameter = is_gradient(expected.name);
  const double T = double(one.shape.steps);
  const double roundings =
      chain_of_roundings(one) + (is_parameter ? double(one.shape.batch) * T : 0.0);
  const Eigen::Map<const Matrix> value(expected.value.data(), actual.rows(), actual.cols());
  for (const Index i : expected.undecided) {
    if (actual.rows() == 1) {
      actual(0, i) = value(0, i);
    } else {
      actual.row(i) = value.row(i);
    }
  }
  const double largest = value.size() == 0 ? 0 : value.cwiseAbs().maxCoeff();
  // Where factors are rounded, the kernel's probabilities are so once more and its states may lie
  // on the other side of the middle of two bfloat16: each term of a sum is off by some 2⁻⁹ of
  // itself (2⁻⁸ at most), with random signs, and so is the sum.
  const double of_factors = one.layer.factors == Factors::kBfloat16 ? 0x1p-9 : 0;
  const double of_sums = std::numeric_limits<float>::epsilon() * std::sqrt(roundings);
  const double bound = 8 * (of_sums + of_factors) * largest;
  double difference = 0;
  for (Index i = 0; i < actual.size(); ++i) {
    const double d = std::abs(actual.data()[i] - value.data()[i]);
    if (!(d <= difference)) difference = d;  // keeps a NaN
  }
  if (difference <= bound) return "";
  char text[160];
  std::snprintf(text, sizeof(text),
                "%s differs from the reference by %.3g, allowed %.3g (largest element %.3g)",
                expected.name.c_str(), difference, bound, largest);
  return text;
}

double Reference::predicted_bytes(const Case& one) {
  // The same in double precision, and its results once more.
  if (one.scope != Scope::kLayer) return 3 * one.predicted_bytes();
  const Index sequences = static_cast<Index>(sampled_sequences(one.shape.batch).size());
  const SequenceShape shape{.batch = sequences, .steps = one.shape.steps + 1};
  const double S = double(sequences), T = double(shape.steps), D = double(one.layer.width);
  double own = double(sizeof(double)) * 2 * 32 * double(one.layer.heads) * T;
  if (!has_own_formula(one)) {
    LayerSpec spec = one.layer;
    spec.kernel = kernel_for(one);
    const double in_floats = declared_cost(spec, shape, Pass::kTrain, 1).workspace_bytes;
    own = in_floats * sizeof(double) / sizeof(float);
  }
  return own + double(sizeof(double)) * (S * T * D * 6 + 16 * D * D);
}

}  // namespace seqbench
