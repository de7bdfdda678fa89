"""Log, metrics, drift and traces of finished requests."""
