"""Words that many messages need."""


def plural(count: int, noun: str) -> str:
    """Return a count with its noun: 1 image, 2 images, 12,034 images."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
