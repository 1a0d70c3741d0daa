"""Options of members of a catalogue: ``gradual:epochs_each=2`` binds a keyword of a pure function.

Enters: a function, its options as they were typed or read from a plan. Leaves: the function with its options bound,
each read as what its default is.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar

from probekit.errors import UsageError, did_you_mean

R = TypeVar("R")


def bound(function: Callable[..., R], what: str, options: Mapping[str, Any], **given: Any) -> Callable[..., R]:
    """Bind options to the keyword-only parameters of a function.

    Parameters
    ----------
    function : callable
    what : str
        Of it, for messages: ``schedule 'gradual'``.
    options : mapping
        By name; a text is read as the kind of the default.
    **given : object
        Bound where the function takes a parameter of that name.

    Raises
    ------
    UsageError
        An option that is not there, or whose value is not of its kind.
    """
    known = {
        name: parameter
        for name, parameter in inspect.signature(function).parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }
    own = [name for name in known if name not in given]
    for name in options:
        if name not in own:
            has = f"it has {', '.join(own)}" if own else "it has none"
            raise UsageError(f"The {what} has no option '{name}'; {has}.{did_you_mean(name, own)}")
    values = {name: _read(value, known[name].default, what, name) for name, value in options.items()}
    return partial(function, **values, **{name: value for name, value in given.items() if name in known})


def _read(value: Any, default: Any, what: str, name: str) -> Any:
    kind = type(default)
    try:
        read = kind(value)
    except (TypeError, ValueError):
        read = None
    if read is None or isinstance(value, bool) or (kind is int and read != float(value)):
        raise UsageError(f"The option `{name}` of the {what} must be a number. Got {value!r}.")
    return read
