"""A WebSocket to an application inside the process."""

import asyncio
import json
from typing import Self


class Socket:
    """An async context manager; leaving it hangs up.

    Args:
        app: started.
        subprotocols: that the client offers.
        headers: of the handshake.
    """

    def __init__(self, app, *, subprotocols=(), path="/stream", **headers: str) -> None:
        self._app = app
        self._inbox: asyncio.Queue[dict] = asyncio.Queue()
        self._said: asyncio.Queue[dict] = asyncio.Queue()
        self._inbox.put_nowait({"type": "websocket.connect"})
        self._scope = {
            "type": "websocket",
            "asgi": {"version": "3.0", "spec_version": "2.4"},
            "http_version": "1.1",
            "scheme": "ws",
            "path": path,
            "raw_path": path.encode(),
            "root_path": "",
            "query_string": b"",
            "headers": [
                (name.replace("_", "-").encode(), value.encode())
                for name, value in {"host": "test", **headers}.items()
            ],
            "client": ("127.0.0.1", 1),
            "server": ("test", 80),
            "subprotocols": list(subprotocols),
            "state": {},
        }

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._app(self._scope, self._inbox.get, self._said.put))
        self.accepted = await self.message()
        return self

    async def __aexit__(self, *_error) -> None:
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1001})
        async with asyncio.timeout(10):
            await self._task

    def send(self, data: bytes | str | dict) -> None:
        """Pictures are bytes, options a dict."""
        match data:
            case bytes():
                self._inbox.put_nowait({"type": "websocket.receive", "bytes": data})
            case str():
                self._inbox.put_nowait({"type": "websocket.receive", "text": data})
            case _:
                self.send(json.dumps(data))

    async def message(self) -> dict:
        async with asyncio.timeout(10):
            return await self._said.get()

    async def answer(self) -> dict:
        """The next one, as JSON."""
        message = await self.message()
        assert message["type"] == "websocket.send", message
        return json.loads(message["text"])

    async def closed(self) -> int:
        """The code that the service closes with."""
        message = await self.message()
        assert message["type"] == "websocket.close", message
        return message["code"]

    async def taken(self) -> None:
        """Waits until the service has taken all that was sent."""
        async with asyncio.timeout(10):
            while not self._inbox.empty():
                await asyncio.sleep(0.005)
            await asyncio.sleep(0.005)
