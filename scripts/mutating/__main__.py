"""scripts/mutations."""

import argparse
import os
import pathlib
import re
import shutil
import subprocess
import sys
import time

from mutating.faults import FAULTS

ROOT = pathlib.Path(__file__).resolve().parents[2]
SCRATCH = ROOT / "build" / "mutations"
SOURCE, BUILD = SCRATCH / "source", SCRATCH / "build"
TEST_SECONDS = 120  # a fault can make a test wait for ever; the slowest program needs some 20


class Failed(Exception):
    """The faults could not be tried."""


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="scripts/mutations",
        description="Plants each fault of scripts/mutating/faults.py in a copy of the sources "
        "(build/mutations), builds the tests beside it and runs them: one must fail.",
        epilog="Exit: 0 every fault was caught, 1 one survived or could not be tried, 2 wrong option.")
    parser.add_argument("--only", metavar="TEXT", help="only faults with TEXT in their name or file")
    parser.add_argument("--list", action="store_true", help="print the faults, run nothing")
    options = parser.parse_args(arguments)
    options.faults = [fault for fault in FAULTS
                      if not options.only or options.only in f"{fault.name} {fault.file}"]
    if not options.faults:
        parser.error(f"--only: no fault has '{options.only}' in its name or file")
    return options


def copy_sources():
    """Brings the copy up to date; files that have not changed keep their times, so that they are not
    built again."""
    listed = subprocess.run(["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
                            cwd=ROOT, check=True, capture_output=True, text=True).stdout
    names = {name for name in listed.split("\0") if name and (ROOT / name).is_file()
             and not name.startswith("results/")}
    for name in names:
        text, copy = (ROOT / name).read_bytes(), SOURCE / name
        if not copy.exists() or copy.read_bytes() != text:
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(text)
            shutil.copymode(ROOT / name, copy)
    for copy in [path for path in SOURCE.rglob("*") if path.is_file()]:
        if str(copy.relative_to(SOURCE)) not in names:
            copy.unlink()


def check(faults):
    """Every text to be replaced is there once."""
    problems = []
    for fault in faults:
        count = (SOURCE / fault.file).read_text().count(fault.old)
        if count != 1:
            problems.append(f"{fault.name}: {fault.file} has its text {count} times, not once:\n"
                            f"    {fault.old}")
    if problems:
        raise Failed("\n".join(problems))


def configure():
    # Most of the time goes into compiling: hardly any optimisation.
    settings = ["-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS_RELEASE=-O1 -DNDEBUG"]
    environment = dict(os.environ)
    if shutil.which("ccache"):
        settings.append("-DCMAKE_CXX_COMPILER_LAUNCHER=ccache")
        environment |= {"CCACHE_BASEDIR": str(SCRATCH), "CCACHE_NOHASHDIR": "1"}
    subprocess.run(["cmake", "-S", SOURCE, "-B", BUILD, "-G", "Ninja", "--log-level=WARNING",
                    *settings], check=True, env=environment, stdout=subprocess.DEVNULL)
    return environment


def build(targets, environment):
    """The compiler's output where it fails."""
    process = subprocess.run(["cmake", "--build", BUILD, "--parallel", str(os.cpu_count()),
                              "--target", *targets],
                             env=environment, capture_output=True, text=True)
    if process.returncode != 0:
        raise Failed(process.stdout[-4000:])


def run_tests(program, suites):
    """What the tests say of the sources as they are: the first that fails, "" for none."""
    try:
        process = subprocess.run(
            [BUILD / "tests" / program, f"--gtest_filter={suites}", "--gtest_fail_fast",
             "--gtest_brief=1"], capture_output=True, text=True, errors="replace",
            timeout=TEST_SECONDS)
    except subprocess.TimeoutExpired:
        return f"no end within {TEST_SECONDS} s"
    if process.returncode == 0:
        if " 0 tests" in process.stdout:
            raise Failed(f"{program} has no test called {suites}")
        return ""
    failed = re.search(r"^\[  FAILED  \] ([\w./]+)", process.stdout, re.MULTILINE)
    return failed[1] if failed else f"exit code {process.returncode}"


def check_baseline(faults, environment):
    """Without a fault every test passes."""
    build(sorted({fault.tests for fault in faults}), environment)
    for program, suites in sorted({(fault.tests, fault.suites) for fault in faults}):
        failed = run_tests(program, suites)
        if failed:
            raise Failed(f"{failed} of {program} fails without a fault")


def plant(fault, environment):
    """The test that catches the fault, "" for none."""
    path = SOURCE / fault.file
    text = path.read_text()
    try:
        path.write_text(text.replace(fault.old, fault.new))
        build([fault.tests], environment)
        return run_tests(fault.tests, fault.suites)
    finally:
        path.write_text(text)


def main(options):
    copy_sources()
    check(options.faults)
    environment = configure()
    start = time.monotonic()
    check_baseline(options.faults, environment)
    survivors = []
    # File by file, so that each is built once more to be whole again, not once for each fault.
    for fault in sorted(options.faults, key=lambda fault: fault.file):
        begin = time.monotonic()
        caught_by = plant(fault, environment)
        if not caught_by:
            survivors.append(fault)
        print(f"{'caught' if caught_by else 'SURVIVED':8}  {fault.file}: {fault.name}"
              f"  ({caught_by + ', ' if caught_by else ''}{time.monotonic() - begin:.0f} s)", flush=True)
    print(f"mutations: {len(options.faults) - len(survivors)} of {len(options.faults)} faults caught "
          f"in {time.monotonic() - start:.0f} s")
    return 1 if survivors else 0


if __name__ == "__main__":
    chosen = parse(sys.argv[1:])
    if chosen.list:
        for each in chosen.faults:
            print(f"{each.file}: {each.name}")
        sys.exit(0)
    try:
        sys.exit(main(chosen))
    except Failed as problem:
        print(f"mutations: {problem}", file=sys.stderr)
        sys.exit(1)
