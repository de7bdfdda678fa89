"""The size of a service: installed with nothing but the `service` extra, seconds from start to ready, and memory.

    python -m tests.benchmarks.footprint BUNDLE IMAGE... [--starts 5] [--requests 100] [--environment DIR]

Makes a virtual environment of its own, in a temporary folder or in DIR, installs this checkout with the extra
`service`, and prints: packages and bytes installed; which heavy modules the serving process has imported (none);
seconds from the start of the process to the first 200 of /readyz, over `--starts` starts; resident memory after
`--requests` requests.
"""

from __future__ import annotations

import argparse
import itertools
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path

from tests.benchmarks.environment import ROOT, make_environment
from tests.benchmarks.process import process_usage

HEAVY = ("torch", "torchvision", "onnx", "timm", "pandas", "matplotlib", "sklearn", "trainer")


def main() -> None:
    """Install, start, send requests, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("bundle", type=Path)
    parser.add_argument("images", type=Path, nargs="+")
    parser.add_argument("--starts", type=int, default=5)
    parser.add_argument("--requests", type=int, default=100)
    parser.add_argument("--environment", type=Path, help="default: a temporary folder, removed at the end")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        environment = make_environment(options.environment or Path(folder), [f"{ROOT}[service]"])
        print(f"installed: {len(environment.versions())} packages, {environment.installed_bytes() / 1e6:.0f} MB")
        python = environment.python
        loaded = [name for name in HEAVY if name in modules_after_loading(python, options.bundle)]
        print(f"heavy modules in the serving process: {', '.join(loaded) or 'none'}")
        start_seconds = []
        for _ in range(options.starts):
            service, port, ready_s = start(python, options.bundle)
            start_seconds.append(ready_s)
            stop(service)
        print(
            f"start to ready: median {statistics.median(start_seconds):.2f} s, "
            f"{min(start_seconds):.2f} to {max(start_seconds):.2f}"
        )
        service, port, _ = start(python, options.bundle)
        at_start = process_usage(service.pid).resident_bytes
        for path in itertools.islice(itertools.cycle(options.images), options.requests):
            predict(port, path.read_bytes())
        after = process_usage(service.pid).resident_bytes
        print(f"resident: {at_start / 1e6:.0f} MB when ready, {after / 1e6:.0f} MB after {options.requests} requests")
        stop(service)


def modules_after_loading(python: Path, bundle: Path) -> set[str]:
    """Return the names in sys.modules once a bundle is loaded and the server's modules are imported."""
    script = (
        "import sys\n"
        "from service.settings import Settings\n"
        "from service.web.server import load_predictor\n"
        "load_predictor(sys.argv[1], settings=Settings.resolve({}, {}))\n"
        "print(*sys.modules)\n"
    )
    command = [str(python), "-c", script, str(bundle.resolve())]
    return set(subprocess.run(command, check=True, capture_output=True, text=True, cwd="/").stdout.split())


def start(python: Path, bundle: Path) -> tuple[subprocess.Popen[bytes], int, float]:
    """Start a service; returns it, its port, and the seconds until it was ready."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    started = time.perf_counter()
    command = ["-m", "service", "serve", str(bundle.resolve()), "--port", str(port), "--log-level", "warning"]
    service = subprocess.Popen([str(python), *command], cwd="/")
    while service.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz", timeout=5):
                return service, port, time.perf_counter() - started
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.005)
    raise SystemExit("the service ended before it was ready")


def stop(service: subprocess.Popen[bytes]) -> None:
    """Stop it as an orchestrator does."""
    service.terminate()
    assert service.wait(timeout=30) == 0


def predict(port: int, image: bytes) -> None:
    """Request one prediction."""
    headers = {"Content-Type": "application/octet-stream"}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/predict", data=image, headers=headers)
    with urllib.request.urlopen(request, timeout=30) as response:
        response.read()


if __name__ == "__main__":
    main()
