"""What a study needs of the machines it runs on: cores, memory, disk and folders; see ``admission``."""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from leukmodels.dataset.shards import image_bytes
from search.study.config import SearchConfig

# TensorFlow's code is in memory once a node: one process that trained the default CNN at 64 px is 1.08 GB large (PSS),
# two of them are 0.85 GB each. TensorFlow 2.21, on processors.
TENSORFLOW_BYTES = 460_000_000
# What is each process's own (Private_Dirty), after two epochs of the default CNN in batches of 32: 0.50 GB at 48 px,
# 0.62 at 64 and 1.40 at 144, that is 0.43 GB and 47 kB a pixel of an image. 14 configurations drawn from the space at
# 64 px had 0.39 to 1.94 GB, on average 0.83: twice as much a pixel.
_PROCESS_BYTES = 430_000_000
_PROCESS_BYTES_A_PIXEL = 100_000
# With pre-trained networks on top: in batches of 32 ResNet50V2 had 1.13 GB at 64 px and 2.03 at 144, EfficientNetV2S
# 1.69 GB at 64 px; their weights are 95 and 83 MB.
_NETWORK_BYTES = 900_000_000
_NETWORK_MODEL_BYTES = 100_000_000
_WINDOWS = 2  # of a trial that streams: the one that it trains on, and the next one, which is being read

# What a study leaves besides models: the journal, checkpoints of running trials, pictures, MLflow's copies.
_STUDY_BYTES = 1_000_000_000
# model.keras of the default CNN: 2.9 MB at 48 px, 4.7 at 64, 21.7 at 144. Its dense layer has 256 weights a pixel.
_MODEL_BYTES = 600_000
_MODEL_BYTES_A_PIXEL = 1024


@dataclass(frozen=True, kw_only=True)
class ResourceRequirements:
    """What a study asks of the nodes.

    concurrency     trials at once; None: as many as fit
    cpus, gpus      of one trial
    trials          of the whole study
    image_px        side of an image
    pixels          where the trials are to read them
    shuffle_window  images
    storage, cache  folders that trials and readers write to
    data            folder that holds the images; None where they come from elsewhere, or are drawn into the storage
    networks        whether a trial may take a pre-trained network
    drawn_bytes     of a cohort that is still to be drawn into the storage
    prepare_bytes   pixels that are still to be prepared into the cache; 0 as long as the files are not listed
    """

    concurrency: int | None
    cpus: int
    gpus: float
    trials: int
    image_px: int
    pixels: Literal["auto", "shared", "streamed"]
    shuffle_window: int
    storage: Path
    cache: Path
    data: Path | None
    networks: bool = False
    drawn_bytes: int = 0
    prepare_bytes: int = 0

    @classmethod
    def of(
        cls,
        config: SearchConfig,
        *,
        gpus: float,
        storage: Path,
        cache: Path,
        data: Path | None,
        networks: bool = False,
        drawn_bytes: int = 0,
    ) -> "ResourceRequirements":
        """Return what a study with these options asks for; ``gpus`` is what one trial gets."""
        return cls(
            concurrency=config.trials_at_once,
            cpus=config.cpus_per_trial,
            gpus=gpus,
            trials=config.trials,
            image_px=config.image_px,
            pixels=config.pixels,
            shuffle_window=config.shuffle_window,
            storage=storage,
            cache=cache,
            data=data,
            networks=networks,
            drawn_bytes=drawn_bytes,
        )

    @property
    def trial_bytes(self) -> int:
        """Memory of one trial, TensorFlow's code and shared pixels aside: what it asks Ray for."""
        network = _NETWORK_BYTES if self.networks else 0
        return _PROCESS_BYTES + _PROCESS_BYTES_A_PIXEL * self.image_px**2 + network + self.windows_bytes

    @property
    def windows_bytes(self) -> int:
        """Memory of the windows of images that one trial holds, 0 where the pixels are shared for certain."""
        # With "auto" that is known only after the workers have started.
        return 0 if self.pixels == "shared" else _WINDOWS * self.shuffle_window * image_bytes(self.image_px)

    def disk(self, stream_bytes: int = 0) -> list[tuple[Path, int, str]]:
        """Return folder, bytes and purpose of everything that is written; ``stream_bytes`` of them are streamed."""
        network = _NETWORK_MODEL_BYTES if self.networks else 0
        models = self.trials * (_MODEL_BYTES + _MODEL_BYTES_A_PIXEL * self.image_px**2 + network)
        written = [
            (self.storage, _STUDY_BYTES, "the study"),
            (self.storage, models, f"the models of {self.trials:,} trials"),
            (self.storage, self.drawn_bytes, "the drawn cohort"),
            (self.cache, self.prepare_bytes, "prepared images"),
            (self.cache, stream_bytes, "images to stream"),
        ]
        return [each for each in written if each[1]]
