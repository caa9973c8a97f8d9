// How many sweeps a model's recurrent layers take where all steps of a sequence are solved at once
// (rnn/newton_loop.h): the price of running what it does in parallel over time.
#pragma once

#include <optional>

#include "harness/training/training_settings.h"

namespace seqbench {

/// Of a moment of a training.
struct SweepPoint {
  Index step = 0;                   // steps of training taken
  Index seq_len = 0;                // of the sequences that were solved
  SweepCounts counts;               // of all layers and sequences
  std::optional<double> gate_mean;  // of f of an LSTM, z of a GRU, over tokens and units
};

/// Whether the model has the kernel.
bool takes_sweeps(const TrainingSettings& settings);

/// Solves sequences as training draws them at its distance, from a stream of their own, one at a
/// time, in windows as long as the kernel takes, by all sweeps that it takes: none is given up
/// unless its states run away. Deterministic.
SweepPoint probe_sweeps(const ThreadTeam& team, const TrainingSettings& settings, Index step,
                        SequenceModel<float>& trained);

/// Bytes of the model that it makes beside the trained one.
double sweep_probe_bytes(const TrainingSettings& settings);

}  // namespace seqbench
