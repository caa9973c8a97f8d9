"""What seqbench makes of the machine's settings: OpenMP's variables, signals, what is recorded, and
what it makes of a machine that tells little or refuses what is asked."""

import errno
import json
import os
import signal
import subprocess
import time
import unittest

from program import PROGRAM, ProgramTest, can_mount, read_csv, run, run_where

FAULTS = os.environ.get("SEQBENCH_FAULTS", "")
CASE = ["--model", "elman", "--length", "4", "--width", "4"]
TINY = [*CASE, "--repetitions", "2"]


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
        flags = machine["build"]["flags"].split()
        for flag in ["-fno-math-errno", "-fno-trapping-math"]:
            self.assertIn(flag, flags)
        self.assertTrue(any(flag.startswith("-fopenmp") for flag in flags), flags)  # clang's has "=libomp"
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


@unittest.skipUnless(can_mount(), "needs the right to mount")
class MachineThatTellsLittle(ProgramTest):
    """As old kernels, WSL, containers and sandboxes are."""

    def file(self, text):
        path = self.folder / "content"
        path.write_text(text, encoding="ascii")
        return path

    def machine_where(self, files):
        process = run_where(files, "machine", "--json", "--threads", "1")
        self.assertEqual(process.returncode, 0, process.stderr)
        return json.loads(process.stdout)

    def test_nothing_of_cores_and_caches_is_no_failure(self):
        process = run_where({"/sys": None}, "machine", "--threads", "1")
        self.assertEqual((process.returncode, process.stderr), (0, ""))
        self.assertIn("cores: unknown", process.stdout)
        self.assertIn("caches: unknown", process.stdout)

    def samples_where(self, files, out):
        # Other processes have another /proc/self.
        process = run_where(files, "throughput", *TINY, "--threads", "1", "--processes", "1", "--out",
                            out)
        self.assertEqual(process.returncode, 0, process.stderr)
        return read_csv(out / "samples.csv")

    def test_the_cpu_has_the_name_that_there_is(self):
        for text, name in [("model name\t:\n", "unknown"), ("", "unknown"),
                           ("CPU implementer\t: 0x41\nCPU part\t: 0xd0c\n",
                            "implementer 0x41, part 0xd0c")]:
            with self.subTest(cpuinfo=text):
                self.assertEqual(self.machine_where({"/proc/cpuinfo": self.file(text)})["cpu"], name)

    def test_groups_that_cannot_be_seen_have_no_known_quota_and_no_known_throttling(self):
        for files in [{"/proc/self/cgroup": self.file("")}, {"/sys/fs/cgroup": None}]:
            with self.subTest(files=files):
                self.assertEqual(self.machine_where(files)["cpu_quota"], "unknown")
                out = self.folder / f"run{len(os.listdir(self.folder))}"
                for sample in self.samples_where(files, out):
                    self.assertEqual(sample["throttled"], "")

    def test_steal_that_is_not_told_of_the_cpu_is_not_known(self):
        cpus = sorted(os.sched_getaffinity(0))
        for k, text in enumerate(["", "cpu 1 2 3 4 5 6 7 8\ncpufreq 1 2 3\n",
                                  "".join(f"cpu{cpu} 1 2 3 4\n" for cpu in cpus)]):
            with self.subTest(stat=text):
                for sample in self.samples_where({"/proc/stat": self.file(text)},
                                                 self.folder / f"run{k}"):
                    self.assertEqual(sample["steal_fraction"], "")

    def test_settings_of_the_clock_that_are_not_told_are_unknown(self):
        machine = self.machine_where({"/sys/devices/system/cpu": None})
        self.assertEqual((machine["governor"], machine["turbo"]), ("unknown", "unknown"))
        self.assertEqual(set(machine["affinity"]), os.sched_getaffinity(0))

    def test_a_run_goes_on_where_as_little_is_told_as_before(self):
        files = {"/proc/stat": self.file(""), "/proc/cpuinfo": self.file(""),
                 "/proc/self/cgroup": self.file(""), "/sys/devices/system/cpu": None}
        out = self.folder / "run"
        self.samples_where(files, out)
        process = run_where(files, "throughput", *TINY, "--threads", "1", "--processes", "1", "--out",
                            out, "--resume")
        self.assertEqual(process.returncode, 0, process.stderr)


@unittest.skipUnless(FAULTS, "needs SEQBENCH_FAULTS, the library of tests/cli/faults.cc")
class MachineThatRefuses(ProgramTest):
    """Calls on the affinity of threads, as in a sandbox."""

    REFUSED = "Operation not permitted"

    def refusing(self, kind, number=errno.EPERM):
        return with_variables(LD_PRELOAD=FAULTS, SEQBENCH_FAULT_KIND=kind,
                              SEQBENCH_FAULT_ERRNO=str(number))

    def recorded_in(self, folder):
        return json.loads((folder / "machine.json").read_text(encoding="utf-8"))

    def assert_tells_of_pinning(self, row):
        self.assertEqual(row["status"], "noisy", row)
        self.assertIn("threads could not be pinned to their CPUs in 7 of 7 repetitions",
                      row["reason"])
        self.assertIn("sched_setaffinity", row["reason"])

    def test_rows_of_threads_that_are_not_pinned_say_so(self):
        for command in ["throughput", "scaling"]:
            with self.subTest(command=command):
                out = self.folder / command
                process = run(command, *CASE, "--repetitions", "7", "--threads", "1,2",
                              "--min-time", "0.0001", "--out", out, env=self.refusing("pin"))
                self.assertEqual(process.returncode, 0, process.stderr)
                for row in read_csv(out / "throughput.csv"):
                    self.assert_tells_of_pinning(row)
                self.assertRegex(self.recorded_in(out)["pinning"],
                                 rf"refused for CPU \d+: {self.REFUSED}")

    def test_the_machine_and_trainings_record_it(self):
        machine = json.loads(run("machine", "--json", "--threads", "1",
                                 env=self.refusing("pin")).stdout)
        self.assertRegex(machine["pinning"], self.REFUSED)
        self.assertEqual(machine["measured"]["cpus_on_core_of_first"], [])
        out = self.folder / "run"
        process = run("recall", "--task", "copy", "--model", "elman", "--distance", "2", "--steps",
                      "1", "--seeds", "1", "--out", out, env=self.refusing("pin", errno.EINVAL))
        self.assertEqual(process.returncode, 0, process.stderr)
        self.assertRegex(self.recorded_in(out)["pinning"], "Invalid argument")

    def test_nothing_is_said_where_threads_can_be_pinned(self):
        machine = json.loads(run("machine", "--json", "--threads", "1").stdout)
        self.assertNotIn("pinning", machine)

    def test_repeat_tells_it_of_each_repetition_and_judges_by_it(self):
        case = "elman:persistent:forward:B1:T4:D4:H-:t2"
        requests = [{"do": "prepare", "case": case}] + 7 * [{"do": "repeat", "case": case}]
        grid = [*CASE, "--kernel", "persistent", "--threads", "2", "--min-time", "0.0001"]

        def answers(to):
            process = run("repeat", *grid, input="".join(json.dumps(one) + "\n" for one in to),
                          env=self.refusing("pin"))
            self.assertEqual(process.returncode, 0, process.stderr)
            return [json.loads(line) for line in process.stdout.splitlines()]

        samples = answers(requests)[1:]
        self.assertEqual({one["unpinned_threads"] for one in samples}, {2}, samples)
        (judged,) = answers([{"do": "judge", "case": case, "samples": samples}])
        self.assert_tells_of_pinning(judged["cells"])

    def test_compare_tells_of_builds_that_could_not_pin(self):
        process = run("compare", "--binaries", PROGRAM, PROGRAM, "--", *TINY, "--threads", "1",
                      "--kernel", "persistent", "--pass", "forward", "--no-progress",
                      env=self.refusing("pin"))
        self.assertIn(process.returncode, (0, 3), process.stderr)
        for side in ["old", "new"]:
            self.assertIn(f"\n{side}: threads could not be pinned to their CPUs in 2 of 2 repetitions",
                          process.stdout)

    def test_all_cpus_are_found_where_the_kernel_has_room_for_thousands(self):
        machine = json.loads(run("machine", "--json", "--threads", "1",
                                 env=self.refusing("many-cpus")).stdout)
        self.assertEqual(set(machine["affinity"]), os.sched_getaffinity(0))
        self.assertNotIn("pinning", machine)

    def test_an_affinity_that_is_not_told_is_unknown(self):
        process = run("machine", "--json", "--threads", "1", env=self.refusing("affinity"))
        self.assertEqual(process.returncode, 0, process.stderr)
        machine = json.loads(process.stdout)
        self.assertEqual(machine["affinity"], "unknown")
        self.assertGreaterEqual(len(machine["cpus_usable"]), 1)
        self.assertLessEqual(len(machine["cpus_usable"]), machine["cpus_online"])
        self.assertRegex(machine["pinning"], self.REFUSED)


if __name__ == "__main__":
    unittest.main()
