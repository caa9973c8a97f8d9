"""scripts/peers."""

import signal
import sys

from peer_runs import driver, run_directory
from peer_runs.cases import Case
from peer_runs.server_process import ServerError
from peer_runs.libraries import BuildError, Launch, build_onednn, start_seqbench
from peer_runs.environment import PythonError, chosen_python, versions
from peer_runs.options import grid_arguments, parse, peers_of
from peer_runs.step_cases import StepCase
from utf8 import shown


class Stopped(BaseException):
    def __init__(self, number):
        self.exit_code = 128 + number


def stop(number, _frame):
    raise Stopped(number)


def measure(options, seqbench):
    """The run behind the options. Returns the exit code."""
    peers = peers_of(options)
    kind = StepCase if options.text or options.task else Case
    cases = driver.list_cases(seqbench, kind)
    onednn = build_onednn() if "onednn" in options.peers else None
    python, libraries = None, {}
    if any(peers[name].module for name in options.peers):
        python = chosen_python(options.python)
        libraries = versions(python)
    facts = {"libraries": libraries,
             "environment": {name: peers[name].environment for name in options.peers}}
    directory = run_directory.RunDirectory(options.out or run_directory.default_path(),
                                           driver.case_ids(cases, options.peers))
    machine = run_directory.describe_machine(options.seqbench, options.threads)
    cpus = machine["cpus_usable"]
    launch = Launch(python=python, min_time=options.min_time, grid=grid_arguments(options),
                    cpus=cpus, onednn_program=onednn, peers=peers)
    workers = driver.Workers(options.peers, launch.start)
    directory.record_command(recorded(options), machine)

    def start(name, threads):
        if name != "seqbench":
            return launch.start(name, threads, is_tuned=False)
        return start_seqbench(options.seqbench, grid_arguments(options),
                              str(threads) if options.text else None, options.min_time)

    common = {"facts": facts, "cpus": cpus, "rounds": options.rounds, "seed": options.seed}
    code = 1
    try:
        if kind is Case:
            code = driver.run(cases, seqbench, workers, directory, **common)
        else:
            code = driver.run_steps(cases, seqbench, workers, directory, start=start, **common,
                                    peer_details={"compiles": False} if options.no_compile else {})
    except Stopped as stopped:
        code = stopped.exit_code
        raise
    finally:
        workers.close()
        directory.record_end(code)
    print(f"\n{directory.path}")
    return code


def recorded(options):
    """The options for machine.json, but for the folder that it is in."""
    texts = vars(options) | {"peers": ",".join(options.peers)}
    return {name: value if isinstance(value, int) else shown(str(value))
            for name, value in texts.items() if value is not None and name != "out"}


def main(arguments):
    options = parse(arguments)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    seqbench = start_seqbench(options.seqbench, grid_arguments(options), options.threads,
                              options.min_time)
    try:
        return measure(options, seqbench)
    except Stopped as stopped:
        print("peers: interrupted; the cases that are finished are kept", file=sys.stderr)
        return stopped.exit_code
    except (PythonError, BuildError, run_directory.RunDirectoryError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 2
    except ServerError as error:
        # A wrong option of the grid: seqbench has said which on stderr.
        if seqbench.exit_code == 2:
            return 2
        print(f"peers: {error}", file=sys.stderr)
        return 1
    finally:
        seqbench.close()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
