"""Every route, asked as the OpenAPI document allows and forbids, answers as it promises."""

import time
from collections import Counter
from collections.abc import Iterator

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.errors import Unsatisfiable
from schemathesis import BaseSchema, Case, GenerationMode
from schemathesis.python.asgi import shutdown_lifespans
from schemathesis.specs.openapi.checks import positive_data_acceptance

from service.http.app import create_app
from service.inference.estimator import PoseEstimator
from service.runtime.runtime import State
from service.settings import Settings
from tests.service.conftest import Given

KEY = "the-key-of-these-tests"
# A deadline that passes is answered by 504, which Schemathesis takes for a failure.
ADMIN = {"Authorization": f"Bearer {KEY}", "X-Request-Timeout": "60"}
fuzz = settings(
    max_examples=20,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@pytest.fixture
def api(pipeline: PoseEstimator, picture: bytes) -> Iterator[BaseSchema]:
    """The document of a running application."""
    app = create_app(Settings(admin_keys=KEY), Given(pipeline))
    schemathesis.openapi.format("binary", st.just(picture) | st.binary(max_size=30))
    document = schemathesis.openapi.from_asgi("/openapi.json", app)
    while app.state.runtime.state is not State.READY:
        time.sleep(0.01)
    yield document
    shutdown_lifespans()


def statuses(api: BaseSchema, mode: GenerationMode, headers: dict[str, str]) -> Counter[str]:
    """Asks every route, lets Schemathesis judge each answer, and counts them."""
    seen = Counter[str]()
    for result in api.get_all_operations():
        operation = result.ok()

        @given(case=operation.as_strategy(generation_mode=mode))
        @fuzz
        def check(case: Case) -> None:
            # That a string is binary does not make it a picture.
            answer = case.call_and_validate(
                headers=headers, excluded_checks=[positive_data_acceptance]
            )
            seen[f"{case.method} {case.path}: {answer.status_code}"] += 1

        try:
            check()
        except Unsatisfiable:
            # Nothing about this route can be wrong: it takes no parameter, or any text.
            assert mode is GenerationMode.NEGATIVE
    return seen


def test_answers_to_what_is_allowed_are_as_documented(api: BaseSchema) -> None:
    seen = statuses(api, GenerationMode.POSITIVE, ADMIN)

    routes = {route.rpartition(":")[0] for route in seen}
    assert len(routes) == sum(1 for _ in api.get_all_operations())
    for route in ("POST /predict", "POST /predict/batch", "GET /health/ready", "GET /models"):
        assert seen[f"{route}: 200"]


def test_answers_to_what_is_not_allowed_are_as_documented(api: BaseSchema) -> None:
    seen = statuses(api, GenerationMode.NEGATIVE, {})

    assert seen["POST /predict: 422"]
    assert {status for status in seen if status.endswith(": 200")} <= {"POST /predict: 200"}
