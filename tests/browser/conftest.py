"""A running service with the embedded model and the sample's index, and Chromium for its page."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from incidents.names import INDEX_FILENAME
from scripts.cli.paths import MODEL_FOLDER
from support.servers.server import serve

INDEX = MODEL_FOLDER / INDEX_FILENAME

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome")
QUIET = ("gpu", "quic", "background-networking", "component-update", "sync")
"""Features of Chromium that the tests disable."""

PATIENCE_MS = 30_000
"""Maximum wait for anything; the first answer waits for the model to load, even on a slow machine."""

expect.set_options(timeout=PATIENCE_MS)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--pictures", type=Path, metavar="FOLDER", help="save the pictures of the page there")


@pytest.fixture
def pictures(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """The folder for pictures of the page."""
    folder: Path | None = request.config.getoption("--pictures")
    return folder or tmp_path


@contextmanager
def run_service(index: Path) -> Iterator[str]:
    """Run the service with the embedded model and yield its base URL."""
    with serve("--index", index) as server:
        yield server.url


@pytest.fixture(scope="session")
def page_service_url() -> Iterator[str]:
    """The base URL of a running service."""
    assert INDEX.is_file(), "the sample's index is missing; `make index` builds it"
    with run_service(INDEX) as url:
        yield url


@pytest.fixture
def start_service() -> Callable[[Path], AbstractContextManager[str]]:
    """A function that runs another service, with the test's own index."""
    return run_service


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    path = next((path for name in CHROMIUMS if (path := shutil.which(name))), None)
    if path is None:
        pytest.skip("no Chromium on the PATH; on Debian, apt-get install chromium")
    with sync_playwright() as playwright:
        arguments = ["--no-first-run", *(f"--disable-{part}" for part in QUIET)]
        browser = playwright.chromium.launch(executable_path=path, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def open_page(chromium: Browser, page_service_url: str) -> Iterator[Callable[..., Page]]:
    """A function that opens the page in a new browser profile: open_page(color_scheme="dark").

    After every test, it checks that nothing was requested from other origins and that no script failed.
    """
    contexts: list[BrowserContext] = []
    origins: list[str] = []
    requested: list[str] = []
    complaints: list[str] = []

    def listen(message: ConsoleMessage) -> None:
        # Chromium's own message about an error status; the tests check the page's message.
        expected = message.text.startswith("Failed to load resource") and message.location["url"].endswith("/similar")
        if message.type in ("error", "warning") and not expected:
            complaints.append(message.text)

    def open_it(url: str = page_service_url, **options: Any) -> Page:
        context = chromium.new_context(**options)
        contexts.append(context)
        origins.append(f"{url}/")
        context.set_default_timeout(PATIENCE_MS)
        context.on("request", lambda request: requested.append(request.url))
        context.on("console", listen)
        context.on("weberror", lambda error: complaints.append(str(error.error)))
        page = context.new_page()
        page.goto(url)
        return page

    yield open_it
    for context in contexts:
        context.unroute_all(behavior="ignoreErrors")
        context.close()
    assert requested
    assert [url for url in requested if not url.startswith((*origins, "data:"))] == []
    assert complaints == []
