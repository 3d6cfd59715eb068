"""Whatever is sent, the answer is well-formed: no exception, no 500."""

import base64
import json
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import similar
from envelope import open_answer

pytestmark = pytest.mark.usefixtures("service")

scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=50)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
)
numbers = st.lists(st.integers(-(10**320), 10**320) | st.floats(), min_size=31, max_size=33)
embeds = numbers | numbers.map(json.dumps) | numbers.map(json.dumps).map(json.dumps)
nums = st.integers() | st.integers().map(str)
fields = st.fixed_dictionaries(
    {}, optional={"text": st.text() | anything, "embed": embeds | anything, "num": nums | anything}
)
bodies = fields | fields.map(json.dumps) | anything.map(json.dumps) | st.text() | anything
in_base64 = st.binary(max_size=100) | fields.map(json.dumps).map(str.encode)
http_events = st.fixed_dictionaries(
    {},
    optional={
        "body": bodies | in_base64.map(lambda content: base64.b64encode(content).decode()),
        "isBase64Encoded": st.booleans() | anything,
        "queryStringParameters": fields | st.none() | anything,
        "headers": anything,
        "requestContext": anything,
        "version": st.just("2.0"),
    },
)


@given(event=http_events | fields | anything)
@settings(
    max_examples=2500, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_event_has_a_well_formed_answer(event: Any) -> None:
    status, body = open_answer(similar.handler(event, None))
    assert status in {200, 400}, body["msg"]
    if status == 200:
        pairs = json.loads(body["msg"].replace("(", "[").replace(")", "]"))
        assert pairs == [[match["similarity"], match["incident_id"]] for match in body["similar"]]
        assert all(-1.0 <= similarity <= 1.0 for similarity, _ in pairs)
