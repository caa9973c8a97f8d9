#include "harness/ranks/cpu_shares.h"

#include <algorithm>
#include <set>
#include <utility>

#include "core/parts.h"

namespace seqbench {
namespace {

bool has(const std::vector<int>& cpus, int cpu) {
  return std::ranges::find(cpus, cpu) != cpus.end();
}

bool are_same(std::vector<int> some, std::vector<int> others) {
  std::ranges::sort(some);
  std::ranges::sort(others);
  return some == others;
}

/// `cpus` core by core; a CPU of which no core is known is one for itself.
std::vector<std::vector<int>> by_core(const std::vector<int>& cpus, const Topology& topology) {
  std::vector<std::vector<int>> cores;
  std::set<int> taken;
  for (const int cpu : cpus) {
    if (taken.contains(cpu)) continue;
    std::vector<int> core = {cpu};
    for (const std::vector<int>& known : topology.cpus_of_cores) {
      if (!has(known, cpu)) continue;
      for (const int other : cpus) {
        if (other != cpu && has(known, other)) core.push_back(other);
      }
    }
    taken.insert(core.begin(), core.end());
    cores.push_back(std::move(core));
  }
  return cores;
}

std::vector<int> joined(const std::vector<std::vector<int>>& cores, Part part) {
  std::vector<int> cpus;
  for (Index i = part.first; i < part.first + part.count; ++i) {
    const std::vector<int>& core = cores[std::size_t(i)];
    cpus.insert(cpus.end(), core.begin(), core.end());
  }
  return cpus;
}

}  // namespace

std::vector<int> cpus_of_rank(const std::vector<RankCpus>& places, int rank,
                              const Topology& topology) {
  const RankCpus& own = places[std::size_t(rank)];
  const std::vector<int>* shared = nullptr;  // in the order of the first of those that share
  Index sharing = 0, before = 0;
  for (std::size_t r = 0; r < places.size(); ++r) {
    if (places[r].host != own.host || !are_same(places[r].cpus, own.cpus)) continue;
    if (shared == nullptr) shared = &places[r].cpus;
    ++sharing;
    if (int(r) < rank) ++before;
  }
  const auto count = Index(shared->size());
  if (sharing == 1) return own.cpus;
  if (count < sharing) return {(*shared)[std::size_t(before % count)]};
  const std::vector<std::vector<int>> cores = by_core(*shared, topology);
  if (Index(cores.size()) >= sharing) {
    const Part part = EvenParts::into(Index(cores.size()), sharing)[before];
    return spread_over_cores(joined(cores, part), topology);
  }
  // Neighbours in this order are on the same core.
  const std::vector<int> cpus = joined(cores, {0, Index(cores.size())});
  const Part part = EvenParts::into(count, sharing)[before];
  return {cpus.begin() + part.first, cpus.begin() + part.first + part.count};
}

std::string crowding(const std::vector<RankCpus>& places) {
  std::set<std::pair<std::string, int>> taken;
  std::size_t all = 0;
  for (const RankCpus& place : places) {
    for (const int cpu : place.cpus) {
      taken.insert({place.host, cpu});
      ++all;
    }
  }
  if (taken.size() == all) return "";
  return std::to_string(places.size()) + " ranks share " + std::to_string(taken.size()) +
         " CPUs and wait for each other; start fewer ranks, or give each a CPU of its own";
}

int ranks_on_host_of(const std::vector<RankCpus>& places, int rank) {
  const std::string& host = places[std::size_t(rank)].host;
  return int(std::ranges::count(places, host, &RankCpus::host));
}

}  // namespace seqbench
