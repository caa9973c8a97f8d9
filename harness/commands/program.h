// seqbench: one program, one command for each part of the experiment.
#pragma once

namespace seqbench {

/// All of seqbench behind a main() of one's own, which may register models and tasks first
/// (models/registry.h, tasks/tasks.h): the exit code, after one line about what went wrong.
int run_program(int count, char** values);

}  // namespace seqbench
