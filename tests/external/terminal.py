"""A pseudo terminal with a program in it, and a person before it: types, reads, closes the window."""

import contextlib
import fcntl
import os
import pty
import re
import select
import signal
import socket
import struct
import subprocess
import tempfile
import termios
import time

from harness import Server, check, check_equal

PATIENCE_SECONDS = 30
COMMAND_SECONDS = 60
SIZE = struct.pack("HHHH", 50, 240, 0, 0)
WHERE_IS_THE_CURSOR = b"\x1b[6n"
AT_THE_LEFT = b"\x1b[1;1R"
ESCAPES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[=>78]|[\r\x07]")


class Terminal:
    """Text is what was written, without control sequences: a line editor's repaints stand one after the other in it."""

    def __init__(self, command, environment, folder):
        self.raw = b""
        self.answered = 0
        self.read_to = 0
        self.code = None
        self.pid, self.terminal = pty.fork()
        if self.pid == 0:
            try:
                fcntl.ioctl(0, termios.TIOCSWINSZ, SIZE)
                os.chdir(folder)
                os.execvpe(command[0], command, environment)
            finally:
                os._exit(127)

    @property
    def text(self):
        return ESCAPES.sub("", self.raw.decode(errors="replace"))

    def type(self, text):
        os.write(self.terminal, text.encode())

    def wait_for(self, pattern, what=None):
        """Reads on until `pattern` comes after what was waited for before."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            text = self.text
            found = re.compile(pattern, re.MULTILINE).search(text, self.read_to)
            if found:
                self.read_to = found.end()
                return found
            check(time.monotonic() < deadline, f"no {what or pattern!r} in {text[self.read_to:]!r} after {text!r}")
            check(self.read(), f"it ended without {what or pattern!r}: {text!r}")

    def read(self, seconds=0.05):
        """Reads what is there and answers what is asked; false once the program has closed the terminal."""
        if self.terminal is None:
            return False
        readable, _, _ = select.select([self.terminal], [], [], seconds)
        if readable:
            try:
                self.raw += os.read(self.terminal, 65536)
            except OSError:
                return False
        for _ in range(self.raw.count(WHERE_IS_THE_CURSOR) - self.answered):
            self.type(AT_THE_LEFT.decode())
            self.answered += 1
        return True

    def signal(self, number):
        os.kill(self.pid, number)

    def close_window(self):
        """The terminal goes; its programs get SIGHUP."""
        os.close(self.terminal)
        self.terminal = None

    def left(self):
        """Waits until the program has ended; its exit code, or the number of the signal, negative."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self.has_ended():
            check(time.monotonic() < deadline, f"process {self.pid} goes on: {self.text!r}")
            if not self.read():
                time.sleep(0.01)
        return self.code

    def has_ended(self):
        if self.code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self.code = os.waitstatus_to_exitcode(status)
        return self.code is not None

    def clear_up(self):
        if not self.has_ended():
            self.signal(signal.SIGKILL)
            self.code = os.waitstatus_to_exitcode(os.waitpid(self.pid, 0)[1])
        if self.terminal is not None:
            self.close_window()


class Person:
    """Somebody with a fresh home, a port of their own, and as many terminals as they like."""

    def __init__(self, home):
        self.server = Server(home)
        self.port = str(free_port())
        self.environment = self.server.environment() | {
            "SESSION_BUDDY_HOME": str(self.server.state),
            "SESSION_BUDDY_PORT": self.port,
            "TERM": "xterm-256color",
            "LANG": "C.UTF-8",
        }
        self.terminals = []

    def open(self, *command, **variables):
        terminal = Terminal(command, self.environment | variables, self.server.home)
        self.terminals.append(terminal)
        return terminal

    def run(self, *arguments, code=0):
        """What `session-buddy` prints, without a terminal."""
        done = subprocess.run(
            ["session-buddy", *arguments], env=self.environment, cwd=self.server.home,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS,
        )
        check_equal(done.returncode, code, f"exit code of {arguments}\n{done.stdout}{done.stderr}")
        return done.stdout

    def clear_up(self):
        for terminal in self.terminals:
            terminal.clear_up()
        done = subprocess.run(
            ["session-buddy", "mcp", "stop", "--force"], env=self.environment, cwd=self.server.home,
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=COMMAND_SECONDS,
        )
        # 2: none ran.
        check(done.returncode in (0, 2), f"the server did not stop: {done.stderr}")


@contextlib.contextmanager
def person():
    with tempfile.TemporaryDirectory(prefix="session-buddy-") as home:
        it = Person(home)
        try:
            yield it
        finally:
            it.clear_up()


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]
