"""The command line: verbs, their options, and what they say."""

from trainer.cli.commands import main

__all__ = ["main"]
