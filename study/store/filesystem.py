"""An object store as a file system of pyarrow, for Ray Tune. Imported only for studies in an object store: it needs the extra `ganstudy[cloud]`."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from obstore.fsspec import BufferedFile, FsspecStore
from pyarrow.fs import FSSpecHandler, PyFileSystem

# A worker with a checkpoint waits some minutes for a store that does not answer; after five, the signature of its request could expire.
_PATIENT = {"max_retries": 1000, "retry_timeout": timedelta(minutes=4), "backoff": {"max_backoff": timedelta(seconds=5)}}


class _File(BufferedFile):
    def write(self, data: Any) -> int:
        return super().write(bytes(data))  # pyarrow passes a buffer of signed bytes, which obstore 0.12 refuses


_NEVER_THERE = ("/result.json", "/progress.csv")


class _Store(FsspecStore):
    async def _info(self, path: str, **options: Any) -> dict[str, Any]:
        if path.endswith(
            _NEVER_THERE
        ):  # when a study ends, Tune looks for them trial by trial, though it writes none: minutes for 10,000 trials
            raise FileNotFoundError(path)
        return await super()._info(path, **options)

    def _open(self, path: str, mode: str = "rb", *args: Any, **options: Any) -> BufferedFile:
        return _File(self, path, "wb") if mode == "wb" else super()._open(path, mode, *args, **options)


def filesystem(scheme: str, client: Mapping[str, Any]) -> PyFileSystem:
    """Return the file system of all buckets of a scheme. It holds no credentials when it is pickled: each process takes those of its environment."""
    return PyFileSystem(FSSpecHandler(_Store(scheme, client_options=dict(client), retry_config=_PATIENT)))  # type: ignore[call-overload]
