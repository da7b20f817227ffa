"""The shells of all six components, open at once, each at a terminal: six rows in the list, and what each says of itself."""

import json
import re

from harness import ROOT, check, check_equal, run_cases, wait_until
from terminal import PATIENCE_SECONDS, person

# Component, class of its shell, what kind of component it is.
SHELLS = {
    "mahavishnu": ("MahavishnuShell", "orchestrator"),
    "session-buddy": ("SessionBuddyShell", "manager"),
    "oneiric": ("OneiricShell", "foundation"),
    "crackerjack": ("CrackerjackShell", "inspector"),
    "akosha": ("AkoshaShell", "diviner"),
    "fastblocks": ("FastBlocksShell", "builder"),
}
HEADINGS = ["Session ID", "Component", "Type", "Status"]
# What a shell of each offers, so that the right one has opened.
HELPERS = {
    "mahavishnu": "ps top errors sync",
    "session-buddy": "ps active quality insights",
    "oneiric": "reload_settings show_layers validate_config",
    "crackerjack": "crack test lint scan format_code typecheck show_adapters show_hooks",
    "akosha": "aggregate search detect graph trends",
    "fastblocks": "build render routes auth",
}
VERSION = re.search(r'^version = "(.+)"$', (ROOT / "Cargo.toml").read_text(), re.MULTILINE).group(1)
SESSION_ID = r"^  Session ID: ({}-\d{{8}}-\d{{6}}-[a-z2-7]{{8}})$"
PROMPT = r"^\w[\w-]*> "


def open_shell(it, component):
    """A shell at its first prompt, and the id of its session."""
    shell = it.open(component, "shell", PAGER="cat")
    session_id = shell.wait_for(SESSION_ID.format(component)).group(1)
    shell.wait_for(PROMPT)
    return shell, session_id


def records(it):
    listed = json.loads(it.run("list-sessions", "--type", "admin_shell", "--format", "json"))
    return {record["session_id"]: record for record in listed}


def check_record(record, component):
    shell_type, component_type = SHELLS[component]
    metadata = record["metadata"]
    check_equal(record["component_name"], component, "component")
    check_equal((record["status"], record["liveness"]), ("active", "live"), component)
    check_equal(record["shell_type"], shell_type, f"shell_type of {component}")
    check_equal(metadata.get("component_type"), component_type, f"component_type of {component}")
    check_equal(metadata.get("component_version"), VERSION, f"component_version of {component}")
    check_equal(metadata.get("cli_enabled"), True, f"cli_enabled of {component}")
    check(isinstance(metadata.get("adapters"), list), f"adapters of {component}: {metadata}")


def check_helpers(shell, component):
    begin = len(shell.text)
    shell.type("help()\r")
    shell.wait_for(r"^.*\bexit\b.*$")
    shell.wait_for(PROMPT)
    for helper in HELPERS[component].split():
        check(re.search(rf"\b{helper}\(", shell.text[begin:]), f"{component}: no {helper}() in {shell.text[begin:]}")


def all_six_are_listed_while_they_are_open_and_ended_when_they_are_left():
    with person() as it:
        # The shell that brings the server comes first; the others find it.
        opened = {name: open_shell(it, name) for name in ("session-buddy", *SHELLS.keys() - {"session-buddy"})}
        ids = {session_id: name for name, (_, session_id) in opened.items()}

        def all_live():
            found = records(it)
            return found.keys() == ids.keys() and all(one["liveness"] == "live" for one in found.values())

        wait_until(PATIENCE_SECONDS, "the six are not all live", all_live, lambda: str(records(it)))
        for session_id, record in records(it).items():
            check_record(record, ids[session_id])
        listed = it.open("session-buddy", "list-sessions", "--type", "admin_shell")
        check_equal(listed.left(), 0, "exit code of list-sessions")
        heading, *rows = listed.text.splitlines()
        check_equal(re.split(r"  +", heading)[:4], HEADINGS, "headings")
        rows = [row.split()[:4] for row in rows if row.strip()]
        expected = [[session_id, name, "admin_shell", "active"] for session_id, name in ids.items()]
        check_equal(sorted(rows), sorted(expected), "rows")
        for name, (shell, _) in opened.items():
            check_helpers(shell, name)
            shell.type("exit()\r")
            check_equal(shell.left(), 0, f"exit code of {name}")
        wait_until(PATIENCE_SECONDS, "the six are not all ended", lambda: all(
            (one["status"], one["end_known_by"], one["exit_reason"]) == ("ended", "reported", "exit")
            for one in records(it).values()
        ), lambda: str(records(it)))
        check_equal(records(it).keys(), ids.keys(), "sessions")
        it.run("verify")


if __name__ == "__main__":
    run_cases([all_six_are_listed_while_they_are_open_and_ended_when_they_are_left])
