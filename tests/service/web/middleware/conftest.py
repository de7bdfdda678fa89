from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.service.web.middleware.keys import FILE_KEY, KEY
from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def guarded(bundle_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    file = tmp_path_factory.mktemp("keys") / "keys"
    file.write_text(f"# who: me\n\n  {FILE_KEY}\n")
    flags = ["--api-keys-file", str(file), "--trusted-hosts", "127.0.0.1,*.example.org", "--cors-origins"]
    environ = {"FIELDGUIDE_API_KEYS": f"{KEY},unused-unused-unused"}
    with RunningServer(bundle_path, *flags, "https://Page.example", environ=environ) as running:
        yield running


@pytest.fixture
def guarded_client(guarded: RunningServer) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=guarded.url, timeout=20) as session:
        yield session
