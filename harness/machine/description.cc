#include "harness/machine/description.h"

#include <omp.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <boost/version.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "core/bfloat16.h"
#include "core/gemm.h"
#include "core/simd.h"
#include "harness/base/command_line.h"
#include "harness/base/environment.h"
#include "harness/base/utf8.h"
#include "harness/machine/build_id.h"
#include "harness/machine/build_info.h"
#include "harness/machine/cgroup.h"
#include "harness/machine/clock_settings.h"
#include "harness/machine/memory.h"
#include "harness/machine/placement.h"
#include "harness/machine/topology.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

std::string or_unknown(const std::string& text) {
  return text.empty() ? "unknown" : utf8_or_escaped(text);
}

Json as_json(const Topology& topology) {
  const auto or_unknown = [](int count) { return count > 0 ? Json(count) : Json("unknown"); };
  return {{"packages", or_unknown(topology.packages)},
          {"numa_nodes", or_unknown(topology.numa_nodes)},
          {"cores", or_unknown(topology.cores)},
          {"cpus", or_unknown(topology.cpus)}};
}

/// "unknown" for 0.
Json bytes_or_unknown(double bytes) {
  return bytes > 0 ? Json(static_cast<std::int64_t>(bytes)) : Json("unknown");
}

Json as_json(const std::vector<CacheKind>& caches) {
  Json list = Json::array();
  for (const CacheKind& cache : caches) {
    list.push_back({{"level", cache.level},
                    {"type", cache.type},
                    {"bytes", bytes_or_unknown(cache.bytes)},
                    {"count", cache.count},
                    {"shared_by_cpus", cache.first_cpus}});
  }
  return list;
}

Json environment_variables() {
  Json set = Json::object();
  for (const auto& [name, value] : library_variables()) {
    set[utf8_or_escaped(name)] = utf8_or_escaped(value);
  }
  return set;
}

/// Who keeps the BLAS to one thread.
std::string blas_threads() {
#if defined(EIGEN_USE_BLAS) && !defined(SEQBENCH_OPENBLAS)
  return "unknown";
#else
  return make_blas_serial() ? "threaded flavour set to 1" : "serial";
#endif
}

std::string hwy_version() {
  return std::to_string(HWY_MAJOR) + "." + std::to_string(HWY_MINOR) + "." +
         std::to_string(HWY_PATCH);
}

}  // namespace

std::string cpu_model(const std::filesystem::path& cpuinfo) {
  std::map<std::string, std::vector<std::string>> values;  // of each key, each value once
  std::ifstream file(cpuinfo);
  for (std::string line; std::getline(file, line);) {
    const std::size_t colon = line.find(':');
    if (colon == std::string::npos) continue;
    const std::string value = trimmed(line.substr(colon + 1));
    std::vector<std::string>& known = values[trimmed(line.substr(0, colon))];
    if (!value.empty() && std::ranges::find(known, value) == known.end()) known.push_back(value);
  }
  const auto all_of = [&values](const char* key) { return join(values[key]); };
  // x86, MIPS, POWER, 32-bit ARM; one of them at most is there.
  for (const char* key : {"model name", "cpu model", "cpu", "Processor"}) {
    if (const std::string name = all_of(key); !name.empty()) return name;
  }
  const std::string maker = all_of("CPU implementer"), part = all_of("CPU part");
  if (!maker.empty() && !part.empty()) return "implementer " + maker + ", part " + part;
  return or_unknown(all_of("Hardware"));  // the board
}

nlohmann::ordered_json describe_machine() {
  utsname system{};  // texts stay empty where the call is refused
  const bool is_told = ::uname(&system) == 0;
  const ClockSettings clock = clock_settings(usable_cpus());
  Json machine;
  machine["host"] = or_unknown(system.nodename);
  machine["os"] = is_told ? std::string(system.sysname) + " " + system.release : "unknown";
  machine["architecture"] = or_unknown(system.machine);
  machine["cpu"] = cpu_model();
  const long online = ::sysconf(_SC_NPROCESSORS_ONLN);
  machine["cpus_online"] = online > 0 ? Json(online) : Json("unknown");
  machine["affinity"] = affinity_mask().empty() ? Json("unknown") : Json(affinity_mask());
  machine["cpus_usable"] = usable_cpus();
  if (const std::string problem = pinning_problem(usable_cpus()); !problem.empty()) {
    machine["pinning"] = "refused for " + problem;
  }
  const CgroupQuota quota = cgroup_quota();
  machine["cpu_quota"] =
      std::isfinite(quota.cpus) ? Json(quota.cpus) : Json(quota.is_known ? "none" : "unknown");
  machine["governor"] = clock.governor;
  machine["turbo"] = clock.turbo;
  machine["topology"] = as_json(machine_topology());
  machine["caches"] = as_json(machine_topology().caches);
  machine["memory_bytes"] = bytes_or_unknown(total_memory_bytes().value_or(0));
  machine["simd"] = hwy::TargetName(HWY_TARGET);
  machine["flush_subnormals"] = flushes_subnormals();
  machine["build"] = {{"version", kVersion},          {"git_commit", kGitCommit},
                      {"id", or_unknown(build_id())}, {"compiler", kCompiler},
                      {"flags", kCompilerFlags},      {"type", kBuildType}};
  machine["libraries"] = {{"blas", blas_description()}, {"blas_threads", blas_threads()},
                          {"highway", hwy_version()},   {"benchmark", kBenchmarkVersion},
                          {"boost", BOOST_LIB_VERSION}, {"hwloc", hwloc_version()},
                          {"openmp", _OPENMP}};
  machine["environment"] = environment_variables();
  return machine;
}

nlohmann::ordered_json to_json(const MachineLimits& limits) {
  Json bandwidth = Json::array();
  for (const BandwidthSample& sample : limits.bandwidth) {
    bandwidth.push_back({{"working_set_bytes", sample.working_set_bytes},
                         {"bytes_per_second", sample.bytes_per_second}});
  }
  return {{"threads", limits.threads},
          {"peak_gflops", limits.peak_gflops},
          {"bfloat16_peak_gflops", limits.bfloat16_peak_gflops},
          {"barrier_seconds", limits.barrier_seconds},
          {"bandwidth_per_thread", bandwidth}};
}

nlohmann::ordered_json probe_machine() {
  const TimerProbe timer = probe_timer();
  const std::vector<double> peaks = probe_peaks(usable_cpus());
  Json measured = {{"timer_resolution_seconds", timer.resolution_seconds},
                   {"timer_call_seconds", timer.call_seconds},
                   {"peak_gflops_of_1_2_threads", peaks},
                   {"bfloat16_form", bfloat16_form()},
                   {"cpus_on_core_of_first", probe_cpus_on_first_core(usable_cpus())}};
  return measured;
}

}  // namespace seqbench
