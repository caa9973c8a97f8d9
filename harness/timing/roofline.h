// The least time that the probed machine allows a case.
#pragma once

#include "harness/machine/probe.h"
#include "harness/timing/case.h"

namespace seqbench {

/// Seconds of the case at the probed limits of the same number of threads (Williams et al. 2009,
/// the roofline model, with a term for steps that wait for each other):
///
///   max(bulk FLOPs ÷ peak, read(bulk bytes)) +
///   steps × (max(step FLOPs ÷ peak, read(step bytes)) + one meeting of the threads)
///
/// with the terms of roofline_terms(); read(n) is the time in which each thread reads n/threads
/// bytes at the bandwidth of a working set of that size.
double limit_seconds(const Case& one, const MachineLimits& limits);

/// The same while the peak of the case's own factors is `peak_gflops`; bandwidths are as probed.
double limit_seconds_at(const Case& one, MachineLimits limits, double peak_gflops);

}  // namespace seqbench
