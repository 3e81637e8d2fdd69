"""Read object stores and web servers through fsspec, and raise their failures as OSErrors.

Owns the mapping from what drivers raise to what the project understands; refuses to know which
object is new. Drivers are imported only when a URL asks for one.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, TypeVar

from crossmodal.errors import PathError
from crossmodal.files.retry import NUM_RETRIES, with_retries
from crossmodal.files.secrets import refuse_secrets

T = TypeVar("T")

_SCHEME = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*)://")
_EXTRAS = {"s3": "s3", "s3a": "s3", "gs": "gcs", "gcs": "gcs"}
_WEB = ("http", "https")


class RemoteFiles:
    """Address one object or folder of a store: list it, ask about it, open it.

    Raises:
        PathError: the URL holds a secret, its scheme is unknown, or its driver is not installed.
    """

    def __init__(self, url: str) -> None:
        import fsspec

        matched = _SCHEME.match(refuse_secrets(url))
        self.url = url
        self.scheme = matched.group(1).lower() if matched else ""
        self.is_web = self.scheme in _WEB
        try:
            # A cached listing would hide what changed since a long-lived process last looked.
            options = _web_options() if self.is_web else {}
            self._fs, self.path = fsspec.core.url_to_fs(url, use_listings_cache=False, **options)
        except ImportError as error:
            extra = _EXTRAS.get(self.scheme)
            package = f"'crossmodal[{extra}]'" if extra else "the package named above"
            raise PathError(f"{url!r} needs a driver: {error}. pip install {package}") from error
        except ValueError as error:
            raise PathError(
                f"{url!r} has no scheme that can be read ({error}); "
                "use a local path, s3://, gs://, http:// or https://"
            ) from error

    def info(self, path: str | None = None) -> dict[str, Any]:
        """Return what the store says of one object; FileNotFoundError where there is none."""
        return dict(self._call(self._fs.info, path or self.path))

    def children(self, folder: str) -> list[dict[str, Any]]:
        """Return the objects and folders directly below a folder."""
        return list(self._call(self._fs.ls, folder, detail=True))

    def descendants(self, folder: str) -> list[dict[str, Any]]:
        """Return all objects below a folder by one sweep of requests."""
        return list(self._call(self._fs.find, folder, detail=True).values())

    def bucket_exists(self) -> bool:
        """Say whether the bucket does; a web server counts as one."""
        return self.is_web or bool(self._call(self._fs.exists, self.path.split("/")[0]))

    def open(self) -> Any:
        """Open the object for reading in order; the caller retries opening and reading as one."""
        return with_os_errors(lambda: self._fs.open(self.path, "rb", cache_type="readahead"))

    def read_range(self, start: int, stop: int) -> bytes:
        """Return the bytes of the object from a position up to another.

        Raises:
            OSError: the server gave others, as one does that knows no ranges.
        """
        data: bytes = self._call(self._fs.cat_file, self.path, start=start, end=stop)
        if len(data) != stop - start:
            raise OSError(f"{self.url} gave {len(data):,} bytes where {stop - start:,} were asked")
        return data

    def gives_parts(self) -> bool:
        """Say whether parts of the object can be asked for; object stores always give them."""
        if not self.is_web:
            return True

        def probe() -> bool:
            with self._fs.open(self.path, "rb", cache_type="none") as file:
                try:
                    file.seek(1)
                    return len(file.read(1)) == 1
                except ValueError:  # what fsspec raises where the whole comes instead
                    return False

        return bool(self._call(probe))

    def uri(self, name: str) -> str:
        """Return the URL of an object by the name that the store gives it."""
        return name if _SCHEME.match(name) else f"{self.scheme}://{name}"

    def _call(self, function: Callable[..., T], *args: Any, **options: Any) -> T:
        return with_retries(lambda: with_os_errors(lambda: function(*args, **options)))


class LeftTheHost(PermissionError):
    """A web server sent its caller on to another host, or from https to http."""


@cache
def _web_options() -> dict[str, Any]:
    """Return the options of a session that stays on its host and reads ~/.netrc."""
    import aiohttp

    from crossmodal.files.addresses import checked_session

    traces = aiohttp.TraceConfig()
    traces.on_request_redirect.append(_stay_on_host)
    told = {"trace_configs": [traces], "trust_env": True}
    return {"client_kwargs": told, "get_client": checked_session}


async def _stay_on_host(_session: Any, _context: Any, params: Any) -> None:
    """Refuse a redirect that could lead to where only this machine may go."""
    from yarl import URL

    headers = params.response.headers
    target = params.url.join(URL(headers.get("Location") or headers.get("URI") or ""))
    is_safe = target.scheme == "https" or params.url.scheme == "http"
    if target.host != params.url.host or not is_safe:
        raise LeftTheHost(
            f"{params.url.host} sends on to {target.scheme}://{target.host}, which is not followed"
        )


def with_os_errors(call: Callable[[], T]) -> T:
    """Return what ``call`` returns; what a driver raises of its own becomes an OSError."""
    try:
        return call()
    except Exception as error:
        translated = _translated(error)
        if translated is None:
            raise
        raise translated from error


def _translated(error: BaseException | None) -> OSError | None:
    """Map an exception by its origin, since a driver that is not installed cannot be imported."""
    # fsspec calls a web file missing whatever the reason; the cause knows better.
    if isinstance(error, FileNotFoundError) and _library(error.__cause__) == "aiohttp":
        return _translated(error.__cause__)
    if isinstance(error, FileNotFoundError) and isinstance(error.__cause__, LeftTheHost):
        return error.__cause__
    if isinstance(error, OSError) and (astray := _led_astray(error)):
        return PermissionError(str(astray))
    library = _library(error)
    message = str(error) or type(error).__name__
    if library in ("aiohttp", "gcsfs"):
        return _from_http_status(getattr(error, "status", None) or _code(error), message)
    if "Credential" in type(error).__name__ or "Token" in type(error).__name__:
        return PermissionError(message)
    if library in ("botocore", "aiobotocore", "google"):
        return ConnectionError(message)
    return None


def _led_astray(error: BaseException) -> BaseException | None:
    """Return what refused an address, however deep the driver and fsspec have wrapped it."""
    waiting: list[BaseException | None] = [error]
    for found in waiting:  # grows: the error of a connection names an error of the system, too
        if type(found).__name__ == "LedAstray":
            return found
        for inner in (getattr(found, "__cause__", None), getattr(found, "os_error", None)):
            if inner is not None and not any(inner is known for known in waiting):
                waiting.append(inner)
    return None


def _library(error: BaseException | None) -> str:
    return type(error).__module__.partition(".")[0]


def _code(error: BaseException | None) -> int | None:
    code = getattr(error, "code", None)
    return int(code) if code is not None and str(code).isdigit() else None


def _from_http_status(status: int | None, message: str) -> OSError:
    if status in (401, 403):
        return PermissionError(message)
    if status in (404, 410):
        return FileNotFoundError(message)
    if status is not None and 400 <= status < 500 and status not in (408, 429):
        return OSError(message)
    return ConnectionError(message)


def explain(files: RemoteFiles, error: OSError) -> PathError:
    """Say what to do about a URL that could not be listed at all."""
    if isinstance(error, PermissionError):
        advice = {
            "s3": "set AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY",
            "gcs": "set GOOGLE_APPLICATION_CREDENTIALS, or run gcloud auth login",
        }.get(_EXTRAS.get(files.scheme, ""), "check that it may be read without logging in")
        return PathError(f"{files.url!r} may not be read ({error}): {advice}")
    if isinstance(error, FileNotFoundError):
        return PathError(f"{files.url!r}: there is no such bucket, or it is not yours to see")
    return PathError(
        f"{files.url!r} could not be reached in {NUM_RETRIES + 1} attempts ({error}): check the "
        "network and, for a store of your own, AWS_ENDPOINT_URL"
    )
