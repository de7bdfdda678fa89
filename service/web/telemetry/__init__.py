"""What is told of requests that have ended: log, metrics, drift, traces."""
