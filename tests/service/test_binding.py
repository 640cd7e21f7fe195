import itertools
import threading

import numpy as np
import pytest

from service.inference.binding import Binding, Memory
from service.inference.errors import InvalidBundle
from service.inference.execution import Execution
from service.inference.providers import FAILURES, start_on_cpu
from service.inference.session import OnnxSession, open_session
from tests.service.fragile import POISON, fragile_model

PICTURE = (64, 48, 3)
SIZES = (1, 2, 4)


def bind(path, sizes=SIZES):
    return Binding(start_on_cpu(path, 1), Memory("cpu"), [PICTURE], sizes)


def crops_with_dots(*xs):
    crops = np.zeros((len(xs), *PICTURE), np.uint8)
    for row, x in enumerate(xs):
        crops[row, 7, x] = 255
    return crops


def found(answer):
    return [x - 0.5 for x in answer["keypoints"][:, 0, 0].tolist()]


@pytest.fixture
def keypoints_path(bundles, tmp_path):
    card = bundles.keypoints_card()
    return bundles.write(tmp_path, card, bundles.keypoints_model(card))


@pytest.fixture
def fragile_path(bundles, tmp_path):
    card = bundles.keypoints_card()
    return bundles.write(tmp_path, card, fragile_model(bundles, card))


@pytest.mark.parametrize("count", range(1, 14))
def test_any_number_of_pictures_is_answered_in_order(keypoints_path, count):
    xs = [3 * row + 1 for row in range(count)]

    answer = bind(keypoints_path).run(crops_with_dots(*xs))

    assert found(answer) == xs
    assert answer["keypoints"].shape == (count, 17, 3)
    assert answer["keypoints"].dtype == np.float32


def test_answers_are_those_of_a_plain_run(bundles, tmp_path):
    card = bundles.detector_card()
    path = bundles.write(tmp_path, card, bundles.detector_model(card))
    pictures = np.random.default_rng(1).integers(0, 256, (3, 64, 64, 3), np.uint8)
    plain = start_on_cpu(path, 1)

    answer = Binding(plain, Memory("cpu"), [(64, 64, 3)], (2, 8)).run(pictures)

    for name in ("boxes", "scores"):
        [expected] = plain.run([name], {"image": pictures})
        np.testing.assert_array_equal(answer[name], expected)


def test_network_only_ever_sees_the_fixed_sizes(keypoints_path):
    session = Watched(start_on_cpu(keypoints_path, 1))
    binding = Binding(session, Memory("cpu"), [PICTURE], SIZES)

    for count in range(1, 14):
        binding.run(crops_with_dots(*range(count)))

    assert session.bindings <= len(SIZES)


class Watched:
    """A session of ONNX Runtime that counts the sets of buffers it is run with."""

    def __init__(self, session) -> None:
        self._session = session
        self._seen = set()

    @property
    def bindings(self) -> int:
        return len(self._seen)

    def run_with_iobinding(self, binding, options):
        self._seen.add(id(binding))
        return self._session.run_with_iobinding(binding, options)

    def __getattr__(self, name):
        return getattr(self._session, name)


def test_answer_outlives_the_next_run(keypoints_path):
    binding = bind(keypoints_path)

    first = binding.run(crops_with_dots(5, 6))
    binding.run(crops_with_dots(30, 31))

    assert found(first) == [5, 6]


def test_pictures_may_be_a_view_with_gaps(keypoints_path):
    pictures = crops_with_dots(5, 6, 7, 8)

    assert found(bind(keypoints_path).run(pictures[::2])) == [5, 7]


def test_rows_of_an_earlier_run_do_not_pad_the_next(fragile_path):
    binding = bind(fragile_path, sizes=(4,))
    with pytest.raises(FAILURES, match="out of"):
        binding.run(np.concatenate([crops_with_dots(1, 2), POISON[np.newaxis]]))

    assert found(binding.run(crops_with_dots(1, 2))) == [1, 2]


def test_threads_that_share_a_binding_get_their_own_answers(keypoints_path):
    binding = bind(keypoints_path)
    answers = {}

    def run(x):
        answers[x] = {tuple(found(binding.run(crops_with_dots(x, x + 1)))) for _ in range(50)}

    threads = [threading.Thread(target=run, args=(x,)) for x in range(0, 8, 2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert answers == {x: {(x, x + 1)} for x in range(0, 8, 2)}


def test_outputs_may_be_declared_open(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card)
    for axis in model.graph.output[0].type.tensor_type.shape.dim:
        axis.Clear()

    assert found(bind(bundles.write(tmp_path, card, model)).run(crops_with_dots(9))) == [9]


def test_every_batch_size_is_warmed_up(bundles, keypoints_path):
    card = bundles.keypoints_card()
    session = Watched(start_on_cpu(keypoints_path, 1))
    binding = Binding(session, Memory("cpu"), [PICTURE], SIZES)

    OnnxSession(card, "any", binding.run, (4, 1, 2)).warm_up()

    assert session.bindings == 3


def test_warm_up_finds_values_that_are_not_finite(bundles, tmp_path):
    card = bundles.keypoints_card()
    model = bundles.keypoints_model(card, joints=[[1.0, 2.0, np.nan]] * 17)
    binding = bind(bundles.write(tmp_path, card, model))

    with pytest.raises(InvalidBundle, match="output keypoints is not finite"):
        OnnxSession(card, "any", binding.run, SIZES).warm_up()


@pytest.mark.gpu
@pytest.mark.parametrize("cuda_graphs", [False, True])
def test_gpu_answers_as_the_cpu(keypoints_path, cuda_graphs):
    session = open_session(keypoints_path, Execution(device="cuda", cuda_graphs=cuda_graphs))

    for xs in ([1], [2, 3, 4], list(range(40))):
        assert found(session.run(crops_with_dots(*xs))) == xs


def test_pictures_of_several_sizes_are_answered_as_in_plain_runs(bundles, tmp_path):
    card = bundles.oblong_card()
    plain = start_on_cpu(bundles.write(tmp_path, card, bundles.detector_model(card)), 1)
    shapes = [(64, 64, 3), (32, 96, 3), (96, 32, 3)]
    binding = Binding(plain, Memory("cpu"), shapes, SIZES)
    rng = np.random.default_rng(1)

    for count, shape in itertools.product((1, 3, 5), shapes):
        pictures = rng.integers(0, 256, (count, *shape), np.uint8)
        answer = binding.run(pictures)
        for name in ("boxes", "scores"):
            [expected] = plain.run([name], {"image": pictures})
            np.testing.assert_array_equal(answer[name], expected)


def test_every_size_of_batch_and_picture_has_a_recorded_graph_of_its_own(bundles, tmp_path):
    card = bundles.oblong_card()
    plain = start_on_cpu(bundles.write(tmp_path, card, bundles.detector_model(card)), 1)
    session = GraphsOf(plain)
    binding = Binding(session, Memory("cpu"), [(64, 64, 3), (32, 96, 3)], (1, 2))

    for count, shape in itertools.product((1, 2), [(64, 64, 3), (32, 96, 3)]):
        binding.run(np.zeros((count, *shape), np.uint8))

    assert len(session.graphs) == len(set(session.graphs)) == 4
    assert not {"-1", "0"}.intersection(session.graphs)


class GraphsOf:
    """A session that notes under which number of a CUDA graph it is run."""

    def __init__(self, session):
        self._session = session
        self.graphs = []

    def __getattr__(self, name):
        return getattr(self._session, name)

    def run_with_iobinding(self, binding, options):
        self.graphs.append(options.get_run_config_entry("gpu_graph_id"))
        self._session.run_with_iobinding(binding)
