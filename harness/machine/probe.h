// What this machine can do at this moment: the FMA peak and the read bandwidth, by measurement.
//
// Speed drifts by tens of percent on a shared machine, and two virtual CPUs can turn out to be one
// core. A figure is therefore read beside a probe taken with the same threads at the same time.
#pragma once

#include <cstddef>
#include <vector>

#include "core/gemm_options.h"
#include "core/thread_team.h"

namespace seqbench {

/// Float32 fused multiply-adds that the whole team retires from registers, as 10⁹ FLOP/s (an FMA is
/// two); of factors in bfloat16, what multiply_blocks() does with pairs. Takes about `seconds`. The
/// team starts together and the slowest member counts.
double probe_peak_gflops(const ThreadTeam& team, double seconds,
                         Factors factors = Factors::kAsTheyAre);

/// Bytes per second that each member of the team reads from a private working set of
/// `working_set_bytes` while all of them do, lowest member. Allocates the working sets.
double probe_read_bandwidth(const ThreadTeam& team, std::size_t working_set_bytes, double seconds);

/// Seconds of one meeting of the whole team at a SpinBarrier, the mean of many in a row; 0 for a
/// team of one.
double probe_barrier_seconds(const ThreadTeam& team, double seconds);

/// Seconds of a byte that the team hands over at a meeting: each worker writes its share of some
/// KiB before it and reads all of them behind it; what that takes beyond the meeting alone. 0 for a
/// team of one.
double probe_handover_seconds_per_byte(const ThreadTeam& team, double seconds);

/// Seconds to enter and leave a parallel region that has an empty task for each worker, the mean of
/// many in a row; 0 for a team of one.
double probe_region_seconds(const ThreadTeam& team, double seconds);

struct TimerProbe {
  double resolution_seconds = 0;  // least time between two readings that differ
  double call_seconds = 0;        // of one reading, the mean of many in a row
};

/// The clock that all times are taken with.
TimerProbe probe_timer();

/// The FMA peak of teams of 1, 2, … workers, one on each of the first of `cpus`, as 10⁹ FLOP/s.
/// Throws Interrupted.
std::vector<double> probe_peaks(const std::vector<int>& cpus);

/// Those of `cpus` that get no further together with the first than the first alone: they are
/// halves of one core, whatever the system says. CPUs that other programs keep busy, or that
/// threads cannot be pinned to, are not found.
/// Throws Interrupted.
std::vector<int> probe_cpus_on_first_core(const std::vector<int>& cpus);

struct BandwidthSample {
  double working_set_bytes = 0;  // of one thread
  double bytes_per_second = 0;   // of one thread
};

/// What probe_limits() found for one number of threads.
struct MachineLimits {
  int threads = 1;
  double peak_gflops = 0;                  // of all threads together
  double bfloat16_peak_gflops = 0;         // the same of factors in bfloat16
  std::vector<BandwidthSample> bandwidth;  // rising working set
  double barrier_seconds = 0;              // of one meeting of all threads

  /// Bandwidth of one thread at a working set of that size, interpolated between the probed sizes
  /// on a logarithmic axis.
  double bytes_per_second(double working_set_bytes) const;
};

/// True when a team of several reaches less than three quarters of `threads` times a single
/// thread's peak: CPUs of it share a core.
bool shares_cores(double peak_of_one, double peak_of_team, int threads);

/// Peak, barrier and bandwidth at working sets from L1 to DRAM; about half a second. Throws
/// Interrupted when a signal came meanwhile.
MachineLimits probe_limits(const ThreadTeam& team);

}  // namespace seqbench
