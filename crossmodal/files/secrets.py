"""Keep passwords and signatures out of what is stored: a URL that holds one is refused.

Owns what counts as a secret in a URL. A source's uri stands in the collection, in Prefect's
database, in answers and in logs, so it must be one that everybody may read.
"""

from __future__ import annotations

import re

from crossmodal.errors import PathError

_NAMES = (
    "x-amz-signature", "x-amz-credential", "x-amz-security-token", "x-goog-signature",
    "x-goog-credential", "awsaccesskeyid", "sig", "signature", "token", "access_token",
    "auth_token", "id_token", "sas", "api_key", "api-key", "apikey", "password", "passwd", "pwd",
    "secret", "client_secret", "auth", "jwt",
)  # fmt: skip


def _in_any_case(words: str) -> str:
    return "".join(f"[{c.upper()}{c}]" if c.isalpha() else c for c in words)


_SCHEME = "[A-Za-z][A-Za-z0-9+.-]*://"
_QUERY = f"[^?#]*[?#](?:.*[&;?#])?(?:{'|'.join(map(_in_any_case, _NAMES))})="
_SECRET = f"(?:{_in_any_case('http')}[Ss]?://[^/?#]*@|{_SCHEME}[^/?#]*:[^/?#]*@|{_SCHEME}{_QUERY})"
PATTERN = f"^(?!{_SECRET})"
"""Matches what may be stored; understood by Python and by the browser's JavaScript."""
_FOUND = re.compile(_SECRET)


def has_secret(text: str) -> bool:
    """Say whether a URL holds a password, a token or a signature; a local path never does."""
    return _FOUND.match(text) is not None


def refuse_secrets(url: str) -> str:
    """Return a URL without secrets.

    Raises:
        PathError: It holds one; the message does not.
    """
    if has_secret(url):
        raise PathError(
            f"{without_secrets(url)}: the URL holds a password, token or signature, which would be "
            "stored with every source. Leave it out: for a web server put it into ~/.netrc, for a "
            "bucket name s3://bucket/key or gs://bucket/key and log in by the environment"
        )
    return url


def without_secrets(url: str) -> str:
    """Return a URL for people to read: no user, no query."""
    bare = re.split("[?#]", url, maxsplit=1)[0]
    shown = re.sub("://[^/]*@", "://***@", bare)
    return f"{shown}?***" if bare != url else shown
