"""Mahavishnu against a real Prefect server from PyPI: what it runs is listed, and what fails there is an error here."""

import contextlib
import json
import os
import pathlib
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

# This file has the name of the package that it is about.
sys.path[:] = [folder for folder in sys.path if pathlib.Path(folder or ".").resolve() != pathlib.Path(__file__).resolve().parent]

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = pathlib.Path(os.environ.get("MAHAVISHNU_BINARY", ROOT / "target/debug/mahavishnu")).resolve()
READY_SECONDS = 120

FLOWS = """
from prefect import flow

@flow(flow_run_name="fine-run")
def fine():
    return 1

@flow(flow_run_name="broken-run")
def broken():
    raise ValueError("boom")

fine()
try:
    broken()
except ValueError:
    pass
"""


def check_equal(actual, expected, what):
    if actual != expected:
        raise AssertionError(f"{what}: expected {expected!r}, got {actual!r}")


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


@contextlib.contextmanager
def server(environment, url):
    """A Prefect server that is ready, and ends with the test."""
    port = url.split(":")[2].split("/")[0]
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", port]
    process = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + READY_SECONDS
        while True:
            try:
                with urllib.request.urlopen(f"{url}/health", timeout=5):
                    break
            except OSError:
                if process.poll() is not None or time.monotonic() > until:
                    raise
                time.sleep(0.2)
        yield
    finally:
        process.terminate()
        process.wait()


def main():
    with tempfile.TemporaryDirectory() as home:
        url = f"http://127.0.0.1:{free_port()}/api"
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "MAHAVISHNU_"))}
        environment = kept | {
            "HOME": home,
            "PREFECT_HOME": f"{home}/prefect",
            "PREFECT_API_URL": url,
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "MAHAVISHNU_SESSION_ENABLED": "false",
        }

        def ask(*arguments):
            command = [BINARY, *arguments, "--format", "json"]
            answer = subprocess.run(command, env=environment, cwd=home, check=True, capture_output=True, text=True)
            return json.loads(answer.stdout)

        check_equal([adapter["name"] for adapter in ask("adapters")], ["local"], "adapters without a server")
        with server(environment, url):
            check_equal([adapter["name"] for adapter in ask("adapters")], ["local", "prefect"], "adapters with a server")
            check_equal(ask("sync"), [], "changes before a flow ran")
            subprocess.run(
                [sys.executable, "-c", FLOWS], env=environment, cwd=home, check=True, stderr=subprocess.DEVNULL
            )
            changes = sorted((change["task"], change["before"], change["after"]) for change in ask("sync"))
            expected = [("broken-run", None, "failed"), ("fine-run", None, "completed")]
            check_equal(changes, expected, "changes after two flows ran")
            check_equal(ask("sync"), [], "changes told twice")
            messages = [error["message"] for error in ask("errors")]
            check_equal(
                messages, ["broken-run: Flow run encountered an exception: ValueError: boom"], "errors of Prefect's flows"
            )
            check_equal({workflow["adapter"] for workflow in ask("ps")}, {"prefect"}, "adapters of the workflows")
    print("ok: what Prefect runs is listed, and its errors are")


if __name__ == "__main__":
    main()
