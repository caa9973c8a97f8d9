"""Chromium without a window, driven over a pipe by its DevTools protocol: standard library only.

    with Browser() as browser:
        page = browser.page()
        page.open(path)
        page.evaluate("document.title")
"""

import base64
import itertools
import json
import os
import select
import shutil
import subprocess
import tempfile
import time
from pathlib import Path

PROGRAMS = ("chromium", "chromium-browser", "google-chrome")
# Nothing that asks the network or draws what no test looks at. A program that runs as root, as in a
# container, cannot have the sandbox.
OPTIONS = (
    "--headless --remote-debugging-pipe --no-first-run --no-default-browser-check --disable-gpu "
    "--disable-background-networking --disable-component-update --disable-sync --disable-extensions "
    "--disable-dev-shm-usage --mute-audio"
).split()
# Of one answer.
TIMEOUT_SECONDS = 30


def program():
    """The browser on this machine, or None."""
    return next((path for path in map(shutil.which, PROGRAMS) if path), None)


class BrowserError(Exception):
    """The browser refused a command, threw in a script, or gave no answer."""


class Browser:
    """A browser of its own profile, ended with the block."""

    def __enter__(self):
        self._folder = tempfile.TemporaryDirectory(ignore_cleanup_errors=True)
        to_it, from_it = os.pipe(), os.pipe()
        options = [*OPTIONS, *(["--no-sandbox"] if os.geteuid() == 0 else [])]
        command = [program(), *options, f"--user-data-dir={self._folder.name}", "about:blank"]
        self._process = subprocess.Popen(
            ["bash", "-c", f'exec "$@" 3<&{to_it[0]} 4>&{from_it[1]}', "browser", *command],
            pass_fds=(to_it[0], from_it[1]), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        os.close(to_it[0])
        os.close(from_it[1])
        self._to, self._from = to_it[1], from_it[0]
        self._numbers, self._unread, self.events = itertools.count(1), b"", []
        return self

    def __exit__(self, *_):
        try:
            self.command("Browser.close")
            self._process.wait(10)
        except (BrowserError, OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        os.close(self._to)
        os.close(self._from)
        self._folder.cleanup()

    def command(self, method, session=None, **parameters):
        """Its result. Events that come before are kept."""
        number = self._send(method, session, parameters)
        while True:
            answer = self.next_message()
            if answer.get("id") != number:
                continue
            if "error" in answer:
                raise BrowserError(f"{method}: {answer['error']['message']}")
            return answer["result"]

    def _send(self, method, session, parameters):
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": parameters}
        if session:
            message["sessionId"] = session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        return number

    def next_message(self, timeout=TIMEOUT_SECONDS):
        """The next answer or event; events are kept too."""
        end = time.monotonic() + timeout
        while b"\0" not in self._unread:
            ready, _, _ = select.select([self._from], [], [], max(0, end - time.monotonic()))
            part = os.read(self._from, 1 << 20) if ready else b""
            if not part:
                raise BrowserError("the browser ended" if ready else f"no answer in {timeout} s")
            self._unread += part
        text, self._unread = self._unread.split(b"\0", 1)
        message = json.loads(text)
        if "method" in message:
            self.events.append(message)
        if message.get("method") == "Page.javascriptDialogOpening":  # the page waits until it is closed
            self._send("Page.handleJavaScriptDialog", message["sessionId"], {"accept": True})
        return message

    def page(self):
        """A tab with nothing in it."""
        target = self.command("Target.createTarget", url="about:blank")["targetId"]
        session = self.command("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        return Page(self, session)


class Page:
    def __init__(self, browser, session):
        self._browser, self._session = browser, session
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.command(f"{domain}.enable")

    def command(self, method, **parameters):
        return self._browser.command(method, self._session, **parameters)

    def events(self, *methods):
        """What these events told since the page was opened."""
        return [event["params"] for event in self._browser.events
                if event.get("sessionId") == self._session and event["method"] in methods]

    def open(self, path, place=""):
        """Opens a file and waits until it is loaded."""
        self._browser.events.clear()
        self.command("Page.navigate", url=Path(path).as_uri() + place)
        while not self.events("Page.loadEventFired"):
            self._browser.next_message()

    def evaluate(self, script):
        """The value of a script, awaited where it is a promise."""
        result = self.command("Runtime.evaluate", expression=script, awaitPromise=True,
                              returnByValue=True, userGesture=True)
        if "exceptionDetails" in result:
            told = result["exceptionDetails"]
            raise BrowserError(told.get("exception", {}).get("description", told["text"]))
        return result["result"].get("value")

    def wait_for(self, condition, timeout=TIMEOUT_SECONDS):
        """Until the script's value is true."""
        end = time.monotonic() + timeout
        while not self.evaluate(condition):
            if time.monotonic() > end:
                raise BrowserError(f"not within {timeout} s: {condition}")
            time.sleep(0.05)

    def resize(self, width, height):
        self.command("Emulation.setDeviceMetricsOverride", width=width, height=height,
                     deviceScaleFactor=1, mobile=width < 600)

    def prefer(self, scheme="light", media=""):
        """The colour scheme, "light" or "dark", and the medium, "print" for paper."""
        self.command("Emulation.setEmulatedMedia", media=media,
                     features=[{"name": "prefers-color-scheme", "value": scheme}])

    def press(self, key, code=None, text=None):
        """A key, as a keyboard sends it."""
        codes = {"Tab": 9, "Enter": 13, " ": 32, "ArrowDown": 40, "ArrowUp": 38}
        what = {"key": key, "code": code or key, "windowsVirtualKeyCode": codes[key]}
        if text or key == "Enter":
            what["text"] = text or "\r"
        self.command("Input.dispatchKeyEvent", type="keyDown", **what)
        what.pop("text", None)
        self.command("Input.dispatchKeyEvent", type="keyUp", **what)

    def screenshot(self, path, whole=False):
        """Of the window, or of the whole page."""
        data = self.command("Page.captureScreenshot", format="png", captureBeyondViewport=whole)["data"]
        Path(path).write_bytes(base64.b64decode(data))

    def pdf(self):
        return base64.b64decode(self.command("Page.printToPDF", printBackground=True)["data"])

    def complaints(self):
        """Texts of exceptions, of errors and warnings in the console, and of dialogs."""
        told = [one["exceptionDetails"].get("exception", {}).get("description",
                one["exceptionDetails"]["text"]) for one in self.events("Runtime.exceptionThrown")]
        told += [" ".join(str(part.get("value", part.get("description"))) for part in one["args"])
                 for one in self.events("Runtime.consoleAPICalled") if one["type"] in ("error", "warning")]
        told += [one["entry"]["text"] for one in self.events("Log.entryAdded")
                 if one["entry"]["level"] in ("error", "warning")]
        return told + [one["message"] for one in self.events("Page.javascriptDialogOpening")]

    def requests(self):
        """Where the page went for anything, itself included."""
        return [one["request"]["url"] for one in self.events("Network.requestWillBeSent")]
