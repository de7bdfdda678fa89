"""One container: started in some way, asked everything, looked at from inside, stopped in the middle of an upload."""

from __future__ import annotations

import base64
import http.client
import json
import shutil
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

from service.bundle import SigningKey
from service.signing import sign_bundle
from tests.container import bill
from tests.container.check import Service, encoded, picture
from tests.container.engine import Container, Engine, NotReady
from tests.container.load import connections_at_once, largest_volleys
from tests.test_packaging import ROOT

HARDENED = ("--read-only", "--cap-drop=all", "--security-opt=no-new-privileges")
IMAGE_USER = 65532
LOCK = ROOT / "deploy" / "locks" / "service.txt"
# Files that the service keeps for itself and for health probes: service/web/server/process.py.
_RESERVED_FILES = 72


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a container is started, and what is tried besides the checks of every container.

    Attributes:
        name: Its row in the table.
        options: Options of `run`.
        user: What `--user` is; empty: as the image says.
        memory: Memory limit.
        cpus: Processors.
        files: How many files it may open; 0: as the engine says.
        network: Whether it has a network.
        largest: Whether the largest images are sent, several at once.
        environment: Variables, NAME=VALUE.
        is_mounted: Whether the bundle is mounted; else it is a part of the image.
    """

    name: str
    options: tuple[str, ...] = ()
    user: str = ""
    memory: str = "512m"
    cpus: str = "2"
    files: int = 0
    network: bool = True
    largest: bool = False
    environment: tuple[str, ...] = ()
    is_mounted: bool = True

    def run_options(self, bundle: str) -> list[str]:
        """Options of `run`."""
        return [
            *([f"--volume={bundle}:/bundle:ro"] if self.is_mounted else []),
            *(f"--memory={self.memory}", f"--memory-swap={self.memory}", f"--cpus={self.cpus}", "--pids-limit=512"),
            *(f"--env={variable}" for variable in self.environment),
            *self.options,
            *([f"--user={self.user}"] if self.user else []),
            *([f"--ulimit=nofile={self.files}:{self.files}"] if self.files else []),
        ]


@dataclass(kw_only=True)
class Result:
    """What came of a trial.

    Attributes:
        trial: The trial.
        ready_s: From the start of `run` to ready.
        resident_bytes: Resident memory after the checks.
        peak_bytes: Most memory of the control group, with the pages of files.
        checks: How many checks there were.
        failures: The names of those that failed.
        notes: What else was seen.
    """

    trial: Trial
    ready_s: float = 0.0
    resident_bytes: int = 0
    peak_bytes: int | None = None
    checks: int = 0
    failures: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def check(self, name: str, passed: Callable[[], bool] | bool) -> None:
        """Make a check; one that raises has failed."""
        self.checks += 1
        try:
            succeeded = passed() if callable(passed) else passed
        except Exception as error:  # noqa: BLE001  (whatever it is, the other checks go on)
            self.notes.append(f"{name}: {error!r}")
            succeeded = False
        if not succeeded:
            self.failures.append(name)


def try_container(engine: Engine, trial: Trial, bundle: str) -> Result:
    """Start a container, make every check, and stop it."""
    result = Result(trial=trial)
    start = time.monotonic()
    with engine.run(trial.run_options(bundle), network=trial.network) as container:
        try:
            container.wait_until_ready()
        except NotReady as error:
            result.check("ready", passed=False)
            result.notes.append(str(error))
            return result
        result.ready_s = time.monotonic() - start
        result.check("ready", passed=True)
        for name, check in _asked(container, trial, bundle):
            result.check(name, check)
        if trial.files:
            count = connections_at_once(container.address)
            result.notes.append(f"{count} connections at once with {trial.files} open files")
            result.check("connections", count == trial.files - _RESERVED_FILES)
        if trial.largest:
            _try_largest(container, result)
        _look_inside(container, result)
        healthcheck = (engine.image_config()["Healthcheck"] or {}).get("Test") or ["NONE"]
        result.check("healthcheck", lambda: container.execute(*healthcheck[1:]).returncode == 0)
        _stop(container, result)
    return result


def try_image(engine: Engine, bundle: str) -> Result:
    """Check what does not depend on how a container is started; and that it ends without a good bundle."""
    result = Result(trial=Trial(name="the image, without a good bundle"))
    config = engine.image_config()
    result.check("numeric_nonroot_user", config["User"].partition(":")[0] == str(IMAGE_USER))
    result.check("exec_form_entrypoint", config["Entrypoint"] == ["python", "-m", "service"])
    with tempfile.TemporaryDirectory() as folder:
        altered = shutil.copytree(bundle, Path(folder, "altered"))
        with open(altered / "card.md", "ab") as card:
            card.write(b" ")
        Path(folder).chmod(0o755)
        trusted, signed = _signed(bundle, Path(folder))
        refused = {
            "no_bundle": [],
            "altered_bundle": [f"--volume={altered}:/bundle:ro"],
            "unsigned_bundle": [f"--volume={bundle}:/bundle:ro", *trusted],
        }
        for name, options in refused.items():
            with engine.run([*HARDENED, *options]) as container:
                result.check(f"{name}_code_3", container.wait() == 3)
                result.check(f"{name}_one_line", len(container.log().strip().splitlines()) == 1)
        with engine.run([*HARDENED, f"--volume={signed}:/bundle:ro", *trusted]) as container:
            result.check("signed_bundle_is_served", lambda: container.wait_until_ready() >= 0)
    with engine.files() as files:
        result.check("bill_of_materials", lambda: not bill.problems(files, LOCK))
    result.check("shell", engine.shell("command -v python") == 0)
    for tool in ("pip", "gcc", "cc", "git"):
        result.check(f"no_{tool}", engine.shell(f"command -v {tool}") != 0)
    result.check("no_torch", engine.shell("python -c 'import torch'") != 0)
    return result


def _signed(bundle: str, folder: Path) -> tuple[list[str], Path]:
    """Sign a bundle with a new key: options of `run` that trust this key alone, and the signed bundle."""
    private, public = folder / "key.pem", folder / "public.pem"
    key = Ed25519PrivateKey.generate()
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    sign_bundle(Path(bundle), SigningKey(private), out=folder / "signed.zip")
    return [
        f"--volume={public}:/keys/public.pem:ro",
        "--env=FIELDGUIDE_TRUSTED_KEY=/keys/public.pem",
    ], folder / "signed.zip"


def _asked(container: Container, trial: Trial, bundle: str) -> Iterator[tuple[str, Callable[[], bool]]]:
    if trial.network:
        yield from Service(container.url, bundle).checks()
        return

    def answers() -> bool:
        image = base64.b64encode(encoded(picture(0), "JPEG")).decode()
        return bool(container.look_inside("ask", image)["image"]["format"] == "JPEG")

    yield "answers_inside", answers


def _try_largest(container: Container, result: Result) -> None:
    """Send the largest images. The service may refuse some, and must not end."""
    limits = _get_json(container, "/v1/model")["limits"]
    result.notes.append(f"limits: {limits['max_pixels']:,} pixels, {limits['max_body_bytes']:,} bytes")
    for volley in largest_volleys(container.url):
        name = f"{volley.kind}{', larger' if volley.too_large else ''}"
        counts = ", ".join(f"{count} x {status}" for status, count in sorted(volley.statuses.items()))
        result.notes.append(f"{name}: {counts}")
        result.check(name, volley.is_right)
    result.check("not_killed", lambda: container.state()["Running"] and not container.state()["OOMKilled"])


def _look_inside(container: Container, result: Result) -> None:
    inside, trial = container.look_inside(), result.trial
    result.resident_bytes, result.peak_bytes = inside["resident_bytes"], inside["peak_bytes"]
    result.check("uid", inside["uid"] == int(trial.user.partition(":")[0] or IMAGE_USER))
    result.check("seccomp", inside["seccomp"])
    if "--read-only" in trial.options:
        result.check("nothing_can_be_written", inside["read_only"] and not inside["writable"])
    elif trial.user != "0":
        result.check("nothing_can_be_written", not inside["writable"])
    if "--cap-drop=all" in trial.options or trial.user != "0":
        result.check("no_capabilities", inside["capabilities"] == 0)
    if "--security-opt=no-new-privileges" in trial.options:
        result.check("no_new_privileges", inside["no_new_privileges"])
    if not trial.network:
        result.check("no_network", inside["networks"] == ["lo"])


def _stop(container: Container, result: Result) -> None:
    """Send SIGTERM while an upload arrives: it is answered before the service ends, with code 0."""
    if not container.address:
        result.check("stops_with_0", lambda: container.stop() == 0)
        return
    statuses: list[int] = []
    upload = threading.Thread(target=_upload_slowly, args=(container.address, statuses))
    upload.start()
    time.sleep(0.5)
    result.check("stops_with_0", lambda: container.stop() == 0)
    upload.join()
    result.check("answers_an_upload_while_it_stops", statuses == [415])


def _upload_slowly(address: str, statuses: list[int]) -> None:
    """Upload what is no image, for two seconds."""
    connection = http.client.HTTPConnection(address, timeout=20)
    try:
        connection.putrequest("POST", "/v1/predict")
        connection.putheader("Content-Type", "application/octet-stream")
        connection.putheader("Content-Length", str(20 * 10_000))
        connection.endheaders()
        for _ in range(20):
            connection.send(bytes(10_000))
            time.sleep(0.1)
        statuses.append(connection.getresponse().status)
    except (OSError, http.client.HTTPException):
        statuses.append(0)
    finally:
        connection.close()


def _get_json(container: Container, path: str) -> dict[str, dict[str, int]]:
    with urllib.request.urlopen(container.url + path, timeout=20) as response:
        found: dict[str, dict[str, int]] = json.load(response)
    return found
