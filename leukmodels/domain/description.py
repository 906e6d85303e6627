"""What ``config.yaml`` of an exported model says of its training domain."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from leukmodels.domain.limits import Limits

_Count = Annotated[int, Field(ge=0)]
_Px = Annotated[int, Field(gt=0)]


class Cloud(BaseModel):
    """A cloud of training cells: the file that it is in, that file's SHA-256, and how far from it cells may lie."""

    model_config = ConfigDict(frozen=True, extra="allow")

    file: str
    sha256: str
    limits: Limits


class DomainDescription(BaseModel):
    """A training domain but for its arrays, which lie in files of their own.

    version            of what images are described by; another version's numbers mean something else
    cells, patients    that it was learnt from
    black_background   whether the training cells stand on black; null where some do
    sides_px           smallest and largest side of their middle squares, before they were scaled
    appearance         of what images look like;  features  of what the model's last layer sees in them
    validation_sets    validation patients, and how many of them the limits call unlike
    """

    model_config = ConfigDict(frozen=True, extra="allow")

    version: int
    cells: _Count
    patients: _Count
    black_background: bool | None
    sides_px: tuple[_Px, _Px]
    appearance: Cloud
    features: Cloud
    validation_sets: _Count
    validation_sets_unlike: _Count

    @property
    def sides(self) -> str:
        """The sides in words."""
        low, high = self.sides_px
        return f"{low} px" if low == high else f"{low} to {high} px"
