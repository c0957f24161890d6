import numpy as np
import pytest

from helpers import claims
from helpers.claims import CLAIM_MIME, LEDGER, claim, read_ledger, read_result
from helpers.evaluation import is_greater


@pytest.fixture
def shown(monkeypatch):
    outputs = []
    monkeypatch.setattr(claims, "display", lambda data, raw: outputs.append(data))
    return outputs


@pytest.mark.parametrize(
    ("measured", "holds", "verdict", "recorded"),
    [
        (61706, True, "holds", 61706),
        (np.float32(0.123456), np.bool_(False), "refuted", 0.1235),
        ("2 of 3 seeds", None, "undecided", "2 of 3 seeds"),
        (None, None, "unmeasured", None),
        (None, True, "unmeasured", None),
    ],
)
def test_a_claim_is_shown_and_recorded(shown, measured, holds, verdict, recorded):
    claim("practice-alexnet-params", measured=measured, holds=holds)
    record, text = shown[0][CLAIM_MIME], shown[0]["text/plain"]
    assert record == {"id": "practice-alexnet-params", "verdict": verdict, "measured": recorded}
    assert text.startswith(verdict.upper()) and "the deck: ~60 M" in text
    assert ("here:" in text) == (measured is not None)


def test_an_unknown_claim_is_refused(shown):
    with pytest.raises(KeyError, match="claim_id='practice-lenett'"):
        claim("practice-lenett", measured=1, holds=True)
    assert not shown


@pytest.mark.parametrize("holds", ["no", 1, float("nan"), is_greater([3, 3, 3], [1, 1, 1])])
def test_only_three_answers_are_taken(shown, holds):
    with pytest.raises(TypeError, match="Received: holds="):
        claim("practice-lenet", measured=1, holds=holds)
    assert not shown


@pytest.mark.parametrize("measured", [float("nan"), np.inf, True, [1, 2], np.array(1)])
def test_a_measurement_is_a_number_or_a_text(shown, measured):
    with pytest.raises((TypeError, ValueError), match="Received: measured="):
        claim("practice-lenet", measured=measured, holds=True)
    assert not shown


def test_results_say_how_they_were_measured():
    names = [path.stem for path in (LEDGER.parent.parent / "results").glob("*.json")]
    assert names
    for name in names:
        assert {"command", "hardware", "versions", "date"} <= set(read_result(name)), name
    with pytest.raises(FileNotFoundError, match="Records in results: .*Received: name='nothing'"):
        read_result("nothing")


def test_ledger_is_in_order():
    for key, row in read_ledger().items():
        assert row["verdict"] in {"", "holds", "refuted", "undecided", "unmeasured"}, key
        assert row["asserted"] in {"", "yes", "no"}, key
        assert bool(row["verdict"]) == bool(row["asserted"]), f"{key}: a verdict comes with asserted, yes or no"
        if row["asserted"] == "yes":
            assert row["kind"] in {"exact", "count", "direction"}, f"{key}: {row['kind']} is never asserted"
            assert row["verdict"] != "unmeasured", key
