"""Leader epochs of a log, and where two logs part (untimed, on the objects themselves)."""

from __future__ import annotations

import pytest

from sim.protocol.leader_epochs import LeaderEpochs


def cache(*entries: tuple[int, int]) -> LeaderEpochs:
    """As it was written: (epoch, start offset)."""
    epochs = LeaderEpochs()
    for epoch, start in entries:
        epochs.assign(epoch, start)
    return epochs


@pytest.mark.parametrize(("asked", "answer"), [(1, (0, 13)), (2, (2, 17)), (3, (2, 17)), (4, (4, 20))])
def test_the_answer_names_the_largest_epoch_not_above_the_asked_one(asked: int, answer: tuple[int, int]) -> None:
    """broker:SC-35, broker:REP-32, consumer:F2.25."""
    assert cache((0, 10), (2, 13), (4, 17)).end_of(asked, log_end=20) == answer


def test_an_epoch_below_all_known_ends_where_the_first_known_begins() -> None:
    """broker:REP-32."""
    assert cache((2, 6), (4, 9)).end_of(1, log_end=12) == (1, 6)


@pytest.mark.parametrize("epochs", [cache(), cache((2, 6))])
def test_the_end_of_an_epoch_above_all_known_cannot_be_told(epochs: LeaderEpochs) -> None:
    """broker:REP-32."""
    assert epochs.end_of(3, log_end=9) is None


@pytest.mark.parametrize(("offset", "epoch"), [(9, -1), (10, 0), (12, 0), (13, 2), (40, 2)])
def test_every_offset_behind_the_first_known_one_has_an_epoch(offset: int, epoch: int) -> None:
    assert cache((0, 10), (2, 13)).at(offset) == epoch


def test_a_newer_epoch_at_a_lower_offset_removes_what_it_contradicts() -> None:
    """broker:SC-36, broker:REP-31."""
    epochs = cache((2, 6), (3, 5))

    assert (epochs.epochs, epochs.starts) == ([3], [5])


def test_the_same_epoch_further_on_changes_nothing() -> None:
    """broker:REP-31."""
    epochs = cache((2, 6), (2, 9))

    assert (epochs.epochs, epochs.starts) == ([2], [6])


def test_truncating_the_end_removes_epochs_that_begin_there() -> None:
    """broker:REP-31."""
    epochs = cache((0, 0), (2, 6), (4, 9))
    epochs.truncate_from_end(9)

    assert epochs.epochs == [0, 2]


def test_truncating_the_start_keeps_the_covering_epoch_and_moves_it() -> None:
    """broker:REP-31."""
    epochs = cache((0, 0), (2, 6), (4, 9))
    epochs.truncate_from_start(7)

    assert (epochs.epochs, epochs.starts) == ([2, 4], [7, 9])
