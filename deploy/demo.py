"""Everything once, on the sample dataset: photos, training, bundle, service, a prediction over HTTP.

`make demo` runs this. All files are written to a new folder in demo/.
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
    """Run every step. Returns 0 if the predictions of the service are good enough, else 1."""
    start = time.monotonic()
    home = Path("demo", datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    home.mkdir(parents=True)
    digits, run = home / "digits", home / "run"
    step("sample", str(digits))
    step("fit", str(digits), "--recipe", f"{digits}-recipe.toml", "--out", str(run))
    succeeded = serve_and_predict(run / "bundle", sorted(Path(f"{digits}-held-out").glob("*/*")))
    minutes = (time.monotonic() - start) / 60
    print(f"\nThat took {minutes:.1f} minutes. Next, open the page of the service in a browser:\n")
    print("    make serve\n")
    print("To use your own photos, put the photos of each class in one folder:\n")
    print("    .venv/bin/fieldguide fit PHOTOS --out RUN")
    print("    .venv/bin/fieldguide serve RUN/bundle")
    return 0 if succeeded else 1


def step(*arguments: str) -> None:
    """Print a command, and run it."""
    print(f"\n$ fieldguide {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", "fieldguide", *arguments], check=True)


def serve_and_predict(bundle: Path, images: list[Path]) -> bool:
    """Start the service, upload the images, print the results, and stop the service.

    Returns:
        Whether more than half of the predictions are correct, and the service stopped without an error.
    """
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    print(f"\n$ fieldguide serve {bundle} --port {port}", flush=True)
    service = subprocess.Popen(
        [sys.executable, "-m", "fieldguide", "serve", str(bundle), "--port", str(port), "--log-level", "warning"]
    )
    try:
        wait_until_ready(address, service)
        print(f"\n$ curl --data-binary @{images[-1]} -H 'Content-Type: image/png' '{address}/v1/predict?top_k=3'")
        print(json.dumps(predict(address, images[-1]), indent=1))
        labels = [predict(address, image)["label"] for image in images]
        correct = sum(label == image.parent.name for label, image in zip(labels, images, strict=True))
        unanswered = labels.count(None)  # the model does not know these: docs/abstention.md
        rest = f" {unanswered} of the others got no label." if unanswered else ""
        print(f"\n{correct} of {len(images)} held-out images were predicted correctly.{rest}")
    finally:
        service.terminate()
        code = service.wait(timeout=30)
    return code == 0 and correct > len(images) // 2


def wait_until_ready(address: str, service: subprocess.Popen[bytes]) -> None:
    """Request /readyz until it returns 200."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit("the service did not become ready")


def predict(address: str, image: Path) -> dict[str, object]:
    """Upload one image, and return the response."""
    request = urllib.request.Request(
        f"{address}/v1/predict?top_k=3", data=image.read_bytes(), headers={"Content-Type": "image/png"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        prediction: dict[str, object] = json.load(response)
    return prediction


def free_port() -> int:
    """Return a port of 127.0.0.1 that is not in use."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
