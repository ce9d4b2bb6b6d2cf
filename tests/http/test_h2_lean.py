"""Lean parts of an h2 connection are held to those of h2."""

from collections.abc import Mapping

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.exceptions import InvalidSettingsValueError
from h2.settings import SettingCodes, Settings
from hpack import Decoder, Encoder
from hypothesis import given
from hypothesis import strategies as st

from sse_server.http.h2_lean import METHODS, LeanSettings, lean_decoder, own_settings
from sse_server.http.h2_mended import MendedConnection

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


NAMES = st.text("abc-", min_size=1, max_size=12)
FIELDS = st.lists(st.tuples(NAMES, st.text("xyz0", max_size=300)), max_size=12)


@given(blocks=st.lists(st.tuples(FIELDS, st.none() | st.integers(0, 4_096)), max_size=8))
def test_a_decoder_reads_what_hpack_s_reads(
    blocks: list[tuple[list[tuple[str, str]], int | None]],
) -> None:
    encoder, lean, plain = Encoder(), lean_decoder(1 << 20), Decoder(1 << 20)
    for fields, size in blocks:
        if size is not None:
            encoder.header_table_size = size
        block = encoder.encode(fields)
        assert lean.decode(block, raw=True) == plain.decode(block, raw=True)
        assert list(lean.header_table.dynamic_entries) == list(plain.header_table.dynamic_entries)


def test_a_connection_has_all_that_one_of_h2_has() -> None:
    """So that a new version of h2 that has more is noticed."""
    mended = MendedConnection(max_streams=256, max_head_bytes=32_768, window_bytes=1 << 20)
    plain = H2Connection(H2Configuration(client_side=False))
    own = {"max_streams", "refuses", "_window_bytes", "caused", "late", "refused"}
    assert vars(mended).keys() - own == vars(plain).keys() - {"_frame_dispatch_table"}
    for name in ("highest_inbound_stream_id", "max_outbound_frame_size", "max_inbound_frame_size",
                 "outbound_flow_control_window", "_header_frames", "_data_to_send"):  # fmt: skip
        assert vars(mended)[name] == vars(plain)[name]
    assert dict(mended.remote_settings) == dict(plain.remote_settings)
    assert mended.decoder.max_allowed_table_size == plain.decoder.max_allowed_table_size
    for kind, method in plain._frame_dispatch_table.items():
        assert mended._frame_dispatch_table[kind].__name__ == method.__name__
    assert METHODS.keys() == plain._frame_dispatch_table.keys()
