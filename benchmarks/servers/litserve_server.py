"""The pipeline behind LitServe: `python -m benchmarks.servers.litserve_server PORT plain|tuned`.

Of what LitServe's documentation offers for work that keeps a CPU busy: one worker process for each
core, because a worker does one request at a time; no batching, which waits and gains nothing on a
CPU; one HTTP server. `plain` opens the networks as its examples do, `tuned` as this service does.

Source: LitServe's documentation, "Types of parallelism" and "LitServer".
"""

import sys
from typing import Any

import litserve  # pyright: ignore[reportMissingModuleSource]
from fastapi import Request

from benchmarks.servers.pipeline import answer, open_plain, open_tuned
from service.inference.cores import available_cores


class PoseApi(litserve.LitAPI):
    """Decoding and both networks in the worker."""

    def setup(self, device: str) -> None:
        del device
        self.estimator = open_tuned() if sys.argv[2] == "tuned" else open_plain()

    def decode_request(self, request: Request) -> bytes:
        """The file of a form, LitServe's way for uploads; it hands over the form, not a request."""
        return request["image"].file.read()

    def predict(self, data: bytes) -> dict[str, Any]:
        return answer(self.estimator, data).model_dump()

    def encode_response(self, output: dict[str, Any]) -> dict[str, Any]:
        return output


if __name__ == "__main__":
    server = litserve.LitServer(
        PoseApi(), accelerator="cpu", devices=1, workers_per_device=available_cores()
    )
    server.run(
        host="127.0.0.1",
        port=int(sys.argv[1]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
    )
