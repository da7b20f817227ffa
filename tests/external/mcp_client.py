"""The PyPI `mcp` client against a real server, in both protocol revisions: with the `initialize` handshake of
2025-11-25 and older, and as newer clients connect. Over HTTP, and over standard input and output."""

import asyncio
import json
import os
import subprocess
import tempfile

import requests
from mcp import Client, MCPError, StdioServerParameters

from harness import BINARY, Server, check, check_equal, end_event, run_cases, running_server, start_event

TOOLS = {
    "track_session_start", "track_session_end", "track_session_heartbeat", "health_check",
    "list_sessions", "get_session", "end_session",
}
BAD_FIELDS = {
    "event_version": "2.0", "event_id": "not-a-uuid", "component_name": "a b", "timestamp": "yesterday", "pid": 0,
}


async def call(client, tool, arguments, is_error=False):
    """Calls a tool; the structured result, after checking that the text is exactly its JSON."""
    result = await client.call_tool(tool, arguments)
    check_equal(result.is_error, is_error, f"isError of {tool}: {result.content}")
    check_equal(len(result.content), 1, f"content blocks of {tool}")
    check_equal(json.loads(result.content[0].text), result.structured_content, f"text of {tool}")
    return result.structured_content


async def conversation(client):
    tools = await client.list_tools()
    check_equal({tool.name for tool in tools.tools} & TOOLS, TOOLS, "tools/list")
    for tool in tools.tools:
        check(tool.description, f"{tool.name} has no description")
        check(tool.input_schema.get("additionalProperties") is not False, f"{tool.name} refuses what newer clients send")

    health = await call(client, "health_check", {})
    check_equal(health["status"], "healthy", "health_check")

    event = start_event()
    started = await call(client, "track_session_start", event)
    session_id = started["session_id"]
    check_equal(started, {"session_id": session_id, "status": "tracked", "error": None, "error_code": None}, "a start")
    check(session_id.startswith("mahavishnu-"), session_id)
    again = await call(client, "track_session_start", event)
    check_equal(again, started, "the same start again")

    metadata = {"component_version": "1.0.0", "adapters": ["llamaindex", "agno"]}
    other = await call(client, "track_session_start", start_event("crackerjack", metadata=metadata, token=None))
    check(other["session_id"] != session_id, "two starts share an id")

    listed = await call(client, "list_sessions", {})
    records = {record["session_id"]: record for record in listed["sessions"]}
    check_equal(listed["count"], len(listed["sessions"]), "count of list_sessions")
    for record in (records[session_id], records[other["session_id"]]):
        check_equal(record["status"], "active", f"status of {record['session_id']}")
        check(isinstance(record["duration_seconds"], int), "the duration of an active session is not a number")
    check_equal(records[session_id]["event_id"], event["event_id"], "event_id")
    check_equal(records[session_id]["pid"], os.getpid(), "pid")
    check_equal(records[session_id]["metadata"], {}, "null metadata")
    check_equal(records[other["session_id"]]["metadata"], metadata, "metadata")

    ended = await call(client, "track_session_end", end_event(session_id))
    check_equal(ended, {"session_id": session_id, "status": "ended", "error": None, "error_code": None}, "an end")
    again = await call(client, "track_session_end", end_event(session_id))
    check_equal(again["status"], "ended", "a second end")
    record = await call(client, "get_session", {"session_id": session_id})
    check_equal((record["status"], record["end_known_by"]), ("ended", "reported"), "get_session after the end")

    unknown = await call(client, "track_session_end", end_event("mahavishnu-20260206-220458-aaaaaaaa"))
    check_equal((unknown["status"], unknown["error"]), ("not_found", None), "the end of an unknown session")
    missing = await call(client, "get_session", {"session_id": "nobody-20260206-220458-aaaaaaaa"}, is_error=True)
    check_equal(missing["error_code"], "SESSION_NOT_FOUND", "get_session of an unknown session")

    refused = await call(client, "track_session_start", start_event(**BAD_FIELDS))
    check_equal((refused["status"], refused["session_id"]), ("error", None), "an invalid start")
    check_equal(refused["error_code"], "INVALID_EVENT", "an invalid start")
    unnamed = [field for field in BAD_FIELDS if field not in refused["error"]]
    check(not unnamed, f"the error does not name {unnamed}: {refused['error']}")

    try:
        await client.call_tool("no_such_tool", {})
    except MCPError as error:
        check(error.code in (-32601, -32602), f"an unknown tool is answered with code {error.code}: {error}")
    else:
        check(False, "an unknown tool is not a protocol error")

    alive = await call(client, "health_check", {})
    check_equal(alive["status"], "healthy", "after all refusals")
    closed = await call(client, "end_session", {"session_id": other["session_id"], "force": True})
    check_equal((closed["status"], closed["end_known_by"]), ("ended", "by_hand"), "end_session")


REVISIONS = {"legacy": {"2025-11-25"}, "2026-07-28": {"2026-07-28"}, "auto": {"2026-07-28", "2025-11-25"}}


def talk(target, mode):
    """Connects as a client of that mode does, and talks."""

    async def connect():
        async with Client(target, mode=mode, read_timeout_seconds=10) as client:
            revisions = REVISIONS[mode]
            check(client.protocol_version in revisions, f"negotiated {client.protocol_version}, not one of {revisions}")
            await conversation(client)

    asyncio.run(asyncio.wait_for(connect(), 60))


def talk_over_http(mode):
    with running_server() as server:
        talk(f"{server.url}/mcp", mode)
        answer = requests.get(f"{server.url}/health", timeout=10)
        check_equal(answer.status_code, 200, "/health after the conversation")


def stdio(server, *flags):
    """The program as a client starts it."""
    return StdioServerParameters(command=str(BINARY), args=["mcp", "stdio", *flags], env=server.environment())


def cli(server, *arguments):
    """Runs the command line; what it printed."""
    done = subprocess.run(
        [BINARY, *arguments], env=server.environment(), cwd=server.home, stdin=subprocess.DEVNULL, capture_output=True,
        text=True, timeout=60,
    )
    check_equal(done.returncode, 0, f"exit code of {arguments}\n{done.stdout}{done.stderr}")
    return done.stdout


def transports(server):
    """How the server was reached, of each session that it knows."""
    return {record["origin_transport"] for record in json.loads(cli(server, "list-sessions", "--format", "json"))}


def client_with_initialize_handshake():
    talk_over_http("legacy")


def client_of_the_newest_revision():
    talk_over_http("2026-07-28")


def client_that_finds_out_the_revision():
    talk_over_http("auto")


def clients_over_stdio_are_relayed_to_the_server_that_the_first_starts():
    with tempfile.TemporaryDirectory(prefix="session-buddy-") as home:
        server = Server(home)
        try:
            for mode in REVISIONS:
                talk(stdio(server, "--port", "0"), mode)
            check_equal(transports(server), {"unix"}, "how the relays came in")
        finally:
            cli(server, "mcp", "stop", "--force")


def clients_over_stdio_may_have_a_server_of_their_own():
    for mode in REVISIONS:
        with tempfile.TemporaryDirectory(prefix="session-buddy-") as home:
            server = Server(home)
            talk(stdio(server, "--embedded"), mode)
            check_equal(transports(server), {"stdio"}, "how the client came in")
            check(not (server.state / "server.json").exists(), "the server is still there")
            cli(server, "verify")


if __name__ == "__main__":
    run_cases([
        client_with_initialize_handshake,
        client_of_the_newest_revision,
        client_that_finds_out_the_revision,
        clients_over_stdio_are_relayed_to_the_server_that_the_first_starts,
        clients_over_stdio_may_have_a_server_of_their_own,
    ])
