"""What a fast client notices of clients that upload slowly, and of clients that leave before they get their answers.

    python -m tests.benchmarks.slow_clients BUNDLE [--uploads 50] [--kbytes-per-s 30] [--leaving-per-s 40] [--rounds 3]

A fast client sends a photo of 1 megapixel, waits for the answer, and sends the next. In each round it does so alone;
beside `--uploads` slow uploads of a photo of 3.8 MB each; beside `--leaving-per-s` clients a second that send such a
photo and reset the connection at once; and beside as many that close it. A reset is noticed, and what has not started
is dropped. Who closes may have closed one half only, and still read the answer: so it is computed.
Prints median, least and most of the rounds, and the ratios to the fast client alone in the same round.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import socket
import statistics
import struct
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import uvloop

from service.sizing.speed import make_photo
from tests.benchmarks import load
from tests.benchmarks.load import Address, Connection, Response
from tests.support.server import RunningServer

_SLOW_BYTES = 3_800_000
_TICK_S = 0.1


@dataclass(frozen=True, kw_only=True)
class Result:
    """What the fast client saw: answers per second, p50 and p99 in ms, and how many were not 200."""

    rate: float
    p50_ms: float
    p99_ms: float
    failed: int


Company = Callable[[Address], AbstractAsyncContextManager[None]]


def main() -> None:
    """Measure in turns."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--uploads", type=int, default=50)
    parser.add_argument("--kbytes-per-s", type=float, default=30)
    parser.add_argument("--leaving-per-s", type=float, default=40)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    photo = load.raw_request("/v1/predict", make_photo(1))
    with RunningServer(options.bundle) as server:
        step = int(1000 * options.kbytes_per_s * _TICK_S)
        kinds: dict[str, Company] = {
            "alone": lambda _: contextlib.nullcontext(),
            f"beside {options.uploads} uploads at {options.kbytes_per_s:g} KB/s": lambda address: _slow(
                address, count=options.uploads, step=step
            ),
            f"beside {options.leaving_per_s:g} a second that ask and reset": lambda address: _leaving(
                address, photo, every_s=1 / options.leaving_per_s, leave=_reset
            ),
            f"beside {options.leaving_per_s:g} a second that ask and close": lambda address: _leaving(
                address, photo, every_s=1 / options.leaving_per_s, leave=socket.socket.close
            ),
        }
        found: dict[str, list[Result]] = {kind: [] for kind in kinds}
        for _ in range(options.rounds):
            for kind, company in kinds.items():
                found[kind].append(uvloop.run(_measure(server.address, photo, company, seconds=options.seconds)))
    _print(found)


async def _measure(address: Address, photo: bytes, company: Company, *, seconds: float) -> Result:
    async with company(address):
        await _ask(address, photo, seconds=1)
        responses = await _ask(address, photo, seconds=seconds)
    return Result(
        rate=sum(response.status == 200 for response in responses) / seconds,
        p50_ms=load.percentile_ms(responses, 50),
        p99_ms=load.percentile_ms(responses, 99),
        failed=sum(response.status != 200 for response in responses),
    )


async def _ask(address: Address, photo: bytes, *, seconds: float) -> list[Response]:
    """Ask again and again, on a new connection if the service has closed the one before."""
    responses: list[Response] = []
    connection = await Connection.open(address)
    started = time.perf_counter()
    while (start := time.perf_counter()) < started + seconds:
        if connection.ended or connection.is_last:
            connection.close()
            connection = await Connection.open(address)
        status = await connection.send_and_wait(photo)
        responses.append(Response(status=status, latency_s=time.perf_counter() - start))
    connection.close()
    return responses


@contextlib.asynccontextmanager
async def _slow(address: Address, *, count: int, step: int) -> AsyncIterator[None]:
    async def upload(number: int) -> None:
        await asyncio.sleep(_TICK_S * number / count)
        request = load.raw_request("/v1/predict", os.urandom(_SLOW_BYTES))
        _, writer = await asyncio.open_connection(*address)
        for start in range(0, len(request), step):
            writer.write(request[start : start + step])
            await asyncio.sleep(_TICK_S)

    async with _beside(upload(number) for number in range(count)):
        yield


@contextlib.asynccontextmanager
async def _leaving(
    address: Address, photo: bytes, *, every_s: float, leave: Callable[[socket.socket], None]
) -> AsyncIterator[None]:
    async def ask() -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection = socket.socket()
            connection.setblocking(False)
            await loop.sock_connect(connection, address)
            await loop.sock_sendall(connection, photo)
            leave(connection)
            await asyncio.sleep(every_s)

    async with _beside([ask()]):
        yield


def _reset(connection: socket.socket) -> None:
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


@contextlib.asynccontextmanager
async def _beside(works: Iterable[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(work) for work in works]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _print(found: dict[str, list[Result]]) -> None:
    alone = next(iter(found.values()))
    print("| a fast client | answers/s | p50 ms | p99 ms | not 200 | p99 / alone | answers / alone |")
    print("|---|---|---|---|---|---|---|")
    for kind, results in found.items():
        columns = (
            [result.rate for result in results],
            [result.p50_ms for result in results],
            [result.p99_ms for result in results],
            [result.failed for result in results],
            [result.p99_ms / base.p99_ms for result, base in zip(results, alone, strict=True)],
            [result.rate / base.rate for result, base in zip(results, alone, strict=True)],
        )
        print(f"| {kind} | {' | '.join(map(_range, columns))} |")


def _range(values: Sequence[float]) -> str:
    return f"{statistics.median(values):.3g} ({min(values):.3g} to {max(values):.3g})"


if __name__ == "__main__":
    main()
