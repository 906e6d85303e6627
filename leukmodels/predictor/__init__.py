"""An exported model answers for images, or says that they are unlike what it knows: ``python -m leukmodels.predictor``.

predictor   the model, its domain and its threshold: a score, a class or a reason for each image
table       the answers as text
"""

from leukmodels.predictor.predictor import Answer, Predictor

__all__ = ["Answer", "Predictor"]
