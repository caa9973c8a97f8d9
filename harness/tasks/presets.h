// Settings that others have published figures for, each under a name: `recall --preset NAME` runs
// one as it was published. results/published.md has their figures beside ours.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "harness/tasks/task.h"

namespace seqbench {

struct Preset {
  std::string name;
  std::string task;
  TaskDefaults settings;
  std::string source;
  std::string differs;  // in what it differs from the source; empty: in nothing known
};

const std::vector<Preset>& all_presets();
/// Throws std::invalid_argument for an unknown name.
const Preset& preset_by_name(std::string_view name);
std::vector<std::string> preset_names();

}  // namespace seqbench
