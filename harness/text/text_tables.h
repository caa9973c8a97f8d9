// The tables that `seqbench train` writes: how each training went, and what context is worth.
#pragma once

#include <string>
#include <vector>

#include "harness/files/resumed_table.h"
#include "harness/files/run_directory.h"
#include "harness/text/text_settings.h"
#include "harness/text/text_training.h"

namespace seqbench {

constexpr const char* kTextFile = "training.csv";
constexpr const char* kContextFile = "context.csv";

extern const std::vector<std::string> kTextColumns;
extern const std::vector<std::string> kContextColumns;

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
  /// The rows that make it finished. Throws FileError.
  void write(const TextSettings& settings, const std::vector<ContextLoss>& losses);

 private:
  ResumedTable training_, context_;
  std::string run_id_;
  int threads_;
};

}  // namespace seqbench
