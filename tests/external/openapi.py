"""The document of the API is complete and true: schemathesis from PyPI asks the server what the document allows and what it
does not, and compares the answers with the document. That it would notice a lie is tried, too."""

import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile

import requests

from harness import check, check_equal, end_event, run_cases, running_server, start_event

SEED = "20260206"
HERE = pathlib.Path(__file__).parent
SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
# A run takes half a minute on an idle machine of two cores.
LIMIT_SECONDS = 90
# Answers that do not end.
STREAMS = ("/api/events",)


def seeded(server):
    """Reports and closes sessions; what schemathesis may then name."""
    elsewhere = {"hostname": "mbp-local", "pid": 12345}
    starts = [start_event(component, **elsewhere) for component in ("mahavishnu", "crackerjack", "billing", "billing")]
    ids = [result["session_id"] for result in events(server, starts)]
    events(server, [end_event(ids[0])])
    for session_id in ids[1:3]:
        requests.post(f"{server.url}/api/sessions/{session_id}/end", json={"reason": "left open"}, timeout=10).raise_for_status()
    return {
        "session_ids": ids,
        "session_cursors": cursors(f"{server.url}/api/sessions"),
        "act_cursors": cursors(f"{server.url}/api/audit"),
    }


def events(server, batch):
    lines = "\n".join(json.dumps(event) for event in batch)
    headers = {"Content-Type": "application/x-ndjson"}
    answer = requests.post(f"{server.url}/api/events", data=lines, headers=headers, timeout=10)
    answer.raise_for_status()
    return answer.json()


def cursors(url):
    """Those of all pages of one."""
    found, params = [], {"limit": 1}
    while link := requests.get(url, params=params, timeout=10).links.get("next"):
        found.append(re.search(r"cursor=([^&]+)", link["url"]).group(1))
        params["cursor"] = found[-1]
    check(found, f"{url} has no second page")
    return found


def schemathesis(server, known, document, *flags):
    """Runs schemathesis with a document, in a folder of its own; its exit code and what it said."""
    environment = os.environ | {"PYTHONPATH": str(HERE), "OPENAPI_KNOWN": json.dumps(known), "PYTHONDONTWRITEBYTECODE": "1"}
    config = ("--config-file", HERE / "openapi.toml")
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as folder:
        # From a file: it passes over the operation that it has a document from.
        file = pathlib.Path(folder, "openapi.json")
        file.write_text(json.dumps(document))
        done = subprocess.run(
            [SCHEMATHESIS, *config, "run", file, "--url", server.url, "--seed", SEED, "--no-color", *flags],
            env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS,
        )
    return done.returncode, done.stdout + done.stderr


def document_of(server):
    return requests.get(f"{server.url}/api/openapi.json", timeout=10).json()


def schemathesis_finds_no_failure():
    with running_server() as server:
        document = document_of(server)
        operations = sum(len(methods) for methods in document["paths"].values()) - len(STREAMS)
        code, said = schemathesis(server, seeded(server), document)
        check_equal(code, 0, f"exit code of schemathesis\n{said}")
        check(f"Tested: {operations}\n" in said, f"not all of {operations} operations were tested\n{said}")
        print(re.search(r"\d+ generated, \d+ passed", said).group(), flush=True)


# Where in the document, what it says there instead, and what schemathesis calls that.
LIES = {
    "an answer has another type": (
        ("/api/sessions", "get", "responses", "200", "content", "application/json", "schema", "items"),
        {"type": "string"}, "Response violates schema",
    ),
    "a limit goes further": (
        ("/api/audit", "get", "parameters", 0, "schema", "maximum"), 5000, "Schema-valid request rejected",
    ),
    "a limit ends sooner": (
        ("/api/analytics/sessions", "get", "parameters", 0, "schema", "maximum"), 30, "Schema-violating request accepted",
    ),
    "a status is not told": (
        ("/api/sessions/{id}", "get", "responses"), {"200": {"description": ""}}, "Undocumented status code",
    ),
    "a code is not told": (
        ("/api/sessions/{id}", "get", "responses", "404", "content", "application/problem+json", "schema", "properties", "code"),
        {"enum": ["NOT_FOUND"]}, "Response violates schema",
    ),
}


def schemathesis_finds_lies():
    with running_server() as server:
        known = seeded(server)
        for name, (place, lie, failure) in LIES.items():
            document = document_of(server)
            parent = document["paths"]
            for key in place[:-1]:
                parent = parent[key]
            check(parent[place[-1]] != lie, f"{name}: it is so")
            parent[place[-1]] = lie
            flags = ("--include-path", place[0], "--phases", "coverage,fuzzing", "-n", "10")
            code, said = schemathesis(server, known, document, *flags)
            check_equal(code, 1, f"exit code of schemathesis where {name}\n{said}")
            check(failure in said, f"no {failure!r} where {name}\n{said}")


if __name__ == "__main__":
    run_cases([schemathesis_finds_no_failure, schemathesis_finds_lies])
