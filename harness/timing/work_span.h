// Work and span of a recorded pass (core/task_recorder.h), and how long it takes on P processors.
//
//   work T₁ = Σ of all tasks        span T∞ = Σ over stages of the longest task
//   parallelism = T₁ ÷ T∞           burdened span = T∞ + what meetings and regions cost
//
// The burden is that of He, Leiserson & Leiserson 2010 ("The Cilkview scalability analyzer"),
// section 3, where it stands for migration; here it is what barriers, parallel regions and what is
// handed over at a barrier cost on P processors.
//
// Bounds: a stage of work w and longest task s takes at least max(w ÷ P, s) on P processors, and at
// most (w − s) ÷ P + s where a free worker takes the next task (Graham 1969, "Bounds on
// multiprocessing timing anomalies"). The upper bound adds the burden. Between the two lies what
// follows from handing out the tasks in their order, as a parallel region does.
#pragma once

#include "core/task_recorder.h"

namespace seqbench {

/// Seconds of all tasks.
double work_seconds(const TaskGraph& graph);

/// Seconds on as many processors as there are tasks, meetings for nothing.
double span_seconds(const TaskGraph& graph);

/// Seconds that a number of processors takes, beside the tasks.
struct Burden {
  double barrier_seconds = 0;            // to meet at a SpinBarrier
  double region_seconds = 0;             // to enter and leave a parallel region
  double handover_seconds_per_byte = 0;  // to fetch what all wrote before a meeting
};

/// Of all meetings and regions of the pass.
double burden_seconds(const TaskGraph& graph, const Burden& burden);

/// Seconds of a pass on some processors.
struct ProjectedTime {
  double low = 0;        // no scheduling is faster, were meetings for nothing
  double predicted = 0;  // tasks handed out in their order to whoever is free
  double high = 0;       // no handing out to whoever is free is slower
};

/// `processors` ≥ 1, for which the graph was recorded; a single one has no burden.
ProjectedTime projected_time(const TaskGraph& graph, int processors, const Burden& burden);

}  // namespace seqbench
