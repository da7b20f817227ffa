"""The five steps of the quick start guide, at a terminal, as a person does them; each way of leaving a shell; and a
shell whose server goes and comes back."""

import json
import re
import secrets
import signal
import subprocess
import urllib.error
import urllib.request

from harness import check, check_equal, run_cases, wait_until
from terminal import PATIENCE_SECONDS, person

PROMPT = r"Session-Buddy> "
SESSION_ID = r"^  Session ID: (session-buddy-\d{8}-\d{6}-[a-z2-7]{8})$"
CTRL_C, CTRL_D = "\x03", "\x04"


def open_shell(it, *flags):
    """A shell at its first prompt, and the id of its session."""
    shell = it.open("session-buddy", "shell", *flags)
    session_id = shell.wait_for(SESSION_ID).group(1)
    shell.wait_for(PROMPT)
    return shell, session_id


def open_tracked_shell(it):
    """A shell whose start the server has."""
    shell, session_id = open_shell(it)
    wait_until(PATIENCE_SECONDS, f"{session_id} is not recorded", lambda: record(it, session_id))
    return shell, session_id


def record(it, session_id):
    """The session as the command line shows it, `None` as long as there is none."""
    records = json.loads(it.run("list-sessions", "--format", "json"))
    return next((one for one in records if one["session_id"] == session_id), None)


def wait_closed(it, session_id):
    """The record once it is not active any more."""
    def is_closed():
        found = record(it, session_id)
        return found is not None and found["status"] != "active"
    wait_until(PATIENCE_SECONDS, f"{session_id} is still active", is_closed)
    return record(it, session_id)


def kinds(it, session_id):
    """What the ledger has of a session."""
    query = f"SELECT kind FROM ledger WHERE session_id = '{session_id}' ORDER BY record"
    done = subprocess.run(
        ["sqlite3", it.server.state / "sessions.db", query], capture_output=True, text=True, check=True, timeout=10,
    )
    return done.stdout.split()


def answer(shell, line, pattern):
    """Types a line and waits for a line of its answer, and for the prompt after it."""
    shell.type(line + "\r")
    found = shell.wait_for(rf"\n({pattern})\n", f"answer to {line}").group(1)
    shell.wait_for(PROMPT)
    return found


def connected(shell):
    """Asks until the shell says that it is connected: its banner or a line above the prompt said so before."""
    while answer(shell, "print(shell.session_tracker.available)", "True|False") == "False":
        pass


def the_five_steps():
    with person() as it:
        it.run("mcp", "status", code=2)
        # 1 and 3: the shell starts the server and says so.
        shell = it.open("session-buddy", "shell")
        shell.wait_for(r"^note: started the server, process \d+; it stays when this shell is left")
        session_id = shell.wait_for(SESSION_ID).group(1)
        shell.wait_for(PROMPT)
        connected(shell)
        # In the banner, or above a prompt after it.
        shell.read_to = 0
        shell.wait_for(r"Session Tracking: ✓ Enabled \(Session-Buddy connected\)")
        it.run("mcp", "health")
        # 4: in another terminal.
        second = it.open("session-buddy", "list-sessions", "--type", "admin_shell")
        check_equal(second.left(), 0, "exit code of list-sessions")
        row = next(line for line in second.text.splitlines() if line.startswith(session_id))
        check(re.search(r" session-buddy +admin_shell +active ", row), row)
        # 5: it ends, and the server stays.
        shell.type("exit()\r")
        check_equal(shell.left(), 0, "exit code of the shell")
        found = wait_closed(it, session_id)
        check_equal((found["status"], found["end_known_by"]), ("ended", "reported"), "the end")
        panel = it.open("session-buddy", "show-session", session_id)
        check_equal(panel.left(), 0, "exit code of show-session")
        lines = f"Session: {session_id}", "Status: +ended", "Start Time: .* UTC", "End Time: .* UTC", r"Duration: +\d+ second"
        for line in lines:
            check(re.search(line, panel.text), f"no {line!r} in\n{panel.text}")
        it.run("mcp", "status")


LEAVING = {
    "exit()": (lambda shell: shell.type("exit()\r"), 0, ("ended", "reported", "exit", 0)),
    "quit()": (lambda shell: shell.type("quit()\r"), 0, ("ended", "reported", "exit", 0)),
    "exit": (lambda shell: shell.type("exit\r"), 0, ("ended", "reported", "exit", 0)),
    "Ctrl-D": (lambda shell: shell.type(CTRL_D), 0, ("ended", "reported", "eof", 0)),
    "SIGTERM": (lambda shell: shell.signal(signal.SIGTERM), 143, ("ended", "reported", "signal", 143)),
    "closing the terminal": (lambda shell: shell.close_window(), 129, ("ended", "reported", "signal", 129)),
    "kill -9": (lambda shell: shell.signal(signal.SIGKILL), -9, ("lost", "process_gone", None, None)),
}


def each_way_of_leaving_ends_the_session_once():
    with person() as it:
        ended = []
        for way, (leave, code, expected) in LEAVING.items():
            shell, session_id = open_tracked_shell(it)
            check_equal(record(it, session_id)["status"], "active", f"before {way}")
            leave(shell)
            check_equal(shell.left(), code, f"exit code after {way}")
            found = wait_closed(it, session_id)
            actual = tuple(found[key] for key in ("status", "end_known_by", "exit_reason", "exit_code"))
            check_equal(actual, expected, f"the record after {way}")
            ended.append((session_id, "end" if found["end_known_by"] == "reported" else "closed"))
        # Everything had its time to come twice.
        for session_id, kind in ended:
            check_equal(kinds(it, session_id), ["start", kind], f"ledger of {session_id}")
        check_equal(json.loads(it.run("list-sessions", "--incomplete", "--format", "json")), [], "open sessions")
        it.run("verify")


def ctrl_c_leaves_nobody_outside():
    with person() as it:
        shell, session_id = open_tracked_shell(it)
        shell.type(CTRL_C)
        shell.wait_for(r"exit\(\) or Ctrl-D leaves")
        shell.type("print('it goes'); sleep(3600)\r")
        shell.wait_for(r"\nit goes\n")
        shell.type(CTRL_C)
        shell.wait_for("interrupted")
        shell.wait_for(PROMPT)
        check_equal(answer(shell, "print(6 * 7)", r"\d+"), "42", "what the shell says afterwards")
        check_equal(record(it, session_id)["status"], "active", "its session")


def the_shell_says_how_the_tracking_goes():
    with person() as it:
        shell, session_id = open_tracked_shell(it)
        connected(shell)
        check_equal(answer(shell, "print(shell.session_id)", r"session-buddy-\S+"), session_id, "print(shell.session_id)")
        check_equal(answer(shell, "shell.session_id", r"'\S+'"), f"'{session_id}'", "shell.session_id")
        answer(shell, "print(shell.session_tracker.available)", "True")
        answer(shell, "print(shell.session_tracker._circuit_open_until)", "None")


def what_happens_without_a_server_is_recorded_later():
    with person() as it:
        shell, session_id = open_shell(it, "--no-server")
        check("Session Tracking: ✓ Enabled (offline, buffered)" in shell.text, shell.text)
        shell.wait_for("Session Tracking: offline; events wait and are sent later")
        answer(shell, "print(shell.session_tracker.available)", "False")
        answer(shell, "print(shell.session_tracker._circuit_open_until)", r"\d{4}-\d\d-\d\dT.*Z")
        check_equal(answer(shell, "print(6 * 7)", r"\d+"), "42", "what the shell says without a server")
        it.run("mcp", "start")
        # Above the prompt, within the breaker's minute: the new socket is enough.
        shell.wait_for(r"Session Tracking: ✓ Enabled \(Session-Buddy connected\)")
        connected(shell)
        answer(shell, "print(shell.session_tracker._circuit_open_until)", "None")
        check_equal(record(it, session_id)["status"], "active", "its session")
        shell.type("exit()\r")
        check_equal(shell.left(), 0, "exit code of the shell")
        check_equal(wait_closed(it, session_id)["exit_reason"], "exit", "the end")
        check_equal(kinds(it, session_id), ["start", "end"], "its ledger")


def a_shell_outlives_its_server():
    with person() as it:
        shell, session_id = open_tracked_shell(it)
        it.run("mcp", "stop")
        check_equal(answer(shell, "print(6 * 7)", r"\d+"), "42", "what the shell says without a server")
        shell.type("ps()\r")
        shell.wait_for(rf"\n{session_id} .* active")
        shell.wait_for(PROMPT)
        shell.type("exit()\r")
        check_equal(shell.left(), 0, "exit code of the shell")
        check_equal(record(it, session_id)["status"], "active", "the record without its end")
        it.run("mcp", "start")
        found = wait_closed(it, session_id)
        actual = tuple(found[key] for key in ("status", "end_known_by", "exit_reason", "exit_code"))
        check_equal(actual, ("ended", "reported", "exit", 0), "the record")
        check_equal(kinds(it, session_id), ["start", "end"], "its ledger")
        it.run("verify")


SECRET = "MAHAVISHNU_CROSS_PROJECT_AUTH_SECRET"


def ask(it, path, token=None):
    """What a program on TCP is answered: status and JSON."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(f"http://127.0.0.1:{it.port}{path}", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def authentication_as_the_guide_sets_it():
    with person() as it:
        # Step 2 of the quick start, before or after the server: it needs a restart to hear of it.
        it.run("mcp", "start")
        check_equal(ask(it, "/health")[1]["auth"], "optional", "auth before there is a secret")
        check_equal(ask(it, "/api/sessions"), (200, []), "a list without a secret")
        it.environment[SECRET] = secrets.token_urlsafe(32)
        it.run("mcp", "restart")
        check_equal(ask(it, "/health")[1]["auth"], "required", "auth with a secret")
        status, problem = ask(it, "/api/sessions")
        check_equal((status, problem["code"]), (401, "TOKEN_REQUIRED"), "a list without a token")

        # Step 3: a shell with the same secret is tracked, over the port as well as over the socket.
        endpoint = f"http://localhost:{it.port}/mcp"
        for variables in ({}, {"SESSION_BUDDY_MCP_ENDPOINT": endpoint}):
            shell = it.open("session-buddy", "shell", **variables)
            session_id = shell.wait_for(SESSION_ID).group(1)
            shell.wait_for(PROMPT)
            wait_until(PATIENCE_SECONDS, f"{session_id} is not recorded", lambda: record(it, session_id))
            connected(shell)
            shell.type("exit()\r")
            check_equal(shell.left(), 0, "exit code of the shell")
            check_equal(wait_closed(it, session_id)["end_known_by"], "reported", "its end")

        # One with another secret works, loses nothing, and says what to do.
        other = {"SESSION_BUDDY_MCP_ENDPOINT": endpoint, SECRET: secrets.token_urlsafe(32)}
        shell = it.open("session-buddy", "shell", **other)
        refused_id = shell.wait_for(SESSION_ID).group(1)
        shell.wait_for(PROMPT)
        check_equal(answer(shell, "print(6 * 7)", r"\d+"), "42", "what a shell with a wrong secret says")
        shell.type("exit()\r")
        check_equal(shell.left(), 0, "exit code of the shell")
        # The server finds what it left in the spool of its own user, and believes the kernel who that is.
        wait_until(PATIENCE_SECONDS, f"{refused_id} is not recorded", lambda: record(it, refused_id))
        check_equal(wait_closed(it, refused_id)["exit_reason"], "exit", "the end of a shell with a wrong secret")

        # A script asks with a token.
        token = it.run("token", "create", "--subject", "audit", "--scope", "read").strip()
        status, sessions = ask(it, "/api/sessions", token)
        check_equal((status, len(sessions)), (200, 3), "a list with a token")
        check_equal(ask(it, "/api/audit", token)[0], 403, "the audit with a reader's token")
        it.run("verify")


def production_as_the_guide_sets_it():
    with person() as it:
        # What the guide prints as an example is no secret, nor is one that can be guessed.
        for weak in ("<32-byte-url-safe-secret>", "changeme"):
            it.environment[SECRET] = weak
            it.run("mcp", "start", code=5)
        # As Kubernetes and Docker mount it.
        mounted = it.server.home / "secret"
        mounted.write_text(secrets.token_urlsafe(32) + "\n")
        del it.environment[SECRET]
        it.environment[SECRET + "_FILE"] = str(mounted)
        it.run("mcp", "start")
        check_equal(ask(it, "/health")[1]["auth"], "required", "auth with a secret in a file")
        old = it.run("token", "create", "--subject", "ci", "--scope", "read").strip()
        # A rotation: both are good, then the new one alone.
        first, second = mounted.read_text().strip(), secrets.token_urlsafe(32)
        mounted.write_text(f"{first},{second}\n")
        it.run("mcp", "restart")
        new = it.run("token", "create", "--subject", "ci", "--scope", "read").strip()
        check_equal([ask(it, "/api/sessions", one)[0] for one in (old, new)], [200, 200], "while both are good")
        mounted.write_text(second + "\n")
        it.run("mcp", "restart")
        check_equal([ask(it, "/api/sessions", one)[0] for one in (old, new)], [401, 200], "once the old one is gone")
        # A record that can be checked from elsewhere.
        elsewhere = it.server.home / "elsewhere.json"
        it.run("checkpoint", "--output", str(elsewhere))
        check(str(elsewhere) in it.run("verify", "--checkpoint", str(elsewhere)), "verify does not name the checkpoint")


if __name__ == "__main__":
    run_cases([
        the_five_steps,
        each_way_of_leaving_ends_the_session_once,
        ctrl_c_leaves_nobody_outside,
        the_shell_says_how_the_tracking_goes,
        what_happens_without_a_server_is_recorded_later,
        a_shell_outlives_its_server,
        authentication_as_the_guide_sets_it,
        production_as_the_guide_sets_it,
    ])
