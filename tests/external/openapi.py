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

from harness import ROOT, check, check_equal, end_event, run_cases, running_server, start_event

SEED = "20260206"
HERE = pathlib.Path(__file__).parent
SCHEMATHESIS = pathlib.Path(sys.executable).with_name("schemathesis")
# The whole run takes 30 s on an idle machine of two cores.
LIMIT_SECONDS = 85


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


def schemathesis(known, location, *flags):
    """Runs schemathesis in a folder of its own; its exit code and what it said."""
    environment = os.environ | {"PYTHONPATH": str(HERE), "OPENAPI_KNOWN": json.dumps(known), "PYTHONDONTWRITEBYTECODE": "1"}
    with tempfile.TemporaryDirectory(prefix="schemathesis-") as folder:
        done = subprocess.run(
            [SCHEMATHESIS, "--config-file", HERE / "openapi.toml", "run", location, "--seed", SEED, "--no-color", *flags],
            env=environment, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS,
        )
    return done.returncode, done.stdout + done.stderr


def schemathesis_finds_no_failure():
    with running_server() as server:
        known = seeded(server)
        document = requests.get(f"{server.url}/api/openapi.json", timeout=10).json()
        operations = sum(len(methods) for methods in document["paths"].values())
        code, said = schemathesis(known, f"{server.url}/api/openapi.json")
        check_equal(code, 0, f"exit code of schemathesis\n{said}")
        check(f"Tested: {operations}" in said, f"not all of {operations} operations were tested\n{said}")
        print(said[said.index("SUMMARY"):].split("For more")[0].partition("\n")[2].strip(), flush=True)


def schemathesis_finds_lies():
    """Each change makes the document say something that is not so."""
    lies = {
        "an answer has another type": lambda paths: paths["/api/sessions"]["get"]["responses"]["200"]["content"]
        ["application/json"]["schema"].update(items={"type": "string"}),
        "a limit goes further": lambda paths: paths["/api/audit"]["get"]["parameters"][0]["schema"].update(maximum=5000),
        "a status is not told": lambda paths: paths["/api/schemas/{name}"]["get"].update(
            parameters=[{"name": "name", "in": "path", "required": True, "schema": {"type": "string"}}],
            responses={"200": paths["/api/schemas/{name}"]["get"]["responses"]["200"]},
        ),
        "a code is not told": lambda paths: paths["/api/sessions/{id}"]["get"]["responses"]["404"]["content"]
        ["application/problem+json"]["schema"]["properties"]["code"].update(enum=["NOT_FOUND"]),
    }
    with running_server() as server:
        known = seeded(server)
        document = requests.get(f"{server.url}/api/openapi.json", timeout=10).text
        for name, tell in lies.items():
            lying = json.loads(document)
            before = json.dumps(lying)
            tell(lying["paths"])
            changed = [path for path, methods in lying["paths"].items() if methods != json.loads(before)["paths"][path]]
            with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
                json.dump(lying, file)
                file.flush()
                code, said = schemathesis(
                    known, file.name, "--url", server.url, "--include-path", *changed, "--phases", "coverage,fuzzing", "-n", "20",
                )
            check_equal(code, 1, f"exit code of schemathesis where {name}\n{said}")


if __name__ == "__main__":
    check(SCHEMATHESIS.exists(), f"{SCHEMATHESIS} is missing; `cargo xtask test --stage external` installs it from {ROOT}")
    run_cases([schemathesis_finds_no_failure, schemathesis_finds_lies])
