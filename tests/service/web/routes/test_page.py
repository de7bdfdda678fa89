from __future__ import annotations

import re

import httpx
import pytest

from tests.support.routes import PAGE_FILES

PAGES = ("/", "/docs")
FILES = {**dict.fromkeys(PAGES, "text/html"), **PAGE_FILES}


@pytest.mark.parametrize("path", FILES)
def test_headers(client: httpx.Client, path: str) -> None:
    headers = client.get(path).headers
    assert headers["content-type"].startswith(FILES[path])
    policy = dict(rule.split(" ", 1) for rule in headers["content-security-policy"].split("; "))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert policy["require-trusted-types-for"] == "'script'"
    assert policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert policy["form-action"] == "'self'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["cross-origin-opener-policy"] == "same-origin"


@pytest.mark.parametrize("path", FILES)
def test_an_unchanged_file_is_not_sent_again(client: httpx.Client, path: str) -> None:
    first = client.get(path)
    again = client.get(path, headers={"If-None-Match": first.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert client.get(path, headers={"If-None-Match": '"other"'}).status_code == 200


def test_the_page_loads_only_its_own_files_and_all_of_them_exist(client: httpx.Client) -> None:
    for path in FILES:
        text = client.get(path).text.replace("http://www.w3.org/2000/svg", "")
        assert not re.search(r"https?://|\burl\(|@import|//[a-z]+\.", text), path
    asked = set(re.findall(r'(?:href|src)="(page/[^"]+)"', "".join(client.get(page).text for page in PAGES)))
    scripts = [client.get(path).text for path, kind in FILES.items() if kind == "text/javascript"]
    asked |= {f"page/{name}" for name in re.findall(r'from "\./([^"]+)"', "".join(scripts))}
    assert {f"/{name}" for name in asked} == set(PAGE_FILES)


def test_no_inline_script_or_style(client: httpx.Client) -> None:
    html = "".join(client.get(page).text for page in PAGES)
    assert not re.search(r"<style|<script(?![^>]*\bsrc=)|\bstyle=|\bon[a-z]+=|javascript:", html)
