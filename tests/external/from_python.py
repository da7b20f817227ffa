"""Runs docs/FROM-PYTHON.md, whose first section says what its blocks mean.

Each section is a case, with a fresh home and a server that knows three sessions."""

import datetime
import pathlib
import re
import sys

import requests

from harness import ROOT, check, check_equal, end_event, run_cases, start_event
from terminal import person
from typed import PROMPTS, World, sections

DOCUMENT = ROOT / "docs/FROM-PYTHON.md"
LINES = pathlib.Path(__file__).with_name("from_python.txt")
CRATE = ROOT / "crates/admin-shell/src/lib.rs"
KINDS = ("was", "console", "python", "rust")


def every_line_of_the_documents_is_quoted_and_no_other():
    known = {line.strip() for line in LINES.read_text().splitlines() if line.strip() and not line.startswith("#")}
    quoted = set()
    for section in sections(DOCUMENT):
        for block in section.blocks:
            if block.kind == "was":
                lines = (line.strip() for line in block.text.splitlines())
                quoted |= {line for line in lines if line and not line.startswith("# ")}
    check_equal(sorted(known - quoted), [], "lines that the document does not quote")
    check_equal(sorted(quoted - known), [], f"quoted lines that {LINES.name} does not have")


def every_quotation_is_answered_by_lines_that_run():
    for section in sections(DOCUMENT):
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
        *(case(section) for section in sections(DOCUMENT) if not wanted or any(word in section.title for word in wanted)),
    ])
