"""The sample dataset from photos to predictions over HTTP: training, bundle, service.

`make demo` runs it. Everything that it writes goes into a new folder under demo/.
"""

from __future__ import annotations

import datetime
import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

READY_WITHIN_S = 30


def main() -> int:
    """Run every step; returns 0 if the predictions of the service are mostly correct."""
    start = time.monotonic()
    home = Path("demo", datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    home.mkdir(parents=True)
    digits, run = home / "digits", home / "run"
    step("trainer", "sample", str(digits))
    step("trainer", "fit", str(digits), "--recipe", f"{digits}-recipe.toml", "--out", str(run))
    succeeded = serve_and_predict(run / "bundle", sorted(Path(f"{digits}-held-out").glob("*/*")))
    minutes = (time.monotonic() - start) / 60
    print(f"\nThat took {minutes:.1f} minutes. Next, open the page in a browser:\n")
    print("    make serve\n")
    print("and do the same with your own photos, one folder for each class:\n")
    print("    .venv/bin/python -m trainer fit PHOTOS --out RUN")
    print("    .venv/bin/python -m service serve RUN/bundle")
    return 0 if succeeded else 1


def step(program: str, *arguments: str) -> None:
    """Print a command, and run it."""
    print(f"\n$ python -m {program} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", program, *arguments], check=True)


def serve_and_predict(bundle: Path, images: list[Path]) -> bool:
    """Start the service, upload some images, print the predictions, stop the service.

    Returns:
        Whether more than half of the predictions are correct and the service stopped without an error.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    print(f"\n$ python -m service serve {bundle} --port {port}", flush=True)
    service = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", str(bundle), "--port", str(port), "--log-level", "warning"]
    )
    try:
        wait_until_ready(address, service)
        print(f"\n$ curl --data-binary @{images[-1]} -H 'Content-Type: image/png' '{address}/v1/predict?top_k=3'")
        print(json.dumps(predict(address, images[-1]), indent=1))
        correct = sum(predict(address, image)["label"] == image.parent.name for image in images)
        print(f"\n{correct} of {len(images)} images that were held out are predicted correctly.")
    finally:
        service.terminate()
        code = service.wait(timeout=30)
    return code == 0 and correct > len(images) // 2


def wait_until_ready(address: str, service: subprocess.Popen[bytes]) -> None:
    """Request /readyz until the status is 200."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit("the service did not become ready")


def predict(address: str, image: Path) -> dict[str, object]:
    """Upload one image and return the response."""
    request = urllib.request.Request(
        f"{address}/v1/predict?top_k=3", data=image.read_bytes(), headers={"Content-Type": "image/png"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        prediction: dict[str, object] = json.load(response)
    return prediction


def free_port() -> int:
    """A free port of 127.0.0.1."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
