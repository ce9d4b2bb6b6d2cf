"""What is taken for a request line, and for a Host."""

import pytest

from sse_server.http.request_head import NOT_HTTP
from tests.http.exchange import accepted, head, refused


def post(*fields: bytes, body: bytes = b"", line: bytes = b"POST / HTTP/1.1") -> bytes:
    return head(*fields, line=line) + body


# --- the request line ---


def test_an_origin_form_target_is_split_at_the_first_question_mark() -> None:
    request = accepted(head(line=b"GET /events/a%2fb?x=1?&y=%20 HTTP/1.1"))
    assert (request.method, request.path, request.query) == (
        b"GET",
        b"/events/a%2fb",
        b"x=1?&y=%20",
    )
    assert request.version == b"1.1"
    assert request.headers == ((b"host", b"a"),)


def test_what_browsers_leave_unencoded_in_a_query_is_taken() -> None:
    assert accepted(head(line=b"GET /?a=|^{}`[]' HTTP/1.1")).query == b"a=|^{}`[]'"


@pytest.mark.parametrize("target", [b"http://b:80/x/y?q", b"HTTPS://b:80/x/y?q"])
def test_an_absolute_form_target_is_taken_and_its_host_counts(target: bytes) -> None:
    request = accepted(head(b"Accept: */*", line=b"GET %b HTTP/1.1" % target, host=b"other"))
    assert (request.path, request.query) == (b"/x/y", b"q")
    assert request.headers == ((b"host", b"b:80"), (b"accept", b"*/*"))


def test_an_absolute_form_target_without_a_path_is_the_root() -> None:
    assert accepted(head(line=b"GET http://b HTTP/1.1")).path == b"/"
    request = accepted(head(line=b"GET http://b?q HTTP/1.1"))
    assert (request.path, request.query) == (b"/", b"q")


def test_an_absolute_form_target_does_not_stand_in_for_the_host_field() -> None:
    assert refused(head(line=b"GET http://b/ HTTP/1.1", host=None)).status == 400


@pytest.mark.parametrize(
    "target",
    [b"ftp://b/", b"http://", b"http:///x", b"http://user@b/", b"http://b,c/", b"http://b/#f"],
)
def test_a_bad_absolute_form_target_is_refused(target: bytes) -> None:
    assert refused(head(line=b"GET %b HTTP/1.1" % target)).status == 400


def test_an_asterisk_form_target_is_handed_up_for_options_only() -> None:
    request = accepted(head(line=b"OPTIONS * HTTP/1.1"))
    assert (request.method, request.path) == (b"OPTIONS", b"*")
    assert refused(head(line=b"GET * HTTP/1.1")).status == 400


def test_an_authority_form_target_is_refused() -> None:
    assert refused(head(line=b"GET a:80 HTTP/1.1")).status == 400
    assert refused(head(line=b"CONNECT a:80 HTTP/1.1")).status == 501


def test_a_fragment_in_the_target_is_refused() -> None:
    assert refused(head(line=b"GET /x#y HTTP/1.1")).status == 400
    assert refused(head(line=b"GET /x?y#z HTTP/1.1")).status == 400


@pytest.mark.parametrize("target", [b"/\x80", b"/a\tb", b"/\xc3\xa4", b"x", b"?q"])
def test_a_target_that_is_no_target_is_refused(target: bytes) -> None:
    assert refused(head(line=b"GET %b HTTP/1.1" % target)).status == 400


def test_bad_percent_encoding_is_left_to_the_endpoints() -> None:
    assert accepted(head(line=b"GET /%zz?%q HTTP/1.1")).path == b"/%zz"


def test_an_unknown_method_is_handed_up() -> None:
    assert accepted(head(line=b"BREW /pot HTTP/1.1")).method == b"BREW"
    assert accepted(head(line=b"get / HTTP/1.1")).method == b"get"
    assert accepted(head(line=b"M-SEARCH / HTTP/1.1")).method == b"M-SEARCH"


@pytest.mark.parametrize(
    "line",
    [
        b"GET /",  # HTTP/0.9
        b"GET",
        b"",
        b"GET  / HTTP/1.1",
        b"GET / HTTP/1.1 ",
        b" GET / HTTP/1.1",
        b"GET\t/\tHTTP/1.1",
        b"G@T / HTTP/1.1",
        b"GET / HTTP/1",
        b"GET / HTTP/1.10",
        b"GET / HTTP/11",
        b"GET / HTTP/a.b",
        b"SSH-2.0-OpenSSH_9.9",
    ],
)
def test_a_malformed_request_line_is_refused(line: bytes) -> None:
    refusal = refused(head(line=line))
    assert (refusal.status, refusal.code) == (400, "bad-request")


def test_a_simple_request_of_http_0_9_is_answered_at_its_first_line() -> None:
    assert refused(b"GET /\r\n").status == 400


@pytest.mark.parametrize("version", [b"0.9", b"2.0", b"3.0"])
def test_a_foreign_major_version_in_the_request_line_is_505(version: bytes) -> None:
    assert refused(head(line=b"GET / HTTP/%b" % version)).status == 505


def test_the_preface_of_http_2_is_505_where_it_is_not_expected() -> None:
    assert refused(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").status == 505


def test_a_later_minor_version_is_read_as_1_1() -> None:
    assert accepted(head(line=b"GET / HTTP/1.2")).version == b"1.1"
    assert refused(head(line=b"GET / HTTP/1.2", host=None)).status == 400


@pytest.mark.parametrize("line", [b"INVALID CONNECTION PREFACE", b"GET / http/1.1", b"a b c"])
def test_three_words_without_a_version_close_without_an_answer(line: bytes) -> None:
    assert refused(head(line=line)).code == NOT_HTTP


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_one_empty_line_before_a_request_is_skipped(version: bytes) -> None:
    assert accepted(b"\r\n" + head(line=b"GET /x HTTP/" + version)).path == b"/x"


def test_two_empty_lines_before_a_request_are_refused() -> None:
    assert refused(b"\r\n\r\n" + head()).status == 400


def test_a_tls_hello_is_refused_at_once() -> None:
    assert refused(b"\x16\x03\x01\x02\x00\x01").status == 400


# --- the Host field ---


def test_a_missing_host_is_refused_in_1_1_only() -> None:
    assert refused(head(host=None)).status == 400
    assert accepted(head(line=b"GET / HTTP/1.0", host=None)).version == b"1.0"


@pytest.mark.parametrize("second", [b"Host: a", b"host: b", b"HOST:"])
def test_a_second_host_is_refused(second: bytes) -> None:
    assert refused(head(second)).status == 400
    assert refused(head(second, line=b"GET / HTTP/1.0")).status == 400


@pytest.mark.parametrize(
    "host", [b"", b"a b", b"a,b", b"a/b", b"u@a", b"a:b", b"a:1:2", b"[::1", b"a?", b"a%41", b":80"]
)
def test_a_bad_host_is_refused(host: bytes) -> None:
    assert refused(head(host=host)).status == 400
    assert refused(head(host=host, line=b"GET / HTTP/1.0")).status == 400


@pytest.mark.parametrize("host", [b"a", b"A_b.c-d~1:8000", b"127.0.0.1", b"[::1]:80", b"a:"])
def test_a_good_host_is_taken(host: bytes) -> None:
    assert accepted(head(host=host)).header(b"host") == host
