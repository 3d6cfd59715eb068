"""The service that --url names, for `make smoke`."""

from collections.abc import Iterator

import pytest

from e2e.service import Service, service_at


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--url", metavar="URL", help="address of a running service: apiUrl as `make deploy` prints it")


def pytest_report_header(config: pytest.Config) -> str:
    url = config.getoption("url")
    if url == "":
        raise pytest.UsageError("expected the address of a service, got none: make smoke URL=https://…")
    return f"service: {url}"


@pytest.fixture(scope="session")
def service(request: pytest.FixtureRequest) -> Iterator[Service]:
    url = request.config.getoption("url")
    if url is None:
        pytest.skip("no service to test; name one with --url")
    with service_at(url) as service:
        yield service
