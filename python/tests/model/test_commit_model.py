"""The protocol of lease, fence, commit and checkpoint holds in every order of events; without a guard it does not."""

from __future__ import annotations

from pathlib import Path

import pytest
from spin_search import MODEL, search

pytestmark = pytest.mark.spin

OVERTAKEN = ("RUNS=3", "LOSSES=0")
LOST = ("RUNS=2", "LOSSES=1")
RESET = ("RUNS=2", "LOSSES=0", "RESETS")
RESET_OF_THREE = ("RUNS=3", "LOSSES=0", "RESETS")
MISHAP = ("RUNS=2", "LOSSES=0", "MISHAPS")
APART = (*OVERTAKEN, "APART")

HOLDS = {
    "three runs, each of which may freeze, wake or die": OVERTAKEN,
    "a request or an answer of the sink that is lost": LOST,
    "a reset while runs go on": RESET,
    "a sink or a control plane that was set back": MISHAP,
    "a checkpoint that is kept elsewhere": APART,
}

CAUGHT = {
    "NO_LEASE": ("ONE_OWNER", OVERTAKEN),
    "CLOSE_ANY": ("ONE_OWNER", OVERTAKEN),
    "NO_FENCE": ("I4_FENCED", OVERTAKEN),
    "FENCE_READ_ONLY": ("I4_FENCED", OVERTAKEN),
    "NO_RECORD": ("I2_NO_DUPLICATE", LOST),
    "ROWS_THEN_RECORD": ("I2_NO_DUPLICATE", OVERTAKEN),
    "GUESS": ("I3_CHECKPOINT_SOUND", LOST),
    "CHECKPOINT_FIRST": ("I3_CHECKPOINT_SOUND", OVERTAKEN),
    "NO_COMPARE": ("I3_CHECKPOINT_SOUND", RESET),
    "OLD_RECORD": ("I3_CHECKPOINT_SOUND", RESET),
    "FINALISE_ANY NO_NEXT": ("I5_CHAIN", RESET),
    "NO_HALT": ("I1_NO_LOSS", MISHAP),
    "NO_FORK NO_NEXT": ("I5_CHAIN", MISHAP),
    "NO_ROLL_FORWARD KEY_PER_ATTEMPT": ("I2_NO_DUPLICATE", OVERTAKEN),
    "NO_ROLL_FORWARD ADOPT_ANY": ("I1_NO_LOSS", OVERTAKEN),
    "END_OVERWRITES": ("I6_LIFECYCLE", OVERTAKEN),
    "RESET_KEEPS_GENERATION": ("I1_NO_LOSS", RESET),
    "RESET_ENDS_ONCE": ("I1_NO_LOSS", RESET_OF_THREE),
}
"""What is taken away: the rule that breaks, and within which bounds."""

AHEAD = {
    "VERSIONS_BEGIN_AGAIN": ("I3_CHECKPOINT_SOUND", RESET),
}
"""Where the model asks for more than the product keeps; ``docs/model/README.md`` says what that costs."""

ALONE = ("KEY_PER_ATTEMPT", "NO_ROLL_FORWARD", "ADOPT_ANY", "NO_INTENT", "FINALISE_ANY", "NO_NEXT")
"""Guards of which another does the work while it is there; the pairs above take both away."""

REACHED = {
    "LATE_COMMIT": OVERTAKEN, "REFUSED_BY_FENCE": OVERTAKEN, "FOUND_BY_KEY": LOST, "ROLLED_FORWARD": OVERTAKEN,
    "COUNTED_ONLY": APART, "FENCED": OVERTAKEN, "HALTED_AHEAD": MISHAP, "HALTED_FORK": MISHAP, "CONFLICT": OVERTAKEN,
    "LATE_REQUEST_LANDS": LOST, "LATE_REQUEST_REFUSED": LOST, "TAKEN_OVER": OVERTAKEN, "DONE_AFTER_RESET": RESET,
    "RESUMED": OVERTAKEN,
}  # fmt: skip
"""Moments without which the rules would hold of too little."""


@pytest.mark.parametrize("bounds", HOLDS.values(), ids=HOLDS)
def test_every_rule_holds_with(bounds: tuple[str, ...], tmp_path: Path) -> None:
    found = search(tmp_path, bounds)

    assert found.broken is None


@pytest.mark.parametrize("guards", CAUGHT)
def test_its_rule_breaks_without(guards: str, tmp_path: Path) -> None:
    rule, bounds = CAUGHT[guards]

    found = search(tmp_path, (*bounds, *guards.split(), f"WATCH={rule}"))

    assert found.broken is not None and found.broken.startswith("assertion violated"), found


@pytest.mark.parametrize(("named", "rule"), [(named, rule) for named, (rule, _) in AHEAD.items()])
def test_the_product_does_not_keep(named: str, rule: str, tmp_path: Path) -> None:
    _, bounds = AHEAD[named]

    found = search(tmp_path, (*bounds, *named.split(), f"WATCH={rule}"))

    assert found.broken is not None and found.broken.startswith("assertion violated"), found


@pytest.mark.parametrize("guard", ALONE)
def test_every_rule_holds_still_without_only(guard: str, tmp_path: Path) -> None:
    found = search(tmp_path, (*LOST, guard))

    assert found.broken is None


@pytest.mark.parametrize("moment", REACHED)
def test_the_search_comes_to(moment: str, tmp_path: Path) -> None:
    found = search(tmp_path, (*REACHED[moment], f"REACH={moment}"))

    assert found.broken is not None and found.broken.startswith("assertion violated"), found


def test_the_page_names_every_variant_and_the_rule_it_breaks() -> None:
    page = (MODEL.parent / "README.md").read_text()

    missing = [
        (guards, rule)
        for guards, (rule, _) in CAUGHT.items()
        if not any(all(f"`{word}`" in line for word in (*guards.split(), rule)) for line in page.splitlines())
    ]

    assert missing == []
