"""A web server that misbehaves in every way, and a proxy. Both run in a thread of the tests, with real sockets.

The path of a URL says what the server does: /image/7 is an image, /slow/7 comes slowly, /status/404 is that status.
"""

from __future__ import annotations

import asyncio
import gzip
import io
import json
import ssl
import subprocess
import threading
import zlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
from PIL import Image

from tests.support.programs import program

_SIDE = 24
Handler = Callable[[str, dict[str, str], asyncio.StreamWriter], Awaitable[bool]]


def image(number: int, kind: str = "JPEG") -> bytes:
    """An image of its own for each number."""
    pixels = np.random.default_rng(number).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def bomb() -> bytes:
    """A PNG of a few bytes that says it has 30,000 x 30,000 pixels."""
    content = bytearray(image(0, "PNG"))
    content[16:24] = (30_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    return bytes(content)


class _InAThread(ABC):
    """A server on free ports of the loopback addresses, in a thread with a loop of its own."""

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self._host, self._tls = host, tls
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._listen(), self._loop).result()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        self._server.close()
        others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self.serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    @abstractmethod
    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None: ...


class MisbehavingServer(_InAThread):
    """The server.

    Attributes:
        requests: Every request: host and path, in order.
        most_at_a_time: Host -> the most connections that it had at a time.
        robots: Host -> its robots.txt; without one it has none.
        delay_s: Before each response.
    """

    def __init__(self, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        super().__init__(host, tls)
        self.requests: list[tuple[str, str]] = []
        self.heads: list[dict[str, str]] = []
        self.most_at_a_time: Counter[str] = Counter()
        self.robots: dict[str, str] = {}
        self.delay_s = 0.0
        self._at_a_time: Counter[str] = Counter()
        self._seen: Counter[str] = Counter()

    def url(self, path: str, host: str = "") -> str:
        scheme = "http" if self._tls is None else "https"
        return f"{scheme}://{host or '127.0.0.1'}:{self.port}/{path}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        host = ""
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                first, *lines = head.strip().split("\r\n")
                headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in lines)}
                if not host:
                    host = headers["host"].rpartition(":")[0]
                    self._at_a_time[host] += 1
                    self.most_at_a_time[host] = max(self.most_at_a_time[host], self._at_a_time[host])
                path = first.split()[1]
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.requests.append((host, path))
                self.heads.append({**headers, "body": body.decode()})
                if self.delay_s:
                    await asyncio.sleep(self.delay_s)
                if not await self.respond(path, host, writer):
                    return
        finally:
            self._at_a_time[host] -= 1

    async def respond(self, path: str, host: str, writer: asyncio.StreamWriter) -> bool:
        """Answer a request; returns whether the connection stays open."""
        if path == "/robots.txt":
            known = self.robots.get(host)
            return await send(writer, (known or "").encode(), status=404 if known is None else 200)
        what, _, rest = path.removeprefix("/").partition("?")[0].partition("/")
        return await getattr(self, f"do_{what.replace('-', '_')}")(rest, writer)  # type: ignore[no-any-return]

    async def do_image(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, image(int(rest)))

    async def do_plain(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """Without a length, until the connection ends."""
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n" + image(int(rest)))
        await writer.drain()
        return False

    async def do_chunked(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        writer.write(
            b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        for byte in image(int(rest)):
            writer.write(b"1\r\n%c\r\n" % byte)
        writer.write(b"0\r\n\r\n")
        await writer.drain()
        return True

    async def do_gzip(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, gzip.compress(image(int(rest))), "Content-Encoding: gzip")

    async def do_brotli(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, b"\x0b\x02\x80", "Content-Encoding: br")

    async def do_gzip_bomb(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, gzip.compress(bytes(20_000_000)), "Content-Encoding: gzip")

    async def do_bomb(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, bomb())

    async def do_slow(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """A byte every tenth of a second."""
        content = image(int(rest))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content))
        for byte in content:
            writer.write(bytes([byte]))
            await writer.drain()
            await asyncio.sleep(0.1)
        return True

    async def do_stalled(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        """The head, and then nothing."""
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        await asyncio.sleep(60)
        return False

    async def do_silent(self, _rest: str, _writer: asyncio.StreamWriter) -> bool:
        await asyncio.sleep(60)
        return False

    async def do_truncated(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """Fewer bytes than it says."""
        content = image(int(rest))
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(content) + content[:200])
        await writer.drain()
        return False

    async def do_cut_off(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """All bytes that it says, of an image that is not complete."""
        return await send(writer, image(int(rest))[:600])

    async def do_huge(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n")
        await writer.drain()
        await asyncio.sleep(1)
        return False

    async def do_endless(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        """Chunks without end."""
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            writer.write(b"1000\r\n" + bytes(4096) + b"\r\n")
            await writer.drain()

    async def do_endless_head(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\n")
        while True:
            writer.write(b"X-Filler: " + b"x" * 4000 + b"\r\n")
            await writer.drain()

    async def do_endless_trailer(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX-Filler: ")
        while True:
            writer.write(b"x" * 4000)
            await writer.drain()

    async def do_garbage(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        writer.write(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n")
        await writer.drain()
        return False

    async def do_text(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, b"<html>Not found</html>", "Content-Type: image/jpeg")

    async def do_empty(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, b"")

    async def do_tag(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        number, _, tag = rest.partition("/")
        return await send(writer, image(int(number)), f"X-Robots-Tag: {tag.replace('%20', ' ')}")

    async def do_status(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, b"no", status=int(rest))

    async def do_flaky(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """An error of the server, and the image when it is asked for again."""
        self._seen[rest] += 1
        status, _, number = rest.partition("/")
        return await send(writer, image(int(number)), status=int(status) if self._seen[rest] == 1 else 200)

    async def do_busy(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """Asks to wait some seconds, once: /busy/SECONDS/NUMBER."""
        self._seen[rest] += 1
        seconds, _, number = rest.partition("/")
        if self._seen[rest] > 1:
            return await send(writer, image(int(number)))
        return await send(writer, b"wait", f"Retry-After: {seconds.replace('%20', ' ')}", status=429)

    async def do_cut(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """Says that the connection stays open, and closes it."""
        await send(writer, image(int(rest)))
        return False

    async def do_reset(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        writer.transport.abort()
        return False

    async def do_redirect(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """So many redirects: /redirect/COUNT/NUMBER; with -1 for ever."""
        count, _, number = rest.partition("/")
        left = int(count) - 1 if int(count) >= 0 else -1
        target = f"/image/{number}" if left == 0 else f"/redirect/{left}/{number}"
        return await send(writer, b"", f"Location: {target}", status=302)

    async def do_to(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        """A redirect to what follows; `!` stands for `/`."""
        return await send(writer, b"", f"Location: {rest.replace('!', '/')}", status=301)

    async def do_same(self, _rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, image(0))

    async def do_cookie(self, rest: str, writer: asyncio.StreamWriter) -> bool:
        return await send(writer, image(int(rest)), "Set-Cookie: who=1; Path=/")


class TunnelProxy(_InAThread):
    """A proxy that takes CONNECT alone, and leads every address to one server.

    So what is asked for a public address can be answered here.

    Attributes:
        asked: What it was asked to connect to.
        credentials: The header Proxy-Authorization of each request.
    """

    def __init__(self, target: int, *, refuses: bool = False) -> None:
        super().__init__()
        self._target, self._refuses = target, refuses
        self.asked: list[str] = []
        self.credentials: list[str] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().strip().split("\r\n")
        assert first.startswith("CONNECT ")
        self.asked.append(first.split()[1])
        self.credentials += [line for line in lines if line.startswith("Proxy-Authorization")]
        if self._refuses:
            writer.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
            await writer.drain()
            return
        there, back = await asyncio.open_connection("127.0.0.1", self._target)
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        await asyncio.gather(_copy(reader, back), _copy(there, writer))


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    except OSError:
        pass
    finally:
        writer.close()


async def send(writer: asyncio.StreamWriter, content: bytes, *headers: str, status: int = 200) -> bool:
    """Send a response; returns True: the connection stays open."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(content)}", *headers]
    writer.write("\r\n".join([*lines, "", ""]).encode() + content)
    await writer.drain()
    return True


async def send_json(writer: asyncio.StreamWriter, value: object, *headers: str, status: int = 200) -> bool:
    content = json.dumps(value).encode()
    return await send(writer, content, "Content-Type: application/json", *headers, status=status)


def certificate(folder: Path, *names: str) -> tuple[Path, ssl.SSLContext]:
    """A certificate for these names, which signs itself: its file, and what a server needs."""
    key, file = folder / "key.pem", folder / "cert.pem"
    command = [program("openssl"), "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=test", "-keyout", str(key), "-out", str(file)]
    subprocess.run(
        [*command, "-addext", f"subjectAltName={','.join(f'DNS:{name}' for name in names)}"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, key)
    return file, context
