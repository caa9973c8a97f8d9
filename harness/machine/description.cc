#include "harness/machine/description.h"

#include <omp.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <boost/version.hpp>
#include <cmath>
#include <cstdlib>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "core/gemm.h"
#include "core/simd.h"
#include "harness/base/environment.h"
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

std::string cpu_model() {
  std::ifstream file("/proc/cpuinfo");
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, 10, "model name") == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown";
}

Json as_json(const Topology& topology) {
  const auto or_unknown = [](int count) { return count > 0 ? Json(count) : Json("unknown"); };
  return {{"packages", or_unknown(topology.packages)},
          {"numa_nodes", or_unknown(topology.numa_nodes)},
          {"cores", or_unknown(topology.cores)},
          {"cpus", or_unknown(topology.cpus)}};
}

Json as_json(const std::vector<CacheKind>& caches) {
  Json list = Json::array();
  for (const CacheKind& cache : caches) {
    list.push_back({{"level", cache.level},
                    {"type", cache.type},
                    {"bytes", static_cast<std::int64_t>(cache.bytes)},
                    {"count", cache.count},
                    {"shared_by_cpus", cache.first_cpus}});
  }
  return list;
}

Json environment_variables() {
  Json set = Json::object();
  for (const auto& [name, value] : library_variables()) set[name] = value;
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

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string hwy_version() {
  return std::to_string(HWY_MAJOR) + "." + std::to_string(HWY_MINOR) + "." +
         std::to_string(HWY_PATCH);
}

}  // namespace

nlohmann::ordered_json describe_machine() {
  utsname system{};
  ::uname(&system);
  const ClockSettings clock = clock_settings();
  Json machine;
  machine["host"] = system.nodename;
  machine["os"] = std::string(system.sysname) + " " + system.release;
  machine["architecture"] = system.machine;
  machine["cpu"] = cpu_model();
  machine["cpus_online"] = ::sysconf(_SC_NPROCESSORS_ONLN);
  machine["affinity"] = affinity_mask();
  machine["cpus_usable"] = usable_cpus();
  const double quota = cgroup_quota().cpus;
  machine["cpu_quota"] = std::isfinite(quota) ? Json(quota) : Json("none");
  machine["governor"] = clock.governor;
  machine["turbo"] = clock.turbo;
  machine["topology"] = as_json(machine_topology());
  machine["caches"] = as_json(machine_topology().caches);
  machine["memory_bytes"] =
      static_cast<std::int64_t>(1024 * number_of_key("/proc/meminfo", "MemTotal"));
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
          {"barrier_seconds", limits.barrier_seconds},
          {"bandwidth_per_thread", bandwidth}};
}

nlohmann::ordered_json probe_machine() {
  const TimerProbe timer = probe_timer();
  const std::vector<double> peaks = probe_peaks(usable_cpus());
  Json measured = {{"timer_resolution_seconds", timer.resolution_seconds},
                   {"timer_call_seconds", timer.call_seconds},
                   {"peak_gflops_of_1_2_threads", peaks},
                   {"cpus_on_core_of_first", probe_cpus_on_first_core(usable_cpus())}};
  return measured;
}

}  // namespace seqbench
