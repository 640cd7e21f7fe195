"""Whether spans are made: nothing of OpenTelemetry is loaded for those who do not ask for them."""

from typing import TYPE_CHECKING

from fastapi.telemetry import TelemetryConfig

from service.inference.errors import PoseError

if TYPE_CHECKING:
    from service.http.tracing import Tracing

NO_TELEMETRY: TelemetryConfig = {
    "tracing": False,
    "metrics": False,
    "logs": False,
    "operation_spans": False,
    "auto_configure": False,
}
"""For FastAPI, which otherwise takes whatever provider or `FASTAPI_OTEL_…` variable it finds."""


class TracingUnavailable(PoseError):
    """Spans were asked for and what sends them is not installed."""


def open_tracing(*, enabled: bool) -> "Tracing | None":
    """Starts to send spans by OTLP over HTTP, as the standard `OTEL_*` variables say.

    Raises:
        TracingUnavailable: the packages of the extra `otel` are missing.
    """
    if not enabled:
        return None
    try:
        from service.http.tracing import otlp_tracing
    except ImportError as error:
        raise TracingUnavailable(
            f"tracing is on and {error.name} is not installed; "
            "expected the packages of the extra otel: pip install 'stance[otel]'"
        ) from error
    return otlp_tracing()
