"""From the domain's values to the documents that go over the wire."""

from collections.abc import Mapping, Sequence

from service.http.schemas import (
    BoxDocument,
    ImageDocument,
    KeypointDocument,
    LoadedModelDocument,
    ModelDocument,
    ModelsDocument,
    PersonDocument,
    PipelineDocument,
    PredictionDocument,
    ReadyDocument,
    TimingsDocument,
)
from service.inference.estimator import PoseEstimator
from service.inference.types import Keypoint, Person
from service.runtime.pipelines import Pipelines
from service.runtime.prediction import Posed

_PIXEL_DIGITS, _SCORE_DIGITS, _MS_DIGITS = 2, 4, 2


def provider(estimator: PoseEstimator) -> str:
    """The execution provider of both networks; both names where they differ."""
    return ", ".join(sorted({estimator.detector.provider, estimator.keypoints.provider}))


def stages_s(posed: Posed, *, queue_s: float, total_s: float) -> dict[str, float]:
    """Seconds by stage."""
    return {
        "decode": posed.decode_s,
        "detect": posed.prediction.detect_s,
        "keypoints": posed.prediction.keypoints_s,
        "queue": queue_s,
        "total": total_s,
    }


def prediction_document(
    estimator: PoseEstimator,
    posed: Posed,
    stages: Mapping[str, float],
    *,
    min_keypoint_score: float = 0.0,
) -> PredictionDocument:
    """A picture's people as JSON; joints below the score are absent."""
    return PredictionDocument(
        model=model_document(estimator),
        image=ImageDocument(width=posed.image.size.width, height=posed.image.size.height),
        persons=[
            person_document(person, min_keypoint_score) for person in posed.prediction.persons
        ],
        timings_ms=timings_document(stages),
    )


def model_document(estimator: PoseEstimator) -> ModelDocument:
    """Which networks answer."""
    return ModelDocument(
        pipeline=estimator.name,
        detector=estimator.detector.card.reference,
        keypoints=estimator.keypoints.card.reference,
    )


def timings_document(stages: Mapping[str, float]) -> TimingsDocument:
    """Milliseconds by stage, from seconds."""
    return TimingsDocument.model_validate(
        {stage: round(elapsed_s * 1000, _MS_DIGITS) for stage, elapsed_s in stages.items()}
    )


def ready_document(pipelines: Pipelines) -> ReadyDocument:
    """What a ready service says of itself."""
    estimator = pipelines.get()
    return ReadyDocument(
        pipeline=estimator.name,
        pipelines=sorted(pipelines.estimators),
        provider=provider(estimator),
    )


def models_document(pipelines: Pipelines) -> ModelsDocument:
    """The loaded pipelines and the cards of their networks."""
    estimators = pipelines.estimators
    return ModelsDocument(
        default=pipelines.default,
        pipelines={
            name: PipelineDocument(
                detector=estimator.detector.card.reference,
                keypoints=estimator.keypoints.card.reference,
                min_person_score=estimator.min_person_score,
                min_box_score=estimator.min_box_score,
            )
            for name, estimator in estimators.items()
        },
        models={
            session.card.reference: LoadedModelDocument(
                provider=session.provider, card=session.card
            )
            for estimator in estimators.values()
            for session in (estimator.detector, estimator.keypoints)
        },
    )


def hide_joints(persons: Sequence[Person], min_keypoint_score: float) -> list[Person]:
    """People whose joints below the score are at (0, 0) with score 0: absent, in COCO's terms."""
    return [
        Person(
            person.score,
            person.box,
            tuple(
                joint if joint.score >= min_keypoint_score else Keypoint(joint.name, 0.0, 0.0, 0.0)
                for joint in person.keypoints
            ),
        )
        for person in persons
    ]


def person_document(person: Person, min_keypoint_score: float) -> PersonDocument:
    """A person as JSON; joints below the score are absent."""
    box = person.box
    return PersonDocument(
        score=round(person.score, _SCORE_DIGITS),
        box=BoxDocument(
            x=round(box.x0, _PIXEL_DIGITS),
            y=round(box.y0, _PIXEL_DIGITS),
            width=round(box.width, _PIXEL_DIGITS),
            height=round(box.height, _PIXEL_DIGITS),
        ),
        keypoints=[
            KeypointDocument(
                name=joint.name,
                x=round(joint.x, _PIXEL_DIGITS),
                y=round(joint.y, _PIXEL_DIGITS),
                score=round(joint.score, _SCORE_DIGITS),
            )
            for joint in person.keypoints
            if joint.score >= min_keypoint_score
        ],
    )
