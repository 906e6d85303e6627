"""The peers that bench_real times, each run in a fresh process of its own.

    python real_peers.py optuna|ray-tune ARRAYS FOLDER EPOCHS SECONDS SEED
    python real_peers.py arrays COHORT ARRAYS IMAGE_PX

Used as their documentation shows, on the project's own training: every trial runs to its last epoch and hands in its
best one. Each begins with the default configuration and writes a line to FOLDER/trials.jsonl as a trial ends.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import optuna

from leukmodels.dataset.cells import Cells, TrainingData
from leukmodels.dataset.pixels import Blocks
from leukmodels.space import presets
from leukmodels.space.hyperparameters import HyperParams
from search.study.objectives import Objectives
from search.tuning.optuna_study import distribution

OBJECTIVES = Objectives(min_specificity=0.5)
SPACE = presets.space("small")
CORES = len(os.sched_getaffinity(0))
_PARTS = ("train", "validation")


def write_arrays(cohort: Path, arrays: Path, image_px: int) -> None:
    """Prepare the cohort as a study would, and write what its trials get as plain arrays."""
    from cluster.session import open_session
    from leukmodels.collections.source import open_source
    from leukmodels.collections.tasks import find_task
    from search.cache.store import PixelCache
    from search.data import sharing
    from search.data.dataset import prepare_dataset
    from search.study.presets import configure

    arrays.mkdir(parents=True, exist_ok=True)
    cache = PixelCache(arrays / "cache")
    with open_session(cpus=CORES), cache.in_use():
        config = configure("quick", {"task": "runx1", "image_px": image_px})
        source, task = open_source(str(cohort)), find_task("runx1")
        prepared = prepare_dataset(source, task, config, cache, synthetic=True, cores=CORES)
        data = sharing.share(prepared, cache).open()
        for part in _PARTS:
            cells: Cells = getattr(data, part)
            images = next(cells.pixels.batches(np.arange(len(cells)), len(cells)))
            np.savez(
                arrays / f"{part}.npz",
                images=images,
                labels=cells.labels,
                patients=cells.patients,
                patient_names=np.array(cells.patient_names),
                image_ids=cells.image_ids,
            )


def read_arrays(arrays: Path) -> TrainingData:
    """Return what write_arrays wrote."""
    parts = {}
    for part in _PARTS:
        with np.load(arrays / f"{part}.npz") as held:
            parts[part] = Cells(
                pixels=Blocks.of(held["images"]),
                labels=held["labels"],
                patients=held["patients"],
                patient_names=tuple(held["patient_names"].tolist()),
                image_ids=held["image_ids"],
            )
    return TrainingData(**parts, black_background=False, split_fingerprint="")


def train(params: Mapping[str, Any], data: TrainingData, *, epochs: int, seed: int, folder: Path) -> dict[str, float]:
    """Train a configuration to its last epoch; keep and return what was measured of its best one."""
    import keras

    from leukmodels.model.build import build
    from leukmodels.process.tensorflow_runtime import seed_everything
    from leukmodels.training.training_loop import Budget, fit

    hparams = HyperParams.from_dict(params)
    seed_everything(seed)
    model = build(hparams, image_px=data.train.image_px, black_background=False)
    with tempfile.TemporaryDirectory() as checkpoints:
        fitted = fit(
            model,
            data,
            hparams,
            budget=Budget(epochs=epochs, patience=epochs),
            seed=seed,
            folder=Path(checkpoints),
            report=lambda *_: None,
        )
    keras.utils.clear_session()
    told = {name: float(fitted.best[name]) for name in (*OBJECTIVES.names, "specificity")}
    with (folder / "trials.jsonl").open("a") as file:
        file.write(json.dumps({"time": time.time(), "epochs": epochs, "metrics": told}) + "\n")
    return told


def optuna_alone(arrays: Path, folder: Path, epochs: int, seconds: float, seed: int) -> None:
    """Optuna's TPE with its constraint, one trial after the other, TensorFlow on all cores."""
    from leukmodels.errors import TrainingDivergedError

    data = read_arrays(arrays)
    distributions = {name: distribution(dimension) for name, dimension in SPACE.dimensions.items()}

    def objective(trial: optuna.Trial) -> list[float]:
        params = {name: trial._suggest(name, of) for name, of in distributions.items()}
        told = train(params, data, epochs=epochs, seed=trial.number, folder=folder)
        for name, violation in OBJECTIVES.violations(told).items():
            trial.set_constraint(name, violation)
        return [told[name] for name in OBJECTIVES.names]

    sampler = optuna.samplers.TPESampler(seed=seed)
    study = optuna.create_study(directions=["maximize"] * len(OBJECTIVES.names), sampler=sampler)
    study.enqueue_trial(dict(SPACE.default))
    study.optimize(objective, timeout=seconds, catch=TrainingDivergedError)


def ray_tune(arrays: Path, folder: Path, epochs: int, seconds: float, seed: int) -> None:
    """Ray Tune with its OptunaSearch on both objectives, a trial a core, workers reused; it takes no constraint."""
    import ray
    from ray import tune
    from ray.tune.search.optuna import OptunaSearch

    def trainable(config: dict[str, Any], data: TrainingData) -> None:
        from leukmodels.process import tensorflow_runtime

        tensorflow_runtime.start(threads=1)
        drawn = int(tune.get_context().get_trial_id().rpartition("_")[2], 16) % 2**31  # Tune names trials at random
        told = train(config, data, epochs=epochs, seed=drawn, folder=folder)
        tune.report({name: told[name] for name in OBJECTIVES.names})

    ray.init(address="local", num_cpus=CORES)
    search = OptunaSearch(
        space={name: distribution(dimension) for name, dimension in SPACE.dimensions.items()},
        metric=[*OBJECTIVES.names],
        mode=["max"] * len(OBJECTIVES.names),
        seed=seed,
        points_to_evaluate=[dict(SPACE.default)],
    )
    tuner = tune.Tuner(
        tune.with_resources(tune.with_parameters(trainable, data=read_arrays(arrays)), {"cpu": 1}),
        tune_config=tune.TuneConfig(search_alg=search, num_samples=-1, time_budget_s=seconds, reuse_actors=True),
        run_config=tune.RunConfig(storage_path=str(folder / "ray_results")),
    )
    tuner.fit()


PEERS = {"optuna": optuna_alone, "ray-tune": ray_tune}


if __name__ == "__main__":
    if sys.argv[1] == "arrays":
        write_arrays(Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
    else:
        name, arrays, folder, epochs, seconds, seed = sys.argv[1:]
        PEERS[name](Path(arrays), Path(folder), int(epochs), float(seconds), int(seed))
