"""The whole journey on the sample dataset: photos, training, bundle, service, an answer over HTTP.

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
    """Walk the journey; returns 0 when the service answered."""
    start = time.monotonic()
    home = Path("demo", datetime.datetime.now().strftime("%Y%m%d-%H%M%S"))
    home.mkdir(parents=True)
    digits, run = home / "digits", home / "run"
    step("trainer", "sample", str(digits))
    step("trainer", "fit", str(digits), "--recipe", f"{digits}-recipe.toml", "--out", str(run))
    answered = serve_and_ask(run / "bundle", sorted(Path(f"{digits}-held-out").glob("*/*")))
    minutes = (time.monotonic() - start) / 60
    print(f"\nThat took {minutes:.1f} minutes. Next, the page in a browser:\n")
    print("    make serve\n")
    print("and the same on photos of your own, one folder a class:\n")
    print("    .venv/bin/python -m trainer fit PHOTOS --out RUN")
    print("    .venv/bin/python -m service serve RUN/bundle")
    return 0 if answered else 1


def step(program: str, *arguments: str) -> None:
    """Show a command, and run it to its end."""
    print(f"\n$ python -m {program} {' '.join(arguments)}", flush=True)
    subprocess.run([sys.executable, "-m", program, *arguments], check=True)


def serve_and_ask(bundle: Path, images: list[Path]) -> bool:
    """Start the service, upload one image of each digit, print the answers, stop the service."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    print(f"\n$ python -m service serve {bundle} --port {port}", flush=True)
    service = subprocess.Popen(
        [sys.executable, "-m", "service", "serve", str(bundle), "--port", str(port), "--log-level", "warning"]
    )
    try:
        wait_until_ready(address, service)
        print(f"\n$ curl --data-binary @{images[-1]} -H 'Content-Type: image/png' '{address}/v1/predict?top_k=3'")
        print(json.dumps(ask(address, images[-1]), indent=1))
        right = 0
        for image in images:
            answer = ask(address, image)
            right += answer["label"] == image.parent.name
        print(f"\n{right} of {len(images)} images that were held out got the right answer.")
    finally:
        service.terminate()
        code = service.wait(timeout=30)
    return code == 0 and right > len(images) // 2


def wait_until_ready(address: str, service: subprocess.Popen[bytes]) -> None:
    """Ask /readyz until it says 200."""
    deadline = time.monotonic() + READY_WITHIN_S
    while time.monotonic() < deadline and service.poll() is None:
        try:
            with urllib.request.urlopen(f"{address}/readyz", timeout=1):
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.05)
    raise SystemExit("the service did not become ready")


def ask(address: str, image: Path) -> dict[str, object]:
    """Upload one image and return the answer."""
    request = urllib.request.Request(
        f"{address}/v1/predict?top_k=3", data=image.read_bytes(), headers={"Content-Type": "image/png"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        answer: dict[str, object] = json.load(response)
    return answer


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port


if __name__ == "__main__":
    sys.exit(main())
