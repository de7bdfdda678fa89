"""A learner of the real fastai, in an environment of its own, becomes a bundle with what the refusal says to type."""

from __future__ import annotations

import subprocess
import sysconfig
import venv
from pathlib import Path

import numpy as np
import pytest

from service.bundle import read_bundle
from service.predictor import Predictor
from tests.support.photos import write_folder
from tests.support.trainer import error_of, trainer

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

PACKAGES = (
    *("fastai", "fastcore", "fastdownload", "fasttransform", "cloudpickle", "beartype"),
    *("fastprogress<1.1", "plum-dispatch<2.10"),
)
LEARN = """
from fastai.vision.all import *
loaders = ImageDataLoaders.from_folder("photos", valid_pct=0.3, seed=1, item_tfms=Resize(64), bs=4, num_workers=0)
learner = vision_learner(loaders, resnet18, pretrained=False)
learner.export(Path("export.pkl").resolve())
"""
PREDICT = """
import numpy as np
from fastai.vision.all import *
learner = load_learner("export.pkl")
images = torch.from_numpy(np.load("images.npy")).permute(0, 3, 1, 2).float() / 255
mean, std = (torch.tensor(values).view(1, 3, 1, 1) for values in imagenet_stats)
with torch.no_grad():
    np.save("expected.npy", learner.model.eval()((images - mean) / std).softmax(1).numpy())
"""


@pytest.fixture(scope="module")
def fastai_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with fastai, which sees the torch of this one."""
    folder = tmp_path_factory.mktemp("fastai")
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    packages = next((folder / "lib").iterdir()) / "site-packages"
    (packages / "torch_of_the_tests.pth").write_text(sysconfig.get_paths()["purelib"])
    installed = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", "--no-deps", *PACKAGES], capture_output=True, check=False
    )
    if installed.returncode != 0:
        pytest.skip("fastai cannot be installed here")
    return python


def test_a_learner_predicts_the_same_as_a_bundle(fastai_python: Path, tmp_path: Path) -> None:
    """Takes about two minutes."""

    def run(code: str) -> None:
        subprocess.run([fastai_python, "-W", "ignore", "-c", code], cwd=tmp_path, check=True, timeout=600)

    write_folder(tmp_path / "photos", each=4)
    images = np.random.default_rng(0).integers(0, 256, (4, 64, 64, 3), dtype=np.uint8)
    np.save(tmp_path / "images.npy", images)
    run(LEARN)
    options = ("--backbone", "torchvision/resnet18", "--size", "64", "--out", tmp_path / "bundle")
    refused = trainer("import", tmp_path / "export.pkl", *options)
    assert refused.exit_code == 2
    run(error_of(refused).partition("that made it: ")[2].replace("; ", "\n"))
    done = trainer("import", tmp_path / "weights.pth", *options)
    assert done.exit_code == 0, done.output
    bundle = read_bundle(tmp_path / "bundle")
    assert bundle.spec.classes == ("blue", "green", "red")
    run(PREDICT)
    found = Predictor(bundle).probabilities(images)
    assert found == pytest.approx(np.load(tmp_path / "expected.npy"), abs=1e-4)
