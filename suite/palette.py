"""One colour per method, the same in every chart, table and figure.

Colours: Okabe and Ito (2008), "Color Universal Design", told apart under the common forms of colour blindness.
Black is left out (invisible on dark pages), grey is kept for what was never trained.
"""

from __future__ import annotations

import hashlib

OKABE_ITO = {
    "orange": "#E69F00",
    "sky blue": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
GREY = "#8C8C8C"

_FIXED = {
    "standard": OKABE_ITO["blue"],
    "adversarial": OKABE_ITO["vermillion"],
    "random-perturbation": OKABE_ITO["green"],
    "data-augmentation": OKABE_ITO["orange"],
    "untouched": GREY,
}
_FREE = (OKABE_ITO["purple"], OKABE_ITO["sky blue"], OKABE_ITO["yellow"])


def method_colour(name: str) -> str:
    """Colour of a method as `#RRGGBB`; methods without a fixed one share the free colours by a hash of their name."""
    if name in _FIXED:
        return _FIXED[name]
    return _FREE[hashlib.sha256(name.encode()).digest()[0] % len(_FREE)]
