import itertools
import json
import re
from pathlib import Path

import pytest

from coslr.course.first_claims import (
    CLAIMS,
    NOT_FOUND,
    PARTLY,
    SUPPORTED,
    UNDECIDED,
    UNTESTED,
    WRONG,
    table,
)
from coslr.experiments.comparisons import Comparison

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
RANGES = {"better": (0.01, 0.02), "worse": (-0.02, -0.01), "within noise": (-0.01, 0.01)}


def found(outcome, measure="test_accuracy", n=8):
    """A comparison with this outcome."""
    if outcome == "no result":
        return Comparison("a", "b", 0.1, 0.1, measure, 0, 0, 0, n, "no best peak")
    low, high = RANGES[outcome]
    return Comparison("a", "b", 0.1, 0.1, measure, (low + high) / 2, low, high, n)


def everything(outcome):
    return {
        key: {0: found(outcome, "share" if key.startswith("escape") else "test_accuracy")}
        for claim in CLAIMS
        for key in claim.keys
    }


def measured(claim):
    return bool(claim.keys)


def test_all_better_supports_what_is_measured():
    for claim in filter(measured, CLAIMS):
        verdict = claim.verdict(everything("better"))
        # _speed also claims that two schedules do not differ; _length claims that one is worse.
        expected = {"_speed": PARTLY, "_length": NOT_FOUND}.get(claim.rule.__name__, SUPPORTED)
        assert verdict == expected, claim.says


def test_all_worse_supports_nothing_but_the_length():
    for claim in filter(measured, CLAIMS):
        verdict = claim.verdict(everything("worse"))
        assert verdict == (SUPPORTED if claim.rule.__name__ == "_length" else WRONG), claim.says


def test_nothing_found_is_never_support():
    for claim in filter(measured, CLAIMS):
        expected = PARTLY if claim.rule.__name__ == "_speed" else NOT_FOUND
        assert claim.verdict(everything("within noise")) == expected, claim.says


def test_no_result_and_flips_are_undecided_and_nothing_is_not_run():
    for claim in filter(measured, CLAIMS):
        assert claim.verdict(everything("no result")) == UNDECIDED
        flipping = {key: {0: sets[0]} for key, sets in everything("better").items()}
        for key, sets in everything("worse").items():
            flipping[key][100] = sets[0]
        assert claim.verdict(flipping) == UNDECIDED
        assert claim.verdict({}) == UNTESTED


def test_every_rule_answers_every_combination():
    words = {SUPPORTED, PARTLY, NOT_FOUND, WRONG}
    for claim in CLAIMS:
        for outcomes in itertools.product(
            ("better", "worse", "within noise"), repeat=len(claim.keys)
        ):
            assert claim.rule(dict(zip(claim.keys, outcomes, strict=True))) in words


@pytest.mark.parametrize(
    ("key", "outcomes", "verdict"),
    [
        ("cosine-step-loss", ["better", "worse"], PARTLY),
        ("cosine-step-loss", ["worse", "within noise"], WRONG),
        ("escape-cosine-constant", ["lower", "lower", "higher", "lower"], PARTLY),
        ("escape-cosine-constant", ["lower", "higher", "lower", "higher"], WRONG),
        ("escape-cosine-constant", ["higher", "lower", "lower", "lower"], PARTLY),
        ("speed-exponential", ["within noise", "within noise"], PARTLY),
        ("speed-exponential", ["within noise", "better"], NOT_FOUND),
        ("restarts-budget", ["within noise", "better", "worse"], PARTLY),
        ("restarts-budget", ["within noise", "worse", "better"], PARTLY),
        ("restarts-budget", ["worse", "within noise", "within noise"], WRONG),
        ("tmax-twice-many", ["within noise", "worse", "worse"], PARTLY),
        ("tmax-twice-many", ["within noise", "within noise", "worse"], NOT_FOUND),
    ],
)
def test_mixed_outcomes(key, outcomes, verdict):
    (claim,) = (claim for claim in CLAIMS if key in claim.keys)
    assert claim.rule(dict(zip(claim.keys, outcomes, strict=True))) == verdict


def test_the_table_has_a_row_for_each_claim_and_shows_what_was_measured():
    lines = table(everything("better")).splitlines()
    assert len(lines) == 2 + len(CLAIMS)
    assert all(line.count(" | ") == 4 for line in lines)
    assert "not run" not in "".join(lines)
    assert "better by 1.0 to 2.0 points, n=8" in lines[2]
    assert table({}).count("**not run**") == len([claim for claim in CLAIMS if claim.keys])


def test_no_two_effects_of_a_row_are_told_apart_by_their_numbers_alone():
    found = {}
    for file in sorted(NOTEBOOKS.glob("findings/*-seeds0.json")):
        content = json.loads(file.read_text(encoding="utf-8"))
        found |= {key: {0: Comparison(**values)} for key, values in content.items()}
    for row in table(found).splitlines()[2:]:
        effects = [
            re.sub(r"[\d.]+ to [+\d.]+", "", effect) for effect in row.split(" | ")[2].split("; ")
        ]
        assert len(set(effects)) == len(effects), effects


def test_every_circumstance_belongs_to_a_key():
    assert all(set(claim.where) <= set(claim.keys) for claim in CLAIMS)


def test_a_flip_is_shown():
    flipped = {key: {0: sets[0], 100: sets[0]} for key, sets in everything("better").items()}
    flipped["cosine-step"][100] = found("within noise")
    row = table(flipped).splitlines()[2]
    assert "**undecided**" in row
    assert "(with 1 of 1 other sets of seeds: within noise)" in row


def test_a_verdict_that_all_sets_of_seeds_give_stands_even_if_one_outcome_flips():
    """Restarts lead before the end in both sets of seeds, so the snapshots decide nothing."""
    (claim,) = (claim for claim in CLAIMS if "restarts-budget" in claim.keys)
    sets = {key: {0: found("within noise"), 100: found("within noise")} for key in claim.keys}
    sets["restarts-anytime"] = {0: found("better"), 100: found("better")}
    sets["snapshot-single"][0] = found("better")
    assert claim.verdict(sets) == PARTLY
    sets["restarts-anytime"][100] = found("within noise")
    assert claim.verdict(sets) == UNDECIDED


def test_a_set_of_seeds_counts_only_if_it_is_whole():
    sets = everything("better")
    sets["cosine-step"][100] = found("worse")
    (claim,) = (claim for claim in CLAIMS if claim.says == "improved convergence")
    assert claim.verdict(sets) == SUPPORTED


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.notebook[:2])
def test_a_claim_leads_to_its_notebook(claim):
    path = NOTEBOOKS / f"{claim.notebook}.ipynb"
    assert path.is_file()
    assert claim.keys or claim.measured
    assert not re.search(r"[|\n]", claim.says + claim.literature + claim.measured)
