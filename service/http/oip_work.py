"""What the models of the Open Inference Protocol do: a network by itself, or a pipeline."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial

import numpy as np
from pydantic import ValidationError

from service.http.batch import as_ready
from service.http.documents import hide_joints, prediction_document, stages_s
from service.http.metrics import Metrics
from service.http.notes import note_picture
from service.http.predict import picture_of
from service.http.schemas import PoseQuery
from service.http.uploads import Upload
from service.inference.errors import ImageTooLarge, InvalidImage, InvalidInput, PoseError
from service.inference.estimator import PoseEstimator
from service.inference.session import Session
from service.inference.validation import first_problem
from service.oip.errors import InvalidRequest
from service.oip.models import PREDICTIONS, Model, NetworkModel
from service.oip.outputs import Arrays, people_of, run_network
from service.oip.request import Asked
from service.oip.tensors import pictures_of, pixels_of
from service.runtime.guard import guard
from service.runtime.prediction import Posed, pose
from service.runtime.runtime import Runtime
from service.runtime.ticket import Ticket
from service.settings import Settings

_PARAMETERS = frozenset(PoseQuery.model_fields) - {"pipeline"}
"""Of a request to a pipeline: as the query of `/predict`, but for what the route says."""


@dataclass(frozen=True, slots=True)
class _Answered:
    """A picture's place among those of the request, and what became of it."""

    index: int
    posed: Posed
    stages: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class _Failed:
    index: int
    error: PoseError


class OipWork:
    """Does what a request asks of a model.

    Args:
        settings: limits.
        runtime: has the threads.
        metrics: counts.
    """

    def __init__(self, settings: Settings, runtime: Runtime, metrics: Metrics) -> None:
        self._settings = settings
        self._runtime = runtime
        self._metrics = metrics

    async def run(
        self, model: Model, asked: Asked, wanted: Collection[str], ticket: Ticket
    ) -> Arrays:
        """Asks a model.

        Args:
            model: of the request.
            asked: by it.
            wanted: outputs that are to be answered; at least these are given.
            ticket: of the request.

        Raises:
            PoseError: the request does not fit the model, or has a picture that is none.
        """
        estimator = guard(model.estimator, ticket)
        if isinstance(model, NetworkModel):
            _check_parameters(asked, frozenset())
            work = partial(_run, model.of(estimator), asked, self._settings.max_tensor_rows)
            return (await self._runtime.run(work, ticket)).value
        query = _query(asked, self._settings.max_persons)
        pictures = pictures_of(asked, self._settings.max_pictures)
        answered = await self._people(estimator, query, pictures, ticket)
        return _arrays(estimator, query, answered, documents=PREDICTIONS in wanted)

    async def _people(
        self, estimator: PoseEstimator, query: PoseQuery, pictures: Sequence[bytes], ticket: Ticket
    ) -> list[_Answered]:
        job = partial(self._picture, estimator, query, ticket)
        jobs = [partial(job, index, data) for index, data in enumerate(pictures)]
        async with aclosing(as_ready(jobs, at_once=self._runtime.workers.count)) as results:
            done = sorted([result async for result in results], key=lambda result: result.index)
        for result in done:
            if isinstance(result, _Failed):
                raise _placed(result, len(pictures))
        return [result for result in done if isinstance(result, _Answered)]

    async def _picture(
        self, estimator: PoseEstimator, query: PoseQuery, ticket: Ticket, index: int, data: bytes
    ) -> _Answered | _Failed:
        work = partial(
            pose, estimator, picture_of(Upload(data), query), self._settings.image_limits
        )
        try:
            done = await self._runtime.run(work, ticket)
        except PoseError as error:
            # Told when the others are done: work that nobody counts would outlive the request.
            return _Failed(index, error)
        stages = stages_s(done.value, queue_s=done.queue_s, total_s=done.queue_s + done.work_s)
        self._metrics.count_picture(len(done.value.prediction.persons), stages)
        note_picture(len(done.value.prediction.persons), stages)
        return _Answered(index, done.value, stages)


def _run(session: Session, asked: Asked, max_rows: int) -> Arrays:
    return run_network(session, pixels_of(asked, session.card.sizes, max_rows))


def _query(asked: Asked, max_persons: int) -> PoseQuery:
    _check_parameters(asked, _PARAMETERS)
    try:
        return PoseQuery.model_validate(asked.parameters).limited(max_persons)
    except ValidationError as error:
        raise InvalidRequest(f"parameters: {first_problem(error)}") from error
    except InvalidInput as error:
        raise InvalidRequest(f"parameters: {error}") from error


def _check_parameters(asked: Asked, known: Collection[str]) -> None:
    for name in asked.parameters:
        if name not in known:
            expected = ", ".join(sorted({"binary_data_output", "timeout", *known}))
            raise InvalidRequest(f"parameter {name!r} is not known; expected one of {expected}")


def _placed(failed: _Failed, pictures: int) -> PoseError:
    """The error of a picture; of several pictures it says of which."""
    error = failed.error
    if pictures > 1 and isinstance(error, InvalidImage | ImageTooLarge):
        return type(error)(f"image[{failed.index}]: {error}")
    return error


def _arrays(
    estimator: PoseEstimator, query: PoseQuery, answered: Sequence[_Answered], *, documents: bool
) -> Arrays:
    least = query.min_keypoint_score or 0.0
    found = [
        (answer.posed.image.size, hide_joints(answer.posed.prediction.persons, least))
        for answer in answered
    ]
    arrays = people_of(found, joints=len(estimator.skeleton.names))
    if documents:
        texts = [
            prediction_document(
                estimator, answer.posed, answer.stages, min_keypoint_score=least
            ).model_dump_json()
            for answer in answered
        ]
        arrays[PREDICTIONS] = np.array([text.encode() for text in texts], np.object_)
    return arrays
