# SPDX-License-Identifier: Apache-2.0
"""One picture of all cameras above what the policy imagined for the same moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

_TILE = (320, 240)
_GAP = 8
_CAPTION = 26
_HEADER = 34
_BACKGROUND, _EMPTY = (24, 28, 34), (96, 100, 106)
_INK, _MUTED, _WARN = (240, 243, 246), (160, 170, 180), (255, 176, 66)
_FONT = cv2.FONT_HERSHEY_SIMPLEX


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One picture of the sheet.

    Attributes:
        caption: Text above the picture.
        image: RGB image of any size, (H, W, 3) uint8; None shows `placeholder` on grey.
        placeholder: Text instead of a picture.
        aspect_ratio: Width over height at which to show the picture; its own if None.
    """

    caption: str
    image: np.ndarray | None
    placeholder: str = ''
    aspect_ratio: float | None = None


class ContactSheet:
    """Composes panels in columns: live above, imagined below where anything was imagined."""

    def __init__(self, cameras: Sequence[str], *, has_imagined: bool = True) -> None:
        """Lay out one column per camera, of two panels or of the live one alone."""
        self._cameras = tuple(cameras)
        self._rows = 2 if has_imagined else 1
        self._tiles: dict[tuple[str, int], tuple[np.ndarray | None, np.ndarray]] = {}

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the sheet in [px], both even."""
        width = _GAP + len(self._cameras) * (_TILE[0] + _GAP)
        return width, _HEADER + self._rows * (_CAPTION + _TILE[1]) + _GAP

    def compose(
        self, panels: Mapping[str, tuple[Panel, Panel]], heading: str, warning: str = '',
    ) -> np.ndarray:
        """Return the sheet as RGB image.

        Args:
            panels: Camera to its live and its imagined panel.
            heading: Text at the top left.
            warning: Text at the top right, in a warning colour.
        """
        width, height = self.size
        sheet = np.full((height, width, 3), _BACKGROUND, np.uint8)
        free_px = width - 2 * _GAP - (_text_width(warning) + _GAP if warning else 0)
        _write(sheet, heading, (_GAP, 22), _INK, free_px)
        if warning:
            _write(sheet, warning, (width - _GAP - _text_width(warning), 22), _WARN, width)
        for column, camera in enumerate(self._cameras):
            for row, panel in enumerate(panels[camera][:self._rows]):
                left = _GAP + column * (_TILE[0] + _GAP)
                top = _HEADER + row * (_CAPTION + _TILE[1])
                _write(sheet, panel.caption, (left, top + 18), _MUTED, _TILE[0])
                top += _CAPTION
                sheet[top:top + _TILE[1], left:left + _TILE[0]] = self._tile(camera, row, panel)
        return sheet

    def _tile(self, camera: str, row: int, panel: Panel) -> np.ndarray:
        if panel.image is None:
            return _placeholder_tile(panel.placeholder)
        shown, tile = self._tiles.get((camera, row), (None, None))
        if shown is not panel.image:
            tile = _fit(panel.image, panel.aspect_ratio)
            self._tiles[camera, row] = (panel.image, tile)
        return tile


def _fit(image: np.ndarray, aspect_ratio: float | None) -> np.ndarray:
    """Scale an image into a tile; enlarged ones keep their pixels visible."""
    ratio = aspect_ratio or image.shape[1] / image.shape[0]
    width = min(_TILE[0], round(_TILE[1] * ratio))
    height = min(_TILE[1], round(_TILE[0] / ratio))
    interpolation = cv2.INTER_NEAREST if width > image.shape[1] else cv2.INTER_AREA
    tile = np.zeros((_TILE[1], _TILE[0], 3), np.uint8)
    left, top = (_TILE[0] - width) // 2, (_TILE[1] - height) // 2
    tile[top:top + height, left:left + width] = cv2.resize(
        np.ascontiguousarray(image), (width, height), interpolation=interpolation)
    return tile


def _placeholder_tile(text: str) -> np.ndarray:
    tile = np.full((_TILE[1], _TILE[0], 3), _EMPTY, np.uint8)
    left = max(0, (_TILE[0] - _text_width(text)) // 2)
    _write(tile, text, (left, _TILE[1] // 2), _INK, _TILE[0])
    return tile


def _text_width(text: str) -> int:
    return cv2.getTextSize(text, _FONT, 0.5, 1)[0][0]


def _write(
    sheet: np.ndarray, text: str, corner: tuple[int, int], colour: tuple[int, int, int],
    width_px: int,
) -> None:
    while text and _text_width(text) > width_px:
        text = text.rstrip('.')[:-1] + '...'
    cv2.putText(sheet, text, corner, _FONT, 0.5, colour, 1, cv2.LINE_AA)
