"""What schemathesis cannot know from the document: formats and a media type of ours, and which parameters go together."""

import json
import os

import schemathesis
from hypothesis import strategies as st
from schemathesis import GenerationMode

KNOWN = json.loads(os.environ["OPENAPI_KNOWN"])
ZONES = ("UTC", "Europe/Berlin", "America/St_Johns", "Asia/Kathmandu", "Pacific/Apia")
OF_PERIODS = ("count", "unique_users")

schemathesis.openapi.format("time-zone", st.sampled_from(ZONES))
# At least one word; a schema cannot say what all of Unicode's letters and digits are.
schemathesis.openapi.format("search", st.from_regex(r"[a-z0-9][ -~]{0,80}", fullmatch=True))
schemathesis.openapi.format("session-cursor", st.sampled_from(KNOWN["session_cursors"]))
schemathesis.openapi.format("act-cursor", st.sampled_from(KNOWN["act_cursors"]))
# Those that are there, and any other.
schemathesis.openapi.format("session-id", st.one_of(st.sampled_from(KNOWN["session_ids"]), st.text(min_size=1, max_size=80)))


@schemathesis.serializer("application/x-ndjson")
def as_lines(context, value):
    """A batch, one event on each line; what is no list is one line."""
    items = value if isinstance(value, list) else [value]
    return {"data": "\n".join(json.dumps(item) for item in items).encode()}


@schemathesis.hook
def filter_case(context, case):
    """Leaves out what the descriptions exclude and no schema of a query can: a period of a metric that has none, and a
    time that ends before it begins."""
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE:
        return True
    query = case.query or {}
    if "period" in query and query.get("metric") not in OF_PERIODS:
        return False
    # One text order for both, as both are RFC 3339 in UTC or dates; what has another offset is left out too.
    after, before = query.get("after"), query.get("before")
    return not (after and before) or str(after) <= str(before)
