"""Runs docs/FROM-PYTHON.md, whose first section says what its blocks mean.

Each section is a case, with a fresh home and a server that knows `SESSIONS`. A block of kind `console` is what a person
sees at a terminal: lines after a prompt are typed, and what follows must be what came. Terminals stay open until the end of
their section, so a line typed there finds what the lines before it left."""

import datetime
import json
import os
import pathlib
import re
import sys
import time

import requests

from harness import ROOT, check, check_equal, end_event, run_cases, start_event, wait_until
from terminal import PATIENCE_SECONDS, person

DOCUMENT = ROOT / "docs/FROM-PYTHON.md"
LINES = pathlib.Path(__file__).with_name("from_python.txt")
CRATE = ROOT / "crates/admin-shell/src/lib.rs"
EXAMPLES = "examples"

FIXED_PORT = "8678"
SOME_DAY = ("2026-11-27", "20261127")
KINDS = ("was", "console", "python", "rust")
SHELLS = ("Session-Buddy> ", "Billing> ", "Oneiric> ", "Crackerjack> ", "Fastblocks> ", "Mahavishnu> ", "Akosha> ")
PROMPTS = ("$ ", "> ", *SHELLS)
# Bash's prompt at the test's terminal tells the exit code too, which the document's does not.
AT_A_PROMPT = re.compile(r"(?:<(?P<code>\d+)>(?P<system>\$ )|^(?P<prompt>> |" + "|".join(SHELLS) + r"))\Z", re.MULTILINE)
FAILED = re.compile(r"^(?:error|bash|curl): ", re.MULTILINE)
NEWS = re.compile(r"^Session Tracking: (?:offline|✓).*\n", re.MULTILINE)
CONNECTING = "✓ Enabled (connecting)"
CONNECTED = "✓ Enabled (Session-Buddy connected)"


class Block:
    """A fenced block: its kind, its name if it has one, and its text."""

    def __init__(self, info, text, number):
        words = info.split()
        self.kind = "was" if "was" in words else words[0] if words else ""
        self.name = " ".join(word for word in words[1:] if word != "was")
        self.text = text
        self.where = f"{DOCUMENT.name}:{number}"


class Section:
    """What stands under a heading."""

    def __init__(self, title):
        self.title = title
        self.blocks = []
        self.server = True


def sections():
    """The sections that have blocks."""
    found, fence, lines = [Section("")], None, []
    for number, line in enumerate(DOCUMENT.read_text().splitlines(), 1):
        if fence is not None:
            if line == "```":
                found[-1].blocks.append(Block(fence, "\n".join(lines) + "\n", begin))
                fence = None
            else:
                lines.append(line)
        elif line.startswith("```"):
            fence, lines, begin = line[3:], [], number
        elif line.startswith("#"):
            found.append(Section(line.lstrip("# ")))
        elif line == "<!-- no server -->":
            found[-1].server = False
    check(fence is None, "the last block has no end")
    return [section for section in found if section.blocks]


def every_line_of_the_documents_is_quoted_and_no_other():
    known = {line.strip() for line in LINES.read_text().splitlines() if line.strip() and not line.startswith("#")}
    quoted = set()
    for section in sections():
        for block in section.blocks:
            if block.kind == "was":
                lines = (line.strip() for line in block.text.splitlines())
                quoted |= {line for line in lines if line and not line.startswith("# ")}
    check_equal(sorted(known - quoted), [], "lines that the document does not quote")
    check_equal(sorted(quoted - known), [], f"quoted lines that {LINES.name} does not have")


def every_quotation_is_answered_by_lines_that_run():
    for section in sections():
        waiting = None
        for block in section.blocks:
            check(block.kind in KINDS, f"{block.where}: a block of kind {block.kind!r} is not run")
            if block.kind == "was":
                check(waiting is None, f"{block.where}: nothing that runs answers {waiting}")
                waiting = block.where
            elif block.kind == "console":
                check(block.text.startswith(PROMPTS), f"{block.where}: it does not begin with a prompt")
                waiting = None
        check(waiting is None, f"{waiting}: nothing that runs answers it")


def seed(port):
    """Three sessions of another machine: one that ended, one left open in February, one open for two hours."""
    elsewhere = {"hostname": "mbp-local", "pid": 12345}
    les, ada = ({"user": {"username": name, "home": f"/home/{name}"}} for name in ("les", "ada"))
    environment = {"python_version": "3.13.0", "platform": "macOS-15.2-arm64-arm-64bit", "cwd": "/home/les/mahavishnu"}
    metadata = {"component_version": "1.0.0", "cli_enabled": True, "adapters": ["llamaindex", "agno", "prefect"]}
    start = lambda component, number, **changes: start_event(  # noqa: E731
        component, event_id=f"550e8400-e29b-41d4-a716-44665544000{number}", environment=environment, **elsewhere, **changes,
    )
    ended = start("mahavishnu", 0, timestamp="2026-02-06T10:30:00Z", metadata=metadata, **les)
    left_open = start("crackerjack", 1, timestamp="2026-02-06T22:06:15Z", **ada)
    long = start("mahavishnu", 2, age=datetime.timedelta(hours=2), **les)
    ids = [report(port, event, "tracked") for event in (ended, left_open, long)]
    report(port, end_event(ids[0]) | {"timestamp": "2026-02-06T10:35:00Z"}, "ended")


def report(port, event, status):
    name = "track_session_start" if event["event_type"] == "session_start" else "track_session_end"
    request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": event}}
    headers = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}
    answer = requests.post(f"http://127.0.0.1:{port}/mcp", json=request, headers=headers, timeout=10).json()
    result = answer["result"]["structuredContent"]
    check_equal(result["status"], status, f"{name}: {result}")
    return result["session_id"]


class World:
    """A section's home, server and terminals."""

    def __init__(self, it):
        self.it = it
        self.terminals = {}
        home = it.server.home
        tools = home / "bin"
        tools.mkdir()
        # What a machine without a mail system lacks; it shows what it was given.
        (tools / "mail").write_text('#!/bin/sh\necho "mail $*"\ncat\n')
        (tools / "mail").chmod(0o755)
        program = pathlib.Path(os.environ.get("SESSION_BUDDY_BINARY", ROOT / "target/debug/session-buddy")).resolve()
        python = pathlib.Path(sys.executable).parent
        it.environment |= {
            "PATH": ":".join(map(str, (tools, program.parent / EXAMPLES, python, it.environment["PATH"]))),
            "TERM": "dumb",
            "TZ": "UTC",
            "PS1": "<$?>$ ",
            "PYTHONDONTWRITEBYTECODE": "1",
            "VIRTUAL_ENV": str(python.parent),
        }

    def type_block(self, block):
        terminal = self.terminals.get(block.name)
        if terminal is None:
            terminal = self.terminals[block.name] = Typist(self.it.open("bash", "--noediting", "--norc", "-o", "pipefail"))
        for prompt, line, expected in steps(block.text):
            check_equal(terminal.prompt, prompt, f"{block.where}: the prompt before {line!r}")
            output, code = terminal.enter(line.replace(FIXED_PORT, self.it.port))
            if terminal.prompt not in SHELLS and (prompt in SHELLS or " -c " in line):
                self.wait_for_delivery()
            output, expected = tidy(output), tidy(expected)
            pattern = as_pattern(expected.replace(FIXED_PORT, self.it.port))
            check(pattern.fullmatch(output), f"{block.where}: after `{line}` expected\n{expected}\ngot\n{output}")
            if code is not None:
                check_equal(code != 0, bool(FAILED.search(expected)), f"{block.where}: failure of `{line}`, code {code}")

    def wait_for_delivery(self):
        """A shell that is left waits 10 ms for the server; what it did not take by then it takes later."""
        if not (self.it.server.state / "server.json").exists():
            return

        def is_delivered():
            files = json.loads(self.it.run("event-buffer", "list", "--format", "json"))
            return all(file["owner_alive"] or file["destination"].startswith("stdio:") for file in files)

        wait_until(PATIENCE_SECONDS, "events are not delivered", is_delivered)

    def write_file(self, block):
        check(block.name, f"{block.where}: a script needs a file name")
        (self.it.server.home / block.name).write_text(block.text.replace(FIXED_PORT, self.it.port))


class Typist:
    """Types line after line and knows at which prompt."""

    def __init__(self, terminal):
        self.terminal = terminal
        self.prompt = self.wait_for_prompt()[1]

    def enter(self, line):
        """Types a line; what came of it, and the exit code if the system's shell ran it."""
        before = self.prompt
        output, self.prompt, code = self.ask(line)
        if before not in SHELLS and self.prompt in SHELLS and "✓ Enabled (" in output and "offline" not in output:
            # It says so above its next prompt, which may be this one or a later.
            output = output.replace(CONNECTING, CONNECTED)
            while "True" not in self.ask("print(shell.session_tracker.available)")[0]:
                pass
        elif before in SHELLS:
            output = NEWS.sub("", output)
        return output, code if before not in SHELLS else None

    def ask(self, line):
        self.terminal.type(line + "\n")
        output, prompt, code = self.wait_for_prompt()
        echo = line + "\n"
        check(output.startswith(echo), f"the terminal shows {output!r} instead of {echo!r}")
        return output[len(echo):], prompt, code

    def wait_for_prompt(self):
        terminal = self.terminal
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not (found := AT_A_PROMPT.search(text := terminal.text, terminal.read_to)) or found.end() == terminal.read_to:
            check(time.monotonic() < deadline, f"no prompt in {text[terminal.read_to:]!r}")
            check(terminal.read(), f"it ended: {text[terminal.read_to:]!r}")
        output = text[terminal.read_to:found.start()]
        terminal.read_to = len(text)
        return output, found["system"] or found["prompt"], int(found["code"]) if found["code"] else None


def steps(text):
    """What a block has: prompt, line typed, what must come."""
    found = []
    for line in text.splitlines():
        prompt = next((prompt for prompt in PROMPTS if f"{line} ".startswith(prompt)), None)
        if prompt:
            found.append((prompt, line[len(prompt):], ""))
        else:
            found[-1] = (*found[-1][:2], found[-1][2] + line + "\n")
    return found


def tidy(text):
    """Widths depend on names of users and hosts."""
    text = re.sub(r"[─═]+", "─", text)
    return "\n".join(re.sub(r" +", " ", line).strip() for line in text.splitlines())


def as_pattern(expected):
    """`...` stands for anything, a moment of `SOME_DAY` for any, and so does the number of a process."""
    day, compact = SOME_DAY
    pattern = re.escape(expected).replace(re.escape("..."), r"[\s\S]*?")
    for stands, meant in (
        (rf"{compact}-\d{{6}}-[a-z2-7]{{8}}", r"\d{8}-\d{6}-[a-z2-7]{8}"),
        (rf"{day} \d\d:\d\d:\d\d", r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d"),
        (r"process \d+", r"process \d+"),
    ):
        for text in set(re.findall(stands, expected)):
            pattern = pattern.replace(re.escape(text), meant)
    return re.compile(pattern)


def case(section):
    def run():
        with person() as it:
            if section.server:
                it.run("mcp", "start")
                seed(it.port)
            world = World(it)
            for block in section.blocks:
                if block.kind == "console":
                    world.type_block(block)
                elif block.kind == "python":
                    world.write_file(block)
                elif block.kind == "rust":
                    check(block.text in documented_example(), f"{block.where}: {CRATE.name} does not have it")
    run.__name__ = section.title
    return run


def documented_example():
    """The example of the crate's documentation, which the documentation's tests compile."""
    return re.sub(r"^//! ?", "", CRATE.read_text(), flags=re.MULTILINE)


def the_example_of_the_readme_is_compiled():
    example = re.search(r"^```rust\n(.*?)^```$", (ROOT / "README.md").read_text(), re.MULTILINE | re.DOTALL).group(1)
    check(example in documented_example(), f"{CRATE.name} does not have it")


if __name__ == "__main__":
    wanted = sys.argv[1:]
    run_cases([
        every_line_of_the_documents_is_quoted_and_no_other,
        every_quotation_is_answered_by_lines_that_run,
        the_example_of_the_readme_is_compiled,
        *(case(section) for section in sections() if not wanted or any(word in section.title for word in wanted)),
    ])
