"""The page of data quality is for people who are logged in, and nothing else is served with it."""

from __future__ import annotations

import asyncio
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, MutableMapping
from pathlib import Path
from typing import Any

import pytest

from include.airflow_bridge import quality_pages
from include.airflow_bridge.quality_pages import QualityPages, build_app, find_file

# Airflow's API reaches for a client of Starlette's tests that is being replaced.
pytestmark = pytest.mark.filterwarnings("ignore:Using `httpx` with `starlette.testclient`")
ROOT = Path(__file__).parents[3]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "quality"
    (home / "data_docs").mkdir(parents=True)
    (home / ".gx").mkdir()
    (home / "index.html").write_text("<p>the page")
    (home / "coverage.png").write_bytes(b"\x89PNG")
    (home / "data_docs" / "index.html").write_text("<p>the docs")
    (home / ".gx" / "great_expectations.yml").write_text("secret")
    (home / ".gx" / "index.html").write_text("not for readers")
    (home / ".index.html.tmp").write_text("half")
    (home / "notes.py").write_text("print()")
    (tmp_path / "outside.html").write_text("outside")
    (home / "leak.html").symlink_to(tmp_path / "outside.html")
    return home


def ask(app: Any, path: str, *, method: str = "GET") -> tuple[int, dict[str, str], bytes]:
    """Ask an ASGI application as a server would, and return status, headers and body."""
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    scope = {
        "type": "http", "http_version": "1.1", "method": method, "scheme": "http", "path": path,
        "raw_path": path.encode(), "query_string": b"", "root_path": "", "headers": [],
        "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1),
    }  # fmt: skip
    asyncio.run(app(scope, receive, send))
    head = sent[0]
    headers = {name.decode(): value.decode() for name, value in head["headers"]}
    return head["status"], headers, b"".join(one.get("body", b"") for one in sent[1:])


def logged_in(find_folder: Callable[[], Path]) -> Any:
    from airflow.api_fastapi.core_api.security import get_user

    app = build_app(find_folder)
    app.dependency_overrides[get_user] = lambda: object()
    return app


@pytest.mark.parametrize(
    "path", ["/", "/index.html", "/coverage.png", "/icon-light.svg", "/docs", "/openapi.json", "/x"]
)
def test_nothing_is_answered_without_a_login(folder: Path, path: str) -> None:
    status, _, body = ask(build_app(lambda: folder), path)
    assert status == 401
    assert b"page" not in body


def test_the_page_and_the_docs_are_served(folder: Path) -> None:
    app = logged_in(lambda: folder)
    for path, wanted, kind in (
        ("/", b"<p>the page", "text/html; charset=utf-8"),
        ("/index.html", b"<p>the page", "text/html; charset=utf-8"),
        ("/coverage.png", b"\x89PNG", "image/png"),
        ("/data_docs/", b"<p>the docs", "text/html; charset=utf-8"),
        ("/data_docs/index.html", b"<p>the docs", "text/html; charset=utf-8"),
    ):
        status, headers, body = ask(app, path)
        assert (status, body, headers["content-type"]) == (200, wanted, kind), path
        assert headers["x-content-type-options"] == "nosniff"
        assert "frame-ancestors 'self'" in headers["content-security-policy"]


def test_docs_made_of_data_may_run_nothing(folder: Path) -> None:
    app = logged_in(lambda: folder)
    policy = ask(app, "/data_docs/index.html")[1]["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src" not in policy


@pytest.mark.parametrize(
    "path",
    [
        "/../outside.html", "/data_docs/../../outside.html", "/leak.html", "/.index.html.tmp",
        "/.gx/great_expectations.yml", "/.gx/index.html", "/.gx/", "/.gx", "/notes.py",
        "/data_docs/none.html", "/%2e%2e/outside.html", "/..\\outside.html", "/nul\0.html",
        "/" + "a" * 5000 + ".html",
    ],
)  # fmt: skip
def test_nothing_else_is_served(folder: Path, path: str) -> None:
    status, _, body = ask(logged_in(lambda: folder), path)
    assert status == 404
    assert body == b"not found"


def test_only_reading_is_possible(folder: Path) -> None:
    for method in ("POST", "PUT", "DELETE"):
        assert ask(logged_in(lambda: folder), "/index.html", method=method)[0] == 405


def test_before_the_first_picture_the_page_says_so(tmp_path: Path) -> None:
    status, _, body = ask(logged_in(lambda: tmp_path / "not there"), "/")
    assert status == 404
    assert b"Nothing has been drawn yet" in body


def test_the_folder_is_that_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AIRFLOW_VAR_SETTINGS", '{"quality_dir": "/srv/quality"}')
    assert quality_pages.configured_folder() == Path("/srv/quality")


def test_a_folder_is_its_index(folder: Path) -> None:
    assert find_file(folder, "data_docs") == folder / "data_docs" / "index.html"
    assert find_file(folder, "") == folder / "index.html"


def test_the_application_is_made_at_the_first_request(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[object] = []

    def build(find_folder: object) -> Any:
        made.append(find_folder)

        async def answer(scope: Any, receive: Any, send: Any) -> None:
            await send({"type": "http.response.start", "status": 204, "headers": []})

        return answer

    monkeypatch.setattr(quality_pages, "build_app", build)
    pages = QualityPages()
    assert made == []
    assert ask(pages, "/")[0] == ask(pages, "/")[0] == 204
    assert made == [quality_pages.configured_folder]


def test_the_plugin_links_the_page_from_the_ui() -> None:
    spec = importlib.util.spec_from_file_location(
        "candlewick_plugin", ROOT / "plugins" / "candlewick_plugin.py"
    )
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    plugin = module.CandlewickPlugin
    [app] = plugin.fastapi_apps
    [view] = plugin.external_views
    assert isinstance(app["app"], QualityPages)
    assert view["href"] == app["url_prefix"] + "/"
    assert (view["destination"], view["url_route"], view["name"]) == (
        "nav",
        "data-quality",
        "Data quality",
    )


def test_the_plugin_imports_nothing_heavy_and_nothing_a_task_should_read_anew() -> None:
    # Every task and the scheduler import plugins too.
    script = (
        "import sys, airflow.sdk, airflow.plugins_manager; before = set(sys.modules); "
        "import include.airflow_bridge.quality_pages; print(sorted(set(sys.modules) - before))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert done.stdout.split() == [
        "['include',",
        "'include.airflow_bridge',",
        "'include.airflow_bridge.quality_pages']",
    ]
