"""The answers of a model as text, with what they mean and what they are not for."""

from collections.abc import Sequence

from leukmodels.collections.tasks import sides
from leukmodels.predictor.predictor import Answer, Predictor
from leukmodels.process.words import plural

DISCLAIMER = "For research use only: not a medical device, not for diagnosis."
SYNTHETIC = "SYNTHETIC"

_SYNTHETIC_MODEL = f"{SYNTHETIC}: the model was trained on drawn cells. What it says of any other image means nothing."
_UNDESCRIBED = (
    "This export does not say what its training cells look like, so that images unlike them are answered as well: "
    "export the model again where its images are at hand."
)


def table(predictor: Predictor, answers: Sequence[Answer]) -> str:
    """Return a line an image between the question and the disclaimer; each answer of a synthetic model says so."""
    classes = predictor.disease, predictor.control
    positive, negative = sides(predictor.task, *classes, predictor.positive, predictor.negative)
    names = {True: positive, False: negative}
    rows = [(str(answer.path), *_said(answer, names, predictor.synthetic)) for answer in answers]
    width, name_width = (max((len(row[column]) for row in rows), default=0) for column in (0, 1))
    question = " against ".join(map(_side, (positive, negative), classes))
    return "\n".join(
        [
            f"{predictor.task}: {question}; {positive} from a score of {predictor.threshold:.3f}",
            *filter(None, [predictor.measured]),
            *([_SYNTHETIC_MODEL] if predictor.synthetic else []),
            *([] if predictor.domain else [_UNDESCRIBED]),
            *(f"{path:<{width}}  {name:<{name_width}}  {said}" for path, name, said in rows),
            *_summary(answers),
            DISCLAIMER,
        ]
    )


def _said(answer: Answer, names: dict[bool, str], synthetic: bool) -> tuple[str, str]:
    """Return what an image is called, and the rest of its line."""
    if answer.disease is None:
        return ("error", str(answer.error)) if answer.error else ("unlike", str(answer.unlike))
    marks = [SYNTHETIC] if synthetic else []
    marks += [f"UNLIKE: {answer.unlike}"] if answer.unlike else []
    return names[answer.disease], "  ".join([f"{answer.score:.3f}", *marks])


def _summary(answers: Sequence[Answer]) -> list[str]:
    """Return what is to be known of images that are unlike the training cells."""
    unlike = [answer for answer in answers if answer.unlike]
    if not unlike:
        return []
    said = f"{len(unlike):,} of {plural(len(answers), 'image')} {'is' if len(unlike) == 1 else 'are'} unlike the cells"
    if any(answer.disease is not None for answer in unlike):
        return [f"{said} that the model was trained on: what it says of them was never measured."]
    return [f"{said} that the model was trained on, and not answered for (--answer-unlike does)."]


def _side(word: str, classes: Sequence[str]) -> str:
    """Return what one side of a task is called, and its classes where they are called something else."""
    return word if word == " or ".join(classes) else f"{word} ({', '.join(classes)})"
