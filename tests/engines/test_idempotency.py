from sse_server.engines.idempotency import IdempotencyKeys, IdempotencyOptions


def keys(max_keys: int = 100, window_seconds: float = 120.0) -> IdempotencyKeys:
    return IdempotencyKeys(IdempotencyOptions(max_keys=max_keys, window_seconds=window_seconds))


def test_a_key_stands_for_the_offset_it_was_remembered_with() -> None:
    known = keys()
    assert known.find("news", "k", 0.0) is None
    known.remember("news", "k", 7, 0.0)
    assert known.find("news", "k", 1.0) == 7


def test_a_key_belongs_to_its_channel() -> None:
    known = keys()
    known.remember("a", "k", 7, 0.0)
    assert known.find("b", "k", 0.0) is None
    known.remember("b", "k", 8, 0.0)
    assert [known.find(channel, "k", 0.0) for channel in "ab"] == [7, 8]


def test_a_key_is_forgotten_when_its_time_is_up() -> None:
    known = keys(window_seconds=10)
    known.remember("news", "k", 7, 5.0)
    assert known.find("news", "k", 14.9) == 7
    assert known.find("news", "k", 15.0) is None
    assert len(known) == 0
    known.remember("news", "k", 9, 15.0)
    assert known.find("news", "k", 24.0) == 9


def test_asking_for_a_key_does_not_keep_it_longer() -> None:
    known = keys(window_seconds=10)
    known.remember("news", "k", 7, 0.0)
    for second in range(10):
        assert known.find("news", "k", second) == 7
    assert known.find("news", "k", 10.0) is None


def test_the_oldest_keys_are_forgotten_when_there_are_too_many() -> None:
    known = keys(max_keys=3)
    for number in range(10):
        known.remember("news", str(number), number, 0.0)
        assert len(known) <= 3
    assert [known.find("news", str(number), 0.0) for number in (6, 7, 8, 9)] == [None, 7, 8, 9]


def test_with_no_room_nothing_is_remembered() -> None:
    known = keys(max_keys=0)
    known.remember("news", "k", 1, 0.0)
    assert known.find("news", "k", 0.0) is None
