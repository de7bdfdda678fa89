"""`import fieldguide`: lazy, complete, and clear if something is missing or in the way."""

from __future__ import annotations

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

import fieldguide
from tests.support.slim import ROOT, run_slim
from trainer.installation import TRAINER_MODULES

HEAVY = {*TRAINER_MODULES, "numpy", "onnxruntime", "PIL", "starlette", "uvicorn", "click", "service", "trainer"}


def test_the_import_alone_loads_nothing_else() -> None:
    code = "import sys, fieldguide; dir(fieldguide); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not HEAVY & set(done.stdout.split())


def test_loading_a_bundle_does_not_load_torch(bundle_path: Path) -> None:
    code = f"import sys, fieldguide; fieldguide.load({str(bundle_path)!r}); print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "onnxruntime" in loaded
    assert not {"torch", "starlette", "trainer"} & loaded


def test_every_public_name_is_there_and_has_a_docstring() -> None:
    assert dir(fieldguide) == sorted(fieldguide.__all__)
    for name in fieldguide.__all__:
        value = getattr(fieldguide, name)
        assert name == "__version__" or value.__doc__
    assert "fit" in vars(importlib.reload(fieldguide)).get("__all__", ())


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'fieldguide' has no attribute 'train'"):
        _ = fieldguide.train


@pytest.mark.parametrize("name", ["service", "trainer"])
@pytest.mark.parametrize("kind", ["file", "folder", "loaded"])
def test_a_file_of_the_user_with_the_name_of_a_package_is_named(tmp_path: Path, name: str, kind: str) -> None:
    own = tmp_path / f"{name}.py" if kind != "folder" else tmp_path / name / "__init__.py"
    own.parent.mkdir(exist_ok=True)
    own.write_text("")
    code = f"import {name}, fieldguide" if kind == "loaded" else "import fieldguide"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    last = done.stderr.splitlines()[-1]
    assert last == (
        f"ImportError: {own} has the name of a package of fieldguide, and Python imports it instead: rename it"
    )


def test_other_files_of_the_user_are_not_in_the_way(tmp_path: Path) -> None:
    for name in ("services", "my_trainer"):
        (tmp_path / f"{name}.py").write_text("")
    (tmp_path / "service").mkdir()  # an ordinary folder is no package
    code = "import fieldguide, service; print(service.__file__)"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(ROOT / "service" / "__init__.py")


class TestSlimInstallation:
    """Without the packages of the extra `trainer`."""

    def test_a_bundle_can_be_loaded(self, tmp_path: Path, bundle_path: Path) -> None:
        code = f"import fieldguide; print(fieldguide.load({str(bundle_path)!r}))"
        done = run_slim(tmp_path, "-c", code)
        assert (done.stdout, done.stderr) == ("Predictor('colours', version 1, 3 classes)\n", "")

    @pytest.mark.parametrize("use", ["fieldguide.fit", "from fieldguide import Recipe", "fieldguide.open_run('x')"])
    def test_training_says_what_to_install(self, tmp_path: Path, use: str) -> None:
        done = run_slim(tmp_path, "-c", f"import fieldguide\n{use}")
        assert done.returncode == 1
        line = done.stderr.splitlines()[-1]
        assert line.startswith("trainer.errors.MissingPackages: torch and ")
        assert line.endswith("more packages are needed to train: pip install 'fieldguide[trainer]'")

    def test_the_error_is_an_import_error(self, tmp_path: Path) -> None:
        code = "import fieldguide\ntry: fieldguide.fit\nexcept ImportError as error: print(error)"
        assert "pip install" in run_slim(tmp_path, "-c", code).stdout

    @pytest.mark.parametrize("module", ["fieldguide", "trainer"])
    def test_the_help_of_a_training_is_there_and_its_work_is_one_line(self, tmp_path: Path, module: str) -> None:
        shown = run_slim(tmp_path, "-m", module, "fit", "--help")
        assert (shown.returncode, shown.stderr) == (0, "")
        assert "--epochs" in shown.stdout
        for arguments in (("fit", "photos"), ("sample", "digits"), ("resume", "run"), ("evaluate", "run")):
            done = run_slim(tmp_path, "-m", module, *arguments)
            assert done.returncode == 2
            assert done.stdout == ""
            assert done.stderr.count("\n") == 1
            assert done.stderr.startswith("error: torch and ")
            assert "pip install 'fieldguide[trainer]'" in done.stderr

    def test_one_missing_package_is_named(self, tmp_path: Path) -> None:
        done = run_slim(tmp_path, "-m", "fieldguide", "fit", "photos", without=("tomli_w",))
        assert done.stderr.startswith("error: tomli_w is needed to train: pip install")

    def test_the_service_works(self, tmp_path: Path, bundle_path: Path) -> None:
        done = run_slim(tmp_path, "-m", "fieldguide", "verify", bundle_path)
        assert (done.returncode, done.stderr) == (0, "")
