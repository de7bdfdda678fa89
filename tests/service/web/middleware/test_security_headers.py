from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from tests.support.server import RunningServer, run_serve


@pytest.mark.parametrize("path", ["/", "/v1/model", "/livez", "/nothing", "/v2", "/metrics"])
def test_security_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["x-frame-options"] == "DENY"
    assert headers["referrer-policy"] == "no-referrer"
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy


def test_pages_of_chosen_origins_may_show_the_page_in_a_frame(plain_path: Path) -> None:
    origins = "https://huggingface.co,https://*.example.org"
    with RunningServer(plain_path, "--frame-ancestors", origins) as server:
        for path in ("/", "/v1/model"):
            headers = httpx.get(server.url + path).headers
            assert "frame-ancestors https://huggingface.co https://*.example.org" in headers["content-security-policy"]
            assert "x-frame-options" not in headers


@pytest.mark.parametrize("origins", ["none", "https://a.org; script-src *", "https://a.org 'self'", "a.org"])
def test_wrong_origins_of_frames_are_refused(plain_path: Path, origins: str) -> None:
    done = run_serve(str(plain_path), "--frame-ancestors", origins)
    assert done.returncode == 2
    assert done.stderr.startswith("error: --frame-ancestors must ")
