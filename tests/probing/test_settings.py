"""What a study does by default, and what a fast one leaves out."""

from __future__ import annotations

from dataclasses import replace

import pytest

from probekit.probing.measure import shared_notes
from probekit.probing.settings import Settings


@pytest.mark.parametrize(
    ("settings", "controls", "resamples"),
    [
        (Settings(), 1, 1000),
        (Settings(fast=True), 0, 100),
        (replace(Settings(), fast=True), 0, 100),
        (Settings(fast=True, control_seeds=3), 3, 100),
        (Settings(fast=True, resamples=500), 0, 500),
        (Settings(control_seeds=0), 0, 1000),
    ],
)
def test_a_fast_study_is_what_its_settings_say(settings: Settings, controls: int, resamples: int) -> None:
    assert (settings.n_controls, settings.n_resamples) == (controls, resamples)
    written = settings.to_json()
    assert (written["control_seeds"], written["resamples"]) == (controls, resamples)
    said = " ".join(shared_notes(settings, repeated=0))
    assert (f"{resamples} resamples" in said) == settings.fast
