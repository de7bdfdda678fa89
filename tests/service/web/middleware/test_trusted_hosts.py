from __future__ import annotations

import httpx
import pytest

from tests.support.problems import assert_problem
from tests.support.server import RunningServer, exchange


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.1:99", "a.example.org", "A.B.Example.ORG:80"])
def test_trusted_hosts(guarded_client: httpx.Client, host: str) -> None:
    assert guarded_client.get("/", headers={"Host": host}).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "example.org", "a.example.org.evil.example", "xexample.org", "[::1]:80"]
)
def test_untrusted_hosts(guarded_client: httpx.Client, host: str) -> None:
    assert "Host" in assert_problem(guarded_client.get("/", headers={"Host": host}), 400)
    assert guarded_client.get("/livez", headers={"Host": host}).status_code == 200


def test_a_missing_host_is_not_trusted(guarded: RunningServer) -> None:
    assert exchange(guarded, b"GET / HTTP/1.0\r\n\r\n")[0] == 400
