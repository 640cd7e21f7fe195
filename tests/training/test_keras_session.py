import keras
import numpy as np
import pytest
from keras import layers, ops

from service.inference.errors import InvalidInput
from service.inference.types import Size
from tests.training.fixed_bundles import make_card
from training.config import TrainConfig
from training.keras_session import KerasSession, provisional_card
from training.recipes.pose import mobilenetv2_heatmap_debug
from training.skeletons import COCO

CARD = make_card("keypoints", Size(32, 16))


class Means(layers.Layer):
    """Three numbers per picture that tell pictures apart: the mean of each colour."""

    def call(self, x: object) -> object:
        return ops.expand_dims(ops.mean(ops.cast(x, "float32"), axis=(1, 2)), 1)


@pytest.fixture
def model() -> keras.Model:
    image = keras.Input((32, 16, 3), dtype="uint8", name="image")
    return keras.Model(image, {"keypoints": Means(name="keypoints")(image)})


@pytest.fixture
def pictures() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (7, 32, 16, 3), np.uint8)


@pytest.mark.parametrize("batch_size", [1, 3, 7, 32])
def test_answers_are_the_same_in_any_batches(
    model: keras.Model, pictures: np.ndarray, batch_size: int
) -> None:
    answer = KerasSession([model], CARD, batch_size=batch_size).run(pictures)
    assert set(answer) == {"keypoints"}
    assert answer["keypoints"].dtype == np.float32
    expected = pictures.mean(axis=(1, 2))[:, None]
    np.testing.assert_allclose(answer["keypoints"], expected, rtol=1e-5)


def test_no_more_than_the_batch_size_at_once(model: keras.Model, pictures: np.ndarray) -> None:
    seen: list[int] = []
    predict = model.predict_on_batch

    def watched(image: np.ndarray) -> object:
        seen.append(len(image))
        return predict(image)

    model.predict_on_batch = watched
    KerasSession([model], CARD, batch_size=3).run(pictures)
    assert seen == [3, 3, 1]


def test_changed_weights_are_seen_by_the_same_session(pictures: np.ndarray) -> None:
    image = keras.Input((32, 16, 3), dtype="uint8")
    x = layers.GlobalAveragePooling2D()(layers.Rescaling(1.0)(image))
    model = keras.Model(image, {"keypoints": layers.Dense(1, kernel_initializer="ones")(x)})
    session = KerasSession([model], CARD)
    before = session.run(pictures)["keypoints"]
    model.layers[-1].kernel.assign(model.layers[-1].kernel * 2)
    np.testing.assert_allclose(session.run(pictures)["keypoints"], 2 * before, rtol=1e-5)


@pytest.mark.parametrize("shape", [(1, 16, 32, 3), (32, 16, 3), (0, 32, 16, 3), (1, 32, 16, 4)])
def test_picture_of_another_shape_is_rejected(model: keras.Model, shape: tuple[int, ...]) -> None:
    with pytest.raises(InvalidInput, match=r"expected \[N, 32, 16, 3\]"):
        KerasSession([model], CARD).run(np.zeros(shape, np.uint8))


def test_card_and_backend_are_told(model: keras.Model) -> None:
    session = KerasSession([model], CARD)
    assert session.card is CARD
    assert keras.backend.backend() in session.provider


def test_provisional_card_tells_what_the_network_takes() -> None:
    config: TrainConfig = mobilenetv2_heatmap_debug()
    card = provisional_card(config, COCO)
    assert card.task == "keypoints"
    assert card.input == config.input
    assert card.crop_padding == config.crop_padding
    assert card.skeleton == COCO
