"""manifest.sig: an Ed25519 signature of manifest.sha256, and so of every byte of a bundle.

It is the 64 bytes of the signature, so that `openssl pkeyutl` makes and checks it, too. The package cryptography is
needed only where a bundle is signed, or a signature is asked for.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

from service.bundle.errors import BundleRefused
from service.bundle.manifest import SIGNATURE

SIGNATURE_BYTES = 64
_MAX_KEY_BYTES = 64 * 1024
_PUBLIC_KEY = re.compile(rb"-----BEGIN PUBLIC KEY-----.*?-----END PUBLIC KEY-----\n?", re.DOTALL)
_HOW_TO_MAKE = "openssl genpkey -algorithm ed25519 -out key.pem"
_HOW_TO_PUBLISH = "openssl pkey -in key.pem -pubout -out public.pem"


class KeyUnusable(BundleRefused):
    """A file that is not a key that can be used, or no package that can use it."""


class SigningKey:
    """A private key."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read a PEM file; raises KeyUnusable."""
        _require_cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            key = load_pem_private_key(_read_key(path), password=None)
        except TypeError as error:
            raise KeyUnusable(f"{path} is encrypted with a password; give a key without one") from error
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(f"{path} is not a private key in PEM; make one: {_HOW_TO_MAKE}") from error
        if not isinstance(key, Ed25519PrivateKey):
            raise KeyUnusable(f"{path} is a key of another kind than Ed25519; make one: {_HOW_TO_MAKE}")
        self._key = key

    def sign(self, checksum: bytes) -> bytes:
        """Return the signature of the bytes of manifest.sha256."""
        signature: bytes = self._key.sign(checksum)
        return signature


class TrustedKeys:
    """One or several public keys, of which any may have signed a bundle."""

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Read a PEM file; raises KeyUnusable."""
        _require_cryptography()
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
        from cryptography.hazmat.primitives.serialization import load_pem_public_key

        blocks = _PUBLIC_KEY.findall(_read_key(path))
        if not blocks:
            raise KeyUnusable(f"{path} has no public key in PEM; make one of a private key: {_HOW_TO_PUBLISH}")
        try:
            keys: list[Any] = [load_pem_public_key(block) for block in blocks]
        except (ValueError, UnsupportedAlgorithm) as error:
            raise KeyUnusable(f"{path} has a public key that cannot be read: {error}") from error
        if not all(isinstance(key, Ed25519PublicKey) for key in keys):
            raise KeyUnusable(f"{path} has a key of another kind than Ed25519; make one: {_HOW_TO_MAKE}")
        self._path = path
        self._keys = keys

    def require(self, checksum: bytes, signature: bytes | None) -> None:
        """Check the signature of a bundle.

        Args:
            checksum: Bytes of manifest.sha256.
            signature: Bytes of manifest.sig; None if there is none.

        Raises:
            BundleRefused: There is none, or no trusted key made it for these bytes.
        """
        from cryptography.exceptions import InvalidSignature

        if signature is None:
            raise BundleRefused(
                f"it is not signed: {SIGNATURE} is missing, and only bundles signed with {self._path} run"
            )
        for key in self._keys:
            try:
                key.verify(signature, checksum)
            except InvalidSignature:
                continue
            return
        raise BundleRefused(
            f"{SIGNATURE} was not made with the key of {self._path}, or the bundle was altered afterwards"
        )


def _read_key(path: str | os.PathLike[str]) -> bytes:
    try:
        with open(Path(path), "rb") as file:
            return file.read(_MAX_KEY_BYTES)
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error.strerror or error}") from error


def _require_cryptography() -> None:
    try:
        import cryptography  # noqa: F401
    except ImportError as error:
        raise KeyUnusable("signatures need an extra: pip install 'fieldguide[sign]'") from error
