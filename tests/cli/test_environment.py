"""What libraries read from the environment, and what is passed on to Google Benchmark."""

import json
import os
import unittest

from program import TINY_SWEEP, ProgramTest, read_csv, run

TINY = ["throughput", *TINY_SWEEP]

# Whoever runs the tests may have set some of these.
LIBRARIES = ("OMP_", "GOMP_", "KMP_", "OPENBLAS_", "GOTO", "MALLOC_", "GLIBC_", "BENCHMARK_", "HWLOC_")
PLAIN = {name: value for name, value in os.environ.items() if not name.startswith(LIBRARIES)}


class Environment(ProgramTest):
    def sweep(self, name, **variables):
        """A finished tiny sweep in an environment with these variables besides."""
        out = self.folder / name
        process = run(*TINY, "--length", "4", "--out", out, env={**PLAIN, **variables})
        self.assertEqual(process.returncode, 0, process.stderr)
        return out, process

    def environment_told_in(self, out):
        return json.loads((out / "machine.json").read_text())["environment"]

    def test_google_benchmark_has_no_options_from_the_environment(self):
        for i, (name, value) in enumerate([
                ("FORMAT", "xml"), ("FILTER", "x"), ("LIST_TESTS", "1"), ("REPETITIONS", "4"),
                ("OUT", "/nowhere/x"), ("OUT_FORMAT", "xml"), ("MIN_TIME", "soon"),
                ("PERF_COUNTERS", "CYCLES"), ("DRY_RUN", "true"), ("COLOR", "yes")]):
            with self.subTest(name):
                out, process = self.sweep(str(i), **{f"BENCHMARK_{name}": value})
                self.assertEqual(process.stderr, "")
                [row] = read_csv(out / "throughput.csv")
                self.assertIn(row["status"], ["ok", "noisy"])
                self.assertEqual(len(read_csv(out / "samples.csv")), 3)
                machine = json.loads((out / "machine.json").read_text())
                self.assertEqual(machine["commands"][-1]["exit_code"], 0)

    def test_libraries_print_nothing(self):
        plain = run("list", "--length", "4")
        for name in ["OMP_DISPLAY_ENV", "OMP_DISPLAY_AFFINITY", "OPENBLAS_VERBOSE"]:
            with self.subTest(name):
                process = run("--version", env={**PLAIN, name: "2" if "BLAS" in name else "true"})
                self.assertEqual((process.returncode, process.stderr), (0, ""))
                self.assertEqual(len(process.stdout.splitlines()), 1)
        self.assertEqual(plain.stderr, "")

    def test_the_topology_is_this_machine_s(self):
        here = json.loads(run("machine", "--json", "--threads", "1").stdout)["topology"]
        for name, value in [("HWLOC_SYNTHETIC", "pack:3 core:5 pu:2"), ("HWLOC_XMLFILE", "/none"),
                            ("HWLOC_FSROOT", "/none"), ("HWLOC_COMPONENTS", "-linux")]:
            with self.subTest(name):
                process = run("machine", "--json", "--threads", "1",
                              env={**PLAIN, name: value})
                self.assertEqual(json.loads(process.stdout)["topology"], here)
                self.assertEqual(process.stderr, "")

    def test_what_libraries_may_read_is_recorded_told_and_compared(self):
        for name, value in [("GOMP_SPINCOUNT", "1000"), ("OMP_STACKSIZE", "8M"),
                            ("OPENBLAS_CORETYPE", "Haswell"), ("MALLOC_ARENA_MAX", "1"),
                            ("GLIBC_TUNABLES", "glibc.malloc.hugetlb=1")]:
            with self.subTest(name):
                out, process = self.sweep(name, **{name: value})
                self.assertEqual(self.environment_told_in(out), {name: value})
                self.assertIn(f"{name}='{value}'", process.stderr)
                self.assertEqual(len(process.stderr.splitlines()), 1, process.stderr)
                process = run(*TINY, "--length", "4", "--out", out, "--resume", env=PLAIN)
                self.assert_refused(process, 2, "--resume", f"environment.{name}: '{value}' then")
        out, process = self.sweep("plain")
        self.assertEqual(self.environment_told_in(out), {})
        self.assertEqual(process.stderr, "")


class PassedOn(ProgramTest):
    def test_what_is_passed_on_is_checked(self):
        for option, part in [
                ("--benchmark_format=xml", "benchmark_filter"),
                ("--benchmark_filter=(", "REGEX"),
                ("--benchmark_filter=[a", "REGEX"),
                ("--benchmark_filter=", "REGEX"),
                ("--benchmark_filter", "REGEX"),
                ("--benchmark_list_tests", "benchmark_filter"),
                ("--benchmark_out=x", "--out"),
                ("--benchmark_repetitions=3", "--repetitions"),
                ("--benchmark_enable_random_interleaving=perhaps", "true or false"),
                ("--help", "benchmark_filter"),
                ("--v=3", "benchmark_filter"),
                ("gru", "benchmark_filter")]:
            for command in ["throughput", "scaling", "list"]:
                with self.subTest(option=option, command=command):
                    process = run(command, "--length", "4", "--", option, cwd=self.folder)
                    self.assert_refused(process, 2, f"'{option}'", part)
                    self.assertEqual(process.stdout, "")
                    self.assertEqual(os.listdir(self.folder), [])

    def test_a_filter_chooses_cases(self):
        for pattern, kept in [("4", [True, False]), ("-4", [False, True]), ("T(4|5)", [True, False])]:
            with self.subTest(pattern):
                out = self.folder / pattern
                process = run(*TINY, "--length", "4,8", "--out", out, "--",
                              f"--benchmark_filter={pattern}")
                self.assertEqual(process.returncode, 0, process.stderr)
                rows = read_csv(out / "throughput.csv")
                self.assertEqual([row["status"] != "skipped" for row in rows], kept)


if __name__ == "__main__":
    unittest.main()
