"""The layers of the trainer: who may import whom, how large a file and a function may be, and no old names."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TRAINER = ROOT / "trainer"
MOST_LINES = 450
MOST_PARAMETERS = 5

# The modules and packages of each package, in order: each may import only what stands before it.
LAYERS = {
    "trainer": (
        *(
            "errors",
            "installation",
            "posix",
            "atomic",
            "command_line",
            "wording",
            "progress",
            "links",
            "lazy",
            "terminal",
            "decoding",
            "recipe",
            "catalog",
            "collect",
            "data",
            "model",
            "training",
            "abstention",
        ),
        *("predictions", "diagnosis", "report", "checking", "cleaning", "export", "run", "sample", "cli", "__main__"),
    ),
    "trainer.recipe": ("schedules", "knobs", "data_source", "abstention", "recipe", "reading", "options"),
    "trainer.catalog": (
        *("row", "names", "levels", "labels", "cells", "options", "files", "folder_remarks", "folder", "archives"),
        *("table", "hugging_face", "split", "splitting", "remarks", "catalog", "reading", "lists"),
    ),
    "trainer.collect": (
        *("addresses", "failures", "resolving", "urls", "connection", "transport", "body", "agent", "robots", "queues"),
        *("images", "journal", "store", "fetching", "summary", "running", "download"),
        *("photos", "api", "openverse", "wikimedia", "searches", "attribution", "suggestions", "search", "jobs"),
    ),
    "trainer.data": ("housekeeping", "source", "cache", "uncached", "images", "augment", "prepare"),
    "trainer.model": (
        "tiny",
        "weights",
        "networks",
        "backbones",
        "classifier",
        "fastai_head",
        "preprocessing",
        "imported",
    ),
    "trainer.training": (
        *("device", "memory", "distributed", "tensorboard", "history", "session", "tasks"),
        *("schedule", "phases", "loss", "norms", "ema", "mixing", "balance", "batches", "learner"),
        *("metrics", "calibration", "evaluate", "head", "finetune", "checkpoint", "lr_find", "loop"),
    ),
    "trainer.training.tasks": ("numbers", "classification", "multilabel"),
    "trainer.training.lr_find": ("restoring", "sweep", "suggestions", "result", "search"),
    "trainer.abstention": (
        *("folds", "cross_fitting", "calibration_error", "coverage", "reliability", "risk", "conformal", "limits"),
        *("ood", "strange"),
    ),
    "trainer.diagnosis": (
        *("finding", "curve", "predictions", "embeddings", "near_duplicates", "label_noise", "evidence"),
        *("collect", "data_rules", "training_rules", "class_rules", "diagnose"),
    ),
    "trainer.report": (
        *(
            "formatting",
            "evidence",
            "chart",
            "training_charts",
            "class_charts",
            "calibration_charts",
            "calibration",
            "lr_find_plot",
            "confusion",
            "class_order",
            "matrix_figure",
            "outline",
            "feed",
            "contact_sheet",
            "contact_sheet_png",
            "gallery",
            "pair_examples",
            "paired",
            "comparison",
            "summary",
            "page",
            "notebook",
            "contact_sheet_page",
            "comparison_page",
        ),
    ),
    "trainer.cleaning": (
        *("heads", "neighbours", "suspects", "noise", "learning_curve", "collecting", "similar", "edits", "history"),
        *("replay", "session", "stopping", "queues", "insight", "losses", "duplicates", "check_cache", "changes"),
        *("browsing", "views", "work", "web"),
    ),
    "trainer.cleaning.web": ("access", "images", "routes", "app", "opening", "server", "serving"),
    "trainer.checking": (
        *("kinds", "items", "header", "measures", "hashes", "scan", "rules", "groups", "shortcuts", "findings"),
        *("quality", "duplicates", "check", "embedder", "page", "output", "journal", "moving", "quarantine", "quick"),
    ),
    "trainer.export": (
        *(
            "exportable",
            "limits_of_use",
            "draft",
            "onnx_graph",
            "graph",
            "int8",
            "int8_choice",
            "golden",
            "metrics",
            "ood_graph",
        ),
        *("strangers", "fitting", "parity", "card", "foreign_onnx", "origin", "writing", "oci", "place", "export"),
    ),
    "trainer.run": (
        *("environment", "unreadable", "folder", "similar", "inputs", "next_command", "steps", "features"),
        *(
            "calibration_set",
            "learned",
            "collecting",
            "clean",
            "clean_features",
            "decisions",
            "suspects",
            "compare_images",
        ),
        *("compare", "check", "lr_find", "evaluate", "diagnose", "report", "show", "export", "calibrate"),
        *("import_options", "import_model", "fit"),
    ),
    "trainer.cli": (
        *("exit", "environment", "options", "output", "export", "show", "download", "search", "check", "clean"),
        *("compare", "cache", "import_model", "commands"),
    ),
}

HEAVY = ("torch", "torchvision", "timm", "onnx", "onnxruntime", "numpy", "scipy", "sklearn", "matplotlib", "PIL")

# Names that were replaced by those of the field. Each is distinctive: it has no other meaning here.
OLD_NAMES = (
    *("Keeper", "Saver", "Patience", "saver", "told_tensors"),
    *("WholeTraining", "WholeStage", "whole_stage", "first_stage", "run_epoch", "begin_sweep", "one_cycle"),
    *("peak_rate", "rate_spread", "rate_search", "FoundRate", "found_rate", "stage_sweeps", "auto_rate"),
    *("search_head_lr", "search_finetune_lr", "require_training", "loss_of", "lr_of"),
    *("whole_file", "write_whole", "write_all", "save_state", "load_facts"),
    *("group_accuracy", "group_column", "group-column", "valid_share", "valid-share", "size_share"),
    *("needing_memory", "choose_kernels", "give_back_memory", "leaving_at_once"),
    *("LabelAnswer", "ScoredLabel", "Judged", "gather_evidence", "judgement", "vitals", "ledger", "hazards"),
    *("trainer.fitting", "trainer.insight", "trainer.pixels", "export.gate", "export.measured"),
)  # fmt: skip


def sources(*folders: Path) -> list[Path]:
    return sorted(path for folder in folders for path in folder.rglob("*.py"))


def imported_names(path: Path) -> Iterator[str]:
    """Every name that a file imports, in full: also inside functions, and only for the type checker."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (name.name for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{name.name}" for name in node.names)


@pytest.mark.parametrize("package", LAYERS)
def test_a_module_imports_only_from_those_before_it(package: str) -> None:
    folder, layers = ROOT.joinpath(*package.split(".")), LAYERS[package]
    assert {path.relative_to(folder).parts[0].removesuffix(".py") for path in sources(folder)} - {"__init__"} == {
        *layers
    }
    for path in sources(folder):
        here = path.relative_to(folder).parts[0].removesuffix(".py")
        if here == "__init__":
            continue
        for name in imported_names(path):
            if not f"{name}.".startswith(f"{package}."):
                continue
            there = name.removeprefix(package).removeprefix(".").partition(".")[0]
            assert there in layers, f"{path} imports {name}: import it from the module that defines it"
            assert there == here or layers.index(there) < layers.index(here), f"{path} imports {name}"


def test_every_package_has_its_layers() -> None:
    packages = {path.parent for path in TRAINER.rglob("__init__.py")}
    assert {".".join(folder.relative_to(ROOT).parts) for folder in packages} == {*LAYERS}


def parameters_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    """The parameters of a function but `self` and `cls`; `*args` and `**kwargs` count as one each."""
    signature = function.args
    names = [*signature.posonlyargs, *signature.args, *signature.kwonlyargs]
    names += [name for name in (signature.vararg, signature.kwarg) if name is not None]
    return [name.arg for name in names if name.arg not in ("self", "cls")]


@pytest.mark.parametrize("path", sources(TRAINER / "training"), ids=lambda path: path.relative_to(ROOT).as_posix())
def test_no_function_of_a_training_has_many_parameters(path: Path) -> None:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            parameters = parameters_of(node)
            assert len(parameters) <= MOST_PARAMETERS, f"{node.name} has {', '.join(parameters)}"


def test_no_file_is_long() -> None:
    lines = {
        path: path.read_text(encoding="utf-8").count("\n")
        for path in sources(TRAINER, ROOT / "service", ROOT / "fieldguide")
    }
    assert not {path: count for path, count in lines.items() if count > MOST_LINES}


def test_no_old_name_comes_back() -> None:
    old = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, OLD_NAMES))})(?!\w)")
    found = [
        f"{path.relative_to(ROOT)}:{number}: {match[0]}"
        for path in (
            *sources(TRAINER, ROOT / "service", ROOT / "fieldguide"),
            ROOT / "README.md",
            *sorted((ROOT / "docs").rglob("*.md")),
        )
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        for match in old.finditer(line)
    ]
    assert not found


@pytest.mark.parametrize(
    "code",
    [
        "import trainer.cli",
        "from trainer.cli import main; main(['--help'], standalone_mode=False)",
        "from trainer.cli import main; main(['fit', '--help'], standalone_mode=False)",
        "from trainer.cli import main; main(['lr-find', '--help'], standalone_mode=False)",
        "from trainer.cli import main; main(['check', '--help'], standalone_mode=False)",
        "from trainer.cli import main; main(['clean', '--help'], standalone_mode=False)",
        "from trainer.cli import main; main(['download', '--help'], standalone_mode=False)",
    ],
)
def test_the_help_of_the_command_line_loads_nothing_heavy(code: str) -> None:
    """In a fresh interpreter."""
    program = f"{code}\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.splitlines()[-1].split())
    assert "trainer.cli" in loaded
    assert not loaded & set(HEAVY)


def test_the_page_of_clean_starts_without_what_takes_seconds_to_import() -> None:
    """In a fresh interpreter."""
    program = "import trainer.run.clean, trainer.cleaning.web.serving\nimport sys\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(done.stdout.split())
    assert "numpy" in loaded
    assert not loaded & {"torch", "torchvision", "timm", "onnx", "scipy", "sklearn", "matplotlib"}
