"""Object stores and other file systems by their URL, through ``fsspec``: ``s3://bucket/prefix``, ``gs://``, ``file://``.

Enters: a URL. Leaves: a :class:`Store`, whose names are relative to it. Every error of a store, whatever library it
came from, is one of this package's, and says what was done and what to do. Surprise: an object is put only where there
is none (a conditional put where the store has them, as S3 has), so that two who push the same cache do not mix.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from probekit.errors import CacheError, NetworkError, ProbekitError, ResourceError, UsageError, reason_of
from probekit.storage.files import SMALL_FILE

EXTRAS = {"s3": "s3", "s3a": "s3"}
"""Protocol -> the extra of this package that brings its library."""
READ_AT_ONCE = 32 << 20


@dataclass(frozen=True, slots=True)
class Store:
    """A place in a store, and how to reach it.

    Attributes
    ----------
    url : str
        As it was typed, without a slash at the end.
    files : fsspec.AbstractFileSystem
    base : str
        The place, in the words of `files`.
    """

    url: str
    files: Any
    base: str

    def at(self, name: str) -> Store:
        """Return the place of this name below."""
        return Store(f"{self.url}/{name}", self.files, f"{self.base}/{name}")

    def size(self, name: str) -> int | None:
        """Return the bytes of an object; None where there is none."""
        with store_errors(self, f"look for {name}"):
            try:
                return int(self.files.info(f"{self.base}/{name}", refresh=True)["size"])
            except FileNotFoundError:
                return None

    def sizes(self, folder: str) -> dict[str, int]:
        """Return names and bytes of the objects right below a folder."""
        with store_errors(self, f"list {folder}"):
            try:
                found = self.files.ls(f"{self.base}/{folder}", detail=True, refresh=True)
            except (FileNotFoundError, NotADirectoryError):
                return {}
        return {f"{folder}/{os.path.basename(one['name'])}": int(one["size"]) for one in found if one["type"] == "file"}

    def folders(self) -> list[str]:
        """Return the names of the folders right below."""
        with store_errors(self, "list it"):
            try:
                found = self.files.ls(self.base, detail=True, refresh=True)
            except (FileNotFoundError, NotADirectoryError):
                return []
        return sorted(os.path.basename(one["name"].rstrip("/")) for one in found if one["type"] == "directory")

    def small(self, name: str) -> bytes | None:
        """Return the bytes of a small object; None where there is none.

        Raises
        ------
        CacheError
            It is larger than any such file of a cache.
        """
        size = self.size(name)
        if size is None:
            return None
        if size > SMALL_FILE:
            raise CacheError(f"{self.url}/{name} has {size:,} bytes: no such file of a cache is that large.")
        with store_errors(self, f"read {name}"):
            return bytes(self.files.cat_file(f"{self.base}/{name}"))

    @contextmanager
    def reading(self, name: str) -> Iterator[Any]:
        """Open an object to be read from its beginning."""
        with store_errors(self, f"read {name}"):
            opened = self.files.open(f"{self.base}/{name}", "rb", block_size=READ_AT_ONCE)
        with opened:
            yield opened

    def put(self, path: Path, name: str, *, anew: bool = False) -> bool:
        """Put a file under a name; False where an object is there, unless it is to be put `anew`."""
        if not anew and "file" in _protocols(self) and self.size(name) is not None:  # fsspec copies over it
            return False
        with store_errors(self, f"put {name}"):
            try:
                self.files.put_file(str(path), f"{self.base}/{name}", mode="overwrite" if anew else "create")
            except FileExistsError:
                return False
        return True


def open_store(url: str) -> Store:
    """Return the place that a URL means; nothing is reached yet.

    Raises
    ------
    UsageError
        No URL, a protocol that nobody knows, or one whose library is not installed.
    """
    import fsspec

    protocol = url.partition("://")[0]
    try:
        files, base = fsspec.url_to_fs(
            url.rstrip("/"), **({"auto_mkdir": True} if protocol in ("file", "local") else {})
        )
    except ImportError as error:
        extra = EXTRAS.get(protocol)
        how = f"pip install 'probekit-nlp[{extra}]'" if extra else str(error)
        raise UsageError(f"'{protocol}://' needs a library that is not installed. Install it: {how}.") from error
    except ValueError as error:
        raise UsageError(f"'{url}' is no URL of a store: {error}. Give one like s3://bucket/prefix.") from error
    return Store(url.rstrip("/"), files, base.rstrip("/"))


@contextmanager
def store_errors(store: Store, what: str) -> Iterator[None]:
    """Turn whatever a store's library raises inside into an error that says what could not be done.

    An object that is looked for and missing stays :class:`FileNotFoundError`, and one that is there where it is put
    :class:`FileExistsError`: who asks knows what each means.
    """
    try:
        yield
    except (FileNotFoundError, NotADirectoryError) as error:
        if what.startswith("put"):
            raise UsageError(
                f"Cannot {what} at {store.url}: there is no such bucket or folder. Make it first, or name another."
            ) from error
        if what.startswith("read"):
            raise CacheError(f"Cannot {what} at {store.url}: it vanished meanwhile. Push it again.") from error
        raise
    except (FileExistsError, ProbekitError):
        raise
    except PermissionError as error:
        raise UsageError(
            f"Cannot {what} at {store.url}: {reason_of(error)}. Give the rights, or the credentials that the store's "
            "library reads (of S3: AWS_PROFILE, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY)."
        ) from error
    except OSError as error:
        if error.errno is not None and "file" in _protocols(store):
            raise ResourceError(f"Cannot {what} at {store.url}: {os.strerror(error.errno)}.") from error
        raise _unreachable(store, what, error) from error
    except Exception as error:  # each store has a library of its own, and each library exceptions of its own
        if type(error).__name__ == "NoCredentialsError":
            raise UsageError(
                f"Cannot {what} at {store.url}: no credentials. Set AWS_PROFILE, or AWS_ACCESS_KEY_ID and "
                "AWS_SECRET_ACCESS_KEY."
            ) from error
        raise _unreachable(store, what, error) from error


def _protocols(store: Store) -> tuple[str, ...]:
    protocol = store.files.protocol
    return (protocol,) if isinstance(protocol, str) else tuple(protocol)


def _unreachable(store: Store, what: str, error: Exception) -> NetworkError:
    return NetworkError(
        f"Cannot {what} at {store.url}: {reason_of(error)}. What is there stays; the same command goes on from it."
    )
