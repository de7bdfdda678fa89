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
class Response:
    """Status and latency of one request; the latency starts when the request was due."""

    status: int
    latency_s: float


def raw_request(path: str, image: bytes) -> bytes:
    """Make a request with the image as the body."""
    return _request(path, "application/octet-stream", image)


def multipart_request(path: str, image: bytes) -> bytes:
    """Make a request with the image as the part `file` of a form."""
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

    Attributes:
        head: Status line and headers of the latest response.
    """

    def __init__(self) -> None:
        self.head = b""
        self._data = b""
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[int] | None = None

    @property
    def is_last(self) -> bool:
        """Whether the connection ends with the latest response."""
        return b"connection: close" in self.head.lower()

    @property
    def ended(self) -> bool:
        """Whether the service has closed it."""
        return self._transport is None or self._transport.is_closing()

    @classmethod
    async def open(cls, address: Address) -> Connection:
        _, connection = await asyncio.get_running_loop().create_connection(cls, *address)
        return connection

    async def send_and_wait(self, request: bytes) -> int:
        """Send a request, wait for the whole response, return its status; 0 if the connection ended first."""
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
            self._finish(int(head[9:12]))

    def connection_lost(self, exc: Exception | None) -> None:
        self._finish(0)

    def _finish(self, status: int) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(status)


async def closed_loop(
    address: Address, requests: Sequence[bytes], *, clients: int, seconds: float
) -> tuple[float, list[Response]]:
    """Send from `clients` connections, each the next request as soon as it has its response.

    Returns:
        Responses per second, and all responses.
    """
    responses: list[Response] = []
    source = itertools.cycle(requests)
    started = time.perf_counter()

    async def client() -> None:
        connection = await Connection.open(address)
        while (start := time.perf_counter()) < started + seconds:
            status = await connection.send_and_wait(next(source))
            responses.append(Response(status=status, latency_s=time.perf_counter() - start))
        connection.close()

    await asyncio.gather(*(client() for _ in range(clients)))
    return len(responses) / (time.perf_counter() - started), responses


async def open_loop(address: Address, requests: Sequence[bytes], due_s: npt.NDArray[np.float64]) -> list[Response]:
    """Send one request at each of the times, on a free connection or a new one; responses in the order of requests."""
    free: list[Connection] = []
    started = time.perf_counter()

    async def one(request: bytes, at: float) -> Response:
        while free and free[-1].ended:  # the service closed it after its keep-alive time
            free.pop()
        connection = free.pop() if free else await Connection.open(address)
        status = await connection.send_and_wait(request)
        response = Response(status=status, latency_s=time.perf_counter() - started - at)
        if status and not connection.is_last:
            free.append(connection)
        else:
            connection.close()
        return response

    tasks = []
    for request, at in zip(itertools.cycle(requests), due_s.tolist(), strict=False):
        await asyncio.sleep(max(0.0, started + at - time.perf_counter()))
        tasks.append(asyncio.create_task(one(request, at)))
    responses = await asyncio.gather(*tasks)
    for connection in free:
        connection.close()
    return responses


def poisson_arrivals(per_second: float, seconds: float, *, seed: int) -> npt.NDArray[np.float64]:
    """Draw times in seconds, ascending."""
    random = np.random.default_rng(seed)
    return np.cumsum(random.exponential(1 / per_second, size=int(per_second * seconds)))


def simulate_queue(
    due_s: npt.NDArray[np.float64], service_s: npt.NDArray[np.float64], *, servers: int
) -> npt.NDArray[np.float64]:
    """Return the latencies of a first-in-first-out queue without limit: seconds, one for each arrival."""
    free_at = [0.0] * servers
    latencies = []
    for due, service in zip(due_s.tolist(), itertools.cycle(service_s.tolist()), strict=False):
        server = int(np.argmin(free_at))
        free_at[server] = max(due, free_at[server]) + service
        latencies.append(free_at[server] - due)
    return np.array(latencies)


def percentile_ms(responses: Sequence[Response], percent: float) -> float:
    return 1e3 * float(np.percentile([response.latency_s for response in responses], percent))
