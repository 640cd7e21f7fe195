"""The caller's trace, for log lines also where no spans are made (W3C Trace Context, 3.2)."""

import re

_TRACEPARENT = re.compile(
    r"(?!ff)[0-9a-f]{2}-(?!0{32})(?P<trace_id>[0-9a-f]{32})-(?!0{16})(?P<parent_id>[0-9a-f]{16})"
    r"-[0-9a-f]{2}(-.*)?"
)


def caller_trace(traceparent: str | None) -> dict[str, str]:
    """`trace_id` and `parent_id` of a header; empty if there is none or it is malformed."""
    match = None if traceparent is None else _TRACEPARENT.fullmatch(traceparent.strip())
    return {} if match is None else match.groupdict()
