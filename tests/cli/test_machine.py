"""What seqbench makes of the machine's settings: OpenMP's variables, signals, what is recorded."""

import json
import os
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, run

TINY = ["--model", "elman", "--length", "4", "--width", "4", "--repetitions", "2"]


def with_variables(**variables):
    """This environment and `variables`."""
    return {**os.environ, **variables}


class OpenMpVariables(ProgramTest):
    def test_threads_that_are_not_granted_are_refused(self):
        process = run("machine", "--threads", "2", env=with_variables(OMP_THREAD_LIMIT="1"))
        self.assert_refused(process, 1, "2 threads", "grants 1", "OMP_THREAD_LIMIT")

    def test_dynamic_teams_are_switched_off(self):
        process = run("machine", "--json", "--threads", "4", env=with_variables(OMP_DYNAMIC="true"))
        self.assertEqual(process.returncode, 0, process.stderr)
        machine = json.loads(process.stdout)
        self.assertEqual(machine["environment"]["OMP_DYNAMIC"], "true")
        self.assertEqual(machine["probes"][0]["threads"], 4)

    def test_pinning_by_openmp_is_refused(self):
        for name, value in [("OMP_PROC_BIND", "true"), ("OMP_PLACES", "cores"),
                            ("GOMP_CPU_AFFINITY", "0")]:
            with self.subTest(variable=name):
                process = run("throughput", *TINY, cwd=self.folder,
                              env=with_variables(**{name: value}))
                self.assert_refused(process, 2, name, value)
                self.assertEqual(os.listdir(self.folder), [])
        process = run("machine", "--threads", "1", env=with_variables(OMP_PROC_BIND="false"))
        self.assertEqual(process.returncode, 0, process.stderr)


class Machine(ProgramTest):
    def test_records_flags_and_who_keeps_the_blas_serial(self):
        machine = json.loads(run("machine", "--json", "--threads", "1").stdout)
        for flag in ["-fno-math-errno", "-fno-trapping-math", "-fopenmp"]:
            self.assertIn(flag, machine["build"]["flags"].split())
        self.assertRegex(machine["libraries"]["blas_threads"], "serial|set to 1|unknown")

    def test_tells_topology_clock_timer_and_peaks(self):
        machine = json.loads(run("machine", "--json", "--threads", "1").stdout)
        self.assertTrue(machine["governor"])
        self.assertIn(machine["turbo"], ("on", "off", "unknown"))
        self.assertEqual(set(machine["affinity"]), os.sched_getaffinity(0))
        self.assertLessEqual(set(machine["cpus_usable"]), set(machine["affinity"]))
        self.assertEqual(set(machine["topology"]), {"packages", "numa_nodes", "cores", "cpus"})
        self.assertGreaterEqual(machine["topology"]["cpus"], 1)
        measured = machine["measured"]
        self.assertEqual(len(measured["peak_gflops_of_1_2_threads"]), len(machine["cpus_usable"]))
        self.assertGreater(measured["timer_resolution_seconds"], 0)
        self.assertLessEqual(set(measured["cpus_on_core_of_first"]),
                             set(machine["cpus_usable"][1:]))

    def test_a_machine_that_tells_nothing_of_its_caches_is_no_failure(self):
        process = run("machine", "--threads", "1", env=with_variables(HWLOC_SYNTHETIC="pu:1"))
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertEqual(process.stderr, "")
        self.assertIn("cores: unknown", process.stdout)
        self.assertIn("caches: unknown", process.stdout)

    def test_affinity_bounds_the_cpus(self):
        cpu = max(os.sched_getaffinity(0))
        process = run("machine", "--json", "--threads", "1",
                      preexec_fn=lambda: os.sched_setaffinity(0, {cpu}))
        machine = json.loads(process.stdout)
        self.assertEqual((machine["affinity"], machine["cpus_usable"]), ([cpu], [cpu]))

    def test_takes_nothing_behind_the_dashes(self):
        process = run("machine", "--", "--benchmark_repetitions=2")
        self.assert_refused(process, 2, "--benchmark_repetitions=2")

    def test_signals_end_probing(self):
        for command in ["machine", "list"]:
            for number, code in [(signal.SIGINT, 130), (signal.SIGTERM, 143)]:
                with self.subTest(command=command, signal=number):
                    process = subprocess.Popen(
                        [PROGRAM, command, "--threads", ",".join(map(str, range(1, 65)))],
                        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
                    time.sleep(0.5)  # 64 probes take half a minute
                    process.send_signal(number)
                    _, errors = process.communicate(timeout=60)
                    self.assertEqual(process.returncode, code, errors)


if __name__ == "__main__":
    unittest.main()
