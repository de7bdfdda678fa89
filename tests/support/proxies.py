"""Caddy and nginx with the files of deploy/systemd, in front of a service: only ports and certificates are others."""

from __future__ import annotations

import contextlib
import http.client
import os
import re
import socket
import ssl
import subprocess
import time
from pathlib import Path

from tests.support.programs import free_port, program, replaced
from tests.test_packaging import ROOT

HOST = "bears.example.org"
CADDYFILE = (ROOT / "deploy" / "systemd" / "Caddyfile").read_text(encoding="utf-8")
NGINX_CONF = (ROOT / "deploy" / "systemd" / "nginx.conf").read_text(encoding="utf-8")
_UPSTREAM = "127.0.0.1:8000"
_NGINX_MAIN = """
daemon off;
pid {folder}/pid;
error_log {folder}/log;
{user}
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/bodies;
    proxy_temp_path {folder}/responses;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    include {folder}/site.conf;
}}
"""


def uncommented(text: str, start: str) -> str:
    """Return the lines of a comment that follow the line with `start` and an empty one, without their `#`."""
    lines = text[text.index(start) :].split("#\n", 1)[1].splitlines()
    block = [re.fullmatch(r"\s*# ?(.*)", line) for line in lines]
    return "\n".join(match[1] for match in block if match) + "\n"


def caddyfile_under_a_prefix() -> str:
    site = f"{HOST} {{\n\timport bears\n}}\n"
    return replaced(CADDYFILE, (site, uncommented(CADDYFILE, f"# To serve it at https://{HOST}/bears/")))


def nginx_under_a_prefix() -> str:
    own = NGINX_CONF[NGINX_CONF.index("    location ~") : NGINX_CONF.index("    # To serve it at")]
    return replaced(NGINX_CONF, (own, uncommented(NGINX_CONF, f"# To serve it at https://{HOST}/bears/")))


class Proxy:
    """A proxy in its own process: ready on entry, gone on exit. `ask` sends a request over TLS."""

    def __init__(self, command: list[str], *, port: int, folder: Path, http_port: int) -> None:
        self.port, self.http_port = port, http_port
        self._log = folder / "output"
        with self._log.open("w") as output:
            environ = {**os.environ, "HOME": str(folder), "XDG_DATA_HOME": str(folder), "XDG_CONFIG_HOME": str(folder)}
            self._process = subprocess.Popen(command, stdout=output, stderr=output, env=environ)

    def __enter__(self) -> Proxy:
        deadline = time.monotonic() + 20
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                self.connect().close()
            except OSError:
                time.sleep(0.05)
            else:
                return self
        self.__exit__()
        raise AssertionError(f"the proxy did not start:\n{self._log.read_text()}")

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=20)

    def connect(self) -> ssl.SSLSocket:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        return context.wrap_socket(socket.create_connection(("127.0.0.1", self.port), timeout=20), server_hostname=HOST)

    def ask(
        self, method: str, path: str, body: bytes = b"", *, chunked: bool = False, **headers: str
    ) -> tuple[int, http.client.HTTPMessage, bytes]:
        """Send a request and read the response, also one that comes before the whole body was sent."""
        connection = http.client.HTTPConnection(HOST)
        connection.sock = self.connect()
        length = ("Transfer-Encoding", "chunked") if chunked else ("Content-Length", str(len(body)))
        pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
        try:
            connection.putrequest(method, path)
            for name, value in [length, *headers.items()]:
                connection.putheader(name.replace("_", "-"), value)
            connection.endheaders()
            with contextlib.suppress(OSError):
                for piece in pieces:
                    connection.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
                if chunked:
                    connection.send(b"0\r\n\r\n")
            response = connection.getresponse()
            return response.status, response.headers, response.read()
        finally:
            connection.close()


def caddy(folder: Path, upstream: str, text: str = CADDYFILE) -> Proxy:
    port, http_port = free_port(), free_port()
    options = f"{{\n\tadmin off\n\tlocal_certs\n\tskip_install_trust\n\thttps_port {port}\n\thttp_port {http_port}\n"
    config = folder / "Caddyfile"
    config.write_text(replaced(text, ("{\n\tservers", options + "\tservers"), (_UPSTREAM, upstream)))
    command = [program("caddy"), "run", "--adapter", "caddyfile", "--config", str(config)]
    return Proxy(command, port=port, folder=folder, http_port=http_port)


def nginx(folder: Path, upstream: str, text: str = NGINX_CONF) -> Proxy:
    executable = program("nginx")
    port, http_port = free_port(), free_port()
    main = write_nginx(folder, text, port=port, http_port=http_port, upstream=upstream)
    return Proxy([executable, "-c", str(main), "-p", str(folder)], port=port, folder=folder, http_port=http_port)


def write_nginx(folder: Path, text: str, *, port: int, http_port: int, upstream: str = _UPSTREAM) -> Path:
    """Write everything that `nginx -c` needs, with a certificate of its own."""
    certificate = f"/etc/letsencrypt/live/{HOST}"
    site = replaced(
        text,
        (_UPSTREAM, upstream),
        ("    listen [::]:80;\n", ""),
        ("    listen [::]:443 ssl;\n", ""),
        ("listen 80;", f"listen 127.0.0.1:{http_port};"),
        ("listen 443 ssl;", f"listen 127.0.0.1:{port} ssl;"),
        (f"{certificate}/", f"{folder}/"),
    )
    (folder / "site.conf").write_text(site)
    main = folder / "main.conf"
    main.write_text(_NGINX_MAIN.format(folder=folder, user="user root;" if os.geteuid() == 0 else ""))
    command = [
        program("openssl"),
        "req",
        "-x509",
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ]
    command += ["-subj", f"/CN={HOST}", "-keyout", str(folder / "privkey.pem"), "-out", str(folder / "fullchain.pem")]
    subprocess.run(command, check=True, capture_output=True)
    return main
