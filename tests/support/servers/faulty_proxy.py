"""A TCP proxy on loopback that breaks connections as a network does."""

import asyncio
import random
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Literal

Fault = Literal["none", "refuse", "hang", "cut", "garbage", "slow"]
FAULTS: tuple[Fault, ...] = ("refuse", "hang", "cut", "garbage", "slow")


class FaultyProxy:
    """Forwards connections to a port; `fault` is what goes wrong with each new connection."""

    def __init__(self, target_port: int) -> None:
        self.fault: Fault = "none"
        self.requests: list[str] = []
        self.port = 0
        self._target_port = target_port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, ready: threading.Event) -> None:
        """Serve until `stop` is called."""
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._handle, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        await self._stop.wait()
        server.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)

    async def _handle(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        fault = self.fault
        with suppress(OSError, asyncio.CancelledError):
            if fault == "hang":
                await asyncio.sleep(30)
            elif fault == "garbage":
                writer.write(random.randbytes(100))
                await writer.drain()
            elif fault != "refuse":
                await self._forward(reader, writer, fault)
        writer.close()

    async def _forward(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, fault: Fault) -> None:
        target_reader, target_writer = await asyncio.open_connection("127.0.0.1", self._target_port)

        async def there() -> None:
            while content := await reader.read(65536):
                self.requests += re.findall(r"^([A-Z]+ /\S*)", content.decode("latin-1"))
                target_writer.write(content)
                await target_writer.drain()
            target_writer.close()

        async def back() -> None:
            left = random.randrange(200, 50_000) if fault == "cut" else None
            while content := await target_reader.read(2048 if fault == "slow" else 65536):
                writer.write(content[:left])
                await writer.drain()
                if fault == "slow":
                    await asyncio.sleep(0.01)
                if left is not None and (left := left - len(content)) <= 0:
                    break
            writer.close()

        with suppress(OSError):
            await asyncio.gather(there(), back())
        target_writer.close()


@contextmanager
def faulty_proxy(target_port: int) -> Iterator[FaultyProxy]:
    """Run a proxy in another thread."""
    proxy = FaultyProxy(target_port)
    ready = threading.Event()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready)), daemon=True)
    thread.start()
    ready.wait()
    try:
        yield proxy
    finally:
        proxy.stop()
        thread.join()
