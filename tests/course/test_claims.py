"""Every statement of the article has a verdict, which follows from the tables alone."""

import itertools
import json
import runpy
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coslr.course import claims
from coslr.course.claims import (
    CLAIMS,
    CONTRADICTED,
    NO_DIFFERENCE,
    NOT_SETTLED,
    OPEN,
    OUTCOMES,
    PARTLY,
    SUPPORTED,
    UNTESTED,
    Claim,
    Ref,
    every,
    fast_moderate_fast,
    in_a_sample,
    makes_a_difference,
    matters,
    optimal,
)
from coslr.course.protocol import STUDIES
from coslr.experiments import contests
from coslr.experiments.comparisons import Comparison
from coslr.experiments.outcomes import BETTER, EQUIVALENT, WORSE, judge, kind_of

NOTEBOOKS = Path(claims.__file__).resolve().parents[2] / "notebooks"
VERDICTS = {SUPPORTED, PARTLY, CONTRADICTED, NO_DIFFERENCE, OPEN}
EACH = pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.says)
REF = Ref("rivals", "no weight decay", "cosine", "WSD")
DIFFERENCES = {  # of accuracies
    BETTER: [0.01, 0.011, 0.012],
    WORSE: [-0.01, -0.011, -0.012],
    EQUIVALENT: [0.0001, -0.0001, 0.0],
    OPEN: [0.1, -0.1, 0.03],
}


def compared(word, **more):
    outcome = judge(DIFFERENCES[word], "test_accuracy") if word in DIFFERENCES else None
    assert outcome is None or outcome.word == word
    return Comparison("cosine", "WSD", 0.1, 0.1, "test_accuracy", outcome, **more)


# ------------------------------------------------------------------------------ the inventory


def test_the_inventory_has_the_whole_article():
    """Each passage of the article that can be true or false is in the inventory, in its order."""
    words = [
        "faster", "better", "follows a cosine", "local minima", "T_max", "explores", "non-linear",
        "optimal", "0.1 to 0.0001", "rapidly", "fine-tunes", "curves", "complexity", "speed",
        "implementation", "step decay", "sudden", "exploration early", "complex data", "code",
        "overfitting", "smooth reduction", "cyclical", "warm restarts", "momentum",
        "other techniques",
        "robust", "generalization", "all types", "CNNs and RNNs", "any model", "initial rate",
        "minimum rate", "cycle", "cross-validation", "powerful", "robust",
    ]  # fmt: skip
    assert len(words) == len(CLAIMS)
    for word, claim in zip(words, CLAIMS, strict=True):
        assert word in claim.says


@EACH
def test_a_claim_is_measured_or_settled_by_definition_or_says_why_not(claim):
    assert (NOTEBOOKS / f"{claim.lesson}.ipynb").is_file()
    ways = [bool(claim.refs), bool(claim.definition), bool(claim.untested)]
    assert ways.count(True) == 1
    assert (claim.rule is None) == bool(claim.untested)


@EACH
def test_the_comparisons_are_those_that_the_protocol_fixed(claim):
    for ref in claim.refs.values():
        study = STUDIES[ref.study]
        mirrored = {(contest, b, a) for contest, a, b in study.comparisons}
        assert (ref.contest, ref.a, ref.b) in {*study.comparisons} | mirrored
        assert ref.measure in ("", *study.measures)
        assert kind_of(ref.measure or study.measures[0]).margin > 0


@EACH
def test_every_rule_has_a_verdict_for_all_outcomes(claim):
    if claim.definition:
        assert claim.verdict({}) in VERDICTS
        return
    some = [{*some} for n in range(1, 5) for some in itertools.combinations(OUTCOMES, n)]
    for words in itertools.product(some, repeat=len(claim.sides)):
        if claim.rule:
            assert claim.rule(*words) in VERDICTS


@EACH
def test_each_comparison_is_on_one_side(claim):
    for key in claim.refs:
        assert sum(key.startswith(side) for side in claim.sides) == 1


# ------------------------------------------------------------------------------------- rules


@pytest.mark.parametrize(
    ("rule", "words", "verdict"),
    [
        (every, "better better", SUPPORTED),
        (every, "better equivalent", PARTLY),
        (every, "better worse", PARTLY),
        (every, "better open", PARTLY),
        (every, "worse open", CONTRADICTED),
        (every, "worse equivalent", CONTRADICTED),
        (every, "equivalent equivalent", NO_DIFFERENCE),
        (every, "equivalent open", OPEN),
        (every, "open open", OPEN),
        (optimal, "better better", SUPPORTED),
        (optimal, "better open", OPEN),
        (optimal, "better equivalent", CONTRADICTED),
        (optimal, "open worse", CONTRADICTED),
        (matters, "worse worse", SUPPORTED),
        (matters, "better better", CONTRADICTED),
        (matters, "worse equivalent", PARTLY),
        (makes_a_difference, "better worse", SUPPORTED),
        (makes_a_difference, "equivalent equivalent", NO_DIFFERENCE),
        (makes_a_difference, "open equivalent", OPEN),
        (in_a_sample, "better better", PARTLY),
        (in_a_sample, "better open", PARTLY),
        (in_a_sample, "worse equivalent", CONTRADICTED),
        (in_a_sample, "equivalent equivalent", NO_DIFFERENCE),
    ],
)
def test_the_rules(rule, words, verdict):
    assert rule(words.split()) == verdict


@pytest.mark.parametrize(
    ("step", "exponential", "verdict"),
    [
        (BETTER, EQUIVALENT, SUPPORTED),
        (BETTER, OPEN, PARTLY),
        (BETTER, WORSE, PARTLY),
        (WORSE, EQUIVALENT, PARTLY),
        # Half of it is denied, and nothing of it is shown.
        (WORSE, OPEN, CONTRADICTED),
        (EQUIVALENT, OPEN, CONTRADICTED),
        (OPEN, BETTER, CONTRADICTED),
        (OPEN, OPEN, OPEN),
    ],
)
def test_fast_moderate_fast_has_two_halves(step, exponential, verdict):
    assert fast_moderate_fast({step}, {exponential}) == verdict


def test_no_rule_makes_a_verdict_of_what_is_open():
    """Open is no evidence: with nothing but open outcomes, every measured claim stays open."""
    for claim in CLAIMS:
        if claim.refs:
            assert claim.rule(*[{OPEN}] * len(claim.sides)) == OPEN


# ---------------------------------------------------------------------------------- verdicts


WAITING = compared("", obstacle="not all seeds have been judged yet", waiting=True)


def test_a_verdict_waits_for_the_runs_that_can_change_it():
    claim = Claim("", "", {"a": REF, "b": REF}, every)
    assert claim.verdict({"a": compared(BETTER), "b": WAITING}) == NOT_SETTLED
    assert claim.possible({"a": compared(BETTER), "b": WAITING}) == {SUPPORTED, PARTLY}
    assert claim.verdict({"a": compared(BETTER), "b": compared(BETTER)}) == SUPPORTED


def test_a_verdict_that_no_run_can_change_is_given():
    claim = Claim("", "", {"a": REF, "b": REF, "c": REF}, optimal)
    assert claim.verdict({"a": compared(EQUIVALENT), "b": WAITING, "c": WAITING}) == CONTRADICTED
    assert claim.verdict({"a": compared(BETTER), "b": WAITING, "c": WAITING}) == NOT_SETTLED
    both = {"a": compared(BETTER), "b": compared(WORSE), "c": WAITING}
    assert Claim("", "", claim.refs, every).verdict(both) == PARTLY


def test_nothing_is_settled_before_the_first_run():
    for claim in CLAIMS:
        if claim.refs:
            assert claim.verdict(dict.fromkeys(claim.refs, WAITING)) == NOT_SETTLED


@pytest.mark.parametrize("rule", [every, optimal, matters, makes_a_difference, in_a_sample])
@given(words=st.lists(st.sampled_from([*OUTCOMES, NOT_SETTLED]), min_size=1, max_size=4))
def test_what_is_possible_is_what_trying_everything_finds(rule, words):
    choices = [OUTCOMES if word == NOT_SETTLED else (word,) for word in words]
    tried = {rule(some) for some in itertools.product(*choices)}
    found = {str(i): so_far(word) for i, word in enumerate(words)}
    assert Claim("", "", dict.fromkeys(found, REF), rule).possible(found) == tried


@given(st.lists(st.sampled_from([*OUTCOMES, NOT_SETTLED]), min_size=4, max_size=4))
def test_the_same_with_two_sides(words):
    keys = ["step@20", "step@30", "exponential@20", "exponential@30"]
    choices = [OUTCOMES if word == NOT_SETTLED else (word,) for word in words]
    tried = {fast_moderate_fast(some[:2], some[2:]) for some in itertools.product(*choices)}
    claim = Claim("", "", dict.fromkeys(keys, REF), fast_moderate_fast, ("step", "exponential"))
    assert claim.possible(dict(zip(keys, map(so_far, words), strict=True))) == tried


def so_far(word):
    return WAITING if word == NOT_SETTLED else compared(word)


def test_it_is_said_what_may_still_come_of_a_verdict():
    claim = Claim("", "", {"a": REF, "b": REF}, every)
    both = {"a": compared(BETTER), "b": WAITING}
    assert claim.to_come(both) == "1 not run yet; the verdict will be supported or partly"
    assert claim.to_come(both | {"c": compared(OPEN)}).endswith("they cannot change the verdict")
    assert claim.to_come({"a": WAITING, "b": WAITING}) == "2 not run yet"
    assert claim.to_come({"a": compared(BETTER)}) == ""


def test_a_contest_without_a_result_is_open():
    claim = Claim("", "", {"a": REF}, every)
    diverged = {"a": compared("", obstacle="WSD: a run diverged")}
    assert claim.verdict(diverged) == OPEN
    seen = []
    assert Claim("", "", {"a": REF}, lambda words: seen.append(words)).verdict(diverged) is None
    assert seen == [{OPEN}], "a rule sees the four outcomes alone"


def test_a_changed_rule_is_said_beside_its_verdict():
    changed = [claim for claim in CLAIMS if claim.changed]
    assert len(changed) >= 7
    table = claims.table()
    for claim in changed:
        when = "changed later" if claim.definition else "changed after the data"
        assert f"({when}: {claim.changed})" in table


def test_what_cannot_be_tested_has_no_verdict():
    assert Claim("", "", untested="because").verdict({}) == UNTESTED


def tables(folder, word):
    """All rows of local_minima, with one outcome everywhere."""
    lead = {"better": 0.1, "worse": -0.1, "equivalent": 0.0}[word]
    table = pd.DataFrame(columns=contests.ROW)
    while wanted := STUDIES["local_minima"].pending(table):
        rows = [
            {"contest": dict(trial.extras)["contest"], "name": trial.name, "variant": "-",
             "eta_max": trial.eta_max, "seed": trial.seed, "role": dict(trial.extras)["role"],
             "status": "ok", "validation_height": abs(trial.eta_max - 0.1),
             "validation_share": -abs(trial.eta_max - 0.1),
             "test_share": 0.5 + lead * (trial.name == "cosine"),
             "test_height": 0.5 - trial.seed / 1e5}
            for trial in wanted
        ]  # fmt: skip
        table = pd.concat([part for part in (table, pd.DataFrame(rows)) if len(part)])
    folder.mkdir()
    table.to_csv(folder / "local_minima.csv", index=False)
    return folder


@pytest.mark.parametrize(
    ("word", "verdict"),
    [("better", SUPPORTED), ("worse", CONTRADICTED), ("equivalent", NO_DIFFERENCE)],
)
def test_the_verdict_follows_the_table(tmp_path, word, verdict):
    folder = tables(tmp_path / word, word)
    found = {claim["claim"]: claim for claim in claims.report(folder)}
    escapes = found["the non-linear decrease helps the model escape local minima"]
    assert escapes["verdict"] == verdict
    assert [row["outcome"] for row in escapes["comparisons"]] == [word] * 3
    assert {row["n"] for row in escapes["comparisons"]} == {12}


# ----------------------------------------------------------------------------------- outputs


def test_the_table_covers_the_inventory():
    lines, contests = claims.table().splitlines()[2:], claims.AllStandings()
    assert len(lines) == len(CLAIMS)
    for line, claim in zip(lines, CLAIMS, strict=True):
        cells = line.split("|")
        assert len(cells) == 7
        assert cells[1].strip() == claim.says
        assert f"**{claim.verdict(claim.comparisons(contests))}**" in cells[4]
        assert (" by definition" in cells[4]) == bool(claim.definition)


def test_the_command_prints_json_that_programs_can_read(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["claims", "--json"])
    runpy.run_path(claims.__file__, run_name="__main__")
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(json.dumps(claims.report()))
    keys = {
        "study", "contest", "a", "b", "eta_a", "eta_b", "measure", "n", "difference", "low",
        "high", "low90", "high90", "outcome", "obstacle", "waiting",
    }  # fmt: skip
    rows = [row for claim in printed for row in claim["comparisons"]]
    assert {frozenset(row) for row in rows} == {frozenset(keys)}
    for row in rows:
        assert (row["difference"] is None) == (row["outcome"] == "no result")
        if row["n"]:
            assert row["low"] <= row["low90"] <= row["difference"] <= row["high90"] <= row["high"]
