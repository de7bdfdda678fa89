from __future__ import annotations

import socket
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.bundles import write_tiny_bundle
from tests.support.endless import write_endless_bundle
from tests.support.server import RunningServer


@pytest.fixture(scope="session")
def bundle_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A classification bundle with heatmaps: red, green, blue."""
    return write_tiny_bundle(tmp_path_factory.mktemp("bundles") / "colours", with_int8=True)


@pytest.fixture(scope="session")
def multilabel_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundles") / "tags.zip"
    return write_tiny_bundle(path, task="multilabel", name="tags", thresholds=[0.6] * 3)


@pytest.fixture(scope="session")
def plain_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle without features, which is never sure enough to answer."""
    path = tmp_path_factory.mktemp("bundles") / "plain"
    return write_tiny_bundle(path, with_features=False, abstain={"threshold": 1.0})


@pytest.fixture(scope="session")
def doubtful_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle that knows red, green and blue, is unsure of grey, and does not know white."""
    path = tmp_path_factory.mktemp("bundles") / "doubtful"
    return write_tiny_bundle(
        path, name="doubtful", with_int8=True, ood={"threshold": 0.7}, abstain={"threshold": 0.8}, label_set={}
    )


@pytest.fixture
def predictor(bundle_path: Path) -> Predictor:
    return Predictor(read_bundle(bundle_path))


@pytest.fixture(scope="session")
def server(bundle_path: Path) -> Iterator[RunningServer]:
    with RunningServer(bundle_path, "--max-body-bytes", "200000", "--body-timeout-s", "1") as running:
        yield running


@pytest.fixture(scope="session")
def client(server: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as session:
        yield session


@pytest.fixture(scope="session")
def multilabel_client(multilabel_path: Path) -> Iterator[httpx.Client]:
    with RunningServer(multilabel_path) as running, httpx.Client(base_url=running.url, timeout=20) as session:
        yield session


@pytest.fixture(scope="session")
def doubtful(doubtful_path: Path) -> Iterator[RunningServer]:
    with RunningServer(doubtful_path) as running:
        yield running


@pytest.fixture(scope="session")
def plain_client(plain_path: Path) -> Iterator[httpx.Client]:
    with RunningServer(plain_path) as running, httpx.Client(base_url=running.url, timeout=20) as session:
        yield session


@pytest.fixture
def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
    return port


@pytest.fixture(scope="session")
def endless_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose model hangs for `tests.support.endless.WHITE`."""
    return write_endless_bundle(tmp_path_factory.mktemp("bundles") / "endless")
