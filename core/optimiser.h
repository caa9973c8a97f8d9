// AdamW, RMSprop, gradient clipping and the learning-rate schedule, each exactly as PyTorch
// computes it.
//
// AdamW (Loshchilov & Hutter 2019, algorithm 2; torch.optim.AdamW), step t = 1, 2, …:
//
//   θ ← θ·(1 − η·λ)                        decoupled weight decay, of every parameter or of
//                                          matrices alone
//   m ← β₁·m + (1 − β₁)·g
//   v ← β₂·v + (1 − β₂)·g²
//   θ ← θ − η/(1 − β₁ᵗ) · m / (√v/√(1 − β₂ᵗ) + ε)
//
// RMSprop (Tieleman & Hinton 2012, lecture 6e; torch.optim.RMSprop with its defaults):
//
//   v ← α·v + (1 − α)·g²
//   θ ← θ − η·g/(√v + ε)
//
// Cost of either: some 12 FLOPs and 7 memory accesses a parameter at most; bound by memory. What
// takes a team shares the parameters out whole, and gives the same to the last bit on any.
#pragma once

#include <vector>

#include "core/sequence_layer.h"
#include "core/tensor.h"
#include "core/thread_team.h"

namespace seqbench {

/// What weight decay pulls towards 0.
enum class Decayed {
  kEveryParameter,
  kMatrices,  // tensors of two dimensions or more: neither biases nor a norm's weights, as in GPT-2
};

struct AdamWOptions {
  double beta1 = 0.9;          // β₁
  double beta2 = 0.999;        // β₂
  double epsilon = 1e-8;       // ε
  double weight_decay = 0.01;  // λ
  Decayed decayed = Decayed::kEveryParameter;
};

/// What an AdamW carries from step to step, one tensor a parameter.
template <typename T>
struct AdamWState {
  std::vector<Tensor<T>> first_moments;   // m
  std::vector<Tensor<T>> second_moments;  // v
  Index steps_taken = 0;                  // t
};

template <typename T>
class AdamW {
 public:
  /// Keeps the pointers; gradients must have their values' shapes at each step.
  explicit AdamW(std::vector<Parameter<T>*> parameters, AdamWOptions options = {});

  /// One update with learning rate η.
  void step(double learning_rate) { step(ThreadTeam(), learning_rate); }
  void step(const ThreadTeam& team, double learning_rate);

  /// To be written to a file, or to go on from one: its tensors keep their shapes.
  AdamWState<T>& state() { return state_; }

 private:
  std::vector<Parameter<T>*> parameters_;
  AdamWOptions options_;
  AdamWState<T> state_;
};

struct RmsPropOptions {
  double alpha = 0.99;    // α
  double epsilon = 1e-8;  // ε
};

template <typename T>
class RmsProp {
 public:
  /// As AdamW's.
  explicit RmsProp(std::vector<Parameter<T>*> parameters, RmsPropOptions options = {});

  /// One update with learning rate η.
  void step(double learning_rate);

 private:
  std::vector<Parameter<T>*> parameters_;
  RmsPropOptions options_;
  std::vector<Tensor<T>> second_moments_;  // v, one tensor a parameter
};

/// Scales all gradients by min(1, max_norm/(‖g‖ + 1e-6)), where ‖g‖ is the norm over all of them
/// (torch.nn.utils.clip_grad_norm_). Returns ‖g‖ before scaling.
template <typename T>
double clip_global_norm(const ThreadTeam& team, const std::vector<Parameter<T>*>& parameters,
                        double max_norm);
template <typename T>
double clip_global_norm(const std::vector<Parameter<T>*>& parameters, double max_norm) {
  return clip_global_norm(ThreadTeam(), parameters, max_norm);
}

/// What follows the warm-up.
enum class Decay {
  kCosine,  // half a cosine down to the floor; with 0 there torch's CosineAnnealingLR(T_max=steps)
            // without a warm-up
  kLinear,  // a line down to the floor
  kConstant,  // the peak
};

/// Linear warm-up to the peak, then a decay.
struct LearningRateSchedule {
  double peak = 1e-3;
  double floor = 0;          // at the end of the decay
  Index training_steps = 1;  // of the whole training
  Index warmup_steps = 0;
  Decay decay = Decay::kCosine;
  Index steps_per_change = 1;  // the decay rests for so many steps at a time

  /// The learning rate of step t in [0, training_steps).
  double at(Index t) const;
  /// Where that share, in [0, 1], of what follows the warm-up is done.
  double decayed(double progress) const;
};

}  // namespace seqbench
