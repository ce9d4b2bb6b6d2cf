"""How the bench reads answers to what it publishes."""

import pytest

from bench.load.answers import Answers

ANSWER = b"HTTP/1.1 202 Accepted\r\nContent-Length: 12\r\n\r\nHTTP/1.1 200"
EMPTY = b"HTTP/1.1 204 No Content\r\nDate: x\r\n\r\n"


@pytest.mark.parametrize("size", [1, 3, 50, 1_000])
def test_answers_count_however_they_are_cut(size: int) -> None:
    data = ANSWER * 3 + EMPTY + ANSWER
    answers = Answers()
    assert sum(answers.feed(data[at : at + size]) for at in range(0, len(data), size)) == 5


def test_a_refused_publish_is_an_error() -> None:
    with pytest.raises(ConnectionError, match="429"):
        Answers().feed(b"HTTP/1.1 429 Too Many Requests\r\nContent-Length: 0\r\n\r\n")


def test_an_answer_without_a_length_is_an_error() -> None:
    with pytest.raises(ConnectionError, match="Content-Length"):
        Answers().feed(b"HTTP/1.1 200 OK\r\n\r\n")
