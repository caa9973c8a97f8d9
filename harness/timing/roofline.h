// The least time that the probed machine allows a case.
#pragma once

#include "harness/machine/probe.h"
#include "harness/timing/case.h"

namespace seqbench {

/// Seconds of the case at the probed limits of the same number of threads.
///
/// Attention: the declared FLOPs at the FMA peak; in decode, if longer, the bytes of weights and
/// KV cache at the bandwidth of a working set of that size. Recurrent forward: the input product at
/// peak, then T dependent steps, each the longer of its FLOPs at peak and of a thread's slice of
/// the recurrent weights, G·D²/threads elements, at the bandwidth of a working set of that size,
/// and one meeting of the threads. Train adds the mirrored loop and three more large products (dx,
/// dW_ih, dW_hh) at peak.
double limit_seconds(const Case& one, const MachineLimits& limits);

/// The same while the FMA peak is `peak_gflops`; bandwidths are as probed.
double limit_seconds_at(const Case& one, MachineLimits limits, double peak_gflops);

}  // namespace seqbench
