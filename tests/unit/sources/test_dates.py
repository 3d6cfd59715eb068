"""The days of dates and times."""

import pytest

from scripts.sources.dates import iso_date


@pytest.mark.parametrize(
    "text",
    [
        "2019-07-01",
        "2019-07-01T00:00:00.000Z",  # as mongoexport writes a date
        "2019-07-01T23:30:00-05:00",  # the day where it was written, which is another one in UTC
        "2019-07-01T00:30:00+05:00",
        "2019-07-01 12:00",
        "20190701",
    ],
)
def test_the_day_of_a_date_or_time(text: str) -> None:
    assert iso_date(text) == "2019-07-01"


@pytest.mark.parametrize(
    "text",
    ["", "…", "2019", "2019-07", "2019-7-1", "07/01/2019", "1 July 2019", "2019-02-29", "2019-07-01T25:00",
     "1561939200", "12019-07-01", "2019-07-01\0", "\ud800", "２０１９-07-01", "9" * 5000],
)  # fmt: skip
def test_another_text_is_no_date(text: str) -> None:
    assert not iso_date(text)
