"""The Sixel widget of `textual-image`, with the encoding done beforehand: a page takes a tenth of a second, too long for the event
loop. `encode` runs in a thread and leaves its result in the picture. Imported when the terminal speaks Sixel and a picture is wanted.
"""

from __future__ import annotations

from typing import Any

from PIL import Image
from textual.app import ComposeResult
from textual_image._sixel import image_to_sixels
from textual_image.widget import SixelImage
from textual_image.widget.sixel import _ImageSixelImpl, _NoopRenderable

_ENCODED = "ragterm-sixels"
COLOURS = 64


def encode(picture: Image.Image) -> Image.Image:
    """The same picture in few colours, which carries its encoding."""
    few = picture.quantize(colors=COLOURS, method=Image.Quantize.FASTOCTREE)
    few.info[_ENCODED] = image_to_sixels(few)
    return few


class _Encoded(_ImageSixelImpl, can_focus=False, inherit_css=False):
    def _image_to_sixels(self, image: Image.Image, *options: Any, **more: Any) -> str:
        whole = isinstance(self.image, Image.Image) and image.size == self.image.size
        ready = self.image.info.get(_ENCODED) if whole else None  # type: ignore[union-attr]
        return ready or super()._image_to_sixels(image, *options, **more)


class SixelPicture(SixelImage, Renderable=_NoopRenderable):
    def compose(self) -> ComposeResult:
        yield _Encoded(self.image, self._sixel_options)
