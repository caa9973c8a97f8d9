// The tables that `seqbench train` writes: how each training went, what context is worth, and what
// the trained models write.
#pragma once

#include <string>
#include <vector>

#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/text/sampler.h"
#include "harness/text/text_settings.h"
#include "harness/text/text_training.h"

namespace seqbench {

constexpr const char* kTextFile = "training.csv";
constexpr const char* kContextFile = "context.csv";
constexpr const char* kTextSamplesFile = "text-samples.csv";

extern const std::vector<std::string> kTextColumns;
extern const std::vector<std::string> kContextColumns;
extern const std::vector<std::string> kTextSamplesColumns;

class TextTables {
 public:
  /// Creates the files, or goes on with what is there. Throws FileError.
  TextTables(const RunDirectory& directory, int threads);

  /// Whether the training ended: its losses by position are there, which are written last, that of
  /// the last position at the trained length behind all others.
  bool holds_finished(const TextSettings& settings) const;
  /// Drops the rows of a training that did not end behind that step: it goes on from there. Throws
  /// FileError.
  void cut_behind(const TextSettings& settings, Index step);
  /// A row, on the disk when this returns. Throws FileError.
  void write(const TextSettings& settings, Index parameters, const TextPoint& point);
  /// What the trained model wrote. Throws FileError.
  void write(const TextSettings& settings, const TextSample& sample);
  /// The rows that make it finished. Throws FileError.
  void write(const TextSettings& settings, const std::vector<ContextLoss>& losses);

 private:
  ResumedTable training_, context_, samples_;
  std::string run_id_;
  int threads_;
};

}  // namespace seqbench
