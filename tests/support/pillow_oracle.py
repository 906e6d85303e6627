"""What Pillow makes of an image file, beside what the project's own openers make of it."""

import io

from PIL import Image


def same_as_pillow(open_plain, data):
    """Say whether the file is opened, and as Pillow opens it."""
    found = open_plain(data)
    return found is not None and _seen(found) == _pillow(data)


def left_or_same(open_plain, data):
    """Say whether the file is left to Pillow, or opened as Pillow opens it."""
    return open_plain(data) is None or same_as_pillow(open_plain, data)


def _pillow(data):
    with Image.open(io.BytesIO(data)) as image:
        return _seen(image)


def _seen(image):
    return image.mode, image.size, image.tobytes()
