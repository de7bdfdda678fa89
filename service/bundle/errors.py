"""The one error of the bundle format."""


class BundleRefused(Exception):
    """A bundle that must not be used. The message is one line: what is wrong, and in which file."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(message.split()))
