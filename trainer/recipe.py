"""What a fit is asked to do: every number with its default."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field

import tomli_w

from trainer.data import Augmentation
from trainer.errors import RecipeError
from trainer.model import DEFAULT_BACKBONE, PRETRAINED
from trainer.recipe_freezing import parse_freeze
from trainer.training.device import PRECISIONS
from trainer.training.sizes import parse_sizes

BALANCES = ("none", "sampler", "loss")
GOLDEN_KINDS = ("synthetic", "validation")
_EPOCHS, _SPREAD = 12, 10.0
_NOT_ASKED = -(2**31)  # a number of epochs that nobody asks for


@dataclass(frozen=True, kw_only=True)
class HeadRecipe:
    """The first stage: the body is frozen and runs once an image and view; the head learns from what it gave.

    epochs     passes over the cached features; 0 leaves the stage out
    views      augmented views of each image
    lr         peak learning rate
    """

    epochs: int = 40
    views: int = 2
    batch_size: int = 64
    lr: float = 1e-2
    weight_decay: float = 0.05


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """The second stage: everything learns, earlier layers slower.

    epochs       passes over the images; 0 leaves the stage out; by default as many as `sizes` has, or 12
    lr           peak learning rate of the head
    lr_spread  the rate of the head over that of the earliest layers; the late layers have the geometric mean;
                 0: 10 for pretrained weights, 1 for random ones
    crop_scale   side of the training crops as a share of the model's; smaller crops cost less
    sizes        side of the training crops and for how many epochs, such as `128:3,224:2`: sets the epochs
    ema_decay    of the moving average of the weights, which is what is validated and exported
    freeze       groups that learn nothing at first and for how many epochs, such as `early:2,late:1`; without a number
                 for all of them. The schedule goes on meanwhile
    mixup        alpha of Zhang et al. 2018, arXiv:1710.09412; 0 for none
    cutmix       alpha of Yun et al. 2019, arXiv:1905.04899; 0 for none. With both, half of the images get the one
    clip_norm    largest norm of the gradient of all weights together; 0 for any
    accumulate   in how many parts, one after the other, a batch is worked on: less memory, the same gradient; but
                 norms that learn, those of random weights, see the images of one part at a time
    patience     epochs without a better leading figure after which training ends; 0 for never
    compile      whether the network is compiled (torch.compile), which pays in long runs only
    """

    epochs: int = _NOT_ASKED
    batch_size: int = 32
    lr: float = 4e-3
    lr_spread: float = 0.0
    weight_decay: float = 0.05
    crop_scale: float = 1.0
    ema_decay: float = 0.99
    sizes: str = ""
    freeze: str = ""
    mixup: float = 0.0
    cutmix: float = 0.0
    clip_norm: float = 0.0
    accumulate: int = 1
    patience: int = 0
    compile: bool = False

    def __post_init__(self) -> None:
        parse_freeze(self.freeze)
        epochs = len(parse_sizes(self.sizes))
        if epochs and self.crop_scale != 1:
            raise RecipeError(
                f"finetune.sizes is {self.sizes!r} and finetune.crop_scale {self.crop_scale}; leave one out"
            )
        if epochs and self.epochs not in (epochs, _NOT_ASKED):
            raise RecipeError(
                f"finetune.epochs is {self.epochs}, but finetune.sizes is {self.sizes!r}, {epochs} epochs; "
                "leave one out"
            )
        if self.epochs == _NOT_ASKED:
            object.__setattr__(self, "epochs", epochs or _EPOCHS)

    def spread(self, *, pretrained: bool) -> float:
        """The rate of the head over that of the earliest layers, for weights that know something or do not."""
        return self.lr_spread or (_SPREAD if pretrained else 1.0)


@dataclass(frozen=True, kw_only=True)
class DataSource:
    """Where the images were looked for; empty: not asked.

    path             a folder or a CSV
    root             folder that a table's paths start from
    valid            a second folder or CSV, to validate on
    label_delimiter  what stands between the labels of one cell: makes the task multilabel
    coarse_column     of a table: the group of each image's class
    base             folder that the paths of the run's catalog start from: found out, not asked
    drawn            whether the validation images were drawn from among the others: found out, not asked
    """

    path: str = ""
    root: str = ""
    valid: str = ""
    path_column: str = "path"
    label_column: str = "label"
    label_delimiter: str = ""
    coarse_column: str = ""
    base: str = ""
    drawn: bool = False


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that was asked of a fit, and every default.

    size             side of the model's input, pixels; 0 for that of the backbone's record
    weights          `pretrained`, `none` or a file
    dropout          before the head
    label_smoothing  Szegedy et al. 2015, arXiv:1512.00567; classification only
    balance          of classes of unequal size: `none`, `sampler` (rare ones are drawn more often) or `loss` (they
                     count more)
    auto_lr       whether the peak rates of both stages are found by sweeps; head.lr and finetune.lr then count for
                     nothing, and RUN/lr_find.json has those that were found
    precision        of both stages: `auto` (bf16 or fp16 on a GPU; on a CPU that has it bf16 for the frozen body, else
                     fp32), `fp32`, `bf16` or `fp16`
    valid_fraction      of the images held out where none were named for validation
    checkpoint_s     seconds between two saved states of the second stage, from which `trainer resume` goes on
    tensorboard      whether RUN/tensorboard is written
    name             of the bundle; empty: that of the data
    golden           which images the bundle's are: `synthetic` or `validation`
    """

    backbone: str = DEFAULT_BACKBONE
    weights: str = PRETRAINED
    size: int = 0
    seed: int = 0
    dropout: float = 0.2
    label_smoothing: float = 0.1
    balance: str = "none"
    auto_lr: bool = False
    precision: str = "auto"
    valid_fraction: float = 0.2
    checkpoint_s: float = 60.0
    tensorboard: bool = False
    name: str = ""
    golden: str = "synthetic"
    data: DataSource = field(default_factory=DataSource)
    head: HeadRecipe = field(default_factory=HeadRecipe)
    finetune: FinetuneRecipe = field(default_factory=FinetuneRecipe)
    augmentation: Augmentation = field(default_factory=Augmentation)

    def __post_init__(self) -> None:
        for name, value, least, most in (
            ("size", self.size, 0, 1024),
            ("dropout", self.dropout, 0, 0.95),
            ("label_smoothing", self.label_smoothing, 0, 0.9),
            ("valid_fraction", self.valid_fraction, 0.01, 0.9),
            ("seed", self.seed, 0, 2**63 - 1),
            ("checkpoint_s", self.checkpoint_s, 0, 86_400),
            ("head.epochs", self.head.epochs, 0, 10_000),
            ("head.views", self.head.views, 1, 1_000),
            ("head.batch_size", self.head.batch_size, 1, 65_536),
            ("head.lr", self.head.lr, 1e-9, 10),
            ("head.weight_decay", self.head.weight_decay, 0, 10),
            ("finetune.epochs", self.finetune.epochs, 0, 10_000),
            ("finetune.batch_size", self.finetune.batch_size, 1, 65_536),
            ("finetune.lr", self.finetune.lr, 1e-9, 10),
            ("finetune.lr_spread", self.finetune.lr_spread or 1, 1, 1e6),
            ("finetune.weight_decay", self.finetune.weight_decay, 0, 10),
            ("finetune.crop_scale", self.finetune.crop_scale, 0.25, 2),
            ("finetune.ema_decay", self.finetune.ema_decay, 0, 0.99999),
            ("finetune.mixup", self.finetune.mixup, 0, 100),
            ("finetune.cutmix", self.finetune.cutmix, 0, 100),
            ("finetune.clip_norm", self.finetune.clip_norm, 0, 1e9),
            ("finetune.accumulate", self.finetune.accumulate, 1, self.finetune.batch_size),
            ("finetune.patience", self.finetune.patience, 0, 10_000),
        ):
            if not least <= value <= most:  # NaN is not either
                raise RecipeError(f"{name} is {value}; it must be from {least} to {most}")
        if not self.name.isprintable():
            raise RecipeError(f"name is {self.name!r}; it must be printable text")
        for name, choice, choices in (
            ("golden", self.golden, GOLDEN_KINDS),
            ("balance", self.balance, BALANCES),
            ("precision", self.precision, PRECISIONS),
        ):
            if choice not in choices:
                raise RecipeError(f"{name} is {choice!r}; it must be one of {', '.join(choices)}")

    def to_toml(self) -> str:
        """Every key, as a TOML file that `read_recipe` takes."""
        return tomli_w.dumps(dataclasses.asdict(self))
