// seqbench with one model and one task more.
#include "harness/commands/program.h"
#include "leaky_layer.h"
#include "majority_task.h"

int main(int count, char** values) {
  register_leaky();  // models first: tasks hold settings of each
  register_majority();
  return seqbench::run_program(count, values);
}
