"""How much a client may send of what does nothing."""

import pytest
from h2.errors import ErrorCodes

from sse_server.http.h2_budgets import (
    MAX_DATA,
    MAX_IN_SPAN,
    MAX_QUICK_RESETS,
    MAX_SAVED_WINDOW_UPDATES,
    MAX_SMALL_DATA,
    MAX_SMALL_PIECES,
    MAX_WINDOW_UPDATES,
    Budgets,
    Http2Error,
)


@pytest.mark.parametrize(("kind", "most"), MAX_IN_SPAN.items())
def test_each_kind_has_its_budget_and_a_new_one_later(kind: int, most: int) -> None:
    budgets = Budgets()
    for now in (0.0, 10.0, 25.0):
        for _ in range(most):
            budgets.count(kind, now)
    with pytest.raises(Http2Error) as caught:
        budgets.count(kind, 34.9)
    assert caught.value.error_code == ErrorCodes.ENHANCE_YOUR_CALM


def test_resets_come_back_twenty_a_second() -> None:
    budgets = Budgets()
    budgets.count_resets(MAX_QUICK_RESETS, 0.0)
    for second in range(1, 20):
        budgets.count_resets(20, float(second))
    with pytest.raises(Http2Error) as caught:
        budgets.count_resets(1, 19.0)
    assert caught.value.kind == "resets"


def test_windows_may_be_opened_as_data_is_sent() -> None:
    budgets = Budgets()
    budgets.count_window_updates(MAX_WINDOW_UPDATES, 0)
    budgets.count_window_updates(1_000, 100)
    with pytest.raises(Http2Error) as caught:
        budgets.count_window_updates(1, 100)
    assert caught.value.kind == "window-updates"


def test_who_has_read_much_cannot_flood_for_it() -> None:
    budgets = Budgets()
    for events in range(1, 1_001):  # and each update comes late
        budgets.count_window_updates(400, 200 * events)
    budgets.count_window_updates(MAX_SAVED_WINDOW_UPDATES, 10_000_000)
    with pytest.raises(Http2Error):
        budgets.count_window_updates(1, 10_000_000)


def test_small_data_comes_back_a_thousand_a_second() -> None:
    budgets = Budgets()
    budgets.count_data(MAX_SMALL_DATA, MAX_SMALL_DATA, 0.0)
    for second in range(1, 20):
        budgets.count_data(1_000, 1_000, float(second))
    with pytest.raises(Http2Error) as caught:
        budgets.count_data(1, 1, 19.0)
    assert caught.value.kind == "small-data"


def test_data_of_any_size_comes_back_fifty_thousand_a_second() -> None:
    budgets = Budgets()
    budgets.count_data(MAX_DATA, 0, 0.0)
    for half in range(1, 39):
        budgets.count_data(25_000, 0, half / 2)
    with pytest.raises(Http2Error) as caught:
        budgets.count_data(1, 0, 19.0)
    assert caught.value.kind == "small-data"


def test_a_small_piece_is_made_up_for_by_a_larger_one() -> None:
    budgets = Budgets()
    sent = 0
    for _ in range(5_000):  # a small one and a larger one
        sent += 2
        budgets.count_small_pieces(1, sent)
    budgets.count_small_pieces(MAX_SMALL_PIECES - 1, sent + MAX_SMALL_PIECES - 1)
    with pytest.raises(Http2Error) as caught:
        budgets.count_small_pieces(1, sent + MAX_SMALL_PIECES)
    assert caught.value.kind == "small-windows"


def test_who_has_read_much_has_no_more_small_pieces() -> None:
    budgets = Budgets()
    budgets.count_small_pieces(1, 1_000_000)
    with pytest.raises(Http2Error):
        budgets.count_small_pieces(MAX_SMALL_PIECES + 1, 1_000_000 + MAX_SMALL_PIECES)


def test_an_error_is_called_by_its_code() -> None:
    assert Http2Error(ErrorCodes.FRAME_SIZE_ERROR, "").kind == "frame-size-error"
    assert Http2Error(77, "").kind == "error"
