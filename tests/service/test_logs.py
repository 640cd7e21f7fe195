import json
import logging

import pytest
import structlog

from service.logs import configure_logging


@pytest.fixture
def written(capsys):
    """What was written to stderr since it was last asked."""
    yield lambda: capsys.readouterr().err
    structlog.reset_defaults()


def test_json_lines_hold_message_level_and_fields(written):
    configure_logging("json", "info")

    structlog.get_logger("service").info("ready", provider="CPU")

    line = json.loads(written())
    assert line["message"] == "ready"
    assert (line["level"], line["logger"], line["provider"]) == ("info", "service", "CPU")
    assert line["timestamp"].endswith("Z")


def test_lines_of_other_libraries_look_the_same(written):
    configure_logging("json", "info")

    logging.getLogger("other").warning("%d left", 3)

    line = json.loads(written())
    assert (line["message"], line["level"], line["logger"]) == ("3 left", "warning", "other")


def test_request_id_is_on_every_line_of_the_request(written):
    configure_logging("json", "info")

    with structlog.contextvars.bound_contextvars(request_id="abc"):
        logging.getLogger("other").warning("hello")

    assert json.loads(written())["request_id"] == "abc"


def test_less_severe_lines_are_left_out(written):
    configure_logging("console", "warning")

    structlog.get_logger("service").info("unheard")
    structlog.get_logger("service").warning("heard")

    text = written()
    assert "unheard" not in text
    assert "heard" in text


@pytest.mark.parametrize("log_format", ["console", "json"])
def test_traceback_is_written_without_local_variables(written, log_format):
    configure_logging(log_format, "info")
    secret = "".join(["pri", "vate"])

    try:
        raise ZeroDivisionError("oops")
    except ZeroDivisionError as error:
        structlog.get_logger("service").error("failed", exc_info=error)

    text = written()
    assert "ZeroDivisionError: oops" in text
    assert secret not in text


def test_exception_that_was_logged_with_its_request_is_not_logged_twice(written):
    configure_logging("json", "info")

    logging.getLogger("uvicorn.error").error("Exception in ASGI application\n")

    assert written() == ""
