"""What the pages of pictures share: data inside of a page, and a file written in one step.

Enters: what a page shows, or its bytes. Leaves: JSON that no word of a corpus gets out of, or a file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from probekit.errors import ResourceError
from probekit.storage.files import replace_bytes
from probekit.storage.strict import dump

_ESCAPED = {"<": "\\u003c", ">": "\\u003e", "&": "\\u0026", "\u2028": "\\u2028", "\u2029": "\\u2029"}


def embedded(data: Any) -> str:
    """Return JSON that nothing in it ends or opens: not ``</script>``, not ``<!--``."""
    text = dump(data)
    for sign, code in _ESCAPED.items():
        text = text.replace(sign, code)
    return text


def write_bytes(place: Path, data: bytes, what: str) -> Path:
    """Write a file, replacing what was there in one step.

    Raises
    ------
    ResourceError
    """
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        replace_bytes(place, data)
    except OSError as error:
        raise ResourceError(f"The {what} cannot be written to '{place}': {error.strerror}. Name another.") from error
    return place
