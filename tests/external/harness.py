"""A real server on a fresh home, and events as the Python emitter sends them."""

import contextlib
import datetime
import getpass
import json
import os
import pathlib
import platform
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("SESSION_BUDDY_BINARY", ROOT / "target/debug/session-buddy")).resolve()
OURS = ("SESSION_BUDDY_", "MAHAVISHNU_", "ONEIRIC_", "PROMETHEUS_")
READY_SECONDS = 30


class Failure(AssertionError):
    """Something is not as the documents say."""


def check(condition, text):
    """Fails with `text` unless the condition holds; unlike `assert`, also under `python -O`."""
    if not condition:
        raise Failure(text)


def check_equal(actual, expected, what):
    check(actual == expected, f"{what}: expected {expected!r}, got {actual!r}")


class Server:
    """A server under `HOME`, in the folder that a user gets without any setting."""

    def __init__(self, home):
        self.home = pathlib.Path(home)
        self.state = self.home / ".session-buddy"
        self.process = None
        self.address = None

    @property
    def url(self):
        return f"http://{self.address}"

    @property
    def port(self):
        return self.address.rpartition(":")[2]

    def environment(self):
        """Ours, without settings of the caller, with this home and with `session-buddy` on the path."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(OURS) and name != "RUST_LOG"}
        return kept | {"HOME": str(self.home), "PATH": f"{BINARY.parent}:{os.environ['PATH']}"}

    def start(self):
        with open(self.home / "output.txt", "ab") as output:
            self.process = subprocess.Popen(
                [BINARY, "mcp", "start", "--foreground", "--port", "0"],
                env=self.environment(), cwd=self.home, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
            )
        wait_until(READY_SECONDS, "the server is not ready", self.is_ready, self.output)

    def is_ready(self):
        check(self.process.poll() is None, f"the server ended with {self.process.returncode}: {self.output()}")
        try:
            announced = json.loads((self.state / "server.json").read_text())
            if announced["pid"] != self.process.pid:
                return False
            self.address = announced["address"]
            with urllib.request.urlopen(f"{self.url}/health/ready", timeout=5) as answer:
                return answer.status == 200
        except (OSError, ValueError):
            return False

    def output(self):
        return (self.home / "output.txt").read_text(errors="replace")[-2000:]

    def stop(self):
        self.process.terminate()
        check_equal(self.process.wait(timeout=20), 0, "exit code of the server after SIGTERM")


@contextlib.contextmanager
def running_server():
    """A ready server, stopped at the end; killed if anything goes wrong."""
    with server_on_fresh_home() as server:
        server.start()
        yield server
        server.stop()


@contextlib.contextmanager
def server_on_fresh_home():
    """A server that is still to be started; killed at the end if it runs."""
    with tempfile.TemporaryDirectory(prefix="session-buddy-") as home:
        server = Server(home)
        try:
            yield server
        finally:
            if server.process and server.process.poll() is None:
                server.process.kill()
                server.process.wait()


def wait_until(seconds, problem, probe, explain=lambda: ""):
    """Asks `probe` until it is true or the deadline has passed."""
    deadline = time.monotonic() + seconds
    while not probe():
        check(time.monotonic() < deadline, f"{problem} within {seconds} s {explain()}")
        time.sleep(0.01)


def start_event(component="mahavishnu", age=datetime.timedelta(), **changes):
    """The start event exactly as the published emitter builds it: `metadata` is an explicit null."""
    now = datetime.datetime.now(datetime.timezone.utc) - age
    return {
        "event_version": "1.0",
        "event_id": str(uuid.uuid4()),
        "event_type": "session_start",
        "component_name": component,
        "shell_type": "MahavishnuShell",
        "timestamp": now.isoformat(timespec="microseconds"),
        "pid": os.getpid(),
        "user": {"username": getpass.getuser()[:100], "home": os.path.expanduser("~")[:500]},
        "hostname": socket.gethostname(),
        "environment": {
            "python_version": platform.python_version(),
            "platform": platform.platform(),
            "cwd": os.getcwd()[:500],
        },
        "metadata": None,
    } | changes


def end_event(session_id, age=datetime.timedelta()):
    now = datetime.datetime.now(datetime.timezone.utc) - age
    return {
        "session_id": session_id,
        "timestamp": now.isoformat(timespec="microseconds"),
        "event_type": "session_end",
        "metadata": {"duration_seconds": None},
    }


def run_cases(cases):
    """Runs each case, says how it went, and ends the program with 1 if one failed."""
    failures = 0
    for case in cases:
        name = case.__name__.replace("_", " ")
        try:
            case()
            print(f"ok      {name}", flush=True)
        except Exception as error:  # noqa: BLE001 - whatever goes wrong is a failure of this case
            failures += 1
            print(f"FAILED  {name}: {describe(error)}", flush=True)
    sys.exit(1 if failures else 0)


def describe(error):
    """The error and, for groups of them, what they are made of."""
    parts = [f"{type(error).__name__}: {error}"]
    for inner in getattr(error, "exceptions", ()):
        parts.append(describe(inner))
    return "\n        ".join(parts)
