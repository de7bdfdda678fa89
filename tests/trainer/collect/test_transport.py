"""Connections lead to the very address that was checked: directly, after redirects, over TLS and through a proxy."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.collecting import download, fates
from tests.support.misbehaving import MisbehavingServer, TunnelProxy, certificate
from trainer.collect.transport import Network
from trainer.errors import CollectError

PUBLIC = "93.184.215.14"
NAME = "photos.test"


class Names:
    """A name server that gives each name's addresses in turn, and the last ones for ever."""

    def __init__(self, **answers: list[list[str]]) -> None:
        self._answers = {name.replace("_", "."): list(lists) for name, lists in answers.items()}
        self.asked: list[str] = []

    async def __call__(self, host: str, _port: int) -> list[str]:
        self.asked.append(host)
        lists = self._answers.get(host, [[host]])
        return lists.pop(0) if len(lists) > 1 else lists[0]


@pytest.fixture
def server() -> Iterator[MisbehavingServer]:
    with MisbehavingServer() as running:
        yield running


@pytest.fixture
def proxy(server: MisbehavingServer) -> Iterator[TunnelProxy]:
    """It leads public addresses to the server, so that what happens with these can be seen."""
    with TunnelProxy(server.port) as running:
        yield running


def reason(folder: Path) -> str:
    (fate,) = fates(folder).values()
    return str(fate.get("reason", fate["status"]))


def test_what_is_connected_to_is_the_address_and_not_the_name(
    server: MisbehavingServer, proxy: TunnelProxy, tmp_path: Path
) -> None:
    network = Network(resolve=Names(photos_test=[[PUBLIC]]), proxy=proxy.url)
    download(tmp_path, [(f"http://{NAME}/image/1", "")], network=network)
    assert reason(tmp_path) == "kept"
    assert set(proxy.asked) == {f"{PUBLIC}:80"}
    assert {host for host, _ in server.requests} <= {NAME, ""}
    assert server.heads[0]["host"] == NAME


def test_a_name_whose_second_look_up_gives_a_private_address(
    server: MisbehavingServer, proxy: TunnelProxy, tmp_path: Path
) -> None:
    """The server closes each connection, so that the second request needs a look-up of its own."""
    names = Names(photos_test=[[PUBLIC], ["10.0.0.1"]])
    urls = [f"http://{NAME}/cut/1", f"http://{NAME}/cut/2"]
    download(
        tmp_path, ((url, "") for url in urls), network=Network(resolve=names, proxy=proxy.url), ignore_robots_txt=True
    )
    found = fates(tmp_path)
    assert (found[urls[0]]["status"], found[urls[1]].get("reason")) == ("kept", "private-address")
    assert proxy.asked == [f"{PUBLIC}:80"]


def test_the_address_that_was_checked_is_used_even_if_the_name_changes_meanwhile(
    server: MisbehavingServer, proxy: TunnelProxy, tmp_path: Path
) -> None:
    """There is one look-up for a connection: no second one can give another address."""
    names = Names(photos_test=[[PUBLIC], ["127.0.0.1"]])
    network = Network(resolve=names, proxy=proxy.url)
    download(tmp_path, [(f"http://{NAME}/image/1", "")], network=network, ignore_robots_txt=True)
    assert reason(tmp_path) == "kept"
    assert names.asked == [NAME]
    assert proxy.asked == [f"{PUBLIC}:80"]


@pytest.mark.parametrize(
    "target", ["127.0.0.1", "10.0.0.1", "inner.test", "[::1]", "169.254.169.254", "[::ffff:10.0.0.1]"]
)
def test_a_redirect_to_a_private_address(
    target: str, server: MisbehavingServer, proxy: TunnelProxy, tmp_path: Path
) -> None:
    names = Names(photos_test=[[PUBLIC]], inner_test=[["192.168.0.1"]])
    url = f"http://{NAME}/to/http:!!{target}!secret.jpg"
    download(tmp_path, [(url, "")], network=Network(resolve=names, proxy=proxy.url))
    assert reason(tmp_path) == "private-address"
    assert set(proxy.asked) == {f"{PUBLIC}:80"}


def test_an_ipv6_address_is_asked_for_in_brackets(proxy: TunnelProxy, tmp_path: Path) -> None:
    network = Network(resolve=Names(photos_test=[["2606:4700::1111"]]), proxy=proxy.url)
    download(tmp_path, [(f"http://{NAME}/image/1", "")], network=network)
    assert set(proxy.asked) == {"[2606:4700::1111]:80"}


def test_the_next_address_is_tried_if_one_does_not_answer(server: MisbehavingServer, tmp_path: Path) -> None:
    network = Network(resolve=Names(photos_test=[["127.0.0.9", "127.0.0.1"]]), allow_private=True)
    download(tmp_path, [(f"http://{NAME}:{server.port}/image/1", "")], network=network)
    assert reason(tmp_path) == "kept"


class TestProxy:
    def test_gets_no_name_that_cannot_be_looked_up_here(self, proxy: TunnelProxy, tmp_path: Path) -> None:
        async def knows_nothing(host: str, _port: int) -> list[str]:
            raise OSError("no name server")

        network = Network(resolve=knows_nothing, proxy=proxy.url)
        download(tmp_path / "a", [("http://inner.test/image/1", "")], network=network)
        assert reason(tmp_path / "a") == "unknown-host"
        assert not proxy.asked
        allowed = Network(resolve=knows_nothing, proxy=proxy.url, allow_private=True)
        download(tmp_path / "b", [("http://inner.test/image/1", "")], network=allowed)
        assert reason(tmp_path / "b") == "kept"
        assert set(proxy.asked) == {"inner.test:80"}

    def test_gets_the_credentials_of_its_url(self, proxy: TunnelProxy, tmp_path: Path) -> None:
        url = proxy.url.replace("//", "//me:secret@")
        network = Network(resolve=Names(photos_test=[[PUBLIC]]), proxy=url)
        download(tmp_path, [(f"http://{NAME}/image/1", "")], network=network)
        assert set(proxy.credentials) == {"Proxy-Authorization: Basic bWU6c2VjcmV0"}

    def test_that_refuses(self, server: MisbehavingServer, tmp_path: Path) -> None:
        with TunnelProxy(server.port, refuses=True) as proxy:
            network = Network(resolve=Names(photos_test=[[PUBLIC]]), proxy=proxy.url)
            download(tmp_path, [(f"http://{NAME}/image/1", "")], network=network)
        (fate,) = fates(tmp_path).values()
        assert (fate["reason"], "403" in fate["detail"]) == ("proxy", True)

    def test_that_is_not_there(self, tmp_path: Path) -> None:
        network = Network(resolve=Names(photos_test=[[PUBLIC]]), proxy="http://127.0.0.1:1")
        download(tmp_path, [(f"http://{NAME}/image/1", "")], network=network, retries=0)
        assert reason(tmp_path) == "proxy"

    @pytest.mark.parametrize(
        "url", ["socks5://127.0.0.1:1", "https://127.0.0.1:1", "127.0.0.1:1", "http://", "http://["]
    )
    def test_of_another_kind(self, url: str, tmp_path: Path) -> None:
        with pytest.raises(CollectError, match="must be given as http://HOST:PORT"):
            download(tmp_path, [("http://photos.test/", "")], network=Network(proxy=url))

    def test_of_the_environment_does_not_count(
        self, server: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name in ("http_proxy", "HTTP_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, "http://127.0.0.1:1")
        download(tmp_path, [(server.url("image/1"), "")])
        assert reason(tmp_path) == "kept"


class TestTLS:
    """The certificate is for good.test, and OpenSSL trusts it because of SSL_CERT_FILE."""

    @pytest.fixture
    def secure(
        self, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
    ) -> Iterator[MisbehavingServer]:
        file, context = certificate(tmp_path_factory.mktemp("certificate"), "good.test")
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        with MisbehavingServer(tls=context) as running:
            yield running

    def network(self, proxy: str = "") -> Network:
        names = Names(good_test=[["127.0.0.1"]], bad_test=[["127.0.0.1"]])
        return Network(resolve=names, allow_private=True, proxy=proxy)

    def test_verifies_the_name_and_not_the_address(self, secure: MisbehavingServer, tmp_path: Path) -> None:
        urls = [secure.url("image/1", host) for host in ("good.test", "bad.test", "127.0.0.1")]
        download(tmp_path, ((url, "") for url in urls), network=self.network())
        found = fates(tmp_path)
        assert [found[url].get("reason", "kept") for url in urls] == ["kept", "tls", "tls"]
        assert "Hostname mismatch" in found[urls[1]]["detail"]

    def test_through_a_proxy(self, secure: MisbehavingServer, tmp_path: Path) -> None:
        urls = [secure.url("image/1", host) for host in ("good.test", "bad.test")]
        with TunnelProxy(secure.port) as proxy:
            download(tmp_path, ((url, "") for url in urls), network=self.network(proxy.url))
        found = fates(tmp_path)
        assert [found[url].get("reason", "kept") for url in urls] == ["kept", "tls"]
        assert set(proxy.asked) == {f"127.0.0.1:{secure.port}"}

    def test_that_nobody_trusts(
        self, secure: MisbehavingServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.delenv("SSL_CERT_FILE")
        download(tmp_path, [(secure.url("image/1", "good.test"), "")], network=self.network())
        assert reason(tmp_path) == "tls"

    def test_with_a_server_that_does_not_speak_it(self, tmp_path: Path) -> None:
        with MisbehavingServer() as plain:
            url = plain.url("image/1", "good.test").replace("http:", "https:")
            download(tmp_path, [(url, "")], network=self.network(), retries=0, timeout_s=0.5)
        assert reason(tmp_path) in ("tls", "no-connection", "timeout")
