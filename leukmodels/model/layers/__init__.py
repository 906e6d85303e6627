"""Registered Keras layers, so that a saved model loads in safe mode: importing this package registers all of them.

Its imports are relative: a model logged to MLflow carries this folder under another name (search.tracking.models).
"""

from .augmentation import Augmentation
from .colour import ColourMode
from .filters import EdgeFilter
from .pooling import BlurPool2D
from .resizing import AreaResizing

__all__ = ["AreaResizing", "Augmentation", "BlurPool2D", "ColourMode", "EdgeFilter"]
