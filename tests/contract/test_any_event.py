"""Every event gets a well-formed answer: no exception, no 500."""

import base64
import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import similar
from incidents.index.file import save_index
from support.envelope import open_answer


@pytest.fixture(params=["without reports", "with reports"])
def any_service(
    request: pytest.FixtureRequest, configure: Callable[..., None], tiny_folder: Path, tmp_path: Path
) -> None:
    """The service with an index of vectors alone, and with one that was built from texts."""
    name = "reported_index" if request.param == "with reports" else "tiny_index"
    save_index(request.getfixturevalue(name), tmp_path / "incident_cls.pt")
    configure(MODEL_PATH=tiny_folder, INDEX_PATH=tmp_path / "incident_cls.pt")


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20)
anything = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
finite = st.floats(allow_nan=False, allow_infinity=False)
numbers = st.lists(finite | st.integers(), min_size=32, max_size=32)
odd_numbers = st.lists(st.floats() | st.integers(-(10**320), 10**320) | scalars, max_size=33)
embeds = numbers | numbers.map(json.dumps) | numbers.map(json.dumps).map(json.dumps)
space = st.text(st.characters(max_codepoint=0x3000, categories=("Cc", "Zs")), max_size=2)
nums = (
    st.integers() | st.integers().map(str) | st.builds(lambda a, n, b: f"{a}{n}{b}", space, st.integers(-9, 9), space)
)

ranks = st.sampled_from(["cosine", "hybrid", "", None])
urls = st.text() | st.text(max_size=20).map("https://{}".format) | st.sampled_from(["http://[", "https://a:b/"])
fields = st.fixed_dictionaries(
    {}, optional={"text": st.text(), "embed": embeds, "num": nums, "rank": ranks, "url": urls}
)
odd_fields = st.fixed_dictionaries(
    {},
    optional={
        "text": anything,
        "embed": odd_numbers | odd_numbers.map(json.dumps) | anything,
        "num": anything,
        "rank": ranks | anything,
        "url": urls | anything,
    },
)


def to_base64(content: bytes) -> dict[str, Any]:
    return {"body": base64.b64encode(content).decode(), "isBase64Encoded": True}


http_events = (
    fields.map(lambda found: {"body": json.dumps(found), "isBase64Encoded": False})
    | fields.map(lambda found: to_base64(json.dumps(found).encode()))
    | fields.map(lambda found: {"queryStringParameters": {key: str(value) for key, value in found.items()}})
)
odd_events = st.binary(max_size=50).map(to_base64) | st.fixed_dictionaries(
    {},
    optional={
        "body": odd_fields | odd_fields.map(json.dumps) | st.text() | anything,
        "isBase64Encoded": anything,
        "queryStringParameters": odd_fields | anything,
        "headers": anything,
        "requestContext": anything,
    },
)


@pytest.mark.usefixtures("any_service")
def test_every_event_gets_a_well_formed_answer() -> None:
    answered: Counter[int] = Counter()

    @given(event=fields | http_events | odd_fields | odd_events | anything)
    @settings(max_examples=1000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    def check(event: Any) -> None:
        status, body = open_answer(similar.handler(event, None))
        answered[status] += 1
        assert status in {200, 400}, body["msg"]
        if status == 200:
            pairs = json.loads(body["msg"].replace("(", "[").replace(")", "]"))
            assert pairs == [[match["similarity"], match["incident_id"]] for match in body["similar"]]
            assert all(-1.0 <= similarity <= 1.0 for similarity, _ in pairs)
            assert 0 <= body["verdict"]["probability"] <= 1
            assert body["verdict"]["label"] in {"known", "possible", "new"}

    check()
    print(f"answers by status: {dict(answered)}")
    assert answered.total() >= 1000
    assert answered[200] >= 200, "too few events got an answer"
    assert answered[400] >= 200
