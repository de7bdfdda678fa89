"""What ends a fit."""

from __future__ import annotations


class RecipeError(Exception):
    """A recipe that cannot be followed. The message names the key."""


class FitError(Exception):
    """Training that came to nothing. The message says what to try."""
