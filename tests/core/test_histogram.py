from hypothesis import given
from hypothesis import strategies as st

from sse_server.core.histogram import Histogram


@given(st.lists(st.floats(0, 100)))
def test_every_value_is_counted_at_the_first_bound_that_it_is_not_above(
    values: list[float],
) -> None:
    histogram = Histogram((1.0, 10.0))
    for value in values:
        histogram.observe(value)
    assert histogram.counts == [
        sum(value <= 1 for value in values),
        sum(1 < value <= 10 for value in values),
        sum(value > 10 for value in values),
    ]
    assert abs(histogram.sum - sum(values)) < 0.001
