"""The training report: one self-contained HTML page about a run, which needs no network."""
