"""Claims over regions: parsed as arithmetic and logic, and never run as code."""

from __future__ import annotations

import pytest

from probekit.behaviour.formulas import claim_holds, regions_of
from probekit.errors import InputError

GIVEN = {("a", "1"): 2.0, ("a", "2"): 5.0, ("b", "1"): 3.0, ("b", "2"): 5.0004}


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("(1;%a%) < (1;%b%)", True),
        ("(1;%a%) > (1;%b%)", False),
        ("(2;%a%) = (2;%b%)", True),
        ("(1;%a%) = (1;%b%)", False),
        ("[(1;%a%) < (1;%b%)] & [(2;%a%) > (1;%b%)]", True),
        ("[(1;%a%) > (1;%b%)] & [(2;%a%) > (1;%b%)]", False),
        ("[(1;%a%) > (1;%b%)] | [(2;%a%) > (1;%b%)]", True),
        ("(2;%a%) - (1;%a%) > (2;%b%) - (1;%b%)", True),
        ("[(2;%a%)-(1;%a%)]-[(2;%b%)-(1;%b%)] > 0.9", True),
        ("((1;%a%) + (2;%a%)) > 6.99", True),
        ("(*;%a%) < (*;%b%)", True),
        # Subtraction goes from left to right: 5 - 2 - 3 = 0.
        ("(2;%a%) - (1;%a%) - (1;%b%) = 0", True),
        # & binds closer than |.
        ("(1;%a%) < 9 | (1;%a%) > 9 & (1;%a%) > 9", True),
    ],
)
def test_a_claim_holds_or_not(claim: str, holds: bool) -> None:
    assert claim_holds(claim, GIVEN) is holds


@pytest.mark.parametrize(
    ("claim", "what"),
    [
        ("(1;%a%)", "it is a number"),
        ("(1;%a%) <", "it ends too early"),
        ("(1;%a%) < (1;%b%) )", "more behind its end"),
        ("[(1;%a%) < (1;%b%)", "']' is missing"),
        ("(1;%a%) - (2;%a%) + (1;%b%) > 0", "need brackets"),
        ("(1;%a%) & (1;%b%)", "join comparisons"),
        ("[(1;%a%) < 2] < 3", "compare numbers"),
        ("__import__('os') < 1", "does not belong"),
        ("[" * 100 + "(1;%a%) < 1" + "]" * 100, "deep"),
        ("", "it ends too early"),
    ],
)
def test_what_is_no_claim_is_refused_with_its_place(claim: str, what: str) -> None:
    with pytest.raises(InputError, match=f"(?s)cannot be read at character .*{what.replace(']', chr(92) + ']')}"):
        regions_of(claim)


def test_a_surprisal_that_is_missing_is_an_error() -> None:
    with pytest.raises(InputError, match="speaks of region 7 of 'a'"):
        claim_holds("(7;%a%) < 1", GIVEN)


def test_a_claim_tells_what_it_reads() -> None:
    assert regions_of("[(1;%a%) < (2;%b-c%)] & [(*;%d_e%) > 3]") == {("a", "1"), ("b-c", "2"), ("d_e", "*")}
