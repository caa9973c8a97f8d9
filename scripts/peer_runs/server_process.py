"""A process that prepares and repeats cases on request, seqbench's or another library's
(harness/server/protocol.h)."""

import json
import os
import subprocess


class ServerError(Exception):
    """The process refused a request or ended; the message says which and why."""


class ServerProcess:
    """Starts when first asked, and again when asked after its end.

    `cpus` narrows the process to these CPUs before it starts a thread; None leaves it alone.
    `environment` is added to this process's. `exit_code` is that of the last process that ended by
    itself, a negative one of a signal.
    """

    def __init__(self, name, command, cpus=None, environment=None):
        self.name = name
        self._command = [str(word) for word in command]
        self._cpus = cpus
        self._environment = environment or {}
        self._process = None
        self.exit_code = None

    @property
    def pid(self):
        """Of the process that runs; None where none does."""
        return None if self._process is None else self._process.pid

    def ask(self, request):
        """The answer to one request. Raises ServerError."""
        try:
            process = self._running()
        except OSError as error:
            raise ServerError(f"{self.name}: {error}") from error
        try:
            process.stdin.write(json.dumps(request) + "\n")
            process.stdin.flush()
            line = process.stdout.readline()
        except BrokenPipeError:
            line = ""  # it ended before it could read the request
        if not line.endswith("\n"):
            raise ServerError(f"{self.name} ended with {self._reap()} on {request['do']}")
        answer = json.loads(line)
        if "error" in answer:
            raise ServerError(f"{self.name}: {answer['error']}")
        return answer

    def close(self):
        """Ends the process by the end of its input, or by force when it hangs."""
        if self._process is None:
            return
        try:
            self._process.stdin.close()
            self._process.wait(timeout=5)
        except (subprocess.TimeoutExpired, BrokenPipeError):
            self._process.kill()
        self._reap()

    def _running(self):
        if self._process is None:
            # In a session of its own: Ctrl-C is the driver's, which closes them.
            self._process = subprocess.Popen(
                self._command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
                env=os.environ | self._environment, start_new_session=True,
                preexec_fn=self._pin if self._cpus is not None else None)
        return self._process

    def _pin(self):
        os.sched_setaffinity(0, self._cpus)

    def _reap(self):
        process, self._process = self._process, None
        self.exit_code = code = process.wait()
        process.stdout.close()
        try:
            process.stdin.close()
        except BrokenPipeError:
            pass  # a request that it never read
        return f"signal {-code}" if code < 0 else f"exit code {code}"
