"""What is refused of an archive, before it costs memory or time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from service.inputs.errors import InputError

_UNPACK = "unpack it yourself if you trust it, and give the folder"


@dataclass(frozen=True, kw_only=True)
class ArchiveLimits:
    """Limits of one archive.

    Attributes:
        entries: Entries of any kind.
        bytes: Unpacked bytes of all files together.
        file_bytes: Unpacked bytes of one image.
        ratio: Unpacked bytes / bytes of the archive. Images hardly get smaller in an archive.
        free_bytes: Unpacked bytes for which the ratio does not matter.
        header_bytes: Bytes of the header of one entry of a tar; for zip, of all entries on average.
    """

    entries: int = 1_000_000
    bytes: int = 1 << 38
    file_bytes: int = 1 << 28
    ratio: int = 100
    free_bytes: int = 1 << 26
    header_bytes: int = 1 << 16

    def require_entries(self, count: int, *, path: Path) -> None:
        """Raise InputError if there are more entries."""
        if count > self.entries:
            raise InputError(f"{path}: the archive has more than {self.entries:,} entries; {_UNPACK}.")

    def require_bytes(self, unpacked: int, *, packed: int, path: Path) -> None:
        """Raise InputError if so many unpacked bytes of so many packed ones are too many.

        Args:
            unpacked: Bytes that were, or would be, unpacked.
            packed: Bytes that they were unpacked from.
            path: The archive, for the message.
        """
        if unpacked > self.bytes:
            raise InputError(f"{path}: the archive has more than {self.bytes:,} unpacked bytes; {_UNPACK}.")
        if unpacked > self.ratio * packed + self.free_bytes:
            raise InputError(f"{path}: its files are more than {self.ratio} times as large as the archive; {_UNPACK}.")
