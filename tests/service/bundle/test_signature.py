"""Signed bundles: made and checked here, and by openssl."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from service.bundle import SigningKey, TrustedKeys, read_bundle, read_files
from service.bundle.manifest import CHECKSUM, SIGNATURE
from service.cli import cli
from service.settings import Settings
from service.signing import sign_bundle
from service.web.server.process import load_predictor
from tests.service.bundle.helpers import refusal, write
from tests.support.foreign_models import write_classes, write_onnx
from tests.support.trainer import trainer

pytest.importorskip("cryptography", reason="the extra sign is not installed")
openssl = shutil.which("openssl")
pytestmark = pytest.mark.skipif(openssl is None, reason="openssl is not installed")


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a.pem and b.pem, their public keys, one of another kind, and one with a password."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("a", "b"):
        run("genpkey", "-algorithm", "ed25519", "-out", folder / f"{name}.pem")
        run("pkey", "-in", folder / f"{name}.pem", "-pubout", "-out", folder / f"{name}.pub")
    run("genpkey", "-algorithm", "X25519", "-out", folder / "other.pem")
    run("pkey", "-in", folder / "other.pem", "-pubout", "-out", folder / "other.pub")
    run("pkey", "-in", folder / "a.pem", "-aes256", "-passout", "pass:secret", "-out", folder / "locked.pem")
    (folder / "both.pub").write_bytes((folder / "b.pub").read_bytes() + (folder / "a.pub").read_bytes())
    (folder / "text").write_text("hello")
    return folder


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return write(tmp_path / "bundle")


@pytest.fixture
def signed(bundle: Path, keys: Path) -> Path:
    sign_bundle(bundle, SigningKey(keys / "a.pem"))
    return bundle


def run(*arguments: str | Path) -> None:
    assert openssl is not None
    subprocess.run([openssl, *map(str, arguments)], check=True, capture_output=True, timeout=60)


def command(*arguments: str | Path) -> Result:
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def test_a_signed_bundle_is_served(signed: Path, keys: Path) -> None:
    digest = read_bundle(signed).digest
    for name in ("a.pub", "both.pub"):
        assert load_predictor(signed, settings=Settings(trusted_key=str(keys / name))).digest == digest
        assert command("verify", signed, "--trusted-key", keys / name).exit_code == 0


def test_a_bundle_of_somebody_else_is_refused(signed: Path, bundle: Path, keys: Path, tmp_path: Path) -> None:
    line = refusal(lambda: read_bundle(signed, trusted=TrustedKeys(keys / "b.pub")))
    assert line == f"manifest.sig was not made with the key of {keys / 'b.pub'}, or the bundle was altered afterwards"
    other = write(tmp_path / "other", {"card.md": b"# Another\n"})
    line = refusal(lambda: read_bundle(other, trusted=TrustedKeys(keys / "a.pub")))
    assert line.startswith("it is not signed: manifest.sig is missing")
    shutil.copy(signed / SIGNATURE, other / SIGNATURE)  # of another bundle
    assert "manifest.sig was not made" in refusal(lambda: read_bundle(other, trusted=TrustedKeys(keys / "a.pub")))


@pytest.mark.parametrize("place", [0, 31, 63])
def test_one_flipped_bit_of_the_signature(signed: Path, keys: Path, place: int) -> None:
    data = bytearray((signed / SIGNATURE).read_bytes())
    data[place] ^= 1
    (signed / SIGNATURE).write_bytes(data)
    assert "manifest.sig was not made" in refusal(lambda: read_bundle(signed, trusted=TrustedKeys(keys / "a.pub")))


@pytest.mark.parametrize("data", [b"", b"x" * 63, b"x" * 65])
def test_a_signature_of_another_length_is_refused_without_a_key_too(signed: Path, data: bytes) -> None:
    (signed / SIGNATURE).write_bytes(data)
    assert refusal(lambda: read_bundle(signed)) == "manifest.sig is not a signature: it does not have 64 bytes"


def test_serve_refuses_with_one_line(bundle: Path, keys: Path) -> None:
    environment = {**os.environ, "FIELDGUIDE_TRUSTED_KEY": str(keys / "a.pub"), "FIELDGUIDE_PORT": "0"}
    done = subprocess.run(
        [sys.executable, "-m", "service", "serve", str(bundle)],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 3
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert line.startswith("error: bundle refused: it is not signed: manifest.sig is missing")


def test_openssl_makes_and_checks_the_same_signature(bundle: Path, signed: Path, keys: Path, tmp_path: Path) -> None:
    by_hand = tmp_path / "by_hand"
    run("pkeyutl", "-sign", "-inkey", keys / "a.pem", "-rawin", "-in", bundle / CHECKSUM, "-out", by_hand)
    assert by_hand.read_bytes() == (signed / SIGNATURE).read_bytes()
    check = ("pkeyutl", "-verify", "-pubin", "-inkey", keys / "a.pub", "-rawin", "-in", signed / CHECKSUM)
    run(*check, "-sigfile", signed / SIGNATURE)


def test_sign_writes_a_copy_or_one_new_file(bundle: Path, keys: Path, tmp_path: Path) -> None:
    before = read_files(bundle)[1]
    for name in ("signed", "signed.zip"):
        assert command("sign", bundle, "--key", keys / "a.pem", "--out", tmp_path / name).exit_code == 0
        found = read_files(tmp_path / name)[1]
        assert found.pop(SIGNATURE)
        assert found == before
        read_bundle(tmp_path / name, trusted=TrustedKeys(keys / "a.pub"))
    assert read_files(bundle)[1] == before
    first = command("sign", bundle, "--key", keys / "a.pem")
    assert first.stdout == f"{bundle / SIGNATURE}\n{read_bundle(bundle).digest}\n"
    again = command("sign", bundle, "--key", keys / "b.pem")
    assert again.exit_code == 2
    assert "the bundle is signed already" in again.stderr
    zipped = command("sign", tmp_path / "signed.zip", "--key", keys / "a.pem")
    assert zipped.exit_code == 2
    assert "is a zip, which is not changed: name a new one with --out" in zipped.stderr


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.pem", "cannot be read: No such file"),
        ("text", "is not a private key in PEM; make one: openssl genpkey -algorithm ed25519"),
        ("a.pub", "is not a private key in PEM"),
        ("other.pem", "is a key of another kind than Ed25519"),
        ("locked.pem", "is encrypted with a password"),
    ],
)
def test_a_private_key_that_cannot_be_used(bundle: Path, keys: Path, name: str, reason: str) -> None:
    result = command("sign", bundle, "--key", keys / name)
    assert result.exit_code == 2
    assert reason in result.stderr
    assert not (bundle / SIGNATURE).exists()


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("none.pub", "cannot be read: No such file"),
        ("a.pem", "has no public key in PEM; make one of a private key: openssl pkey -in"),
        ("other.pub", "has a key of another kind than Ed25519"),
    ],
)
def test_a_public_key_that_cannot_be_used(signed: Path, keys: Path, name: str, reason: str) -> None:
    result = command("verify", signed, "--trusted-key", keys / name)
    assert result.exit_code == 3
    assert reason in result.stderr


def test_without_the_extra_it_says_what_to_install(bundle: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cryptography", None)
    for arguments in (("sign", bundle, "--key", keys / "a.pem"), ("verify", bundle, "--trusted-key", keys / "a.pub")):
        assert "signatures need an extra: pip install 'fieldguide[sign]'" in command(*arguments).stderr
    assert command("verify", bundle).exit_code == 0


def test_import_signs(keys: Path, tmp_path: Path) -> None:
    model, names = write_onnx(tmp_path / "model.onnx"), write_classes(tmp_path / "names.txt")
    given = ("--classes", names, "--size", "32", "--mean", "0,0,0", "--std", "1,1,1", "--out", tmp_path / "b.zip")
    assert trainer("import", model, *given, "--sign-key", keys / "none.pem").exit_code == 3
    assert trainer("import", model, *given, "--sign-key", keys / "a.pem").exit_code == 0
    read_bundle(tmp_path / "b.zip", trusted=TrustedKeys(keys / "a.pub"))
