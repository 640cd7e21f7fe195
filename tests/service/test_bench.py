"""The load generator against a server that a test controls."""

import asyncio
import itertools
from contextlib import asynccontextmanager

import pytest

from service.bench.cli import bench
from service.bench.load import Plan, Record, Sample, run
from service.bench.requests import find_pictures, pack, parse_target
from service.bench.summary import describe, quantiles_ms, summarise
from service.inference.errors import InvalidInput

GOOD = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CLOSING = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1\r\n}\r\n0\r\n\r\n"
DOCUMENT = b'{"type": "urn:stance:problem:overloaded"}'
BUSY = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: application/problem+json\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(DOCUMENT), DOCUMENT)
)


class FakeServer:
    """Answers every request with the same bytes once `gate` is open; empty bytes hang up."""

    def __init__(self, answer: bytes) -> None:
        self.answer = answer
        self.gate = asyncio.Event()
        self.gate.set()
        self.bodies: list[bytes] = []
        self.connections = self.answered = 0
        self.port = 0

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
                self.bodies.append(await reader.readexactly(length))
                await self.gate.wait()
                writer.write(self.answer)
                self.answered += 1
                await writer.drain()
                if not self.answer or b"close" in self.answer:
                    break
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def requests(self, tmp_path, *contents: bytes) -> list[bytes]:
        packed = []
        for number, content in enumerate(contents or (b"picture",)):
            path = tmp_path / f"{number}.png"
            path.write_bytes(content)
            packed.append(pack(self.target, path, [], None))
        return packed

    @property
    def target(self):
        return parse_target(f"http://127.0.0.1:{self.port}", "/predict")


@asynccontextmanager
async def serving(answer: bytes = GOOD):
    fake = FakeServer(answer)
    server = await asyncio.start_server(fake.serve, "127.0.0.1", 0)
    fake.port = server.sockets[0].getsockname()[1]
    async with server:
        yield fake
        fake.gate.set()


def record_of(tmp_path, plan: Plan, answer: bytes = GOOD) -> tuple[Record, FakeServer]:
    async def main():
        async with serving(answer) as fake:
            return await run(plan, fake.target, fake.requests(tmp_path)), fake

    return asyncio.run(main())


def test_open_loop_sends_on_while_no_answer_comes(tmp_path):
    async def main():
        async with serving() as fake:
            fake.gate.clear()
            plan = Plan(duration_s=0.1, rate=100)
            load = asyncio.create_task(run(plan, fake.target, fake.requests(tmp_path)))
            while len(fake.bodies) < 10:
                await asyncio.sleep(0.005)
            fake.gate.set()
            return await load

    record = asyncio.run(main())

    assert [sample.outcome for sample in record.samples] == ["200"] * 10


def test_latency_counts_from_the_planned_moment_not_from_sending():
    sample = Sample(planned_s=1.0, sent_s=3.0, done_s=3.5, outcome="200", good=True)

    summary = summarise(Plan(duration_s=5, rate=1), Record([sample], ended_s=5))

    assert summary.ms["p50"] == 2500
    assert summary.lag_ms["p50"] == 2000
    assert any("fell behind" in warning for warning in summary.warnings)


def test_closed_loop_waits_for_each_answer_and_keeps_its_connections(tmp_path):
    record, fake = record_of(tmp_path, Plan(duration_s=0.2, concurrency=3))

    assert len(record.samples) > 3
    assert fake.connections == 3
    assert set(fake.bodies) == {b"picture"}


@pytest.mark.parametrize("answer", [CLOSING, CHUNKED])
def test_every_way_to_end_an_answer_is_understood(tmp_path, answer):
    record, _ = record_of(tmp_path, Plan(duration_s=0.05, rate=100), answer)

    assert [sample.outcome for sample in record.samples] == ["200"] * 5
    assert all(sample.good for sample in record.samples)


def test_problem_is_told_by_its_kind(tmp_path):
    record, _ = record_of(tmp_path, Plan(duration_s=0.02, rate=100), BUSY)

    assert [sample.outcome for sample in record.samples] == ["503 overloaded"] * 2
    assert not any(sample.good for sample in record.samples)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [(b"", "connection failed: connection closed"), (b"nonsense\r\n\r\n", "connection failed: no")],
)
def test_broken_answer_is_a_failure_of_its_own(tmp_path, answer, outcome):
    record, _ = record_of(tmp_path, Plan(duration_s=0.02, rate=100), answer)

    assert all(sample.outcome.startswith(outcome) for sample in record.samples)
    assert len(record.samples) == 2


def test_silence_is_given_up(tmp_path):
    async def main():
        async with serving() as fake:
            fake.gate.clear()
            plan = Plan(duration_s=0.01, rate=100, timeout_s=0.05)
            return await run(plan, fake.target, fake.requests(tmp_path))

    (sample,) = asyncio.run(main()).samples

    assert sample.outcome == "no answer in time"


def test_nobody_there_is_a_refusal(tmp_path):
    async def main():
        async with serving() as fake:
            packed = fake.requests(tmp_path)
        return await run(Plan(duration_s=0.01, rate=100), fake.target, packed)

    (sample,) = asyncio.run(main()).samples

    assert sample.outcome == "connection refused"


def test_cancelled_load_gives_what_it_has(tmp_path):
    async def main():
        async with serving() as fake:
            plan = Plan(duration_s=600, rate=100)
            load = asyncio.create_task(run(plan, fake.target, fake.requests(tmp_path)))
            while fake.answered < 3:
                await asyncio.sleep(0.005)
            fake.gate.clear()
            while len(fake.bodies) == fake.answered:
                await asyncio.sleep(0.005)
            # The answers that were written arrive.
            await asyncio.sleep(0.05)
            load.cancel()
            return plan, await load

    plan, record = asyncio.run(main())
    summary = summarise(plan, record)

    assert len(record.samples) >= 3
    assert record.unfinished >= 1
    assert summary.duration_s < 600
    assert f"interrupted: {record.unfinished} requests" in describe(plan, summary)


def test_same_seed_gives_the_same_order_and_arrivals(tmp_path):
    async def main():
        async with serving() as fake:
            packed = fake.requests(tmp_path, b"a", b"b", b"c", b"d", b"e")
            for seed in (1, 1, 2):
                await run(Plan(duration_s=0.05, rate=100, seed=seed), fake.target, packed)
            return fake.bodies

    bodies = asyncio.run(main())

    assert sorted(bodies[:5]) == [b"a", b"b", b"c", b"d", b"e"]
    moments = [
        list(Plan(duration_s=5, rate=10, arrivals="poisson", seed=seed).moments_s())
        for seed in (1, 1, 2)
    ]
    assert moments[0] == moments[1] != moments[2]


def test_constant_arrivals_have_equal_distances():
    moments = list(Plan(duration_s=2, warm_up_s=1, rate=10).moments_s())

    assert moments == pytest.approx([number / 10 for number in range(30)])


def test_poisson_arrivals_have_the_rate_and_no_rhythm():
    moments = list(Plan(duration_s=1000, rate=10, arrivals="poisson").moments_s())

    gaps = [later - earlier for earlier, later in itertools.pairwise(moments)]
    mean = sum(gaps) / len(gaps)
    deviation = (sum((gap - mean) ** 2 for gap in gaps) / len(gaps)) ** 0.5
    assert mean == pytest.approx(0.1, rel=0.05)
    # Of an exponential distribution the two are equal.
    assert deviation == pytest.approx(mean, rel=0.05)


def test_quantiles_are_by_nearest_rank():
    values = [number / 1000 for number in range(1, 201)]

    assert quantiles_ms(values) == pytest.approx(
        {"p50": 100, "p90": 180, "p95": 190, "p99": 198, "max": 200}
    )
    assert quantiles_ms([]) == {}


def sample(planned_s: float, took_s: float, outcome: str = "200") -> Sample:
    return Sample(planned_s, planned_s, planned_s + took_s, outcome, outcome == "200")


def test_warm_up_does_not_count():
    plan = Plan(duration_s=2, warm_up_s=1, rate=2)
    record = Record([sample(0.5, 0.1), sample(1.5, 0.2), sample(2.5, 0.2)], ended_s=3)

    summary = summarise(plan, record)

    assert (summary.offered_per_s, summary.goodput_per_s) == (1, 1)
    assert summary.ms["max"] == pytest.approx(200)


def test_goodput_counts_good_answers_that_came_in_time():
    plan = Plan(duration_s=2, rate=2)
    record = Record(
        [sample(0, 0.1), sample(0.5, 0.1, "503 overloaded"), sample(1, 0.1), sample(1.5, 9)],
        ended_s=2,
    )

    summary = summarise(plan, record)

    assert (summary.offered_per_s, summary.goodput_per_s) == (2, 1)
    assert [(kind.name, kind.count) for kind in summary.outcomes] == [
        ("200", 3),
        ("503 overloaded", 1),
    ]
    # The answer that took nine seconds was slow, and is not left out.
    assert summary.ms["max"] == pytest.approx(9000)


def test_busy_generator_is_told():
    summary = summarise(Plan(duration_s=2, rate=1), Record([sample(0, 1)], ended_s=2, cpu_s=1.9))

    assert any("bottleneck" in warning for warning in summary.warnings)


def test_requests_are_whole_http(tmp_path):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"jpeg")
    target = parse_target("http://host:81/prefix", "/predict?max_persons=1")

    raw = pack(target, path, ["Authorization: Bearer k"], None)
    form = pack(target, path, [], "image")

    head, body = raw.split(b"\r\n\r\n")
    assert head.split(b"\r\n") == [
        b"POST /prefix/predict?max_persons=1 HTTP/1.1",
        b"Host: host:81",
        b"Content-Type: image/jpeg",
        b"Content-Length: 4",
        b"Authorization: Bearer k",
    ]
    assert body == b"jpeg"
    head, _, body = form.partition(b"\r\n\r\n")
    assert f"Content-Length: {len(body)}".encode() in head
    assert b'form-data; name="image"; filename="photo.jpg"' in body


def test_pictures_of_a_folder_and_single_files_are_taken(tmp_path):
    for name in ("b.JPG", "a.png", "notes.txt"):
        (tmp_path / name).touch()

    assert [path.name for path in find_pictures([tmp_path])] == ["a.png", "b.JPG"]
    assert find_pictures([tmp_path / "notes.txt"]) == [tmp_path / "notes.txt"]


@pytest.mark.parametrize("url", ["localhost:8000", "ftp://host", "http://", "http://host:port"])
def test_url_that_cannot_be_asked_is_named(url):
    with pytest.raises(InvalidInput, match=url):
        parse_target(url, "/predict")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--rate", "5", "--concurrency", "2"], "--concurrency"),
        ([], "--rate"),
        (["--rate", "0"], "rate"),
        (["--rate", "1", "--header", "no colon"], "no colon"),
        (["--rate", "1", "--images", "/does/not/exist"], "/does/not/exist"),
    ],
)
def test_wrong_input_is_one_sentence(tmp_path, capsys, arguments, words):
    (tmp_path / "a.png").touch()

    code = bench(["http://localhost:1", "--images", str(tmp_path), *arguments])

    err = capsys.readouterr().err
    assert (code, len(err.splitlines())) == (2, 1)
    assert words in err


def test_variables_of_other_programs_are_not_settings(tmp_path, monkeypatch):
    monkeypatch.setenv("TIMEOUT", "nonsense")
    monkeypatch.setenv("DURATION", "nonsense")
    (tmp_path / "a.png").touch()

    code = bench(
        [
            *("http://127.0.0.1:1", "--images", str(tmp_path), "--concurrency", "1"),
            *("--duration", "0.05", "--warm-up", "0"),
        ]
    )

    assert code == 1


def test_no_good_answer_is_a_failure(tmp_path, capsys):
    (tmp_path / "a.png").touch()

    code = bench(
        [
            *("http://127.0.0.1:1", "--images", str(tmp_path), "--rate", "20"),
            *("--duration", "0.1", "--warm-up", "0"),
        ]
    )

    assert code == 1
    out = capsys.readouterr().out
    assert "goodput  0.0/s" in out
    assert "2 x connection " in out
