"""The lines of both documents in the contract (the quick start guide and the status report), as a user types them:
in a shell, with `session-buddy` on the path, on the state folder of a fresh home. Only the port is the server's own."""

import contextlib
import csv
import datetime
import io
import json
import subprocess
import tempfile

import requests

from harness import Server, check, check_equal, end_event, run_cases, running_server, start_event

HOUR = datetime.timedelta(hours=1)
CALL = {"Accept": "application/json, text/event-stream", "MCP-Protocol-Version": "2025-11-25"}


class World:
    """A server that knows three sessions: one that ended, one that is young, one that runs for two hours."""

    def __init__(self, server):
        self.server = server
        # Senders on another machine: nobody can prove that they live, so `end-session` needs no --force.
        elsewhere = {"hostname": "mbp-local", "pid": 12345}
        les = {"user": {"username": "les", "home": "/home/les"}}
        self.ended = self.start(start_event("mahavishnu", age=26 * HOUR, **elsewhere, **les))
        self.tool("track_session_end", end_event(self.ended, age=26 * HOUR - datetime.timedelta(seconds=300)), "ended")
        self.young = self.start(start_event("crackerjack", **elsewhere))
        self.long = self.start(start_event("mahavishnu", age=2 * HOUR, **elsewhere, **les))

    def start(self, event):
        return self.tool("track_session_start", event, "tracked")["session_id"]

    def tool(self, name, arguments, status):
        request = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": arguments}}
        answer = requests.post(f"{self.server.url}/mcp", json=request, headers=CALL, timeout=10).json()
        result = answer["result"]["structuredContent"]
        check_equal(result["status"], status, f"{name}: {result}")
        return result

    def shell(self, line, code=0):
        return shell(self.server, line, code)

    def ids(self, line):
        """The session ids in the JSON that a line prints."""
        return [record["session_id"] for record in json.loads(self.shell(line))]


def shell(server, line, code=0):
    """Runs a line in bash with `pipefail`; what it printed."""
    done = subprocess.run(
        ["bash", "-o", "pipefail", "-c", line], env=server.environment(), cwd=server.home,
        stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60,
    )
    check_equal(done.returncode, code, f"exit code of `{line}`\n{done.stdout}{done.stderr}")
    return done.stdout


@contextlib.contextmanager
def world():
    with running_server() as server:
        yield World(server)


def day(days_from_now):
    """A date in the machine's time zone, as the documents write dates."""
    return (datetime.date.today() + datetime.timedelta(days=days_from_now)).isoformat()


def server_is_started_and_restarted_as_the_guide_shows():
    with tempfile.TemporaryDirectory(prefix="session-buddy-") as home:
        server = Server(home)
        try:
            shell(server, "SESSION_BUDDY_PORT=0 session-buddy mcp start")
            first = json.loads(shell(server, "cd / && session-buddy mcp status --format json"))
            shell(server, f"curl --fail --silent --max-time 10 http://{first['address']}/health | grep healthy")
            shell(server, "session-buddy mcp restart")
            second = json.loads(shell(server, "session-buddy mcp status --format json"))
            check(first["pid"] != second["pid"], "it was not started again")
            check_equal(second["address"], first["address"], "its address")
            shell(server, "session-buddy list-sessions --type admin_shell")
        finally:
            shell(server, "session-buddy mcp stop --force")
        shell(server, "session-buddy mcp status", code=2)


def curl_health_says_healthy():
    with world() as it:
        line = f"curl --fail --silent --show-error --max-time 10 http://localhost:{it.server.port}/health"
        check_equal(json.loads(it.shell(line))["status"], "healthy", line)
        check('"status":"healthy"' in it.shell(line).replace(" ", ""), "the guide's expected text")


def monitoring_script_finds_the_long_running_shell():
    with world() as it:
        response = requests.get(f"http://localhost:{it.server.port}/api/sessions", timeout=10)
        sessions = response.json()
        alerts = []
        for session in sessions:
            if session.get("duration_seconds", 0) > 3600:
                alerts.append(
                    f"Long-running shell detected: {session['session_id']}\n"
                    f"Component: {session['component_name']}\n"
                    f"Duration: {session['duration_seconds']}s\n"
                    f"User: {session['username']}"
                )
        check_equal(len(sessions), 3, "sessions")
        check_equal(len(alerts), 1, "alerts")
        check(it.long in alerts[0] and "User: les" in alerts[0], alerts[0])


def status_report_query_works_in_sqlite3():
    with world() as it:
        query = "SELECT * FROM sessions WHERE session_type='admin_shell' ORDER BY start_time DESC LIMIT 5;"
        records = json.loads(it.shell(f'sqlite3 -json ~/.session-buddy/sessions.db "{query}"'))
        check_equal([record["session_id"] for record in records], [it.young, it.long, it.ended], query)
        check_equal(it.shell(f'sqlite3 ~/.session-buddy/sessions.db "{query}"').count("\n"), 3, "rows")


def list_sessions_filters_as_the_guide_shows():
    with world() as it:
        table = it.shell("session-buddy list-sessions --type admin_shell")
        check(all(session_id in table for session_id in (it.young, it.long, it.ended)), table)
        expected = {
            "--type admin_shell": [it.young, it.long, it.ended],
            "--component mahavishnu": [it.long, it.ended],
            "--user les": [it.long, it.ended],
            "--duration-greater 3600": [it.long],
            "--duration-greater 86400": [],
            "--type admin_shell --incomplete": [it.young, it.long],
            "--limit 10": [it.young, it.long, it.ended],
            "--limit 1": [it.young],
            f'--type admin_shell --after "{day(-7)}" --before "{day(1)}"': [it.young, it.long, it.ended],
            f'--after "{day(-9)}" --before "{day(-7)}"': [],
            '--after "2026-02-01" --before "2026-02-07"': [],
        }
        for flags, ids in expected.items():
            check_equal(it.ids(f"session-buddy list-sessions {flags} --format json"), ids, flags)
            it.shell(f"session-buddy list-sessions {flags}")


def list_sessions_exports_json_and_csv():
    with world() as it:
        home = it.server.home
        it.shell("session-buddy list-sessions --format json > sessions.json")
        check_equal(len(json.loads((home / "sessions.json").read_text())), 3, "sessions.json")
        it.shell("session-buddy list-sessions --format csv > sessions.csv")
        printed = (home / "sessions.csv").read_text()
        it.shell("session-buddy list-sessions --type admin_shell --output audit.csv")
        for text in (printed, (home / "audit.csv").read_text()):
            rows = list(csv.DictReader(io.StringIO(text)))
            check_equal([row["session_id"] for row in rows], [it.young, it.long, it.ended], "CSV")
        it.shell('session-buddy list-sessions --type admin_shell --after "$(date -d "-7 days" +%Y-%m-%d)" '
                 "--output admin_audit_$(date +%Y%m%d).csv")
        check_equal(len(list(home.glob("admin_audit_*.csv"))), 1, "the weekly audit's file")


def show_session_tells_the_duration():
    with world() as it:
        panel = it.shell(f"session-buddy show-session {it.ended}")
        for text in (it.ended, "ended", "300 seconds (5 minutes)", "UTC"):
            check(text in panel, f"no {text!r} in\n{panel}")
        line = f"session-buddy show-session {it.ended} --format json | jq '.duration_seconds'"
        check_equal(it.shell(line).strip(), "300", line)
        tail = it.ended.rpartition("-")[2]
        check(it.ended in it.shell(f"session-buddy show-session sess_{tail}"), "the id as the guide writes it")


def stuck_sessions_are_ended_in_bulk():
    with world() as it:
        ids = it.shell("session-buddy list-sessions --format json | jq -r '.[].session_id'").split()
        check_equal(ids, [it.young, it.long, it.ended], "ids through jq")
        it.shell("session-buddy list-sessions --incomplete --format json | jq -r '.[].session_id' | "
                 "xargs -I {} session-buddy end-session {}")
        check_equal(it.ids("session-buddy list-sessions --incomplete --format json"), [], "what is still open")
        record = json.loads(it.shell(f"session-buddy show-session {it.young} --format json"))
        check_equal((record["status"], record["end_known_by"]), ("ended", "by_hand"), "a session closed by hand")
        it.shell("session-buddy end-session nobody-20260206-220458-aaaaaaaa", code=1)


if __name__ == "__main__":
    run_cases([
        server_is_started_and_restarted_as_the_guide_shows,
        curl_health_says_healthy,
        monitoring_script_finds_the_long_running_shell,
        status_report_query_works_in_sqlite3,
        list_sessions_filters_as_the_guide_shows,
        list_sessions_exports_json_and_csv,
        show_session_tells_the_duration,
        stuck_sessions_are_ended_in_bulk,
    ])
