"""Small modules that are put into the blocks of a model, so that these train and the model need not: one file each.

Enters: a model and the depths that a plan names (:class:`~probekit.tuning.adapters.host.Host`), options. Leaves: what
was put in (:class:`~probekit.tuning.adapters.added.Added`), with first weights drawn from the seed; the model's outputs
do not change by it at all. A file sets ``MODULE = Module(name, build, help)``; it is its own registration. Surprise:
this module imports no torch, so that a plan that names a module is checked without; the files of modules import it
where they build.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from probekit.registry import Registry
from probekit.tuning.options import bound


@dataclass(frozen=True, slots=True)
class Module:
    """A kind of module.

    Attributes
    ----------
    name : str
    build : callable
        ``build(host, **options)`` puts it in and returns what it put in; options are keyword-only.
    help : str
        One line, with the paper.
    """

    name: str
    build: Callable[..., Any]
    help: str

    def bind(self, options: Mapping[str, Any]) -> Callable[..., Any]:
        """Return ``build(host)`` under options.

        Raises
        ------
        UsageError
            An option that this module does not have, or a value that is not of its kind.
        """
        return bound(self.build, f"module '{self.name}'", options)


MODULES = Registry("module", Module, attribute="MODULE", group="probekit.modules", home=__name__)


def get_module(name: str) -> Module:
    """Find a module by name."""
    return MODULES.get(name, "module")
