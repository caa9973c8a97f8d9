#include "harness/machine/machine.h"

#include <malloc.h>
#include <omp.h>
#include <sched.h>
#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <boost/version.hpp>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>

#include "core/gemm.h"
#include "core/simd.h"
#include "harness/base/command_line.h"
#include "harness/base/errors.h"
#include "harness/base/progress.h"
#include "harness/machine/build_id.h"
#include "harness/machine/build_info.h"
#include "harness/machine/cgroup.h"
#include "harness/machine/clock_settings.h"
#include "harness/machine/topology.h"

namespace seqbench {
namespace {

using Json = nlohmann::ordered_json;

/// The number behind "key" in a file of "key: value" lines such as /proc/meminfo, in the unit given
/// there; 0 when the key is absent.
double number_of_key(const std::string& path, const std::string& key) {
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);) {
    if (line.compare(0, key.size(), key) == 0 && line.size() > key.size() &&
        line[key.size()] == ':') {
      return std::strtod(line.c_str() + key.size() + 1, nullptr);
    }
  }
  return 0;
}

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
  for (const char* name : {"OMP_NUM_THREADS", "OMP_THREAD_LIMIT", "OMP_DYNAMIC",
                           "OMP_MAX_ACTIVE_LEVELS", "OMP_PROC_BIND", "OMP_WAIT_POLICY",
                           "GOMP_SPINCOUNT", "OPENBLAS_CORETYPE", "OPENBLAS_NUM_THREADS"}) {
    if (const char* value = std::getenv(name)) set[name] = value;
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

std::string or_unknown(const std::string& text) { return text.empty() ? "unknown" : text; }

std::string hwy_version() {
  return std::to_string(HWY_MAJOR) + "." + std::to_string(HWY_MINOR) + "." +
         std::to_string(HWY_PATCH);
}

}  // namespace

void refuse_openmp_binding() {
  if (omp_get_proc_bind() == omp_proc_bind_false) return;
  for (const char* name : {"OMP_PROC_BIND", "OMP_PLACES", "GOMP_CPU_AFFINITY"}) {
    if (const char* value = std::getenv(name)) {
      throw UsageError(std::string(name) + "='" + value + "' is not allowed; expected it unset, " +
                       "since seqbench pins its threads itself (restrict it with taskset)");
    }
  }
}

namespace {

const Topology& topology() {
  static const Topology found = read_topology();
  return found;
}

/// The CPUs that the calling thread may run on, when this is first called.
const std::vector<int>& affinity_mask() {
  static const std::vector<int> mask = [] {
    std::vector<int> found;
    cpu_set_t set;
    CPU_ZERO(&set);
    if (::sched_getaffinity(0, sizeof(set), &set) == 0) {
      for (int cpu = 0; cpu < CPU_SETSIZE; ++cpu) {
        if (CPU_ISSET(cpu, &set)) found.push_back(cpu);
      }
    }
    if (found.empty()) found.push_back(0);
    return found;
  }();
  return mask;
}

}  // namespace

const std::vector<int>& usable_cpus() {
  static const std::vector<int> cpus = [] {
    std::vector<int> found = spread_over_cores(affinity_mask(), topology());
    const double quota = std::max(1.0, std::ceil(cgroup_limits().cpus));
    if (quota < double(found.size())) found.resize(static_cast<std::size_t>(quota));
    return found;
  }();
  return cpus;
}

ThreadTeam make_team(int threads) { return ThreadTeam(threads, usable_cpus()); }

int running_workers(int threads) {
  return std::min(threads, static_cast<int>(usable_cpus().size()));
}

std::vector<Index> default_thread_counts() {
  const auto all = static_cast<Index>(usable_cpus().size());
  return all == 1 ? std::vector<Index>{1} : std::vector<Index>{1, all};
}

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
  const double quota = cgroup_limits().cpus;
  machine["cpu_quota"] = std::isfinite(quota) ? Json(quota) : Json("none");
  machine["governor"] = clock.governor;
  machine["turbo"] = clock.turbo;
  machine["topology"] = as_json(topology());
  machine["caches"] = as_json(topology().caches);
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

double usable_memory_bytes() {
  double limit = 0.75 * 1024 * number_of_key("/proc/meminfo", "MemAvailable");
  limit = std::min(limit, cgroup_limits().memory_bytes - resident_bytes());
  rlimit address_space{};
  if (::getrlimit(RLIMIT_AS, &address_space) == 0 && address_space.rlim_cur != RLIM_INFINITY) {
    const double mapped = 1024 * number_of_key("/proc/self/status", "VmSize");
    limit = std::min(limit, double(address_space.rlim_cur) - mapped);
  }
  return std::max(limit, 0.0);
}

double resident_bytes() { return 1024 * number_of_key("/proc/self/status", "VmRSS"); }

double peak_resident_bytes() { return 1024 * number_of_key("/proc/self/status", "VmHWM"); }

bool reset_peak_resident_bytes() {
  ::malloc_trim(0);  // what was freed must not hide the growth to come
  std::ofstream file("/proc/self/clear_refs");
  file << "5" << std::flush;
  return file.good();
}

namespace {

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
    std::printf("cache: L%s %s %s, %s of them\n", text_of(cache["level"]).c_str(),
                text_of(cache["type"]).c_str(), human_bytes(cache["bytes"].get<double>()).c_str(),
                text_of(cache["count"]).c_str());
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
