"""The layers in somebody else's project: installed and found, or as a part of it; the build's own facts."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import unittest

from program import PROGRAM, ProgramTest, read_csv

BUILD = pathlib.Path(PROGRAM).parent
ROOT = pathlib.Path(__file__).resolve().parents[2]
# The tools that built the program: a newcomer may have no others.
TOOLS = ["-G", os.environ.get("SEQBENCH_GENERATOR", "Ninja"),
         f"-DCMAKE_CXX_COMPILER={os.environ.get('SEQBENCH_CXX', 'c++')}"]

LISTS = """\
cmake_minimum_required(VERSION 3.22)
project(consumer LANGUAGES CXX)
{layers}
add_executable(consumer consumer.cc)
target_link_libraries(consumer PRIVATE seqbench::{layer})
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

# Of the least of the libraries, which is soon built.
CORE_CONSUMER = """\
#include <cstdio>

#include "core/gemm.h"

using namespace seqbench;

int main() {
  Tensor<float> a({1, 2}), b({2, 1}), c({1, 1});
  a[0] = 2, a[1] = 3, b[0] = 5, b[1] = 7;
  gemm(ThreadTeam(2), a.matrix(), b.matrix(), c.matrix());
  std::printf("%g\\n", double(c[0]));
  return c[0] == 31 ? 0 : 1;
}
"""


class BuildTest(ProgramTest):
    def call(self, *command, **options):
        process = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                 text=True, timeout=600, **options)
        self.assertEqual(process.returncode, 0, process.stdout)
        self.assertNotIn("Warning", process.stdout)
        self.assertNotIn("warning: ", process.stdout)
        return process.stdout


class Install(BuildTest):
    def write_consumer(self, layers, layer="attention", code=CONSUMER):
        """The folder of a project that has the layers by these lines of CMake."""
        source = self.folder / "source"
        source.mkdir()
        (source / "CMakeLists.txt").write_text(LISTS.format(layers=layers, layer=layer))
        (source / "consumer.cc").write_text(code)
        return source

    @unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "not run from a build folder")
    def test_a_project_links_the_installed_layers(self):
        source, build = self.write_consumer("find_package(seqbench 1.0 REQUIRED)"), \
            self.folder / "build"
        prefix = self.install()
        self.call("cmake", *TOOLS, "-S", source, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
                  "-DCMAKE_BUILD_TYPE=Release")
        self.call("cmake", "--build", build)
        self.call(build / "consumer")

    def install(self):
        """The folder that holds the installed project, which the sources' folder is not needed for."""
        prefix = self.folder / "prefix"
        self.call("cmake", "--install", BUILD, "--prefix", prefix, cwd=self.folder)
        self.assertTrue(os.access(prefix / "bin" / "seqbench", os.X_OK))
        return prefix

    @unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "not run from a build folder")
    def test_the_installed_program_runs_from_another_folder(self):
        program = self.install() / "bin" / "seqbench"
        self.assertRegex(self.call(program, "--version", cwd=self.folder), r"^seqbench \d+\.\d+\.\d+ \(")
        # Its repetitions come from processes of itself.
        self.call(program, "throughput", "--model", "gru", "--pass", "forward", "--width", "16",
                  "--length", "8", "--batch", "1", "--threads", "1", "--repetitions", "6", "--processes",
                  "2", "--min-time", "0.001", "--out", "run", cwd=self.folder)
        self.assertEqual(len((self.folder / "run" / "throughput.csv").read_text().splitlines()), 2)

    @unittest.skipUnless((BUILD / "cmake_install.cmake").exists(), "not run from a build folder")
    def test_a_program_adds_a_model_and_a_task(self):
        """docs/examples/extension, which docs/extending.md explains."""
        prefix, build = self.install(), self.folder / "build"
        # Without the sources beside it.
        example = shutil.copytree(ROOT / "docs" / "examples" / "extension", self.folder / "extension")
        self.call("cmake", *TOOLS, "-S", example, "-B", build, f"-DCMAKE_PREFIX_PATH={prefix}",
                  "-DCMAKE_CXX_FLAGS=-Wall -Wextra")
        self.call("cmake", "--build", build)
        program, out = build / "my_seqbench", self.folder / "run"
        listed = self.call(program, "list")
        for name in ["leaky", "majority", "lstm", "parity"]:
            self.assertRegex(listed, rf"\b{name}\b")
        sizes = ["--width", "16", "--length", "9", "--batch", "3", "--threads", "1,2", "--repetitions",
                 "2", "--processes", "1", "--min-time", "0.001"]  # fmt: skip
        self.call(program, "throughput", "--model", "leaky", "--kernel", "stepwise,scan", "--pass",
                  "forward,train,decode", *sizes, "--out", out)
        rows = read_csv(out / "throughput.csv")
        # Each kernel was checked against the other in double precision.
        self.assertEqual({row["status"] for row in rows} - {"ok", "noisy"}, set(), rows)
        self.assertEqual({(row["kernel"], row["pass"]) for row in rows},
                         {(kernel, name) for kernel in ("stepwise", "scan")
                          for name in ("forward", "train", "decode")})  # fmt: skip
        self.call(program, "recall", "--task", "majority", "--model", "leaky,lstm,attention",
                  "--distance", "9", "--seeds", "1", "--steps", "300", "--out", out)
        accuracy = {row["model"]: float(row["accuracy"]) for row in read_csv(out / "recall.csv")}
        self.assertEqual(set(accuracy), {"leaky", "lstm", "attention"})
        self.assertGreater(accuracy["leaky"], 0.9)
        # On the project's own tasks, too, at the rates that it was registered with.
        self.call(program, "recall", "--task", "first_token,parity", "--model", "leaky", "--distance",
                  "8", "--seeds", "1", "--steps", "20", "--out", self.folder / "own")
        rates = {row["task"]: float(row["learning_rate"])
                 for row in read_csv(self.folder / "own" / "recall.csv")}
        self.assertEqual(rates, {"first_token": 1e-2, "parity": 3e-3})

    def test_a_project_has_seqbench_as_a_part(self):
        source = self.write_consumer(f"add_subdirectory({ROOT} seqbench)", "core", CORE_CONSUMER)
        build = self.folder / "build"
        self.call("cmake", *TOOLS, "-S", source, "-B", build, "-DCMAKE_BUILD_TYPE=Debug",
                  "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON")
        self.call("cmake", "--build", build, "--target", "consumer", "seqbench_build_info")
        self.call(build / "consumer")
        self.assertTrue((build / "seqbench" / "harness" / "build_info.cc").exists())
        # What is the other project's: its warnings, its tests, what it installs.
        commands = json.loads((build / "compile_commands.json").read_text())
        of_consumer = [one["command"] for one in commands if one["file"].endswith("consumer.cc")]
        self.assertEqual(len(of_consumer), 1)
        self.assertNotIn("-Wshadow", of_consumer[0])
        self.assertEqual([one["file"] for one in commands if "/tests/" in one["file"]], [])
        self.call("cmake", "--install", build, "--prefix", self.folder / "prefix")
        self.assertFalse((self.folder / "prefix").exists())


class Configure(BuildTest):
    """CMake on machines that lack something."""

    def configure(self, *options):
        """The finished process of CMake on a copy of the sources that has no venv."""
        source = self.folder / "copy"
        source.mkdir()
        for name in ["core", "rnn", "attention", "harness", "cmake", "tests", "CMakeLists.txt"]:
            (shutil.copytree if (ROOT / name).is_dir() else shutil.copy)(
                ROOT / name, source / name)
        return subprocess.run(["cmake", *TOOLS, "-S", source, "-B", self.folder / "build", *options],
                              capture_output=True, text=True, timeout=300)

    def test_an_old_highway_is_told_by_name_and_version(self):
        process = self.configure("-DCMAKE_DISABLE_FIND_PACKAGE_hwy=ON")
        self.assertNotEqual(process.returncode, 0)
        for part in ["Highway 1.0.3", "libhwy-dev", "Ubuntu 22.04"]:
            self.assertIn(part, process.stderr)

    def test_without_python_the_tests_that_need_it_are_left_out(self):
        process = self.configure("-DCMAKE_DISABLE_FIND_PACKAGE_Python3=ON")
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertIn("No Python 3", process.stdout + process.stderr)
        tests = (self.folder / "build" / "tests" / "CTestTestfile.cmake").read_text()
        self.assertIn("core_tests", tests)
        self.assertNotIn("cli.", tests)


class Release(unittest.TestCase):
    def test_the_version_is_the_same_everywhere(self):
        def found(name, pattern):
            return re.search(pattern, (ROOT / name).read_text(encoding="utf-8"), re.M)[1]

        version = found("CMakeLists.txt", r"^project\(seqbench VERSION (\S+)")
        self.assertEqual(found("CITATION.cff", r"^version: (\S+)"), version)
        self.assertEqual(found("CHANGELOG.md", r"^## (\d\S*)"), version)
        example = found("docs/examples/extension/CMakeLists.txt", r"find_package\(seqbench (\S+)")
        self.assertTrue(version.startswith(example + "."))


class Provenance(BuildTest):
    """The commit that the program says it was built from."""

    def commit_told_in(self, folder, **environment):
        output = self.folder / "build_info.cc"
        output.unlink(missing_ok=True)
        self.call("cmake", f"-DOUTPUT={output}", f"-DSOURCE_DIR={folder}", "-DVERSION=1",
                  "-P", ROOT / "cmake" / "BuildInfo.cmake", env={**os.environ, **environment})
        return re.search('kGitCommit = "(.*)"', output.read_text())[1]

    def make_repository(self, folder):
        folder.mkdir()
        (folder / "file").write_text("text\n")
        git = ["git", "-C", folder, "-c", "user.name=n", "-c", "user.email=e@x"]
        self.call(*git, "init", "--quiet")
        self.call(*git, "add", ".")
        self.call(*git, "commit", "--quiet", "--message", "first")
        return self.call(*git, "rev-parse", "--short=12", "HEAD").strip()

    def test_the_commit_of_the_sources_own_repository(self):
        top = self.folder / "caf\u00e9 x;y"
        commit = self.make_repository(top)
        self.assertEqual(self.commit_told_in(top), commit)
        (top / "file").write_text("other\n")
        self.assertEqual(self.commit_told_in(top), commit + "-dirty")

    def test_another_repository_does_not_tell_it(self):
        outer = self.folder / "outer"
        self.make_repository(outer)
        unpacked = outer / "unpacked"
        unpacked.mkdir()
        self.assertEqual(self.commit_told_in(unpacked), "unknown")
        # Nor one that the environment names, whether the sources have a repository or not.
        alone = self.folder / "alone"
        alone.mkdir()
        there = {"GIT_DIR": str(outer / ".git"), "GIT_WORK_TREE": str(alone)}
        self.assertEqual(self.commit_told_in(alone, **there), "unknown")
        own = self.folder / "own"
        commit = self.make_repository(own)
        self.assertEqual(self.commit_told_in(own, GIT_DIR=str(outer / ".git")), commit)


if __name__ == "__main__":
    unittest.main()
