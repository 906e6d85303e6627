import pytest

from leukmodels.process.words import Terms, plural, rounded_down


@pytest.mark.parametrize(
    ("part", "whole", "digits", "said"),
    [
        (996, 1000, 0, "99 %"),
        (1000, 1000, 0, "100 %"),
        (29, 100, 0, "29 %"),  # 0.29 * 100 is below 29 in floating point
        (999, 10_000, 1, "9.9 %"),
        (1, 3, 1, "33.3 %"),
        (0, 7, 1, "0.0 %"),
        (0, 0, 0, "0 %"),
    ],
)
def test_a_share_is_never_rounded_up(part: int, whole: int, digits: int, said: str) -> None:
    assert rounded_down(part, whole, digits) == said


def test_counts_are_of_the_unit() -> None:
    terms = Terms(unit="image", positive="blast", negative="lymphocyte")
    assert (terms.count(1), terms.count(2_000), terms.units) == ("1 image", "2,000 images", "images")
    assert (terms.side(1), terms.side(0), terms.are_images) == ("blast", "lymphocyte", True)
    assert plural(1, "image") == "1 image"
