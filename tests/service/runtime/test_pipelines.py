import asyncio

import pytest
from structlog.testing import capture_logs

from service.inference.errors import InvalidBundle
from service.runtime.pipelines import PipelineInUse, Pipelines, UnknownPipeline
from tests.service.conftest import Given


class Changing(Given):
    """Pipelines (any object will do) whose files can be changed and broken."""

    def __init__(self) -> None:
        super().__init__(self._build)
        self.version = 1
        self.broken = False
        self.opened: list[str] = []

    def fingerprint(self, _name):
        if self.broken:
            raise InvalidBundle("pipelines.toml is not TOML")
        return self.version

    def _build(self, name):
        self.opened.append(name)
        if self.broken:
            raise InvalidBundle("card is missing")
        return f"{name} {self.version}"


class Told:
    """What was told of changes and refusals."""

    def __init__(self) -> None:
        self.changes: list[dict[str, object]] = []
        self.refusals: list[str] = []

    def pipelines(self, models) -> Pipelines:
        return Pipelines(
            models,
            "default",
            changed=lambda loaded: self.changes.append(dict(loaded)),
            refused=self.refusals.append,
        )


def test_pipelines_are_chosen_by_name():
    async def scenario() -> None:
        pipelines = Told().pipelines(Changing())
        await pipelines.load("default")
        await pipelines.load("fast")

        assert pipelines.get() == pipelines.get("default") == "default 1"
        assert pipelines.get("fast") == "fast 1"
        with pytest.raises(UnknownPipeline, match=r"'slow'.*default, fast"):
            pipelines.get("slow")
        pipelines.close()

    asyncio.run(scenario())


def test_unloaded_pipeline_is_unknown_and_the_default_one_stays():
    told = Told()

    async def scenario() -> None:
        pipelines = told.pipelines(Changing())
        await pipelines.load("default")
        await pipelines.load("fast")
        pipelines.unload("fast")

        with pytest.raises(UnknownPipeline):
            pipelines.get("fast")
        with pytest.raises(UnknownPipeline):
            pipelines.unload("fast")
        with pytest.raises(PipelineInUse, match="default"):
            pipelines.unload("default")
        assert pipelines.get() == "default 1"
        pipelines.close()

    asyncio.run(scenario())
    assert [set(change) for change in told.changes] == [
        {"default"},
        {"default", "fast"},
        {"default"},
    ]


def test_pipeline_that_cannot_be_opened_leaves_the_loaded_one():
    models = Changing()

    async def scenario() -> None:
        pipelines = Told().pipelines(models)
        await pipelines.load("default")
        models.broken = True
        with pytest.raises(InvalidBundle, match="card is missing"):
            await pipelines.load("default")

        assert pipelines.get() == "default 1"
        pipelines.close()

    asyncio.run(scenario())


def test_refresh_opens_what_changed_once_it_stays_as_it_is():
    models = Changing()

    async def scenario() -> None:
        pipelines = Told().pipelines(models)
        await pipelines.load("default")
        await pipelines.refresh()
        await pipelines.refresh()
        assert models.opened == ["default"]

        models.version = 2
        await pipelines.refresh()
        models.version = 3
        await pipelines.refresh()
        assert pipelines.get() == "default 1"
        await pipelines.refresh()
        assert pipelines.get() == "default 3"
        await pipelines.refresh()
        assert models.opened == ["default", "default"]
        pipelines.close()

    asyncio.run(scenario())


def test_refresh_refuses_a_bad_change_once_and_takes_the_next_good_one():
    models, told = Changing(), Told()

    async def scenario() -> list[dict[str, object]]:
        pipelines = told.pipelines(models)
        await pipelines.load("default")
        models.broken = True
        with capture_logs() as logs:
            for _ in range(4):
                await pipelines.refresh()
        assert pipelines.get() == "default 1"
        assert told.refusals == ["default"]

        models.broken, models.version = False, 2
        await pipelines.refresh()
        await pipelines.refresh()
        assert pipelines.get() == "default 2"
        pipelines.close()
        return logs

    (line,) = asyncio.run(scenario())
    assert line["log_level"] == "error"
    assert "card is missing" in line["reason"]


def test_closing_frees_what_pipelines_share():
    models = Changing()

    Told().pipelines(models).close()

    assert models.closed
