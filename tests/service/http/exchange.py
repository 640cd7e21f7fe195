"""A request whose answer is read message by message, as over a slow line."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence


class Exchange:
    """One POST; what the application says waits until it is read.

    Args:
        chunks: of the body; an event among them is waited for.
    """

    def __init__(self, app, target: str, chunks: Sequence[bytes | asyncio.Event], **headers: str):
        path, _, query = target.partition("?")
        self._app = app
        self._chunks = list(chunks)
        self._gone = asyncio.Event()
        self._said: asyncio.Queue[dict] = asyncio.Queue(maxsize=1)
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": "POST",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": query.encode(),
            "headers": [
                (name.replace("_", "-").encode(), value.encode())
                for name, value in {"content_type": "video/mp4", **headers}.items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
            "state": {},
        }
        self._task = asyncio.create_task(self._run())

    async def head(self) -> int:
        """The status."""
        message = await self._next()
        assert message["type"] == "http.response.start"
        self.headers = {name.decode(): value.decode() for name, value in message["headers"]}
        return message["status"]

    async def lines(self) -> AsyncIterator[dict]:
        """What comes, until the end of the answer."""
        while True:
            message = await self._next()
            body = message.get("body", b"")
            for line in body.splitlines():
                yield json.loads(line)
            if not message.get("more_body"):
                return

    async def line(self) -> dict:
        """The next one."""
        return json.loads((await self._next())["body"])

    def hang_up(self) -> None:
        """The client leaves without another word."""
        self._gone.set()

    async def ended(self) -> None:
        """Waits until the application has done what it does."""
        async with asyncio.timeout(10):
            await asyncio.wait({self._task})

    async def _next(self) -> dict:
        async with asyncio.timeout(10):
            return await self._said.get()

    async def _run(self) -> None:
        await self._app(self._scope, self._receive, self._send)

    async def _receive(self) -> dict:
        while self._chunks:
            chunk = self._chunks.pop(0)
            if isinstance(chunk, bytes):
                more = any(isinstance(each, bytes) for each in self._chunks)
                return {"type": "http.request", "body": chunk, "more_body": more}
            waits = [asyncio.create_task(each.wait()) for each in (chunk, self._gone)]
            await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for one in waits:
                one.cancel()
            if self._gone.is_set():
                break
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: dict) -> None:
        # Whoever has left takes nothing more, but nobody is held up by it.
        put = asyncio.create_task(self._said.put(message))
        gone = asyncio.create_task(self._gone.wait())
        await asyncio.wait({put, gone}, return_when=asyncio.FIRST_COMPLETED)
        put.cancel()
        gone.cancel()
