"""A light load generator: raw HTTP over asyncio, closed loop or open loop."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Address = tuple[str, int]
_BOUNDARY = "benchmark"


@dataclass(frozen=True, kw_only=True)
class Answer:
    """Status and latency of one request; the latency is counted from when the request was due."""

    status: int
    latency_s: float


def raw_request(path: str, image: bytes) -> bytes:
    """The image as the body."""
    return _request(path, "application/octet-stream", image)


def multipart_request(path: str, image: bytes) -> bytes:
    """The image as the part `file` of a form."""
    head = f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="photo.jpg"\r\n\r\n'
    body = head.encode() + image + f"\r\n--{_BOUNDARY}--\r\n".encode()
    return _request(path, f"multipart/form-data; boundary={_BOUNDARY}", body)


def json_request(path: str, text: str) -> bytes:
    return _request(path, "application/json", text.encode())


def get_request(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode()


def _request(path: str, content_type: str, body: bytes) -> bytes:
    lines = [f"POST {path} HTTP/1.1", "Host: x", f"Content-Type: {content_type}", f"Content-Length: {len(body)}"]
    return "\r\n".join([*lines, "", ""]).encode() + body


class Connection(asyncio.Protocol):
    """One keep-alive connection, one request at a time.

    head  status line and headers of the latest answer
    """

    def __init__(self) -> None:
        self.head = b""
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[int] | None = None

    @property
    def is_last(self) -> bool:
        """Whether the latest answer says that the connection ends with it."""
        return b"connection: close" in self.head.lower()

    @property
    def ended(self) -> bool:
        """Whether the service has closed it."""
        return self._transport is None or self._transport.is_closing()

    @classmethod
    async def open(cls, address: Address) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(cls, *address)
        return connection

    async def ask(self, request: bytes) -> int:
        """Send, wait for the whole answer, return its status; 0 where the connection ended first."""
        self._waiter = asyncio.get_running_loop().create_future()
        self.send(request)
        return await self._waiter

    def send(self, data: bytes) -> None:
        assert self._transport is not None
        self._transport.write(data)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._data += data
        head, found, body = self._data.partition(b"\r\n\r\n")
        if not found:
            return
        lowered = head.lower()
        start = lowered.index(b"content-length:") + len(b"content-length:")
        if len(body) >= int(lowered[start:].split(b"\r\n", 1)[0]):
            self._data, self.head = b"", head
            self._answer(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._answer(0)

    def _answer(self, status: int) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(status)


async def closed_loop(
    address: Address, requests: Sequence[bytes], *, clients: int, seconds: float
) -> tuple[float, list[Answer]]:
    """`clients` connections, each of which asks again as soon as it has its answer; returns (answers a second, all)."""
    answers: list[Answer] = []
    source = itertools.cycle(requests)
    begun = time.perf_counter()

    async def client() -> None:
        connection = await Connection.open(address)
        while (start := time.perf_counter()) < begun + seconds:
            status = await connection.ask(next(source))
            answers.append(Answer(status=status, latency_s=time.perf_counter() - start))
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return len(answers) / (time.perf_counter() - begun), answers


async def open_loop(address: Address, requests: Sequence[bytes], due_s: npt.NDArray[np.float64]) -> list[Answer]:
    """One request at each of the times, on a connection that is free or new; answers in the order of the requests."""
    free: list[Connection] = []
    begun = time.perf_counter()

    async def one(request: bytes, at: float) -> Answer:
        while free and free[-1].ended:  # one that had been idle for the service's keep-alive time
            free.pop()
        connection = free.pop() if free else await Connection.open(address)
        status = await connection.ask(request)
        answer = Answer(status=status, latency_s=time.perf_counter() - begun - at)
        if status and not connection.is_last:
            free.append(connection)
        else:
            connection.close()
        return answer

    tasks = []
    for request, at in zip(itertools.cycle(requests), due_s.tolist(), strict=False):
        await asyncio.sleep(max(0.0, begun + at - time.perf_counter()))
        tasks.append(asyncio.create_task(one(request, at)))
    answers = await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return answers


def poisson_arrivals(rate: float, seconds: float, *, seed: int) -> npt.NDArray[np.float64]:
    """Times in seconds, ascending."""
    random = np.random.default_rng(seed)
    return np.cumsum(random.exponential(1 / rate, size=int(rate * seconds)))


def simulate_queue(
    due_s: npt.NDArray[np.float64], service_s: npt.NDArray[np.float64], *, servers: int
) -> npt.NDArray[np.float64]:
    """Latencies of a first-in-first-out queue without limit: seconds, one for each arrival."""
    free_at = [0.0] * servers
    latencies = []
    for due, service in zip(due_s.tolist(), itertools.cycle(service_s.tolist()), strict=False):
        server = int(np.argmin(free_at))
        free_at[server] = max(due, free_at[server]) + service
        latencies.append(free_at[server] - due)
    return np.array(latencies)


def percentile_ms(answers: Sequence[Answer], share: float) -> float:
    return 1e3 * float(np.percentile([answer.latency_s for answer in answers], share))
