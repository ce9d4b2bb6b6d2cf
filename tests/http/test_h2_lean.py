"""Lean parts of an h2 connection are held to those of h2."""

from collections.abc import Mapping

import pytest
from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import InvalidSettingsValueError
from h2.settings import SettingCodes, Settings
from h2.stream import H2Stream
from hypothesis import given
from hypothesis import strategies as st

from sse_server.http import h2_lean
from sse_server.http.h2_lean import METHODS, NOTHING, LeanSettings, own_settings
from sse_server.http.h2_mended import MendedConnection
from sse_server.http.h2_mended_stream import CONFIG, MendedStream

CODES = st.sampled_from(list(SettingCodes))
VALUES = st.integers(0, 2**32 - 1) | st.sampled_from([0, 1, 4_096, 16_384, 65_535])


@given(
    steps=st.lists(st.none() | st.dictionaries(CODES, VALUES, max_size=4), max_size=8),
    client=st.booleans(),
)
def test_settings_are_those_of_h2(
    steps: list[Mapping[SettingCodes, int] | None], client: bool
) -> None:
    lean, plain = LeanSettings({}, client=client), Settings(client=client)
    for step in steps:
        if step is None:
            changed = lean.acknowledge()
            expected = plain.acknowledge()
            assert {k: (c.original_value, c.new_value) for k, c in changed.items()} == {
                k: (c.original_value, c.new_value) for k, c in expected.items()
            }
            continue
        outcomes: list[int | None] = []
        for settings in (lean, plain):
            try:
                for code, value in step.items():
                    settings.validate_received_setting(code, value)
                settings.update(step.items())
                outcomes.append(None)
            except InvalidSettingsValueError as error:
                outcomes.append(error.error_code)
        assert outcomes[0] == outcomes[1]
        for code in SettingCodes:
            assert lean.get(code) == plain.get(code)
    assert len(lean) == len(plain)


def test_what_nobody_has_defined_is_not_kept() -> None:
    settings = LeanSettings({}, client=True)
    settings.update(dict.fromkeys(range(100, 5_000), 1))
    assert len(settings) == len(Settings(client=True))


def test_own_settings_are_one_object_and_those_of_h2() -> None:
    own = own_settings(256, 32_768, 1 << 20)
    values = {
        SettingCodes.MAX_CONCURRENT_STREAMS: 256,
        SettingCodes.MAX_HEADER_LIST_SIZE: 32_768,
        SettingCodes.INITIAL_WINDOW_SIZE: 1 << 20,
    }
    assert dict(own) == dict(Settings(client=False, initial_values=values))
    assert own_settings(256, 32_768, 1 << 20) is own
    assert own.acknowledge() == {}


def test_clients_that_say_the_same_share_their_settings() -> None:
    first, second = LeanSettings({}, client=True).copy(), LeanSettings({}, client=True).copy()
    for settings in (first, second):
        settings[SettingCodes.INITIAL_WINDOW_SIZE] = 1_234
        settings.acknowledge()
    assert first.shared() is second.shared()
    changed = first.shared().copy()
    changed[SettingCodes.INITIAL_WINDOW_SIZE] = 5_678
    changed.acknowledge()
    assert first.shared().initial_window_size == 1_234
    assert changed.shared().initial_window_size == 5_678


def test_shared_settings_are_bounded() -> None:
    for number in range(1_000):
        settings = LeanSettings({SettingCodes.INITIAL_WINDOW_SIZE: number}, client=True)
        assert settings.shared().initial_window_size == number
    assert len(h2_lean._shared) <= h2_lean._MAX_SHARED


def test_nothing_stays_empty() -> None:
    with pytest.raises(AssertionError):
        NOTHING["key"] = "value"
    assert not NOTHING


def test_a_connection_has_all_that_one_of_h2_has() -> None:
    """So that a new version of h2 that has more is noticed."""
    mended = MendedConnection(max_streams=256, max_head_bytes=32_768, window_bytes=1 << 20)
    plain = H2Connection(H2Configuration(client_side=False))
    missing = [
        name for name in vars(plain) if name != "incoming_buffer" and not hasattr(mended, name)
    ]
    assert not missing
    for name in ("highest_inbound_stream_id", "max_outbound_frame_size", "max_inbound_frame_size",
                 "outbound_flow_control_window", "_header_frames", "_data_to_send"):  # fmt: skip
        assert getattr(mended, name) == getattr(plain, name)
    assert mended.state_machine.state == plain.state_machine.state
    assert dict(mended.remote_settings) == dict(plain.remote_settings)
    assert mended.decoder.max_allowed_table_size == plain.decoder.max_allowed_table_size
    for kind, method in plain._frame_dispatch_table.items():
        assert mended._frame_dispatch_table[kind].__name__ == method.__name__
    assert METHODS.keys() == plain._frame_dispatch_table.keys()


def test_a_stream_has_all_that_one_of_h2_has() -> None:
    """So that a new version of h2 that has more is noticed."""
    mended = MendedStream(1, 1_000, 2_000)
    plain = H2Stream(1, CONFIG, 1_000, 2_000)
    for other in (plain, plain.state_machine):
        for name, value in vars(other).items():
            if name not in {"state_machine", "_inbound_window_manager"}:
                assert getattr(mended, name) == value, name
    assert vars(mended._inbound_window_manager) == vars(plain._inbound_window_manager)
