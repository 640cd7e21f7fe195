"""Log lines on stderr, for people or for machines, from structlog and from `logging`."""

import logging
import sys

import structlog
from structlog.typing import Processor

from service.settings import LogFormat, LogLevel


def configure_logging(log_format: LogFormat, level: LogLevel) -> None:
    """Sends every log line of the process through one chain.

    Args:
        log_format: `json` gives one object per line; `console` colours where stderr is a terminal.
        level: the least severe that is written.
    """
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_not_logged_already)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                *_renderers(log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level.upper())
    # Its news are told by our own lines.
    logging.getLogger("uvicorn").setLevel(max(logging.WARNING, root.level))


def _renderers(log_format: LogFormat) -> list[Processor]:
    if log_format == "json":
        return [
            structlog.processors.format_exc_info,
            structlog.processors.EventRenamer("message"),
            structlog.processors.JSONRenderer(),
        ]
    # Plain tracebacks: the pretty ones print local variables, among them people's pictures.
    return [
        structlog.dev.ConsoleRenderer(
            colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
        )
    ]


def _not_logged_already(record: logging.LogRecord) -> bool:
    # The error handler has logged it with the request's id; uvicorn does so once more.
    return not record.getMessage().startswith("Exception in ASGI application")
