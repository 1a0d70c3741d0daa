"""Where the accelerate that is here can spread a model over several devices."""

from __future__ import annotations

import pytest

from probekit.models.sources.placing import new_enough

spreads = pytest.mark.skipif(not new_enough(), reason="this accelerate or torch is too old to spread a model")
