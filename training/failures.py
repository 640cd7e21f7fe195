"""What ends a run, as one sentence."""

from collections.abc import Generator
from contextlib import contextmanager

from service.inference.errors import PoseError
from training.config import TrainConfig
from training.learning.learner import Learner


class TrainingFailed(PoseError):
    """A run cannot go on as it is; its last checkpoint can."""


@contextmanager
def explained(learner: Learner, config: TrainConfig) -> Generator[None]:
    """Turns what backends raise for want of memory or of another host into a sentence.

    Raises:
        TrainingFailed: memory did not suffice, or another host's process ended.
    """
    try:
        yield
    except MemoryError as error:
        raise _out_of_memory(config) from error
    except learner.out_of_memory as error:
        if "RESOURCE_EXHAUSTED" not in str(error) and "OOM" not in str(error):
            raise
        raise _out_of_memory(config) from error
    except learner.lost_worker as error:
        if learner.workers == 1:
            raise
        raise TrainingFailed(
            "another host's process ended or is out of reach; its own output says why"
        ) from error


def _out_of_memory(config: TrainConfig) -> TrainingFailed:
    size = config.input
    return TrainingFailed(
        f"out of memory with batch_size {config.batch_size}, input {size.height}x{size.width} and "
        f"precision {config.precision}: lower batch_size, choose precision mixed_bfloat16 or a "
        "smaller input; --dry-run estimates what is needed"
    )
