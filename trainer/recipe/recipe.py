"""Every setting of a training, once: the fields of `Recipe` and of its sections.

A recipe file is TOML with one table a section; RUN/recipe.toml is one, with every value.
"""

from __future__ import annotations

from dataclasses import dataclass

from trainer.errors import RecipeError
from trainer.recipe.abstention import ABSTENTION_GROUP, AbstentionRecipe
from trainer.recipe.data_source import ALLOW_BROKEN, DATA_GROUP, DataSource
from trainer.recipe.knobs import check_settings, knob, section
from trainer.recipe.schedules import Freeze, Sizes

DEFAULT_BACKBONE = "efficientnet_lite0"
PRETRAINED = "pretrained"
RANDOM_WEIGHTS = "none"

_MODEL = "Model"
_HEAD = "Head stage (the head alone, on features of the frozen body)"
_FINETUNE = "Fine-tuning (the whole network)"
_REGULARIZATION = "Regularization and balance"
_AUGMENTATION = "Augmentation"
_HARDWARE = "Speed and memory"
_OUTPUT = "Output"

# The order in which they are listed.
GROUPS = (DATA_GROUP, _MODEL, _HEAD, _FINETUNE, _REGULARIZATION, _AUGMENTATION, _HARDWARE, ABSTENTION_GROUP, _OUTPUT)

# Those that decide which images there are, and what becomes of them.
FEED_GROUPS = (DATA_GROUP, _AUGMENTATION)

_DEFAULT_EPOCHS = 12
_PRETRAINED_LR_SPREAD = 10.0
_DEFAULT_LR = 4e-3
_FULL_LENGTH = 180  # steps times epochs; below, the default learning rates are less: `tests.benchmarks.few_photos`
DEFAULT_LR_TEXT = f"{_DEFAULT_LR:g}; less after a head stage if steps times epochs are less than {_FULL_LENGTH}"
_UNSET_EPOCHS = -(2**31)  # no number that anybody gives


@dataclass(frozen=True, kw_only=True)
class HeadRecipe:
    """First stage: the frozen body runs once over each view of each image, and the head is trained on its features."""

    epochs: int = knob(
        40,
        "Epochs of the head on the frozen body; 0 skips this stage.",
        group=_HEAD,
        option="head-epochs",
        low=0,
        high=10_000,
    )
    views: int = knob(2, "Augmented views of each image.", group=_HEAD, low=1, high=1_000)
    batch_size: int = knob(64, "Features in a batch.", group=_HEAD, low=1, high=65_536)
    lr: float = knob(1e-2, "Maximum learning rate.", group=_HEAD, low=1e-9, high=10)
    weight_decay: float = knob(0.05, "Weight decay of AdamW.", group=_HEAD, low=0, high=10)

    def __post_init__(self) -> None:
        check_settings(self, "head.")


@dataclass(frozen=True, kw_only=True)
class FinetuneRecipe:
    """Second stage: the whole network is trained, earlier layers with a lower learning rate."""

    epochs: int = knob(
        _UNSET_EPOCHS,
        "Epochs of fine-tuning; 0 trains only the head.",
        group=_FINETUNE,
        option="epochs",
        low=0,
        high=10_000,
        default_text=f"{_DEFAULT_EPOCHS}, or those of `sizes`",
    )
    batch_size: int = knob(32, "Images in a batch.", group=_FINETUNE, option="batch-size", low=1, high=65_536)
    lr: float = knob(
        0.0,
        "Maximum learning rate of the head.",
        group=_FINETUNE,
        low=1e-9,
        high=10,
        accepts_zero=True,
        default_text=f"0 ({DEFAULT_LR_TEXT})",
    )
    lr_spread: float = knob(
        0.0,
        "Learning rate of the head divided by that of the earliest layers; the late layers get the geometric mean.",
        group=_FINETUNE,
        low=1,
        high=1e6,
        accepts_zero=True,
        default_text=f"0 ({_PRETRAINED_LR_SPREAD:g} for pretrained weights, more in short trainings; 1 for random)",
    )
    freeze: Freeze = knob(
        Freeze(),
        "Groups of layers (early, late, head) that are frozen at first. Example: early:2,late:1 freezes the early "
        "ones for 2 epochs and the late ones for 1; a group without a number is always frozen.",
        group=_FINETUNE,
        option="freeze",
        only_fit=True,
    )
    sizes: Sizes = knob(
        Sizes(),
        "Progressive resizing: side of the training images in pixels and its epochs, smaller ones first. Example: "
        "128:3,224:2.",
        group=_FINETUNE,
        option="sizes",
    )
    crop_scale: float = knob(
        1.0,
        "Side of the training crops as a fraction of the model's side; smaller crops cost less.",
        group=_FINETUNE,
        low=0.25,
        high=2,
    )
    patience: int = knob(
        0,
        "Stop after this many epochs without a better one.",
        group=_FINETUNE,
        option="patience",
        low=0,
        high=10_000,
        default_text="0, never",
        only_fit=True,
    )
    ema_decay: float = knob(
        0.99,
        "Decay of the moving average of the weights, which is validated and exported.",
        group=_FINETUNE,
        low=0,
        high=0.99999,
    )
    weight_decay: float = knob(
        0.05, "Weight decay of AdamW in fine-tuning.", group=_REGULARIZATION, option="weight-decay", low=0, high=10
    )
    mixup: float = knob(
        0.0,
        "Alpha of mixup (Zhang et al. 2018, arXiv:1710.09412), such as 0.2.",
        group=_REGULARIZATION,
        option="mixup",
        low=0,
        high=100,
        default_text="0, off",
    )
    cutmix: float = knob(
        0.0,
        "Alpha of cutmix (Yun et al. 2019, arXiv:1905.04899), such as 1; with both, each image gets one of them.",
        group=_REGULARIZATION,
        option="cutmix",
        low=0,
        high=100,
        default_text="0, off",
    )
    clip_norm: float = knob(
        0.0,
        "Largest norm of the gradient of all weights together.",
        group=_REGULARIZATION,
        option="clip-norm",
        low=0,
        high=1e9,
        default_text="0, any",
    )
    accumulate: int = knob(
        1,
        "Parts in which a batch is processed: less memory, the same gradient (trained batch norms see one part).",
        group=_HARDWARE,
        option="accumulate",
        low=1,
        high=65_536,
    )
    compile: bool = knob(
        False,
        "Compile the network (torch.compile): takes minutes once, pays in long runs.",
        group=_HARDWARE,
        option="compile",
        only_fit=True,
    )

    def __post_init__(self) -> None:
        if self.sizes and self.crop_scale != 1:
            raise RecipeError(
                f"finetune.sizes is {str(self.sizes)!r} and finetune.crop_scale {self.crop_scale}; leave one out"
            )
        if self.sizes and self.epochs not in (self.sizes.epochs, _UNSET_EPOCHS):
            raise RecipeError(
                f"finetune.epochs is {self.epochs}, but finetune.sizes is {str(self.sizes)!r}, "
                f"{self.sizes.epochs} epochs; leave one out"
            )
        if self.epochs == _UNSET_EPOCHS:
            object.__setattr__(self, "epochs", self.sizes.epochs or _DEFAULT_EPOCHS)
        check_settings(self, "finetune.")
        if self.accumulate > self.batch_size:
            raise RecipeError(f"finetune.accumulate is {self.accumulate}; it must be from 1 to {self.batch_size}")

    def max_lr(self, *, steps: int, after_head: bool) -> float:
        """Maximum learning rate of the head in a fine-tuning of so many steps; see `training_length`.

        Args:
            steps: Of all epochs.
            after_head: Whether there are pretrained weights and a trained head, which can be lost.
        """
        return self.lr or _DEFAULT_LR * self.training_length(steps=steps, after_head=after_head) ** 2

    def spread(self, *, pretrained: bool, steps: int, after_head: bool) -> float:
        """Learning rate of the head divided by that of the earliest layers; see `training_length`.

        Args:
            pretrained: Whether the weights are, or random.
            steps: Of all epochs.
            after_head: As for `max_lr`.
        """
        usual = _PRETRAINED_LR_SPREAD if pretrained else 1.0
        return self.lr_spread or usual / self.training_length(steps=steps, after_head=after_head) ** 2

    def training_length(self, *, steps: int, after_head: bool) -> float:
        """How long a fine-tuning is: 1 for one of usual length, and down to 0 for shorter ones.

        Adam's first steps change every weight by about the learning rate, however small its gradient is. Later steps
        make up for it, if there are enough, and if each image is seen often enough; else the network ends worse than
        the head before. So the default learning rate falls with the square of the product of steps and epochs, and that
        of the body even more. One that was given is used as it is.
        """
        if self.lr or not after_head:
            return 1.0
        return min(1.0, max(1, steps * self.epochs) / _FULL_LENGTH)


@dataclass(frozen=True, kw_only=True)
class Augmentation:
    """How a training image is varied."""

    flip: float = knob(0.5, "Probability of mirroring left and right.", group=_AUGMENTATION, low=0, high=1)
    rotation_degrees: float = knob(10.0, "Largest rotation, either way.", group=_AUGMENTATION, low=0, high=180)
    scale_min: float = knob(
        0.2,
        "Smallest area of a crop as a fraction of the image; the largest is 1, or what aspect_max allows.",
        group=_AUGMENTATION,
        low=1e-6,
        high=1,
    )
    aspect_max: float = knob(
        4 / 3,
        "Largest aspect ratio of a crop, either way (Szegedy et al. 2014, arXiv:1409.4842).",
        group=_AUGMENTATION,
        low=1,
        high=4,
    )
    lighting: float = knob(
        0.2,
        "Largest change of brightness (fraction of half the range) and contrast (exponent), either way.",
        group=_AUGMENTATION,
        low=0,
        high=1,
    )
    p_affine: float = knob(0.75, "Probability of a rotation.", group=_AUGMENTATION, low=0, high=1)
    p_lighting: float = knob(
        0.75, "Probability of a change of brightness, and of one of contrast.", group=_AUGMENTATION, low=0, high=1
    )

    def __post_init__(self) -> None:
        check_settings(self, "augmentation.")


@dataclass(frozen=True, kw_only=True)
class LRFindRecipe:
    """The learning rate finder: between which learning rates it searches. 0: its own, which suit the stage."""

    lr_min: float = knob(
        0.0,
        "First learning rate of the sweeps: lr-find, or `lr='auto'`.",
        group=_FINETUNE,
        option="lr-min",
        low=1e-12,
        high=100,
        accepts_zero=True,
        default_text="1e-7; 1e-6 for fine-tuning on a CPU",
    )
    lr_max: float = knob(
        0.0,
        "Last learning rate of the sweeps: lr-find, or `lr='auto'`.",
        group=_FINETUNE,
        option="lr-max",
        low=1e-12,
        high=100,
        accepts_zero=True,
        default_text="10; 1 for fine-tuning on a CPU",
    )

    def __post_init__(self) -> None:
        check_settings(self, "lr_find.")
        if self.lr_min and self.lr_max and self.lr_min >= self.lr_max:
            raise RecipeError(
                f"lr_find.lr_min is {self.lr_min:g}; it must be less than lr_find.lr_max, {self.lr_max:g}"
            )


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that was asked for, and every default."""

    name: str = knob(
        "",
        "Name of the bundle.",
        group=_OUTPUT,
        option="name",
        default_text="the name of DATA",
        only_fit=True,
    )
    golden: str = knob(
        "synthetic",
        "Images that the service checks at every start: drawn ones, or some of your validation images.",
        group=_OUTPUT,
        option="golden",
        choices=("synthetic", "validation"),
        only_fit=True,
    )
    int8: str = knob(
        "auto",
        "Export the network in 8-bit integers, too: if that is as accurate (auto), never (off), or fail (require).",
        group=_OUTPUT,
        option="int8",
        choices=("auto", "off", "require"),
        only_fit=True,
    )
    limits_of_use: str = knob(
        "",
        "What the model must not be used for, or where it fails, for the card and /v1/model; a line is a text.",
        group=_OUTPUT,
        option="limits-of-use",
        default_text="general ones",
        only_fit=True,
    )
    tensorboard: bool = knob(
        False,
        "Write RUN/tensorboard too; needs the extra tensorboard.",
        group=_OUTPUT,
        option="tensorboard",
        only_fit=True,
    )
    backbone: str = knob(
        DEFAULT_BACKBONE,
        "Pretrained network: efficientnet_lite0, 1 or 2, tiny, torchvision/NAME or timm/NAME.",
        group=_MODEL,
        option="backbone",
    )
    weights: str = knob(
        PRETRAINED,
        "First weights: pretrained, none (random), or a file: .safetensors (also of a run), or what torch.save wrote.",
        group=_MODEL,
        option="weights",
    )
    size: int = knob(
        0,
        "Side of the model's input in pixels.",
        group=_MODEL,
        option="size",
        low=0,
        high=1024,
        default_text="the backbone's",
    )
    seed: int = knob(0, "Seed of everything random.", group=_MODEL, option="seed", low=0, high=2**63 - 1)
    valid_fraction: float = knob(
        0.2,
        "Fraction of the images that is held out for validation, if `valid` is not given.",
        group=DATA_GROUP,
        option="valid-fraction",
        low=0.01,
        high=0.9,
    )
    allow_broken: float = knob(
        ALLOW_BROKEN,
        "Largest fraction of the images that may be undecodable; these are left out.",
        group=DATA_GROUP,
        option="allow-broken",
        low=0,
        high=1,
    )
    auto_lr: bool = knob(
        False,
        "Whether the learning rates of both stages are found by sweeps; head.lr and finetune.lr are then not used.",
        group=_FINETUNE,
    )
    dropout: float = knob(0.2, "Dropout before the head.", group=_REGULARIZATION, option="dropout", low=0, high=0.95)
    label_smoothing: float = knob(
        0.1,
        "Label smoothing (Szegedy et al. 2015, arXiv:1512.00567); classification only.",
        group=_REGULARIZATION,
        option="label-smoothing",
        low=0,
        high=0.9,
    )
    balance: str = knob(
        "none",
        "Rare classes are drawn more often (sampler), or count more in the loss.",
        group=_REGULARIZATION,
        option="balance",
        choices=("none", "sampler", "loss"),
    )
    precision: str = knob(
        "auto",
        "Number format of both stages; auto: bf16 or fp16 on a GPU, bf16 for the frozen body on a CPU that has it.",
        group=_HARDWARE,
        option="precision",
        choices=("auto", "fp32", "bf16", "fp16"),
    )
    checkpoint_s: float = knob(
        60.0,
        "Seconds between two checkpoints of fine-tuning, from which a run is resumed.",
        group=_HARDWARE,
        low=0,
        high=86_400,
    )
    data: DataSource = section(DataSource)
    head: HeadRecipe = section(HeadRecipe)
    finetune: FinetuneRecipe = section(FinetuneRecipe)
    lr_find: LRFindRecipe = section(LRFindRecipe)
    augmentation: Augmentation = section(Augmentation)
    abstention: AbstentionRecipe = section(AbstentionRecipe)

    def __post_init__(self) -> None:
        check_settings(self)
        if not self.name.isprintable():
            raise RecipeError(f"name is {self.name!r}; it must be printable text")
        if not all(line.isprintable() for line in self.limits_of_use.splitlines()):
            raise RecipeError(f"limits_of_use is {self.limits_of_use!r}; it must be printable text")
        if self.data.split == "none":
            self._require_no_validation()

    def _require_no_validation(self) -> None:
        wrong = {
            "finetune.patience": self.finetune.patience and "no epoch can be better than another",
            "golden": self.golden == "validation" and "there are no validation images",
            "abstention.max_error": self.abstention.max_error
            and not self.abstention.calibration
            and "there are no images to choose a threshold on",
            "int8": self.int8 == "require" and "without validation images nobody can say how accurate it is",
        }
        for key, reason in wrong.items():
            if reason:
                raise RecipeError(f"{key} does not go with data.split 'none': {reason}; leave out one of them")
