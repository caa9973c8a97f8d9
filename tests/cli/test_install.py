"""The installed layers in somebody else's project: find_package, link, run on several threads."""

import os
import pathlib
import subprocess
import unittest

from program import PROGRAM, ProgramTest

BUILD = pathlib.Path(PROGRAM).parent

LISTS = """\
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES CXX)
find_package(seqbench 0.1 REQUIRED)
add_executable(consumer consumer.cc)
target_link_libraries(consumer PRIVATE seqbench::attention)
"""

# One thread's result is the one to match: the layers promise bit-equality. Many rounds, since a
# serial BLAS without its lock (core/serial_blas.cc) goes wrong only now and then.
CONSUMER = """\
#include <algorithm>
#include <cstdio>

#include "attention/multi_head_attention.h"

using namespace seqbench;

int main() {
  const SequenceShape shape{.batch = 2, .steps = 256};
  const auto layer = make_attention<float>({.width = 64, .heads = 4});
  Random random(1);
  layer->initialise(random);
  Tensor<float> x({2, 256, 64}), expected(x.shape()), y(x.shape());
  fill_uniform(random, x.values(), -1, 1);
  layer->reserve(shape, Pass::kForward, 4);
  layer->forward(ThreadTeam(1), x.sequence(), expected.sequence(), Keep::kNothing);
  const ThreadTeam team(4);
  for (int round = 0; round < 300; ++round) {
    layer->forward(team, x.sequence(), y.sequence(), Keep::kNothing);
    if (!std::ranges::equal(y.values(), expected.values())) {
      std::printf("round %d differs\\n", round);
      return 1;
    }
  }
  return 0;
}
"""


class Install(ProgramTest):
    def call(self, *command):
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, timeout=300)
        self.assertEqual(process.returncode, 0, process.stdout)

    @unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "not run from a build folder")
    def test_a_project_links_the_installed_layers(self):
        prefix, source, build = (self.folder / name for name in ["prefix", "source", "build"])
        source.mkdir()
        (source / "CMakeLists.txt").write_text(LISTS)
        (source / "consumer.cc").write_text(CONSUMER)
        self.call("cmake", "--install", BUILD, "--prefix", prefix)
        self.assertTrue(os.access(prefix / "bin" / "seqbench", os.X_OK))
        self.call("cmake", "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
                  "-DCMAKE_BUILD_TYPE=Release")
        self.call("cmake", "--build", build)
        self.call(build / "consumer")


if __name__ == "__main__":
    unittest.main()
