#include "harness/machine/topology.h"

#include <hwloc.h>

#include <algorithm>
#include <cstdlib>
#include <map>
#include <memory>

namespace seqbench {
namespace {

struct Destroy {
  void operator()(hwloc_topology_t topology) const { hwloc_topology_destroy(topology); }
};
using Handle = std::unique_ptr<hwloc_topology, Destroy>;

Handle load() {
  hwloc_topology_t raw = nullptr;
  if (hwloc_topology_init(&raw) != 0) return nullptr;
  Handle topology(raw);
  hwloc_topology_set_icache_types_filter(raw, HWLOC_TYPE_FILTER_KEEP_ALL);
#if HWLOC_API_VERSION >= 0x00020500
  hwloc_topology_set_flags(raw, HWLOC_TOPOLOGY_FLAG_DONT_CHANGE_BINDING);
#endif
  if (hwloc_topology_load(raw) != 0) return nullptr;
  return topology;
}

std::string listed(hwloc_const_cpuset_t cpus) {
  char* text = nullptr;
  if (hwloc_bitmap_list_asprintf(&text, cpus) < 0) return "";
  std::string list(text);
  std::free(text);
  return list;
}

std::vector<int> numbers(hwloc_const_cpuset_t cpus) {
  std::vector<int> found;
  for (int cpu = hwloc_bitmap_first(cpus); cpu >= 0; cpu = hwloc_bitmap_next(cpus, cpu)) {
    found.push_back(cpu);
  }
  return found;
}

const char* name_of(hwloc_obj_cache_type_t type) {
  switch (type) {
    case HWLOC_OBJ_CACHE_DATA:
      return "data";
    case HWLOC_OBJ_CACHE_INSTRUCTION:
      return "instruction";
    case HWLOC_OBJ_CACHE_UNIFIED:
      return "unified";
  }
  return "unknown";
}

/// The caches of one of hwloc's types, by size.
std::vector<CacheKind> cache_kinds(hwloc_topology_t topology, hwloc_obj_type_t type) {
  std::vector<CacheKind> kinds;
  for (hwloc_obj_t cache = hwloc_get_next_obj_by_type(topology, type, nullptr); cache != nullptr;
       cache = hwloc_get_next_obj_by_type(topology, type, cache)) {
    const double bytes = double(cache->attr->cache.size);
    const auto known = std::ranges::find(kinds, bytes, &CacheKind::bytes);
    if (known != kinds.end()) {
      ++known->count;
      continue;
    }
    kinds.push_back({.level = static_cast<int>(cache->attr->cache.depth),
                     .type = name_of(cache->attr->cache.type),
                     .bytes = bytes,
                     .count = 1,
                     .first_cpus = listed(cache->cpuset)});
  }
  return kinds;
}

constexpr hwloc_obj_type_t kCacheTypes[] = {
    HWLOC_OBJ_L1CACHE, HWLOC_OBJ_L1ICACHE, HWLOC_OBJ_L2CACHE, HWLOC_OBJ_L2ICACHE,
    HWLOC_OBJ_L3CACHE, HWLOC_OBJ_L3ICACHE, HWLOC_OBJ_L4CACHE, HWLOC_OBJ_L5CACHE};

}  // namespace

Topology read_topology() {
  const Handle handle = load();
  if (handle == nullptr) return {};
  const auto count = [&handle](hwloc_obj_type_t type) {
    return std::max(0, hwloc_get_nbobjs_by_type(handle.get(), type));
  };
  Topology topology{.packages = count(HWLOC_OBJ_PACKAGE),
                    .numa_nodes = count(HWLOC_OBJ_NUMANODE),
                    .cores = count(HWLOC_OBJ_CORE),
                    .cpus = count(HWLOC_OBJ_PU),
                    .caches = {},
                    .cpus_of_cores = {}};
  for (const hwloc_obj_type_t type : kCacheTypes) {
    for (CacheKind& kind : cache_kinds(handle.get(), type)) {
      topology.caches.push_back(std::move(kind));
    }
  }
  for (int core = 0; core < topology.cores; ++core) {
    const hwloc_obj_t object =
        hwloc_get_obj_by_type(handle.get(), HWLOC_OBJ_CORE, static_cast<unsigned>(core));
    topology.cpus_of_cores.push_back(numbers(object->cpuset));
  }
  return topology;
}

std::vector<int> spread_over_cores(const std::vector<int>& cpus, const Topology& topology) {
  std::map<int, std::size_t> core_of;
  for (std::size_t core = 0; core < topology.cpus_of_cores.size(); ++core) {
    for (const int cpu : topology.cpus_of_cores[core]) core_of[cpu] = core;
  }
  std::map<std::size_t, int> taken;  // CPUs of `cpus` so far, by core
  std::vector<std::pair<int, int>> ranked;
  for (const int cpu : cpus) {
    const auto core = core_of.find(cpu);
    ranked.emplace_back(core == core_of.end() ? 0 : taken[core->second]++, cpu);
  }
  std::ranges::stable_sort(ranked, {}, &std::pair<int, int>::first);
  std::vector<int> spread;
  for (const auto& [rank, cpu] : ranked) spread.push_back(cpu);
  return spread;
}

std::string hwloc_version() {
  const unsigned version = hwloc_get_api_version();
  return std::to_string(version >> 16) + "." + std::to_string((version >> 8) & 0xff) + "." +
         std::to_string(version & 0xff);
}

}  // namespace seqbench
