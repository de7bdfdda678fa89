"""The one error of the bundle format."""

_MAX_LENGTH = 500


class BundleRefused(Exception):
    """A bundle that must not be used. The message is one printable line: what is wrong, and in which file."""

    def __init__(self, message: str) -> None:
        line = " ".join(message.split())
        line = "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)
        super().__init__(line if len(line) <= _MAX_LENGTH else f"{line[:_MAX_LENGTH]}...")
