"""What a search is asked to do: every option once, with its meaning and allowed values."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, create_model, field_validator, model_validator

from leukmodels.collections.place import absolute_place, is_uri
from leukmodels.evaluation.costs import COSTS
from leukmodels.model.weights import RANDOM
from leukmodels.process.command_line import Arg, option
from leukmodels.process.files import GroupAccess
from leukmodels.space.hyperparameters import PRETRAINED
from search.study.objectives import OBJECTIVES, Objectives

Sampler = Literal["tpe", "nsga2", "nsga3", "random"]

# What options were called in studies, and on command lines, of version 0.1; and values that they had.
RENAMED = {
    "eta": "reduction_factor",
    "grace": "grace_period",
    "spacing": "rung_factor",
    "plateau": "plateau_trials",
    "bounds": "constraint_on",
}
RENAMED_VALUES = {"patients": "lower-bound", "estimates": "estimate"}


def current_names(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options under the names, and with the values, that they have now."""
    return {
        RENAMED.get(name, name): RENAMED_VALUES.get(value, value) if name == "bounds" else value
        for name, value in given.items()
    }


class _Options(BaseModel):
    """One study's options. The field descriptions are the command line's help."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    task: str = Field(min_length=1, description="a task's name, or a task file (.toml)")
    data: Annotated[str | None, Arg(metavar="DIR|URI")] = Field(
        default=None,
        min_length=1,
        description="images in the layout of the task's collection: a folder, or an address such as s3://bucket/key "
        "(default: a drawn cohort)",
    )
    exclude: Annotated[str | None, Arg(metavar="FILE")] = Field(
        default=None,
        min_length=1,
        description="a list of images that are left out of training, such as disputed.csv of python -m "
        "search.curate: a CSV file with a column sha256 or image",
    )
    trials: int = Field(default=12, ge=1, le=100_000, description="configurations to try")
    epochs: int = Field(default=6, ge=1, le=10_000, description="epochs a trial trains at the most")
    patience: int | None = Field(
        default=None,
        ge=1,
        le=10_000,
        description="epochs without a better validation log loss that end a trial (default: a third of --epochs, 3 at "
        "the least)",
    )
    scheduler: Literal["asha", "none"] = Field(
        default="asha",
        description="who is stopped early: at each rung asha lets the best 1/--reduction-factor train on, by all "
        "objectives; none: nobody",
    )
    reduction_factor: int = Field(default=3, ge=2, le=100, description="of how many trials on a rung one trains on")
    grace_period: int = Field(
        default=1, ge=1, le=10_000, description="epochs that every trial may train: the first rung"
    )
    rung_factor: int = Field(
        default=9, ge=2, le=10_000, description="each further rung lies at so many times the epochs of the one before"
    )
    sampler: Sampler = Field(
        default="tpe",
        description="how configurations are chosen; all but random learn from the trials before, nsga2 and nsga3 "
        "from those of one session",
    )
    space: Annotated[str, Arg(metavar="NAME|FILE")] = Field(
        default="small",
        min_length=1,
        description="hyperparameters that are searched: seed (what the published CNN's authors varied), small (plain "
        "convolutional networks), full (everything), or a TOML file of your own ranges",
    )
    base_model: Annotated[str | None, Arg(metavar="STUDY|DIR|FILE")] = Field(
        default=None,
        min_length=1,
        description="a trained model whose convolutional weights trials may start from: a study (its preferred trial), "
        "an exported folder, or the .keras file in one",
    )
    backbones: Annotated[str | None, Arg(metavar="LIST")] = Field(
        default=None,
        min_length=1,
        description="networks pre-trained on ImageNet that trials may take, as NAME=FILE,... of "
        f"{', '.join(PRETRAINED)}; the file holds Keras' weights without top, nothing is downloaded (NAME={RANDOM}: "
        "random weights)",
    )
    warm_start: Annotated[str | None, Arg(metavar="STUDY")] = Field(
        default=None,
        min_length=1,
        description="another study (its folder, or its name below --storage), perhaps of another leukemia: its front "
        "is tried first, and the sampler learns from its trials",
    )
    time_budget: float | None = Field(
        default=None,
        gt=0,
        allow_inf_nan=False,
        description="seconds of training after which running trials are stopped for good and the study ends; "
        "counted anew by each resume",
    )
    plateau_trials: int = Field(
        default=20,
        ge=0,
        le=100_000,
        description="complete trials within the bounds that together raise the hypervolume by no more than --tolerance "
        "end the study; 0: never",
    )
    tolerance: float = Field(default=0.001, ge=0, le=1, description="hypervolume that is no gain, see --plateau-trials")
    image_px: int = Field(default=48, ge=8, le=1024, description="side of the images the models see, in pixels")
    min_specificity: float = Field(
        default=0.5, ge=0, le=1, description="specificity below which a trial cannot be on the front"
    )
    min_recall: float = Field(default=0.0, ge=0, le=1, description="recall below which a trial cannot be on the front")
    constraint_on: Literal["estimate", "lower-bound"] = Field(
        default="estimate",
        description="what --min-recall and --min-specificity are held against: the estimates, or their lower bounds "
        "(95 percent, resampling patients), which few patients make hard",
    )
    objectives: Annotated[str, Arg(metavar="LIST")] = Field(
        default=",".join(OBJECTIVES),
        description=f"what is searched for: recall,accuracy, perhaps followed by a cost that is to be low, "
        f"{' or '.join(COSTS)}",
    )
    seed: int = Field(default=0, ge=0, lt=2**31, description="seed of the search and of every trial")
    split_seed: int = Field(
        default=0, ge=0, lt=2**31, description="seed of the patient split; equal seeds split every task alike"
    )
    cells_per_patient: int = Field(
        default=16, ge=1, le=1000, description="mean number of cells a patient in the drawn cohort (without --data)"
    )
    max_bad: float = Field(
        default=0.01, ge=0, le=1, description="share of unusable image files above which nothing is trained"
    )
    max_pixels: int = Field(
        default=64_000_000,
        ge=10_000,
        description="pixels of an image file above which it is set aside unopened: a decompression bomb",
    )
    concurrency: int | None = Field(
        default=None, ge=1, le=100_000, description="trials at once (default: as many as CPUs, GPUs and memory hold)"
    )
    cpus_per_trial: int = Field(
        default=1, ge=1, le=1024, description="CPUs of one trial; its TensorFlow uses as many threads"
    )
    gpus_per_trial: float | None = Field(
        default=None,
        ge=0,
        le=64,
        description="GPUs of one trial; a fraction shares one between trials (default: 1 where there is a GPU)",
    )
    pixels: Literal["auto", "shared", "streamed"] = Field(
        default="auto",
        description="where trials read the prepared images: all from one copy a node in shared memory, or each from "
        "disk, a shuffle window at a time; auto streams what does not fit into memory",
    )
    shuffle_window: int = Field(
        default=4096,
        ge=256,
        le=100_000_000,
        description="streamed images that are shuffled among themselves; a trial holds two windows in its memory",
    )
    tracking_uri: Annotated[str | None, Arg(metavar="URI")] = Field(
        default=None, description="MLflow server or store (default: an SQLite file in the storage folder)"
    )
    group_access: GroupAccess = Field(
        default="none",
        description="what the user's group may do with the files of a study, which tell of patients",
    )
    precision: Literal["auto", "float32", "bfloat16"] = Field(
        default="auto",
        description="numbers that training computes in, weights and scores always being float32; auto takes bfloat16 "
        "where the processors multiply it by themselves",
    )
    deterministic: bool = Field(
        default=False,
        description="equal runs give equal bits, on one kind of machine: trials run one at a time, and nothing is "
        "decided by the clock (no --time-budget, no latency)",
    )

    @model_validator(mode="before")
    @classmethod
    def _are_called_as_now(cls, given: Mapping[str, Any]) -> dict[str, Any]:
        return current_names(given)

    @property
    def trials_at_once(self) -> int | None:
        """How many trials may run at once; None: as many as fit."""
        return 1 if self.deterministic else self.concurrency

    def patience_in_epochs(self) -> int:
        """Return the patience, whoever chose it."""
        return self.patience or max(3, self.epochs // 3)

    @field_validator("data", mode="before")
    @classmethod
    def _is_absolute(cls, data: object) -> object:
        """A study is resumed from other folders than the one it was begun in; no password is written into it."""
        return absolute_place(data) if isinstance(data, (str, Path)) else data

    @field_validator("exclude", mode="before")
    @classmethod
    def _is_an_absolute_file(cls, path: object) -> object:
        if isinstance(path, (str, Path)):
            if is_uri(path):
                raise ValueError("it is an address; give a file of this machine")
            return absolute_place(path)
        return path

    @field_validator("objectives")
    @classmethod
    def _are_known(cls, objectives: str) -> str:
        known = [",".join([*OBJECTIVES, *cost]) for cost in ([], *([name] for name in COSTS))]
        if objectives not in known:
            raise ValueError(f"{objectives!r} cannot be searched for; give one of {' | '.join(known)}")
        return objectives

    @field_validator("gpus_per_trial")
    @classmethod
    def _can_be_shared(cls, gpus: float | None) -> float | None:
        if gpus and gpus > 1 and gpus != int(gpus):
            raise ValueError("give a fraction below 1, or a whole number of GPUs")
        return gpus

    @field_validator("tracking_uri")
    @classmethod
    def _holds_no_password(cls, uri: str | None) -> str | None:
        """The address is written into the study, its runs and exports."""
        if uri and "@" in urlsplit(uri).netloc:
            raise ValueError(
                "leave user and password out of the address and set MLFLOW_TRACKING_USERNAME and "
                "MLFLOW_TRACKING_PASSWORD instead"
            )
        return uri

    @model_validator(mode="after")
    def _leaves_nothing_to_chance(self) -> Self:
        timed = [name for name, cost in COSTS.items() if cost.timed]
        against = {
            "--concurrency above 1": (self.concurrency or 1) > 1,
            "--time-budget": self.time_budget is not None,
            **{option(COSTS[name].ceiling): name in self.ceilings() for name in timed},
            **{f"--objectives with {name}": name in self.objectives for name in timed},
        }
        if self.deterministic and any(against.values()):
            clashes = ", ".join(words for words, clash in against.items() if clash)
            raise ValueError(f"--deterministic: equal runs would differ by {clashes}; leave that out")
        return self

    def ceilings(self) -> dict[str, float]:
        """Return the ceiling of each cost that has one."""
        given = {name: getattr(self, cost.ceiling, None) for name, cost in COSTS.items()}
        return {name: float(value) for name, value in given.items() if value is not None}


if TYPE_CHECKING:
    SearchConfig = _Options
else:
    SearchConfig = create_model(
        "SearchConfig",
        __base__=_Options,
        __module__=__name__,
        __doc__=_Options.__doc__,
        **{
            cost.ceiling: (
                float | None,
                Field(
                    default=None,
                    gt=0,
                    allow_inf_nan=False,
                    description=f"{cost.limit} above which a trial cannot be on the front",
                ),
            )
            for cost in COSTS.values()
        },
    )


def objectives_of(config: SearchConfig) -> Objectives:
    """Return what ``config`` asks for."""
    return Objectives(
        cost="".join(config.objectives.split(",")[len(OBJECTIVES) :]),
        min_recall=config.min_recall,
        min_specificity=config.min_specificity,
        ceilings=config.ceilings(),
        sure=config.constraint_on == "lower-bound",
    )
