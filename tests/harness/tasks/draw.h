// What tests of tasks draw and how far a count may lie from its expectation.
#pragma once

#include <cmath>
#include <string>

#include "harness/tasks/task.h"
#include "harness/tasks/task_batch.h"
#include "harness/tasks/tasks.h"

namespace seqbench {

/// Five standard errors of a binomial count: a fair draw fails one such test in two million seeds.
inline double five_sigmas(double p, double n) { return 5 * std::sqrt(p * (1 - p) * n); }

inline TaskBatch draw(const std::string& task, Index sequences, TaskSetting setting,
                      Evidence evidence = Evidence::kGiven) {
  Random random(5);
  TaskBatch batch;
  task_by_name(task).draw(random, {sequences, setting, evidence}, batch);
  return batch;
}

/// Of the tasks made of sentences (grammar.h).
inline TaskBatch draw(const std::string& task, const std::string& setup, Index count, Index filler,
                      Split split, Evidence evidence = Evidence::kGiven) {
  Random random(5);
  TaskBatch batch;
  task_by_name(task, setup)
      .draw(random,
            {.sequences = count,
             .setting = {.distance = filler},
             .evidence = evidence,
             .split = split},
            batch);
  return batch;
}

}  // namespace seqbench
