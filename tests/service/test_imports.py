"""What the service imports, in a fresh interpreter: nothing heavy."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
HEAVY = (
    "torch",
    "torchvision",
    "onnx",
    "timm",
    "pandas",
    "matplotlib",
    "sklearn",
    "scipy",
    "jinja2",
    "rich",
    "trainer",
)

SERVE = """
import os, signal, sys, threading, time, urllib.request
from service import cli

def use():
    port = int(sys.argv[-1])
    for _ in range(500):
        try:
            urllib.request.urlopen(f"http://127.0.0.1:{port}/readyz").read()
            break
        except OSError:
            time.sleep(0.02)
    for path in ("", "v1/model"):
        urllib.request.urlopen(f"http://127.0.0.1:{port}/{path}").read()
    data = open(sys.argv[2] + "/golden/0.jpeg", "rb").read()
    for path in ("v1/predict?heatmap=true", "v1/predict?return=input", "analyze"):
        request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data, {"Content-Type": "image/jpeg"})
        assert urllib.request.urlopen(request).status == 200
    print(sorted(name for name in sys.modules if "." not in name), flush=True)
    os.kill(os.getpid(), signal.SIGTERM)

threading.Thread(target=use).start()
cli.main()
"""

IMPORT = """
import pkgutil, sys, importlib
import service
for module in pkgutil.walk_packages(service.__path__, "service."):
    if module.name != "service.__main__":
        importlib.import_module(module.name)
print(sorted(name for name in sys.modules if "." not in name))
"""


def modules_after(code: str, *arguments: str) -> set[str]:
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return set(done.stdout.strip("[]\n'").split("', '"))


def test_importing_every_module_loads_nothing_heavy() -> None:
    found = modules_after(IMPORT)
    assert "onnxruntime" in found
    assert not found & set(HEAVY)


# The packages and modules of service.web, each of which imports only from those before it (see its __init__.py).
ORDER = ("record", "engine", "upload", "telemetry", "middleware", "routes", "app", "server")
APART = {("upload", "engine"), ("routes", "middleware")}


def test_imports_within_the_web_half_go_one_way() -> None:
    folder = ROOT / "service" / "web"
    assert {path.stem for path in folder.iterdir() if path.name != "__pycache__"} - {"__init__"} == set(ORDER)
    for path in folder.rglob("*.py"):
        here = path.relative_to(folder).parts[0].removesuffix(".py")
        found = re.findall(r"^from service\.web(?:\.(\w+))?[\w.]* import (\w+)", path.read_text(), re.MULTILINE)
        for there in {package or name for package, name in found} - {here}:
            assert ORDER.index(there) < ORDER.index(here), f"{path} imports {there}"
            assert (here, there) not in APART, f"{path} imports {there}"


def test_predictions_on_the_command_line_do_not_load_the_web_half() -> None:
    found = modules_after("import sys, service.batch, service.cli, service.ui; print(sorted(sys.modules))")
    assert "service.batch" in found
    assert not [name for name in found if name.startswith(("service.web", "starlette", "uvicorn"))]


def test_serving_loads_nothing_heavy(bundle_path: Path, free_port: int) -> None:
    found = modules_after(SERVE, "serve", str(bundle_path), "--port", str(free_port))
    assert "uvloop" in found
    assert not found & set(HEAVY)


WITHOUT_POSIX = """
import os, signal, sys
for name in ("uvloop", "resource", "fcntl"):
    sys.modules[name] = None
for name in ("O_NONBLOCK", "O_CLOEXEC", "O_NOFOLLOW", "O_DIRECTORY"):
    delattr(os, name)
"""


def test_every_module_can_be_imported_without_what_windows_lacks() -> None:
    found = modules_after(WITHOUT_POSIX + IMPORT)
    assert "onnxruntime" in found


def test_it_serves_without_what_windows_lacks(bundle_path: Path, free_port: int) -> None:
    found = modules_after(WITHOUT_POSIX + SERVE, "serve", str(bundle_path), "--port", str(free_port))
    assert "uvicorn" in found


def test_help_does_not_load_onnxruntime() -> None:
    found = modules_after("import sys, service.cli; print(sorted(name for name in sys.modules if '.' not in name))")
    assert not found & {*HEAVY, "onnxruntime", "numpy", "PIL", "starlette", "uvicorn"}


@pytest.mark.parametrize("module", ["service.predictor", "trainer.export.export"])
def test_onnxruntime_does_not_report_or_write_to_the_home_directory(module: str, tmp_path: Path) -> None:
    kept = {"CI", "ORT_DISABLE_TELEMETRY", "XDG_CACHE_HOME"}
    environ = {name: value for name, value in os.environ.items() if name not in kept} | {"HOME": str(tmp_path)}
    command = [sys.executable, "-c", f"import {module}, onnxruntime; print(onnxruntime.__version__)"]
    subprocess.run(command, check=True, env=environ, capture_output=True, timeout=120)
    assert not [path for path in tmp_path.rglob("*") if "onnxruntime" in path.name]
