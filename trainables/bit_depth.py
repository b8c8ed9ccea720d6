"""Pictures of more than 8 bits per channel: which level is white."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image

from ganstudy.errors import UserError

_DARK = 32  # a picture whose brightest hundredth is below white / 32 is black to the eye
_SHOWN = 99  # percentile of the levels of a picture that counts as its brightest part


@dataclass(frozen=True)
class Depth:
    """What is known of one picture before it is converted to 8 bits."""

    grey: bool = False  # it has 16-bit grey levels
    colour: bool = False  # it has 16 bits per channel, of which Pillow reads the upper 8
    highest: int = 0  # level, of these pictures; of colour, of the upper 8 bits
    bright: float = 0.0  # the level that a hundredth of its pixels reach; of grey only
    frames: bool = False  # it has more than one; the first is taken
    enlarged: bool = False  # it is smaller than the resolution


def depth_of(picture: Image.Image, *, enlarged: bool) -> Depth:
    """Return the depth of an opened picture. Raises UserError for pixels beyond 16 bits."""
    frames = bool(getattr(picture, "is_animated", False))
    if picture.mode.startswith("I"):  # PIL's modes for 16-bit grey all start with I
        levels = np.asarray(picture)
        if levels.min() < 0 or levels.max() > 65535:
            raise UserError(f"its pixels must have 8 or 16 bits; their values range from {levels.min()} to {levels.max()}")
        return Depth(grey=True, highest=int(levels.max()), bright=float(np.percentile(levels, _SHOWN)), frames=frames, enlarged=enlarged)
    stored = [part if isinstance(part, str) else part[0] for *_, part in getattr(picture, "tile", []) if part]
    if any(isinstance(mode, str) and ";16" in mode for mode in stored):
        channels = np.asarray(picture)
        colours = channels[..., :-1] if picture.getbands()[-1] == "A" else channels
        return Depth(colour=True, highest=int(colours.max()), frames=frames, enlarged=enlarged)
    return Depth(frames=frames, enlarged=enlarged)


def white_of(depths: Sequence[Depth]) -> tuple[int, list[str]]:
    """Return the level of 16-bit grey that becomes white, and notes on all pictures.

    It is the highest level of as many bits as the brightest pixel of all pictures needs, at least 8: 4095 for 12-bit data. Raises UserError if the
    pictures would come out black.
    """
    notes = []
    grey, colour = [depth for depth in depths if depth.grey], [depth for depth in depths if depth.colour]
    highest = max((depth.highest for depth in grey), default=0)
    white = (1 << max(8, highest.bit_length())) - 1
    if grey:
        bright = max(depth.bright for depth in grey)
        if bright * _DARK < white:
            raise UserError(
                f"16-bit pictures must not come out black; in these {len(grey):,} the highest level is {highest}, but 99 % of the pixels of each "
                f"are at most {bright:g}. Save them with 8 bits per channel, with the contrast that the networks should see"
            )
        notes.append(f"16-bit grey: {len(grey):,} pictures with levels up to {highest}; {white} becomes white")
    if colour:
        top = max(depth.highest for depth in colour)
        if top < 128:
            raise UserError(
                f"colour pictures of 16 bits must use all of them, since Pillow reads the upper 8; in these {len(colour):,} the upper 8 reach "
                f"{top} of 255, so they would come out dark. Save them with 8 bits per channel"
            )
        notes.append(f"16-bit colour: {len(colour):,} pictures, of which the upper 8 bits are read")
    if frames := sum(depth.frames for depth in depths):
        notes.append(f"several frames: {frames:,} pictures, of which the first frame is taken")
    if enlarged := sum(depth.enlarged for depth in depths):
        notes.append(f"smaller than data.resolution: {enlarged:,} pictures, which are enlarged")
    return white, notes
