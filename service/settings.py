"""Every setting of the command lines: a flag, or a variable that starts with `POSE_`."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from service.inference.cores import available_cores
from service.inference.execution import Device, Execution
from service.inference.image import ImageLimits
from service.inference.video.reader import VideoLimits

ENV_PREFIX = "POSE_"

_GPU_WORKERS = 32
"""Most of them wait for the GPU, so that what one run of a network can take is there."""

LogFormat = Literal["console", "json"]
LogLevel = Literal["debug", "info", "warning", "error"]


def _split(value: object) -> object:
    return value.split(",") if isinstance(value, str) else value


# Without `NoDecode` the variable would have to be JSON.
GpuIds = Annotated[tuple[int, ...], NoDecode, BeforeValidator(_split)]
_Origin = Annotated[
    str, StringConstraints(strip_whitespace=True, pattern=r"^(\*|[a-z][a-z0-9+.-]*://[^/\s]+)$")
]
Origins = Annotated[tuple[_Origin, ...], NoDecode, BeforeValidator(_split)]


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
    gpu_ids: GpuIds = Field(
        default=(0,),
        description="GPUs to run on, as 0,1; each gets every network. Naming others than 0 refuses "
        "to start without them.",
    )
    max_batch: int = Field(
        default=32,
        ge=1,
        le=1024,
        description="Most pictures or people in one run on a GPU; less takes less of its memory.",
    )
    tensorrt: bool = Field(
        default=False,
        description="Compile the networks with TensorRT, which must be installed: minutes at the "
        "first start.",
    )
    tensorrt_cache_dir: Path | None = Field(
        default=None,
        description="Folder for what TensorRT compiled; unless set, every start compiles again.",
    )
    cuda_graphs: bool = Field(
        default=False,
        description="Record each run on CUDA once and replay it, which saves launching its steps.",
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

    def execution(self, *, threads: int) -> Execution:
        """What networks run on.

        Args:
            threads: for one run on the CPU.

        Raises:
            InvalidInput: two settings exclude each other.
        """
        return Execution(
            device=self.device,
            threads=threads,
            gpu_ids=self.gpu_ids,
            tensorrt=self.tensorrt,
            cuda_graphs=self.cuda_graphs,
            max_batch=self.max_batch,
            cache_dir=self.tensorrt_cache_dir,
        )


class Settings(PipelineSettings):
    """What is needed to serve."""

    host: str = Field(
        default="127.0.0.1",
        min_length=1,
        description="Address to listen on; 0.0.0.0 is every network interface.",
    )
    port: int = Field(default=8000, ge=1, le=65535, description="TCP port to listen on.")
    workers: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Threads that decode pictures and run the networks; unless set, one for each "
        f"core that this process may use, and with --device cuda at least {_GPU_WORKERS}.",
    )
    max_waiting: int = Field(
        default=32,
        ge=0,
        description="Requests that may wait for a worker; above it the answer is 503 at once.",
    )
    upload_timeout_s: float = Field(
        default=30.0, gt=0, description="Seconds in which a client must have sent its picture."
    )
    request_timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds from a request's head to its answer; after them the answer is 504. A "
        "client may ask for less with X-Request-Timeout.",
    )
    also_load: list[str] = Field(
        default=[],
        description="Further entries of pipelines.toml to load at the start; requests choose with "
        "?pipeline=.",
    )
    reload_interval_s: float | None = Field(
        default=None,
        gt=0,
        description="Seconds between two looks for changed pipelines and new versions of bundles, "
        "which are then loaded while requests go on; unless set, nobody looks.",
    )
    max_persons: int = Field(
        default=100, ge=1, description="Most people that a request may ask for in one picture."
    )
    max_pictures: int = Field(
        default=64,
        ge=1,
        description="Pictures in one POST /predict/batch or POST /v2/models/NAME/infer.",
    )
    max_batch_bytes: int = Field(
        default=100 * 1024 * 1024,
        ge=1024,
        description="Largest body of POST /predict/batch and of POST /v2/models/NAME/infer.",
    )
    max_video_bytes: int = Field(
        default=200 * 1024 * 1024,
        ge=1024,
        description="Largest body of POST /predict/video; it is kept in a temporary file.",
    )
    max_video_frames: int = Field(
        default=9000, ge=1, description="Frames that are read of one video, also those left out."
    )
    max_video_seconds: float = Field(
        default=300.0, gt=0, description="Longest video, in seconds of its own time."
    )
    video_timeout_s: float = Field(
        default=900.0,
        gt=0,
        description="Seconds from the head of a POST /predict/video to its answer's last line. A "
        "client may ask for less with X-Request-Timeout.",
    )
    max_streams: int = Field(
        default=8, ge=1, description="Connections to WS /stream that may be open at once."
    )
    stream_idle_timeout_s: float = Field(
        default=60.0,
        gt=0,
        description="Seconds without a message after which a connection to WS /stream is closed.",
    )
    max_tensor_rows: int = Field(
        default=64,
        ge=1,
        description="Pictures in one tensor that POST /v2/models/NAME/infer gives to a network.",
    )
    max_json_bytes: int = Field(
        default=4 * 1024 * 1024,
        ge=1024,
        description="Largest JSON of POST /v2/models/NAME/infer, without binary data behind it.",
    )
    api_keys: SecretStr | None = Field(
        default=None,
        description="Keys that requests need, with commas between them: Authorization: Bearer KEY "
        "or X-API-Key: KEY; unless set, everybody may ask. Command lines can be seen by every user "
        "of a machine: prefer the variable or the file.",
    )
    api_keys_file: Path | None = Field(
        default=None,
        description="File with such keys, one in a line, # for comments; read again when it "
        "changes.",
    )
    admin_keys: SecretStr | None = Field(
        default=None,
        description="Keys that may also load and unload pipelines; unless set, nobody may.",
    )
    admin_keys_file: Path | None = Field(
        default=None, description="File with such keys, as api_keys_file."
    )
    cors_origins: Origins = Field(
        default=(),
        description="Origins whose web pages may ask, with commas between them, e.g. "
        "https://example.com; * is every one.",
    )
    max_header_bytes: int = Field(
        default=32 * 1024, ge=1024, description="Largest head of a request: address and headers."
    )
    max_url_bytes: int = Field(default=8 * 1024, ge=256, description="Longest address.")
    max_connections: int = Field(
        default=500,
        ge=1,
        description="Open connections; above it the longest idle one is closed, and if none is "
        "idle, only probes are answered.",
    )
    header_timeout_s: float = Field(
        default=10.0, gt=0, description="Seconds in which a client must have sent a request's head."
    )
    keep_alive_timeout_s: int = Field(
        default=75,
        ge=1,
        description="Seconds for which a connection is kept for the next request; should be more "
        "than the same setting of a proxy in front.",
    )
    min_upload_bytes_per_s: int = Field(
        default=4096,
        ge=0,
        description="Slowest upload, counted after its first 5 seconds; 0 is no limit.",
    )
    tracing: bool = Field(
        default=False,
        description="Send a span of each request to OpenTelemetry, where the standard OTEL_* "
        "variables say; needs the extra otel.",
    )
    drain_timeout_s: float = Field(
        default=20.0,
        gt=0,
        description="Seconds after SIGTERM in which admitted requests are finished.",
    )

    @property
    def video_limits(self) -> VideoLimits:
        return VideoLimits(
            max_bytes=self.max_video_bytes,
            max_frames=self.max_video_frames,
            max_seconds=self.max_video_seconds,
            max_pixels=self.max_pixels,
        )

    @property
    def worker_threads(self) -> int:
        """The number of workers, also where it was not set."""
        if self.workers is not None:
            return self.workers
        cores = available_cores()
        return max(cores, _GPU_WORKERS) if self.device == "cuda" else cores


def explain(error: ValidationError) -> str:
    """One sentence for each wrong setting: its flag, its variable, the value, what was expected."""
    sentences: list[str] = []
    for problem in error.errors(include_url=False):
        field = str(problem["loc"][0]) if problem["loc"] else "settings"
        flag, variable = "--" + field.replace("_", "-"), ENV_PREFIX + field.upper()
        expected = problem["msg"].removeprefix("Input should be ")
        sentences.append(f"{flag} ({variable}) is {str(problem['input'])!r}, expected {expected}.")
    return "\n".join(sentences)
