#include "harness/commands/machine.h"

#include <cstdio>
#include <iostream>
#include <nlohmann/json.hpp>

#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/units.h"
#include "harness/machine/description.h"
#include "harness/machine/placement.h"
#include "harness/machine/probe.h"

namespace seqbench {

namespace {

using Json = nlohmann::ordered_json;

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

void print_description(const Json& machine) {
  for (const auto& [key, value] : machine.items()) {
    const bool is_list = value.is_array() && !value.empty() && value.front().is_number();
    if (value.is_primitive() || is_list) {
      std::printf("%s: %s\n", key.c_str(), text_of(value).c_str());
    }
  }
  for (const char* part : {"topology", "build", "libraries"}) {
    for (const auto& [key, value] : machine[part].items()) {
      std::printf("%s: %s\n", key.c_str(), text_of(value).c_str());
    }
  }
  if (machine["caches"].empty()) std::printf("caches: unknown\n");
  for (const Json& cache : machine["caches"]) {
    const Json& bytes = cache["bytes"];
    const std::string size =
        bytes.is_number() ? human_bytes(bytes.get<double>()) : "of " + text_of(bytes) + " size";
    std::printf("cache: L%s %s %s, %s of them\n", text_of(cache["level"]).c_str(),
                text_of(cache["type"]).c_str(), size.c_str(), text_of(cache["count"]).c_str());
  }
}

void print_measured(const Json& measured) {
  std::printf("\ntimer: steps of %.0f ns, %.0f ns a reading\n",
              1e9 * measured["timer_resolution_seconds"].get<double>(),
              1e9 * measured["timer_call_seconds"].get<double>());
  std::printf("FMA peak of 1, 2, … threads, GFLOP/s:");
  const std::vector<double> peaks = measured["peak_gflops_of_1_2_threads"];
  for (const double peak : peaks) std::printf(" %.1f", peak);
  const int all = static_cast<int>(peaks.size());
  std::printf("\n");
  if (shares_cores(peaks.front(), peaks.back(), all)) {
    std::printf("%d threads reach %.2f × the peak of one: CPUs share cores.\n", all,
                peaks.back() / peaks.front());
  }
  for (const int cpu : measured["cpus_on_core_of_first"]) {
    std::printf("CPU %d shares its core with CPU %d: both together get no further than one.\n",
                usable_cpus().front(), cpu);
  }
}

void print_probes(const std::vector<MachineLimits>& probes) {
  std::printf("\n%-24s", "threads");
  for (const MachineLimits& probe : probes) std::printf("%12d", probe.threads);
  std::printf("\n%-24s", "FMA peak, GFLOP/s");
  for (const MachineLimits& probe : probes) std::printf("%12.1f", probe.peak_gflops);
  std::printf("\n%-24s", "barrier, ns");
  for (const MachineLimits& probe : probes) std::printf("%12.0f", 1e9 * probe.barrier_seconds);
  for (std::size_t i = 0; i < probes.front().bandwidth.size(); ++i) {
    const std::string size = human_bytes(probes.front().bandwidth[i].working_set_bytes);
    std::printf("\n%-24s", ("GB/s a thread, " + size).c_str());
    for (const MachineLimits& probe : probes) {
      std::printf("%12.1f", 1e-9 * probe.bandwidth[i].bytes_per_second);
    }
  }
  std::printf("\n");
}

}  // namespace

int machine_command(const std::vector<std::string>& arguments) {
  CommandLine line("machine", "[options]", "Probe and print this machine.",
                   "  seqbench machine\n  seqbench machine --json > machine.json\n");
  line.option("threads", "", "numbers of threads to probe (default: 1 and all CPUs)");
  line.flag("json", "print machine.json's form");
  if (!line.parse(arguments)) return 0;
  if (!line.passed_on().empty()) {
    throw UsageError("machine takes nothing behind --, got '" + line.passed_on().front() + "'");
  }
  const std::vector<Index> counts =
      line.given("threads") ? line.integers("threads", 1, kMostThreads) : default_thread_counts();

  Json machine = describe_machine();
  machine["measured"] = probe_machine();
  std::vector<MachineLimits> probes;
  machine["probes"] = Json::array();
  for (const Index threads : counts) {
    probes.push_back(probe_limits(make_team(static_cast<int>(threads))));
    machine["probes"].push_back(to_json(probes.back()));
  }
  if (line.flag_given("json")) {
    std::cout << machine.dump(2) << '\n';
    return 0;
  }
  print_description(machine);
  print_measured(machine["measured"]);
  print_probes(probes);
  return 0;
}

}  // namespace seqbench
