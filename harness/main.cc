#include <iostream>

#include "core/gemm.h"
#include "harness/conform.h"
#include "harness/errors.h"
int main(int c, char** v) {
  seqbench::make_blas_serial();
  try {
    return seqbench::conform_command(std::vector<std::string>(v + 2, v + c));
  } catch (const seqbench::UsageError& e) {
    std::cerr << e.what() << "\n";
    return 2;
  } catch (const std::exception& e) {
    std::cerr << e.what() << "\n";
    return 1;
  }
}
