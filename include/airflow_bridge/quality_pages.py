"""Serves the page of data quality and Data Docs inside Airflow's UI, to people who are logged in.

Airflow imports its plugins in every process, so what is heavy is imported at the first request; so
are our own modules, which the scheduler would else hand to every task as it once read them.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from pathlib import Path
from typing import Any, Final

PREFIX: Final = "/quality"
PAGE: Final = "index.html"
MEDIA: Final = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
}
"""What is served; anything else in the folder does not exist for a reader."""
# Our own page carries the hash of its script; Data Docs, made of what was found in data, run none.
_OWN_POLICY: Final = "frame-ancestors 'self'; base-uri 'none'"
_DOCS_POLICY: Final = (
    "default-src 'none'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; font-src 'self'; "
    "frame-ancestors 'self'; base-uri 'none'; form-action 'none'"
)
_ICON: Final = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 24 24" fill="{colour}">'
    '<path d="M3 3h5v5H3zM10 3h5v5h-5zM17 3h4v5h-4zM3 10h5v5H3zM17 10h4v5h-4zM3 17h5v4H3zM10 17h5v4'
    'h-5z"/><path d="M10 12h5v3h-5zM17 19h4v2h-4z" opacity=".45"/></svg>'
)
_NOT_DRAWN: Final = (
    "<!doctype html><meta charset=utf-8><title>Data quality</title>"
    "<style>:root{color-scheme:light dark}body{font:15px/1.5 system-ui,sans-serif;margin:3em}"
    "</style>"
    "<h1>Data quality</h1><p>Nothing has been drawn yet. The page appears once candles are loaded "
    "and DAG <b>publish_report</b> or <b>check_warehouse</b> has run.</p>"
)

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


class QualityPages:
    """The web application, made when it is first asked for anything."""

    def __init__(self) -> None:
        """Import nothing yet."""
        self._app: Any = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if self._app is None:
            self._app = build_app(configured_folder)
        await self._app(scope, receive, send)


def build_app(find_folder: Callable[[], Path]) -> Any:
    """Return the application that serves the folder that ``find_folder`` names.

    Every answer asks for a login; pages that the framework makes by itself are not served.
    """
    from airflow.api_fastapi.core_api.security import requires_authenticated
    from fastapi import Depends, FastAPI, Response

    app = FastAPI(
        title="Candlewick data quality",
        dependencies=[Depends(requires_authenticated())],
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
    )

    # A plain function, so that reading files and settings happens in a thread of its own.
    def serve(path: str) -> Response:
        if path in ("icon-light.svg", "icon-dark.svg"):
            colour = "#3f4b57" if path == "icon-light.svg" else "#c9d3dd"
            return Response(_ICON.format(colour=colour), media_type=MEDIA[".svg"])
        found = find_file(find_folder(), path)
        if found is None:
            text = _NOT_DRAWN if path in ("", PAGE) else "not found"
            kind = MEDIA[".html"] if path in ("", PAGE) else "text/plain"
            return Response(text, status_code=404, media_type=kind, headers=_headers(path))
        return Response(found.read_bytes(), media_type=MEDIA[found.suffix], headers=_headers(path))

    app.add_api_route("/{path:path}", serve, methods=["GET"], response_model=None)
    return app


def find_file(folder: Path, path: str) -> Path | None:
    """Return the file of ``folder`` that a request's path names, or None.

    A folder stands for its ``index.html``. Nothing outside the folder, behind a name that begins
    with a dot, or of another kind than those of ``MEDIA`` is ever returned.
    """
    parts = [part for part in path.split("/") if part]
    if any(part.startswith(".") or "\0" in part or "\\" in part for part in parts):
        return None
    try:
        root = folder.resolve()
        found = root.joinpath(*parts).resolve()
        if found.is_dir():
            found = (found / PAGE).resolve()
        served = found.is_relative_to(root) and found.suffix in MEDIA and found.is_file()
    except OSError:
        return None
    return found if served else None


def configured_folder() -> Path:
    """Return the folder of Variable ``settings``, as the API server sees it."""
    # The task's own Variable asks the API server; this is the API server.
    from airflow.models.variable import Variable

    from include.market.settings import parse_settings

    return Path(parse_settings(Variable.get("settings", default_var=None) or "{}").quality_dir)


def _headers(path: str) -> dict[str, str]:
    own = path in ("", PAGE)
    return {
        "Content-Security-Policy": _OWN_POLICY if own else _DOCS_POLICY,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cache-Control": "no-cache, private",
    }
