"""The contact sheet: the most disputed cells of each class, and beside them cells that nobody disputes."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw, ImageFont

from leukmodels.collections.source import Source
from leukmodels.dataset.contents import read_again
from leukmodels.images.decoding import decode
from leukmodels.label_issues.ranking import Ranking
from leukmodels.label_issues.training_cells import TrainingCells
from leukmodels.process.files import written_aside

WIDTH_PX, COLUMNS = 1000, 8
DISPUTED_ROWS = 2
_MARGIN, _GAP, _LINE = 20, 8, 17
TILE_PX = (WIDTH_PX - 2 * _MARGIN - (COLUMNS - 1) * _GAP) // COLUMNS
_INK, _GREY = "#111111", "#5a5a5a"


@dataclass(frozen=True, kw_only=True)
class Strip:
    """Cells under a heading, each with the lines of its caption."""

    heading: str
    rows: Sequence[int]
    captions: Sequence[tuple[str, ...]]


def strips(
    training: TrainingCells,
    ranking: Ranking,
    probabilities: npt.NDArray[np.float64],
    listed: npt.NDArray[np.int64],
) -> list[Strip]:
    """Return what is shown of each class: its disputed cells by rank, and for comparison the best believed ones.

    Of those one a patient: the best believed cells of all are often one patient's.
    """
    cells = training.cells
    place = ranking.place
    found = []
    for name in np.unique(training.class_names).tolist():
        own = ranking.order[training.class_names[ranking.order] == name]
        disputed = own[ranking.disputed[own]]
        on_list = np.count_nonzero(training.class_names[listed] == name)
        believed = own[~ranking.disputed[own]][::-1]
        _, first = np.unique(cells.patients[believed], return_index=True)
        shown = {
            f"{name}: {len(disputed):,} of {len(own):,} cells disputed, {on_list:,} listed": disputed[
                : DISPUTED_ROWS * COLUMNS
            ],
            f"{name}: best believed": believed[np.sort(first)][:COLUMNS],
        }
        found += [
            Strip(
                heading=heading,
                rows=rows.tolist(),
                captions=[
                    (f"{place[row]:,}  p {probabilities[row]:.2f}", cells.patient_names[cells.patients[row]])
                    for row in rows.tolist()
                ],
            )
            for heading, rows in shown.items()
            if len(rows)
        ]
    return found


def draw_sheet(
    path: Path, source: Source, training: TrainingCells, shown: Sequence[Strip], *, lines: Sequence[str]
) -> None:
    """Draw the strips under some lines of text as a PNG, the cells as sharp as their files are."""
    text, small = ImageFont.load_default(14), ImageFont.load_default(13)
    row_px = TILE_PX + 2 * _LINE + _GAP
    heights = [_LINE + _GAP + -(-len(strip.rows) // COLUMNS) * row_px + _GAP for strip in shown]
    sheet = Image.new("RGB", (WIDTH_PX, 2 * _MARGIN + len(lines) * (_LINE + 4) + _GAP + sum(heights)), "white")
    draw = ImageDraw.Draw(sheet)
    top = _MARGIN
    for line in lines:
        draw.text((_MARGIN, top), _fitting(line, text, WIDTH_PX - 2 * _MARGIN), fill=_INK, font=text)
        top += _LINE + 4
    top += _GAP
    for strip, height in zip(shown, heights, strict=True):
        draw.text((_MARGIN, top), _fitting(strip.heading, text, WIDTH_PX - 2 * _MARGIN), fill=_INK, font=text)
        for number, (row, caption) in enumerate(zip(strip.rows, strip.captions, strict=True)):
            left = _MARGIN + number % COLUMNS * (TILE_PX + _GAP)
            above = top + _LINE + _GAP + number // COLUMNS * row_px
            sheet.paste(Image.fromarray(_tile(source, training, row)), (left, above))
            for line_number, line in enumerate(caption):
                where = (left, above + TILE_PX + 2 + line_number * _LINE)
                draw.text(where, _fitting(line, small, TILE_PX), fill=_INK if line_number == 0 else _GREY, font=small)
        top += height
    with written_aside(path, durable=False) as aside:
        sheet.save(aside, optimize=True)


def _tile(source: Source, training: TrainingCells, row: int) -> npt.NDArray[np.uint8]:
    path = f"{source.root.rstrip('/')}/{training.cells.image_ids[row]}"
    return read_pixels(source, path, content=training.contents[row], image_px=TILE_PX, crop_px=training.crop_px)


def read_pixels(
    source: Source, path: str, *, content: str, image_px: int, crop_px: int | None
) -> npt.NDArray[np.uint8]:
    """Return an image (px, px, 3) whose bytes are known; DataError where they are others now."""
    return decode(read_again(source, path, content), image_px=image_px, crop_px=crop_px)


def _fitting(line: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width_px: int) -> str:
    """Return the line, or as much of its beginning as fits."""
    if font.getlength(line) <= width_px:
        return line
    kept = line
    while kept and font.getlength(f"{kept}…") > width_px:
        kept = kept[:-1]
    return f"{kept}…"
