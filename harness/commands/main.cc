// seqbench: one program, one command for each part of the experiment.

#include <omp.h>

#include <csignal>
#include <cstdio>
#include <iostream>
#include <string>
#include <vector>

#include "core/gemm.h"
#include "core/thread_team.h"
#include "harness/base/command_line.h"
#include "harness/base/environment.h"
#include "harness/base/errors.h"
#include "harness/base/interrupt.h"
#include "harness/base/standard_streams.h"
#include "harness/base/utf8.h"
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

namespace {

using Arguments = std::vector<std::string>;

struct Command {
  const char* name;
  int (*run)(const Arguments&);
  const char* summary;
};

constexpr Command kCommands[] = {
    {"throughput", seqbench::throughput_command, "time every combination of the listed values"},
    {"scaling", seqbench::scaling_command,
     "sweep length, width and threads; fit exponents; speedups, crossovers"},
    {"crossover", seqbench::crossover_command,
     "the length at which attention loses its lead, by bisection on pairs of repetitions"},
    {"span", seqbench::span_command,
     "work, span and parallelism of each kernel, and the time they project for P processors"},
    {"recall", seqbench::recall_command,
     "train on long-range tasks; accuracy and gradient norm against distance"},
    {"train", seqbench::train_command,
     "train on a text; loss against seconds and tokens, and by position in the context"},
    {"sample", seqbench::sample_command, "write text with a model that train trained"},
    {"attend", seqbench::attend_command,
     "attention map of a sentence from a model trained on the grammar; what hiding a word costs"},
    {"compare", seqbench::compare_command,
     "two runs or two builds: speed ratios, significance, exit code 3 on a regression"},
    {"conform", seqbench::conform_command,
     "run one layer on tensors from a .safetensors file, forward and backward"},
    {"repeat", seqbench::repeat_command,
     "single repetitions on request, for programs that compare libraries"},
    {"machine", seqbench::machine_command, "probe and print this machine"},
    {"list", seqbench::list_command, "models, kernels, tasks, and what a sweep would cost"},
};

constexpr int kDone = 0, kFailed = 1, kUsage = 2;

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
    std::printf("seqbench %s (%s)\n", seqbench::kVersion, seqbench::kGitCommit);
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& command : kCommands) {
    if (name == command.name) return command.run({arguments.begin() + 1, arguments.end()});
    names.emplace_back(command.name);
  }
  throw seqbench::UsageError("there is no command '" + name + "'; expected one of " +
                             seqbench::join(names));
}

int report(const std::string& message, int exit_code) {
  std::fflush(stdout);
  std::cerr << "seqbench: " << seqbench::printable(message) << '\n';
  return exit_code;
}

/// The exit code, after one line about what went wrong.
int run_guarded(const Arguments& arguments) {
  try {
    seqbench::refuse_openmp_binding();
    seqbench::usable_cpus();  // before any thread is pinned
    const int code = run(arguments);
    const std::string problem = seqbench::flush_standard_output();
    return problem.empty() ? code
                           : report("standard output: cannot be written: " + problem, kFailed);
  } catch (const seqbench::Interrupted& stop) {
    const std::string how = stop.signal == SIGINT ? "interrupted" : "terminated";
    return report(how + "; what is finished is kept, a sweep goes on with --resume",
                  128 + stop.signal);
  } catch (const seqbench::UsageError& error) {
    return report(error.what(), kUsage);
  } catch (const std::bad_alloc&) {
    return report("out of memory", kFailed);
  } catch (const std::exception& error) {
    return report(error.what(), kFailed);
  }
}

}  // namespace

int main(int count, char** values) {
  seqbench::open_missing_streams();
  seqbench::silence_libraries();
  seqbench::install_signal_handlers();
  seqbench::flush_subnormals_to_zero();
  seqbench::make_blas_serial();
  omp_set_dynamic(0);  // a team has as many threads as its rows say
  return run_guarded(Arguments(values + 1, values + count));
}
