#include "harness/machine/probe.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <limits>
#include <memory>

#include "core/parts.h"
#include "core/register_block.h"
#include "core/simd.h"
#include "core/spin_barrier.h"
#include "harness/base/interrupt.h"
#include "harness/machine/disturbance.h"

namespace seqbench {
namespace {

using Clock = std::chrono::steady_clock;
using FloatTag = hn::ScalableTag<float>;
using FloatVector = hn::Vec<FloatTag>;

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

// Keeps the compiler from dropping work whose result nobody reads.
void consume(float value) {
  volatile float sink = value;
  (void)sink;
}

// Independent chains that hide the latency of an FMA (4 to 5 cycles, two units at most) and, with
// the two constants, still fit the 16 registers of AVX2.
constexpr int kChains = 12;

/// `rounds` × kChains FMAs on registers; the values stay near 1, far from overflow and subnormals.
HWY_NOINLINE void multiply_add_rounds(Index rounds) {
  const FloatTag d;
  const FloatVector factor = hn::Set(d, 0.999f);
  const FloatVector addend = hn::Set(d, 0.001f);
  // Different values, or the compiler would see twelve times the same chain and keep one.
  const FloatVector step = hn::Set(d, 0.01f);
  FloatVector c0 = hn::Set(d, 1.0f);
  FloatVector c1 = c0 + step, c2 = c1 + step, c3 = c2 + step, c4 = c3 + step, c5 = c4 + step;
  FloatVector c6 = c5 + step, c7 = c6 + step, c8 = c7 + step, c9 = c8 + step, c10 = c9 + step;
  FloatVector c11 = c10 + step;
  for (Index round = 0; round < rounds; ++round) {
    c0 = hn::MulAdd(c0, factor, addend);
    c1 = hn::MulAdd(c1, factor, addend);
    c2 = hn::MulAdd(c2, factor, addend);
    c3 = hn::MulAdd(c3, factor, addend);
    c4 = hn::MulAdd(c4, factor, addend);
    c5 = hn::MulAdd(c5, factor, addend);
    c6 = hn::MulAdd(c6, factor, addend);
    c7 = hn::MulAdd(c7, factor, addend);
    c8 = hn::MulAdd(c8, factor, addend);
    c9 = hn::MulAdd(c9, factor, addend);
    c10 = hn::MulAdd(c10, factor, addend);
    c11 = hn::MulAdd(c11, factor, addend);
  }
  const FloatVector even = c0 + c2 + c4 + c6 + c8 + c10;
  const FloatVector odd = c1 + c3 + c5 + c7 + c9 + c11;
  consume(hn::GetLane(hn::SumOfLanes(d, even + odd)));
}

/// The same of pairs of bfloat16: FLOPs of `rounds` products of tiles in L1, six rows by the widest
/// block, which cost some percent more than registers alone and are the form that kernels run by.
double multiply_pair_rounds(Index rounds) {
  constexpr Index kDepth = 96;  // pairs: 24 KiB of the right factor with AVX-512
  const Index rows = block_rows(kBlockVectors), columns = block_columns<float>();
  static const Tensor<Bfloat16Pair> a({rows, kDepth}), b({kDepth, columns});
  thread_local Tensor<float> c({rows, columns});
  for (Index round = 0; round < rounds; ++round) {
    multiply_blocks<Bfloat16Pair>(a.matrix(), b.matrix(), c.matrix(), assign<float>());
  }
  return 4.0 * double(rows) * double(columns) * double(kDepth) * double(rounds);
}

HWY_NOINLINE void read_once(const float* data, std::size_t count) {
  const FloatTag d;
  const std::size_t lanes = hn::Lanes(d);
  FloatVector s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0, s4 = s0, s5 = s0, s6 = s0, s7 = s0;
  for (std::size_t i = 0; i + 8 * lanes <= count; i += 8 * lanes) {
    s0 = s0 + hn::Load(d, data + i);
    s1 = s1 + hn::Load(d, data + i + lanes);
    s2 = s2 + hn::Load(d, data + i + 2 * lanes);
    s3 = s3 + hn::Load(d, data + i + 3 * lanes);
    s4 = s4 + hn::Load(d, data + i + 4 * lanes);
    s5 = s5 + hn::Load(d, data + i + 5 * lanes);
    s6 = s6 + hn::Load(d, data + i + 6 * lanes);
    s7 = s7 + hn::Load(d, data + i + 7 * lanes);
  }
  consume(hn::GetLane(hn::SumOfLanes(d, (s0 + s1 + s2 + s3) + (s4 + s5 + s6 + s7))));
}

}  // namespace

double probe_peak_gflops(const ThreadTeam& team, double seconds, Factors factors) {
  // Some 10 µs between looks at the clock.
  const auto call = [factors]() -> double {
    if (factors == Factors::kBfloat16) return multiply_pair_rounds(16);
    constexpr Index kRounds = 2000;
    multiply_add_rounds(kRounds);
    return 2.0 * kChains * double(hn::Lanes(FloatTag())) * double(kRounds);
  };
  // One worker on each CPU: others would find it taken, or take turns and each see the whole of it.
  const int workers = team.concurrency();
  std::vector<double> gflops(static_cast<std::size_t>(workers));
  team.on_every_worker([&](int worker) {
    if (worker >= workers) return;
    const Clock::time_point start = Clock::now();
    double flops = 0, elapsed = 0;
    do {
      flops += call();
      elapsed = seconds_since(start);
    } while (elapsed < seconds);
    gflops[static_cast<std::size_t>(worker)] = 1e-9 * flops / elapsed;
  });
  return double(workers) * *std::min_element(gflops.begin(), gflops.end());
}

double probe_read_bandwidth(const ThreadTeam& team, std::size_t working_set_bytes, double seconds) {
  const std::size_t unit = 8 * hn::Lanes(FloatTag());
  const std::size_t count =
      std::max(working_set_bytes / sizeof(float) / unit, std::size_t{1}) * unit;
  std::vector<double> rates(static_cast<std::size_t>(team.size()));
  std::vector<Tensor<float>> sets(rates.size());
  for (Tensor<float>& set : sets) set = Tensor<float>({static_cast<Index>(count)});
  team.on_every_worker([&](int worker) {
    const float* data = sets[static_cast<std::size_t>(worker)].data();
    read_once(data, count);
    const Clock::time_point start = Clock::now();
    double bytes = 0, elapsed = 0;
    do {
      read_once(data, count);
      bytes += double(count * sizeof(float));
      elapsed = seconds_since(start);
    } while (elapsed < seconds);
    rates[static_cast<std::size_t>(worker)] = bytes / elapsed;
  });
  return *std::min_element(rates.begin(), rates.end());
}

namespace {

/// Seconds of a meeting of the whole team at a SpinBarrier, before and behind which every worker
/// calls before(worker, i) and behind(worker, i); mean of many, of the worker that waits least.
template <typename Before, typename Behind>
double mean_meeting_seconds(const ThreadTeam& team, double seconds, const Before& before,
                            const Behind& behind) {
  constexpr int kMeetings = 200;
  SpinBarrier barrier(team.size());
  std::vector<double> means(static_cast<std::size_t>(team.size()));
  bool done = false;  // written by worker 0 alone, between two meetings
  team.on_every_worker([&](int worker) {
    barrier.wait();
    const Clock::time_point start = Clock::now();
    double meetings = 0;
    do {
      for (int i = 0; i < kMeetings; ++i) {
        before(worker, i);
        barrier.wait();
        behind(worker, i);
      }
      meetings += kMeetings;
      if (worker == 0) done = seconds_since(start) >= seconds;
      barrier.wait();
    } while (!done);
    means[static_cast<std::size_t>(worker)] = seconds_since(start) / meetings;
  });
  return *std::min_element(means.begin(), means.end());
}

/// Of a meeting before which each worker writes its share of a buffer, and reads all of it behind:
/// of one buffer for all, or of one for each.
double written_meeting_seconds(const ThreadTeam& team, double seconds, Index floats, bool shared) {
  // In turns, as the states of a loop over time.
  Tensor<float> buffers({2, shared ? 1 : Index(team.size()), floats});
  const auto buffer = [&](int worker, int i) {
    const Index of_worker = shared ? 0 : worker;
    return buffers.data() + (i % 2 * buffers.shape()[1] + of_worker) * floats;
  };
  const EvenParts shares = EvenParts::into(floats, team.size());
  return mean_meeting_seconds(
      team, seconds,
      [&](int worker, int i) {
        std::fill_n(buffer(worker, i) + shares[worker].first, shares[worker].count, float(i));
      },
      [&](int worker, int i) { read_once(buffer(worker, i), static_cast<std::size_t>(floats)); });
}

}  // namespace

double probe_barrier_seconds(const ThreadTeam& team, double seconds) {
  if (team.size() == 1) return 0;
  const auto nothing = [](int, int) {};
  return mean_meeting_seconds(team, seconds, nothing, nothing);
}

double probe_handover_seconds_per_byte(const ThreadTeam& team, double seconds) {
  if (team.size() == 1) return 0;
  constexpr Index kFloats = 1024;  // what a state and its gates of some hundred units have
  const double shared = written_meeting_seconds(team, seconds / 2, kFloats, true);
  const double alone = written_meeting_seconds(team, seconds / 2, kFloats, false);
  return std::max(0.0, shared - alone) / double(kFloats * Index(sizeof(float)));
}

double probe_region_seconds(const ThreadTeam& team, double seconds) {
  if (team.size() == 1) return 0;
  constexpr int kRegions = 100;
  const auto enter_some = [&] {
    for (int i = 0; i < kRegions; ++i) team.for_each_task(team.size(), [](Index, int) {});
  };
  enter_some();  // wakes the threads
  const Clock::time_point start = Clock::now();
  double regions = 0, elapsed = 0;
  do {
    enter_some();
    regions += kRegions;
    elapsed = seconds_since(start);
  } while (elapsed < seconds);
  return elapsed / regions;
}

TimerProbe probe_timer() {
  constexpr int kReadings = 20000;
  TimerProbe timer{.resolution_seconds = std::numeric_limits<double>::infinity()};
  const Clock::time_point start = Clock::now();
  Clock::time_point last = start;
  for (int i = 0; i < kReadings; ++i) {
    const Clock::time_point now = Clock::now();
    const double step = std::chrono::duration<double>(now - last).count();
    if (step > 0) timer.resolution_seconds = std::min(timer.resolution_seconds, step);
    last = now;
  }
  timer.call_seconds = std::chrono::duration<double>(last - start).count() / kReadings;
  return timer;
}

namespace {

struct SteadyPeak {
  double gflops = 0;            // the best of the tries
  bool is_undisturbed = false;  // during some of them, nothing else ran on the team's CPUs
};

/// Tries until some were not disturbed by other programs, which halve a peak.
SteadyPeak steady_peak(const ThreadTeam& team) {
  constexpr double kSecondsPerTry = 0.003;
  constexpr int kUndisturbedTries = 3, kMostTries = 20;
  constexpr double kMostWaiting = 0.01;
  SteadyPeak best;
  int undisturbed = 0;
  for (int i = 0; i < kMostTries && undisturbed < kUndisturbedTries; ++i) {
    stop_if_interrupted();
    const DisturbanceClock clock(team);
    best.gflops = std::max(best.gflops, probe_peak_gflops(team, kSecondsPerTry));
    const Disturbance disturbance = clock.since_start();
    // Threads that are not pinned may have shared a CPU.
    const bool is_pinned = disturbance.unpinned_threads == 0;
    if (is_pinned && !(disturbance.wait_fraction > kMostWaiting)) ++undisturbed;
  }
  best.is_undisturbed = undisturbed > 0;
  return best;
}

}  // namespace

std::vector<double> probe_peaks(const std::vector<int>& cpus) {
  std::vector<double> peaks;
  for (std::size_t threads = 1; threads <= cpus.size(); ++threads) {
    peaks.push_back(steady_peak(ThreadTeam(static_cast<int>(threads), cpus)).gflops);
  }
  return peaks;
}

std::vector<int> probe_cpus_on_first_core(const std::vector<int>& cpus) {
  const SteadyPeak alone = steady_peak(ThreadTeam(1, cpus));
  std::vector<int> found;
  for (std::size_t i = 1; i < cpus.size(); ++i) {
    const SteadyPeak together = steady_peak(ThreadTeam(2, {cpus.front(), cpus[i]}));
    if (together.is_undisturbed && shares_cores(alone.gflops, together.gflops, 2)) {
      found.push_back(cpus[i]);
    }
  }
  return found;
}

bool shares_cores(double peak_of_one, double peak_of_team, int threads) {
  // Two real cores double the peak, two halves of one leave it; three quarters is the middle.
  return threads > 1 && peak_of_team < 0.75 * threads * peak_of_one;
}

double MachineLimits::bytes_per_second(double working_set_bytes) const {
  if (working_set_bytes <= bandwidth.front().working_set_bytes) {
    return bandwidth.front().bytes_per_second;
  }
  for (std::size_t i = 1; i < bandwidth.size(); ++i) {
    const BandwidthSample &low = bandwidth[i - 1], &high = bandwidth[i];
    if (working_set_bytes > high.working_set_bytes) continue;
    const double position = std::log(working_set_bytes / low.working_set_bytes) /
                            std::log(high.working_set_bytes / low.working_set_bytes);
    return low.bytes_per_second + position * (high.bytes_per_second - low.bytes_per_second);
  }
  return bandwidth.back().bytes_per_second;
}

MachineLimits probe_limits(const ThreadTeam& team) {
  constexpr double kSecondsPerPoint = 0.01;
  MachineLimits limits;
  limits.threads = team.size();
  probe_peak_gflops(team, kSecondsPerPoint);  // wakes the threads and the clock
  limits.peak_gflops = probe_peak_gflops(team, 5 * kSecondsPerPoint);
  limits.bfloat16_peak_gflops = probe_peak_gflops(team, 5 * kSecondsPerPoint, Factors::kBfloat16);
  limits.barrier_seconds = probe_barrier_seconds(team, kSecondsPerPoint);
  for (const double kib : {16., 64., 256., 512., 1024., 2048., 8192., 32768., 131072.}) {
    const double bytes = 1024 * kib;
    limits.bandwidth.push_back(
        {bytes, probe_read_bandwidth(team, static_cast<std::size_t>(bytes), kSecondsPerPoint)});
    stop_if_interrupted();
  }
  return limits;
}

}  // namespace seqbench
