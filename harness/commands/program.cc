#include "harness/commands/program.h"

#include <omp.h>

#include <cstdio>
#include <string>
#include <vector>

#include "core/gemm.h"
#include "core/thread_team.h"
#include "harness/base/command_line.h"
#include "harness/base/environment.h"
#include "harness/base/errors.h"
#include "harness/base/failure.h"
#include "harness/base/interrupt.h"
#include "harness/base/standard_streams.h"
#include "harness/commands/attend.h"
#include "harness/commands/compare.h"
#include "harness/commands/conform.h"
#include "harness/commands/crossover.h"
#include "harness/commands/list.h"
#include "harness/commands/machine.h"
#include "harness/commands/recall.h"
#include "harness/commands/repeat.h"
#include "harness/commands/sample.h"
#include "harness/commands/scaling.h"
#include "harness/commands/span.h"
#include "harness/commands/throughput.h"
#include "harness/commands/train.h"
#include "harness/machine/build_info.h"
#include "harness/machine/placement.h"

namespace seqbench {
namespace {

using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  int (*run)(const Arguments&);
  const char* summary;
};

constexpr Command kCommands[] = {
    {"throughput", throughput_command, "time every combination of the listed values"},
    {"scaling", scaling_command,
     "sweep length, width and threads; fit exponents; speedups, crossovers"},
    {"crossover", crossover_command,
     "the length at which attention loses its lead, by bisection on pairs of repetitions"},
    {"span", span_command,
     "work, span and parallelism of each kernel, and the time they project for P processors"},
    {"recall", recall_command,
     "train on long-range tasks; accuracy and gradient norm against distance"},
    {"train", train_command,
     "train on a text; loss against seconds and tokens, and by position in the context"},
    {"sample", sample_command, "write text with a model that train trained"},
    {"attend", attend_command,
     "attention map of a sentence from a model trained on the grammar; what hiding a word costs"},
    {"compare", compare_command,
     "two runs or two builds: speed ratios, significance, exit code 3 on a regression"},
    {"conform", conform_command,
     "run one layer on tensors from a .safetensors file, forward and backward"},
    {"repeat", repeat_command,
     "single repetitions on request, for programs that compare libraries"},
    {"machine", machine_command, "probe and print this machine"},
    {"list", list_command, "models, kernels, tasks, and what a sweep would cost"},
};

constexpr int kDone = 0;

void print_usage(std::FILE* stream) {
  std::fprintf(stream, "Usage: seqbench COMMAND [options]\n\nCommands:\n");
  for (const Command& command : kCommands) {
    std::fprintf(stream, "  %-12s %s\n", command.name, command.summary);
  }
  std::fprintf(stream, "\nseqbench COMMAND --help tells more; seqbench --version.\n");
}

int run(const Arguments& arguments) {
  if (arguments.empty()) {
    print_usage(stderr);
    return kUsage;
  }
  const std::string& name = arguments.front();
  if (name == "--help" || name == "-h" || name == "help") {
    print_usage(stdout);
    return kDone;
  }
  if (name == "--version") {
    std::printf("seqbench %s (%s)\n", kVersion, kGitCommit);
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  throw UsageError("there is no command '" + name + "'; expected one of " + join(names));
}

/// The exit code, after one line about what went wrong.
int run_guarded(const Arguments& arguments) {
  try {
    refuse_openmp_binding();
    usable_cpus();  // before any thread is pinned
    const int code = run(arguments);
    const std::string problem = flush_standard_output();
    return problem.empty() ? code : tell("standard output: cannot be written: " + problem, kFailed);
  } catch (...) {
    return tell_failure();
  }
}

}  // namespace

int run_program(int count, char** values) {
  open_missing_streams();
  silence_libraries();
  install_signal_handlers();
  flush_subnormals_to_zero();
  make_blas_serial();
  omp_set_dynamic(0);  // a team has as many threads as its rows say
  return run_guarded(Arguments(values + 1, values + count));
}

}  // namespace seqbench
