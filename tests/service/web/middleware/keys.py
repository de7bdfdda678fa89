"""The API keys of the service of these tests."""

from __future__ import annotations

KEY = "a-key-of-the-variable"
FILE_KEY = "another~key/of+the=file"
