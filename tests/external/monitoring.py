"""What `monitoring/` is made of, with the programs that will read it: Debian's promtool, and Debian's Prometheus, which scrapes
a real server whose sessions are known and is asked every query of the dashboard and the rules."""

import contextlib
import datetime
import json
import math
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
import time
import urllib.parse
import urllib.request

from harness import (
    ROOT, check, check_equal, end_event, run_cases, running_server, server_on_fresh_home, start_event, wait_until,
)

TOOLS = pathlib.Path(os.environ["PROMETHEUS_TOOLS"]).resolve()
MONITORING = ROOT / "monitoring"
PATIENCE_SECONDS = 20
HOUR = datetime.timedelta(hours=1)
UTC = datetime.timezone.utc


def run(*command, code=0, **more):
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, **more)
    check_equal(done.returncode, code, f"exit code of {command}\n{done.stdout}{done.stderr}")
    return done.stdout + done.stderr


def get(url):
    with urllib.request.urlopen(url, timeout=10) as answer:
        return answer.read().decode()


def send(server, events):
    """Sends a batch; what each is answered."""
    lines = "\n".join(json.dumps(event) for event in events)
    request = urllib.request.Request(
        f"{server.url}/api/events", lines.encode(), {"Content-Type": "application/x-ndjson"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        return json.load(answer)


def begin(server, component, count=1, user="les", **more):
    # The last pid that there can be is nobody's here, so nothing proves that these live.
    person = {"pid": 4194304, "user": {"username": user, "home": f"/home/{user}"}}
    events = [start_event(component, **person, **more) for _ in range(count)]
    results = send(server, events)
    check(all(result["status"] == "tracked" for result in results), results)
    return [result["session_id"] for result in results]


def end(server, session_ids, seconds=30, **report):
    events = [end_event(session_id) | {"duration_seconds": seconds} | report for session_id in session_ids]
    results = send(server, events)
    check(all(result["status"] == "ended" for result in results), results)


def fail(server, count):
    """Events that the server refuses: so many that are wrong, and one whose session it does not know."""
    wrong = [start_event("mahavishnu", pid=0) for _ in range(count)]
    results = send(server, wrong + [end_event("mahavishnu-20260206-220458-aaaaaaaa")])
    check_equal([result["status"] for result in results], ["error"] * count + ["not_found"], "answers")


def metrics_are_as_promtool_wants_them():
    with running_server() as server:
        end(server, begin(server, "mahavishnu", shell_type='Quoted"Shell\\\n\x1b[31m'))
        fail(server, 2)
        text = get(f"{server.url}/metrics")
        said = run(TOOLS / "promtool", "check", "metrics", input=text)
        check_equal(said, "", "what promtool has to say")


def scrape_configuration_and_rules_are_valid():
    run(TOOLS / "promtool", "check", "config", MONITORING / "prometheus.yml")
    said = run(TOOLS / "promtool", "check", "rules", "--lint-fatal", MONITORING / "alerts.yml")
    check(f"{len(alerts())} rules found" in said, said)


def each_alert_fires_when_it_should_and_not_before():
    run(TOOLS / "promtool", "test", "rules", "alerts.test.yml", cwd=MONITORING)
    text = (MONITORING / "alerts.test.yml").read_text()
    for alert in alerts():
        cases = re.findall(rf"alertname: {alert}\n +eval_time: .*\n +exp_alerts:( \[\])?", text)
        check("" in cases and " []" in cases, f"{alert} has no test in which it fires, or none in which it does not")


def alerts():
    return re.findall(r"- alert: (\w+)", (MONITORING / "alerts.yml").read_text())


class Prometheus:
    """Debian's Prometheus with the configuration of this folder, but for the address of the server and for how often it asks."""

    def __init__(self, folder, target):
        self.folder = pathlib.Path(folder)
        config = (MONITORING / "prometheus.yml").read_text()
        for ours, here in [("localhost:8678", target), ("scrape_interval: 15s", "scrape_interval: 1s"),
                           ("evaluation_interval: 15s", "evaluation_interval: 1s")]:
            check(ours in config, f"{ours} is not in prometheus.yml")
            config = config.replace(ours, here)
        (self.folder / "prometheus.yml").write_text(config)
        shutil.copy(MONITORING / "alerts.yml", self.folder)
        self.log = self.folder / "log.txt"
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(
                [TOOLS / "prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data",
                 "--web.listen-address=127.0.0.1:0"],
                cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            )
        self.url = None

    def is_ready(self):
        check(self.process.poll() is None, self.log.read_text())
        found = re.search(r'msg="Listening on" address=(\S+)', self.log.read_text())
        if not found:
            return False
        self.url = f"http://{found.group(1)}"
        with contextlib.suppress(OSError):
            return "Ready" in get(f"{self.url}/-/ready")
        return False

    def ask(self, path, **query):
        answer = json.loads(get(f"{self.url}/api/v1/{path}?{urllib.parse.urlencode(query)}"))
        check_equal(answer["status"], "success", answer)
        return answer["data"]

    def query(self, text):
        """The value of each series that a query finds, by its labels but for where they come from."""
        found = {}
        for series in self.ask("query", query=text)["result"]:
            labels = {name: value for name, value in series["metric"].items() if name not in ("__name__", "instance", "job")}
            found[tuple(sorted(labels.items()))] = float(series["value"][1])
        return found

    def sees(self, text, value):
        return list(self.query(text).values()) == [value]


@contextlib.contextmanager
def prometheus(target):
    with tempfile.TemporaryDirectory(prefix="prometheus-") as folder:
        running = Prometheus(folder, target)
        try:
            wait_until(PATIENCE_SECONDS, "Prometheus is not ready", running.is_ready, running.log.read_text)
            yield running
        finally:
            running.process.terminate()
            running.process.wait(timeout=20)


def about(value, window_seconds=None):
    """Between what `increase` may make of so many, and `60 * rate` over a window; see `known_traffic`."""
    scaled = value * 60 / window_seconds if window_seconds else value
    return (scaled * 0.999, scaled * 1.5)


def by(name, **values):
    return {((name, key),): value for key, value in values.items()}


def one(value):
    return {(): value}


RATE_INTERVAL_SECONDS = 240
#: What each query of the dashboard finds, by panel; see `known_sessions` and `known_traffic`.
EXPECTED = {
    "Tracking": [one(1)],
    "Active sessions": [one(3)],
    "Unique users today": [one(2)],
    "Open for over an hour": [one(2)],
    "Open for over a day": [one(1)],
    "Stale": [one(2)],
    "Starts per minute": [by("component_name", mahavishnu=about(5, RATE_INTERVAL_SECONDS),
                             billing=about(3, RATE_INTERVAL_SECONDS), crackerjack=0)],
    "Active sessions by component": [by("component_name", mahavishnu=0, billing=1, crackerjack=2)],
    # Nine of ten up to 60 s, one between 900 and 1,800: the fifth of ten, and the half of the tenth.
    "Length of sessions": [one(60 * 5 / 9), one(900 + 900 / 2)],
    "Share of sessions in which something failed": [
        by("component_name", mahavishnu=1 / 6, billing=0, crackerjack=math.nan),
    ],
    "Quality": [by("component_name", mahavishnu=100, billing=80)],
    "Lost and corrected in the last hour": [
        by("cause", process_gone=about(1), host_restarted=0, lease_expired=0), one(0), one(0),
    ],
    "Failed emissions per minute": [by("error_type", invalid_event=about(3, RATE_INTERVAL_SECONDS),
                                       session_not_found=about(1, RATE_INTERVAL_SECONDS))],
    "Time to answer an event": [by("event_type", session_start=(1e-6, 10), session_end=(1e-6, 10))],
    "Commit latency": [one((1e-6, 5)), one((1e-6, 5))],
    "Waiting": [one(0), one(0), one(0)],
}
#: What each alert's query finds.
ALERTS = {
    "SessionTrackingDown": {},
    "HighSessionFailureRate": one(1 / 9),
    "TooManyActiveSessions": {},
    "LongSessions": by("component_name", billing=1, crackerjack=1),
    "StuckSessions": by("component_name", crackerjack=1),
    "SpoolNotDraining": {},
    "SessionsLost": by("component_name", billing=about(1)),
}


def known_sessions(server):
    """Sessions of which only the store knows, once the server that took them is dead."""
    end(server, begin(server, "mahavishnu"))
    # 100 - 40 x 2 of 4
    end(server, begin(server, "billing", user="ana"), command_count=4, error_count=2, last_error="no such order")
    begin(server, "billing", age=2 * HOUR)
    begin(server, "crackerjack", age=25 * HOUR)


def known_traffic(server, seen):
    """One of each first, because what has no series yet does not increase; then the numbers that are asked for."""
    firsts = {component: begin(server, component) for component in ("mahavishnu", "billing", "crackerjack")}
    fail(server, 1)
    # Prometheus goes on by half a scrape on each side of what it saw, which is less of more.
    scrapes = "min(count_over_time(mcp_event_emit_failure_total[1m])) >= bool 5"
    wait_until(PATIENCE_SECONDS, "no five scrapes of each", lambda: seen("sum(session_start_total)", 3) and seen(scrapes, 1))
    mahavishnu = firsts["mahavishnu"] + begin(server, "mahavishnu", 5)
    billing = firsts["billing"] + begin(server, "billing", 3)
    end(server, mahavishnu[1:])
    end(server, mahavishnu[:1], seconds=1000, exit_reason="error", error_count=1, last_error="no such order")
    end(server, billing[1:])
    gone = datetime.datetime.now(UTC) + datetime.timedelta(seconds=30)
    end(server, billing[:1], exit_reason="lost", timestamp=gone.isoformat())
    fail(server, 3)
    wait_until(PATIENCE_SECONDS, "no last scrape", lambda: seen("sum(session_duration_seconds_count)", 10)
               and seen("sum(mcp_event_emit_failure_total)", 6))


def let_a_day_end():
    """At the end of a UTC day today's users would be tomorrow none."""
    def is_calm():
        now = datetime.datetime.now(UTC)
        return (now + datetime.timedelta(seconds=15)).date() == now.date()
    wait_until(30, "the day does not end", is_calm)


@contextlib.contextmanager
def crashed_and_restarted_server():
    with server_on_fresh_home() as server:
        server.state.mkdir(mode=0o700)
        (server.state / "config.yaml").write_text("stale_after: 1s\n")
        server.start()
        known_sessions(server)
        silent_since = time.monotonic()
        server.process.kill()
        server.process.wait()
        wait_until(5, "time stands still", lambda: time.monotonic() > silent_since + 1)
        server.start()
        yield server
        server.stop()


def compare(what, found, expected):
    check_equal(sorted(found), sorted(expected), f"series of {what}")
    for labels, value in expected.items():
        actual = found[labels]
        check(fits(actual, value), f"{what} {dict(labels)}: {actual} instead of {value}")


def fits(actual, expected):
    """Whether a value is the one, or between the two, that are expected; NaN is a mean of nothing."""
    if isinstance(expected, tuple):
        return expected[0] <= actual <= expected[1]
    return math.isclose(actual, expected, rel_tol=1e-9) or (math.isnan(actual) and math.isnan(expected))


def every_query_of_dashboard_and_rules_finds_what_is_known():
    let_a_day_end()
    with crashed_and_restarted_server() as server:
        has_counted = re.compile(r"^session_buddy_census_timestamp_seconds [1-9]", re.MULTILINE)
        wait_until(PATIENCE_SECONDS, "no census", lambda: has_counted.search(get(f"{server.url}/metrics")))
        with prometheus(server.address) as asked:
            wait_until(PATIENCE_SECONDS, "it is not scraped", lambda: asked.sees("sum(session_closed_total)", 0))
            known_traffic(server, asked.sees)
            dashboard = json.loads((MONITORING / "grafana-dashboard.json").read_text())
            panels = {panel["title"]: panel["targets"] for panel in dashboard["panels"]}
            check_equal(sorted(panels), sorted(EXPECTED), "panels")
            for title, targets in panels.items():
                check_equal(len(targets), len(EXPECTED[title]), f"queries of {title}")
                for target, expected in zip(targets, EXPECTED[title]):
                    compare(f"{title}: {target['expr']}", asked.query(as_grafana_asks(target["expr"])), expected)
            rules = {rule["name"]: rule for group in asked.ask("rules")["groups"] for rule in group["rules"]}
            check_equal(sorted(rules), sorted(ALERTS), "alerts")
            for name, rule in rules.items():
                check_equal(rule["health"], "ok", f"{name}: {rule}")
                compare(f"{name}: {rule['query']}", asked.query(rule["query"]), ALERTS[name])
            check_equal(asked.ask("targets")["activeTargets"][0]["lastError"], "", "the last scrape")


def as_grafana_asks(text):
    return text.replace("$component", ".*").replace("$__rate_interval", f"{RATE_INTERVAL_SECONDS}s")


if __name__ == "__main__":
    run_cases([
        metrics_are_as_promtool_wants_them,
        scrape_configuration_and_rules_are_valid,
        each_alert_fires_when_it_should_and_not_before,
        every_query_of_dashboard_and_rules_finds_what_is_known,
    ])
