#include "harness/commands/program.h"

int main(int count, char** values) { return seqbench::run_program(count, values); }
