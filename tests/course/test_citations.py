import pytest

from coslr.course.citations import across, evidence, searched, wrong_citations
from coslr.course.evidence import load

NAMES = {"x": 0.2146, "big": 12345.6, "negative": -0.37, "word": "worse", "tiny": 1.986e-4}


@pytest.mark.parametrize(
    "text",
    [
        "ahead by 0.21<!-- = x --> points",
        "ahead by 0.2146<!-- = x --> points",
        "**0.21**<!-- = x --> points",
        "21.5 %<!-- = 100 * x --> of all",
        "12,346<!-- = big --> updates",
        "−0.37<!-- = negative --> points, and -0.4<!-- = negative -->",
        "at 1.986e-4<!-- = tiny --> and 2e-4<!--= tiny-->",
        "it is worse<!-- = word --> there",
        "0.21<!-- = x\n+ 0 -->",
    ],
)
def test_a_number_that_its_source_gives_is_right(text):
    assert wrong_citations(text, NAMES) == []


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("0.22<!-- = x -->", "0.22, but x is 0.2146"),
        ("0.215<!-- = negative -->", "is -0.37"),
        ("0.37<!-- = negative -->", "is -0.37"),
        ("1.9e-4<!-- = tiny -->", "is 0.0001986"),
        ("12,345<!-- = big -->", "is 12345.6"),
        ("better<!-- = word -->", "is worse"),
        ("better<!-- = x -->", "is 0.2146"),
        ("0.21<!-- = y -->", "NameError"),
        ("0.21<!-- = x. -->", "SyntaxError"),
        ("0.21<!-- = 0.21 -->", "no source"),
        ("0.21<!-- = 21 / 100 -->", "no source"),
        ("0.21 <!-- = x -->", "1 comments"),
        ("0.21<!-- x -->", "1 comments"),
        ("nan<!-- = float('nan') -->", "is nan"),
        ("0.2<!-- = float('nan') -->", "is nan"),
    ],
)
def test_a_number_that_its_source_does_not_give_is_named(text, why):
    (wrong,) = wrong_citations(text, NAMES)
    assert why in wrong


def test_the_evidence_is_that_of_the_table_in_the_units_of_a_text():
    table = load("local_minima")
    judged = table[(table["contest"] == "peak 0.1") & (table["role"] == "judge")]
    shares = judged.pivot(index="seed", columns="name", values="test_share")
    found = evidence("local_minima", "peak 0.1", "cosine", "constant")
    assert found.difference == pytest.approx(100 * (shares["cosine"] - shares["constant"]).mean())
    assert found.mean == pytest.approx(100 * shares["cosine"].mean())
    assert (found.n, found.eta, found.word) == (12, 0.1, "worse")
    assert found.low < found.difference < found.high < 0 < found.size


def test_entries_of_two_contests_are_paired_by_their_seeds():
    tables = [load(study) for study in ("rivals", "train_a_cnn")]
    shorter, longer = (
        table[
            (table["contest"] == "no weight decay")
            & (table["name"] == name)
            & (table["role"] == "judge")
        ].set_index("seed")["test_accuracy"]
        for table, name in zip(tables, ("cosine", "constant"), strict=True)
    )
    a, b = ("rivals", "no weight decay", "cosine"), ("train_a_cnn", "no weight decay", "constant")
    found = across(a, b)
    assert found.difference == pytest.approx(100 * (shorter - longer).mean())
    assert found.mean == pytest.approx(100 * shorter.mean())
    assert (found.n, found.word) == (12, "better")
    assert across(b, a).difference == pytest.approx(-found.difference)
    same = evidence("train_a_cnn", "no weight decay", "cosine", "linear")
    assert across(("train_a_cnn", "no weight decay", "cosine"), (*b[:2], "linear")) == same


@pytest.mark.parametrize(
    "b",
    [
        ("train_a_cnn", "as printed", "constant"),  # without momentum
        ("warm_restarts", "21 epochs", "one cycle"),  # with weight decay
        ("train_a_cnn", "no weight decay", "nobody"),
    ],
)
def test_entries_of_contests_that_differ_are_not_compared(b):
    with pytest.raises(ValueError, match=b[2] if b[2] == "nobody" else "settings"):
        across(("rivals", "no weight decay", "cosine"), b)


def test_what_is_not_in_the_tables_cannot_be_cited():
    with pytest.raises(ValueError, match="rising"):
        evidence("local_minima", "peak 0.1", "rising")
    with pytest.raises(ValueError, match="name='train'"):
        evidence("train", "peak 0.1", "cosine")
    with pytest.raises(ValueError, match="contest='peak 7'"):
        evidence("local_minima", "peak 7", "cosine")


def test_a_search_score_is_the_mean_of_the_search_seeds_at_that_peak():
    table = load("combining")
    rows = table[(table["contest"] == "AdamW") & (table["name"] == "constant")]
    rows = rows[(rows["variant"] == "weight decay 0.1") & (rows["eta_max"] == 0.016)]
    assert set(rows["role"]) == {"search"}
    found = searched("combining", "AdamW", "constant", 0.016, "weight decay 0.1")
    assert found == pytest.approx(100 * rows["validation_accuracy"].mean())
    loss = searched("combining", "AdamW", "constant", 0.016, "weight decay 0.1", "validation_loss")
    assert loss == pytest.approx(rows["validation_loss"].mean())
    with pytest.raises(ValueError, match=r"measure='validation_luck'"):
        searched("combining", "AdamW", "constant", 0.016, "weight decay 0.1", "validation_luck")
    with pytest.raises(ValueError, match=r"eta_max=0\.017: must be a peak that the search of"):
        searched("combining", "AdamW", "constant", 0.017, "weight decay 0.1")
