"""Every setting of the command lines: a flag, or a variable that starts with `POSE_`."""

from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from service.inference.cores import available_cores
from service.inference.image import ImageLimits
from service.inference.session import Device

ENV_PREFIX = "POSE_"

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


class PipelineSettings(BaseSettings):
    """What is needed to open the networks and a picture."""

    model_config = SettingsConfigDict(
        env_prefix=ENV_PREFIX,
        # Compose files hand over unset variables as empty ones.
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        cli_kebab_case=True,
        cli_hide_none_type=True,
        cli_avoid_json=True,
    )

    device: Device = Field(
        default="auto",
        description="Where the networks run. cuda refuses to start without a working GPU; auto "
        "takes the GPU if it works and says in the log and at /health/ready what it took.",
    )
    models_dir: Path = Field(
        default=Path("models"), description="Folder of the bundles and of pipelines.toml."
    )
    pipeline: str = Field(
        default="default", min_length=1, description="Entry of pipelines.toml to load."
    )
    max_upload_bytes: int = Field(
        default=20 * 1024 * 1024, ge=1024, description="Largest picture file, in bytes."
    )
    max_pixels: int = Field(
        default=50_000_000, ge=1, description="Largest picture, width times height."
    )
    log_format: LogFormat = Field(
        default="console", description="Log lines on stderr: for people, or one JSON object each."
    )
    log_level: LogLevel = Field(default="info", description="Least severe log line to write.")

    @property
    def image_limits(self) -> ImageLimits:
        return ImageLimits(max_bytes=self.max_upload_bytes, max_pixels=self.max_pixels)


class Settings(PipelineSettings):
    """What is needed to serve."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; 0.0.0.0 is every network interface.",
    )
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port to listen on.")
    workers: int = Field(
        default_factory=available_cores,
        ge=1,
        le=256,
        description="Threads that decode pictures and run the networks; unless set, one for each "
        "core that this process may use.",
    )
    max_waiting: int = Field(
        default=32,
        ge=0,
        description="Requests that may wait for a worker; above it the answer is 503 at once.",
    )
    upload_timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds in which a client must have sent its picture."
    )
    drain_timeout_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds after SIGTERM in which admitted requests are finished.",
    )


def explain(error: ValidationError) -> str:
    """One sentence for each wrong setting: its flag, its variable, the value, what was expected."""
    sentences: list[str] = []
    for problem in error.errors(include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        flag, variable = "--" + field.replace("_", "-"), ENV_PREFIX + field.upper()
        expected = problem["msg"].removeprefix("Input should be ")
        sentences.append(f"{flag} ({variable}) is {str(problem['input'])!r}, expected {expected}.")
    return "\n".join(sentences)
