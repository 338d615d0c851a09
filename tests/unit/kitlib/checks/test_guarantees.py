"""The delivery checks, on small journals written by hand and against brute-force definitions."""

from __future__ import annotations

from collections import Counter
from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kitlib.checks import check_commits, check_duplicates, check_lost, check_order, check_skipped
from kitlib.errors import KitError
from kitlib.journal import Journal, Row

T = "enrollment-requests"
Said = tuple[str, dict[str, object]]


def written(*rows: Said) -> Journal:
    """A journal of (kind, fields), one second apart."""
    journal = Journal()
    for second, (kind, fields) in enumerate(rows):
        journal.add(kind, time=float(second), **({"topic": T} | fields))  # type: ignore[arg-type]
    return journal


def sent(key: str | None, *values: str) -> list[Said]:
    return [("sent", {"key": key, "value": value}) for value in values]


def stored(key: str | None, value: str, partition: int, offset: int) -> Said:
    return ("stored", {"key": key, "value": value, "partition": partition, "offset": offset})


def of_group(kind: str, offset: int, actor: str = "ana", **fields: object) -> Said:
    return (
        kind,
        {"partition": 0, "offset": offset, "group": "registrar", "actor": actor}
        | ({} if kind == "committed" else {"key": "S17", "value": f"e{offset}"})
        | fields,
    )


def test_the_sentence_about_a_duplicate() -> None:
    journal = written(
        *sent("S17", "a", "b", "c", "d"),
        stored("S17", "d", 2, 9),
        stored("S17", "d", 2, 12),
        stored("S17", "a", 2, 5),
    )
    verdict = check_duplicates(journal)
    assert not verdict
    assert verdict.sentence == "Student S17, event 4, is at offsets 9 and 12 of partition 2."
    assert [row.offset for row in verdict.rows] == [9, 12]
    assert check_duplicates(journal, topic=T).ok is False


def test_the_log_read_twice_is_no_duplicate() -> None:
    journal = written(stored("S17", "a", 0, 0), stored("S17", "a", 0, 0))
    assert check_duplicates(journal)


def test_processed_twice_is_a_duplicate_within_one_group_only() -> None:
    once = written(of_group("processed", 3), of_group("processed", 3, group="billing"))
    assert check_duplicates(once, among="processed")
    twice = once + written(of_group("processed", 3, actor="ben"))
    verdict = check_duplicates(twice, among="processed")
    assert not verdict
    assert "was processed 2 times, by ana (offset 3 of partition 0) and by ben" in verdict.sentence
    assert check_duplicates(twice, among="processed", group="billing")


def test_lost() -> None:
    log = [stored("S17", value, 0, offset) for offset, value in enumerate("abc")]
    acked = [("acked", fields) for _, fields in log]
    journal = written(*sent("S17", *"abc"), *acked, log[0], log[2])
    verdict = check_lost(journal)
    assert verdict.sentence == (
        "Student S17, event 2, was acked (offset 1 of partition 0) and is not stored."
    )
    assert [row.value for row in verdict.rows] == ["b"]
    assert check_lost(journal + written(stored("S17", "b", 0, 1)))
    assert check_lost(journal, of="stored", among="acked")


def test_lost_looks_at_places_where_a_deserialiser_changed_the_value() -> None:
    journal = written(
        stored("S17", '{"n": 1}', 0, 7),
        ("processed", {"key": "S17", "value": '{"n":1}', "partition": 0, "offset": 7}),
    )
    assert check_lost(journal, of="stored", among="processed")


def test_everything_is_lost_when_nothing_is_stored() -> None:
    verdict = check_lost(written(*sent(None, "a", "b")), of="sent")
    assert verdict.sentence == "Keyless event 1 was sent and is not stored; and 1 more like this."


def test_order() -> None:
    journal = written(*sent("S17", *"abc"), *sent("S18", "x"))
    fine = journal + written(
        stored("S17", "a", 0, 0), stored("S17", "b", 0, 2), stored("S18", "x", 1, 0)
    )
    assert check_order(fine)
    verdict = check_order(journal + written(stored("S17", "b", 0, 0), stored("S17", "a", 0, 1)))
    assert verdict.sentence == (
        "Student S17, event 1 (offset 1 of partition 0), comes after a later one "
        "(offset 0 of partition 0)."
    )
    apart = check_order(journal + written(stored("S17", "a", 0, 0), stored("S17", "b", 1, 0)))
    assert apart.sentence == (
        "Student S17 is in partitions 0 and 1, which have no order between them."
    )


def test_a_duplicate_does_not_break_the_order() -> None:
    journal = written(*sent("S17", *"ab"), *(stored("S17", v, 0, o) for o, v in enumerate("aba")))
    assert check_order(journal)
    assert not check_duplicates(journal)


def test_order_of_what_was_not_sent_here_goes_by_the_timestamps() -> None:
    early, late = ('{"timestamp":"2026-09-01T08:00:00Z"}', '{"timestamp":"2026-09-01T08:00:00.5Z"}')
    assert check_order(written(stored("S17", early, 0, 0), stored("S17", late, 0, 1)))
    verdict = check_order(written(stored("S17", late, 0, 0), stored("S17", early, 0, 1)))
    assert "event 1 (offset 1 of partition 0), comes after" in verdict.sentence


def test_order_of_processing_goes_by_time() -> None:
    journal = written(*sent("S17", "e0", "e1"), of_group("processed", 1), of_group("processed", 0))
    assert not check_order(journal, among="processed")


def test_skipped() -> None:
    log = [stored("S17", f"e{offset}", 0, offset) for offset in range(5)]
    journal = written(*log, of_group("processed", 0), of_group("committed", 3))
    verdict = check_skipped(journal)
    assert verdict.sentence == (
        "Group registrar moved on and left offsets 1 and 2 of partition 0 unprocessed."
    )
    assert check_skipped(journal + written(of_group("processed", 1), of_group("processed", 2)))
    assert not check_skipped(written(*log, of_group("processed", 4)))


def test_a_group_that_was_reset_has_not_passed_over_what_it_will_read_again() -> None:
    log = [stored("S17", f"e{offset}", 0, offset) for offset in range(5)]
    assert not check_skipped(written(*log, of_group("committed", 5)))
    assert check_skipped(written(*log, of_group("committed", 5), of_group("committed", 0)))


def test_committed_before_processed() -> None:
    given_two = [of_group("consumed", 0), of_group("consumed", 1)]
    fine = [of_group("processed", 0), of_group("processed", 1), of_group("committed", 2)]
    assert check_commits(written(*given_two, *fine))
    early = written(
        *given_two, of_group("processed", 0), of_group("committed", 2), of_group("processed", 1)
    )
    verdict = check_commits(early)
    assert verdict.sentence == (
        "Student S17, event 2 (offset 1 of partition 0), was not processed when group registrar "
        "committed offset 2."
    )
    assert [row.kind for row in verdict.rows] == ["committed", "consumed"]


def test_a_commit_counts_from_the_moment_it_was_asked_for() -> None:
    journal = written(
        of_group("consumed", 0),
        of_group("processed", 0),
        of_group("committed", 1, detail={"asked": 0.5}),
    )
    assert not check_commits(journal)


def test_commits_of_what_the_group_never_was_given() -> None:
    log = [stored("S17", f"e{offset}", 0, offset) for offset in range(9)]
    from_four = [of_group("consumed", 4), of_group("processed", 4)]
    assert check_commits(written(*log, *from_four, of_group("committed", 5)))
    verdict = check_commits(written(*log, *from_four, of_group("committed", 8)))
    assert "and 2 more were not processed when group" in verdict.sentence


@pytest.mark.parametrize(
    "check", [check_commits, check_duplicates, check_lost, check_order, check_skipped]
)
def test_silence_is_no_proof(check) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(KitError):
        check(Journal())
    with pytest.raises(KitError, match="Expected a journal, got list"):
        check([])


def test_verdicts_show_values_as_text() -> None:
    journal = written(stored("<b>", "v", 0, 0), stored("<b>", "v", 0, 1))
    verdict = check_duplicates(journal)
    assert "<b>'" not in verdict._repr_html_() and "&lt;b&gt;" in verdict._repr_html_()
    assert repr(verdict).startswith("Broken: Every stored event is there once.\n")


events = st.tuples(st.sampled_from(["S1", "S2"]), st.sampled_from("abcd"))


@given(st.lists(events, min_size=1, max_size=12), st.lists(events, min_size=1, max_size=12))
def test_lost_duplicated_and_reordered_are_what_their_definitions_say(
    sends: list[tuple[str, str]], log: list[tuple[str, str]]
) -> None:
    journal = written(
        *(row for key, value in sends for row in sent(key, value)),
        *(stored(key, value, 0, offset) for offset, (key, value) in enumerate(log)),
    )
    assert check_lost(journal, of="sent").ok == (set(sends) <= set(log))
    twice = check_duplicates(journal)
    assert {(r.key, r.value) for r in twice.rows} == {e for e, n in Counter(log).items() if n > 1}
    both = [event for event in dict.fromkeys(log) if event in sends]
    broken = [
        (a, b) for a, b in combinations(both, 2) if a[0] == b[0] and sends.index(a) > sends.index(b)
    ]
    if both:
        verdict = check_order(journal)
        assert verdict.ok == (not broken)
        assert {(r.key, r.value) for r in verdict.rows[1::2]} == {b for _, b in broken}


steps = st.tuples(st.sampled_from(["consumed", "processed", "committed"]), st.integers(0, 5))


@given(st.lists(steps, min_size=1, max_size=15))
def test_commits_are_what_the_definition_says(history: list[tuple[str, int]]) -> None:
    journal = written(*(of_group(kind, offset) for kind, offset in history))
    early = False
    for moment, (kind, offset) in enumerate(history):
        before = history[:moment]
        given_, done = ({o for k, o in before if k == name} for name in ("consumed", "processed"))
        early |= kind == "committed" and any(o < offset for o in given_ - done)
    if any(kind == "committed" for kind, _ in history):
        assert check_commits(journal).ok == (not early)


@given(st.sets(st.integers(0, 9)), st.integers(0, 10))
def test_skipped_is_what_the_definition_says(done: set[int], committed: int) -> None:
    log = [stored("S17", f"e{offset}", 0, offset) for offset in range(10)]
    rows = [of_group("processed", offset) for offset in sorted(done)]
    verdict = check_skipped(written(*log, *rows, of_group("committed", committed)))
    position = max([committed, *(offset + 1 for offset in done)])
    assert {row.offset for row in verdict.rows} == set(range(position)) - done


@given(st.lists(events, min_size=1, max_size=10))
def test_a_check_does_not_change_its_journal(log: list[tuple[str, str]]) -> None:
    journal = written(*(stored(key, value, 0, offset) for offset, (key, value) in enumerate(log)))
    before: list[Row] = list(journal)
    check_duplicates(journal)
    check_lost(journal, of="stored", among="processed")
    assert list(journal) == before
