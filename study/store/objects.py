"""The objects of one study in an object store (S3, Google Cloud Storage, Azure), by obstore. Needs the extra `ganstudy[cloud]`.

Credentials, region and endpoint come from the usual environment variables of the store, or from the role of the machine.
"""

import os
import re
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ganstudy import UserError

if TYPE_CHECKING:
    from obstore import PutMode
    from obstore.store import RetryConfig

SCHEMES = ("s3", "gs", "az")
_URL = re.compile(rf"({'|'.join(SCHEMES)})://[A-Za-z0-9][A-Za-z0-9._-]*(/[^/?#\s]+)+")
_VARIABLES = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, AWS_REGION and AWS_ENDPOINT_URL",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_NAME and AZURE_STORAGE_ACCOUNT_KEY",
}
_SOON: "RetryConfig" = {"max_retries": 3, "retry_timeout": timedelta(seconds=15), "backoff": {"max_backoff": timedelta(seconds=3)}}
_THREADS = 16  # requests at a time


class StoreError(UserError):
    """The object store did not carry out a request: it cannot be reached, or it refuses the request."""


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What the store knows about an object."""

    key: str
    size: int  # bytes
    tag: str  # changes with the content
    modified: datetime  # by the clock of the store


def is_url(where: object) -> bool:
    """Whether a text is an address, of an object store or of anything else, and so no path."""
    return isinstance(where, str) and re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", where) is not None


def not_url(path: Path, what: str) -> Path:
    """Return a path. Raises UserError if it was made from an address, which lost a slash by that. what: the words for it in the message."""
    if re.match(r"[A-Za-z][A-Za-z0-9+.-]+:/", str(path)):
        raise UserError(f"{what} must be a path on this machine, or an address given as text where one is allowed; given {str(path)!r}")
    return path


def checked_url(url: str) -> str:
    """Return the address of a study without a slash at its end. Raises UserError if it is none."""
    url = url.rstrip("/")
    if not _URL.fullmatch(url) or {".", ".."} & {*url.split("/")}:
        raise UserError(
            f"the folder of a study must be a path, or an address such as s3://bucket/runs/my (also gs:// and az://); given {url!r}. "
            "Credentials do not belong into the address; they come from the environment"
        )
    return url


class Objects:
    """The objects below an address; a key is relative to it. All methods raise StoreError if the store fails or refuses."""

    def __init__(self, url: str):
        """Raises UserError for a wrong address, and without obstore."""
        self.url = checked_url(url)
        self.scheme = self.url.partition(":")[0]
        try:
            import obstore  # here: only studies in an object store need the extra
            from obstore.store import from_url
        except ImportError as error:
            raise UserError(
                f"{url} is in an object store, which needs obstore ({error}); install it: pip install 'ganstudy[cloud]'"
            ) from None
        self._obstore = obstore
        with self._answering():
            self._store = from_url(self.url, client_options=_client(timedelta(seconds=20)), retry_config=_SOON)

    def __reduce__(self) -> tuple[Any, ...]:
        return Objects, (self.url,)

    def get(self, key: str) -> bytes:
        """Return the content of an object. Raises FileNotFoundError if there is none."""
        with self._answering():
            return bytes(self._obstore.get(self._store, key).bytes())

    def get_all(self, keys: Sequence[str]) -> Iterator[bytes]:
        """Yield the contents of objects, in order. Several are fetched at a time."""
        with ThreadPoolExecutor(_THREADS) as pool:
            yield from pool.map(self.get, keys)

    def head(self, key: str) -> Meta | None:
        """Return what is known about an object; None if there is none."""
        try:
            with self._answering():
                return _meta(self._obstore.head(self._store, key))
        except FileNotFoundError:
            return None

    def list(self, prefix: str) -> list[Meta]:
        """Return the objects below a prefix, which is a whole part of a path, sorted by key."""
        with self._answering():
            return sorted((_meta(each) for chunk in self._obstore.list(self._store, prefix) for each in chunk), key=lambda meta: meta.key)

    def parts(self, prefix: str) -> set[str]:
        """Return the names of the folders directly below a prefix."""
        with self._answering():
            return {each.rpartition("/")[2] for each in self._obstore.list_with_delimiter(self._store, prefix)["common_prefixes"]}

    def put(self, key: str, data: bytes) -> None:
        """Write an object, in place of one that is there."""
        with self._answering():
            self._obstore.put(self._store, key, data)

    def create(self, key: str, data: bytes) -> str | None:
        """Write an object unless there is one already, in which case None is returned; else the tag of the new one."""
        return self._put_if(key, data, "create")

    def replace(self, key: str, data: bytes, *, tag: str) -> str | None:
        """Write an object if the one that is there has this tag. Returns its new tag; None if it is another one, or gone."""
        return self._put_if(key, data, {"e_tag": tag})

    def _put_if(self, key: str, data: bytes, mode: "PutMode") -> str | None:
        """Write an object under a condition."""
        try:
            with self._answering():
                # a multipart upload has no conditions
                return str(self._obstore.put(self._store, key, data, mode=mode, use_multipart=False)["e_tag"])
        except (self._obstore.exceptions.AlreadyExistsError, self._obstore.exceptions.PreconditionError):
            return None

    def delete(self, keys: Iterable[str]) -> None:
        """Delete objects. Those that are gone already do not matter."""
        with self._answering():
            self._obstore.delete(self._store, [*keys])

    @cached_property
    def filesystem(self) -> Any:
        """The store as a file system of pyarrow, in which `path` names the objects."""
        from study.store.filesystem import filesystem  # here: only studies in an object store need the extra

        return filesystem(self.scheme, _client(timedelta(minutes=2)))

    def path(self, key: str) -> str:
        """Return the path of an object in `filesystem`."""
        return f"{self.url.partition('://')[2]}/{key}"

    def key(self, path: str) -> str:
        """Return the key of a path in `filesystem`."""
        return path.removeprefix(self.path(""))

    @contextmanager
    def _answering(self) -> Iterator[None]:
        """Convert the errors of the store, but for those about a single object."""
        errors = self._obstore.exceptions
        try:
            yield
        except (errors.AlreadyExistsError, errors.PreconditionError):
            raise
        except FileNotFoundError as error:
            if "NoSuchBucket" not in str(error):
                raise
            raise self._error(error) from None
        except (errors.BaseError, OSError) as error:
            raise self._error(error) from None

    def _error(self, error: Exception) -> StoreError:
        return StoreError(
            f"{self.url} must be an address in an object store that answers, and that may be used with the credentials of this environment; "
            f"it says: {_reason(error)}. Check the address, the network, and {_VARIABLES[self.scheme]}"
        )


def _client(timeout: timedelta) -> Any:
    """Return the options of an HTTP client. timeout: of one request."""
    own_http = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")  # a store on this machine or in this network
    return {"allow_http": own_http, "connect_timeout": timedelta(seconds=5), "timeout": timeout}


def _meta(found: Any) -> Meta:
    return Meta(key=found["path"], size=found["size"], tag=str(found["e_tag"]), modified=found["last_modified"])


def _reason(error: Exception) -> str:
    """Return what the store says, in a line, without queries of addresses, which may hold tokens."""
    text = str(error)
    if found := re.search(r"<Code>(.*?)</Code>\s*<Message>(.*?)</Message>", text, re.DOTALL):
        return f"{found[1]}: {found[2].rstrip('.')}"
    return re.sub(r"\?\S*", "", " ".join(text.partition("Debug source")[0].split())).rstrip(".")
