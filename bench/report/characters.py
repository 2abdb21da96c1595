"""Which characters may stand in a report: a name or an error text can hold any, but files and drawing libraries cannot."""

from __future__ import annotations

import re

_NOT_TEXT = re.compile("[^\t\n\r\u0020-\u007e\u00a0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0, section 2.2, forbids even escaped, and the C1 controls, which terminals obey."""


def printable(text: str) -> str:
    """Return `text` with a replacement character for each that no XML, terminal or UTF-8 file can take.

    vl-convert 1.9 ends the whole process over a NUL in a label, so nothing reaches a picture without passing here.
    """
    return _NOT_TEXT.sub("\ufffd", text)
