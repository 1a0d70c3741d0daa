"""Lines of text files, plain, gzipped or in an archive: what enters is a path, what leaves is numbered lines.

Only ``\\n`` and ``\\r\\n`` end a line; U+2028 and its like are characters of the line. A byte order mark
at the start is dropped, a missing final newline is fine. Surprise: a carriage return without a line
feed is an error, because half of the world's tools would end a line there and the other half not.
"""

from __future__ import annotations

import codecs
import gzip
import io
import os
import tarfile
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from probekit.corpus.archives import open_member, split_archive_path
from probekit.corpus.split_names import says_split
from probekit.errors import InputError
from probekit.storage.files import digest_of, is_pointer

BLOCK = 1 << 20
LONGEST_LINE = 1 << 26
BYTE_ORDER_MARK = "\ufeff"


def blocks(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield ``(number of the first line, lines without their ends)``, about 1 MiB at a time.

    Raises
    ------
    InputError
        A file that cannot be opened or unzipped, bytes that are not UTF-8 (``file:line:byte``), a
        lone carriage return (``file:line:column``), a line over 64 MiB.
    """
    number = 1
    rest = b""
    with _open(path) as stream:
        while data := _read(stream, path, number):
            cut = data.rfind(b"\n") + 1
            if not cut:
                rest += data
                if len(rest) > LONGEST_LINE:
                    raise InputError(
                        f"{path}:{number}: the line is longer than {LONGEST_LINE >> 20} MiB. "
                        "Is this a text file with one item a line? Cut the line."
                    )
                continue
            lines = _decode(rest + data[:cut], path, number)
            rest = data[cut:]
            yield number, lines
            number += len(lines)
    if rest:
        yield number, _decode(rest, path, number)


def texts(path: Path, encoding: str = "utf-8") -> Iterator[str]:
    """Yield the lines of a file in an encoding, each with one ``\\n`` at its end; UTF-16 that says so is read as it is.

    Raises
    ------
    InputError
        As :func:`blocks`; bytes that the encoding does not have.
    """
    with _open(path) as stream:
        marked = stream.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    if not marked and codecs.lookup(encoding).name in ("utf-8", "utf-8-sig"):
        for _, lines in blocks(path):
            yield from (f"{line}\n" for line in lines)
        return
    encoding = "utf-16" if marked else encoding
    with _open(path) as stream, io.TextIOWrapper(stream, encoding, newline=None) as text:
        read = 0
        try:
            for line in text:
                read += 1
                yield line if line.endswith("\n") else f"{line}\n"
        except UnicodeError as error:
            raise InputError(
                f"{path}: behind line {read} the bytes are not valid {encoding} ({error}). Name another encoding."
            ) from None


def check_regular(path: Path) -> None:
    """Refuse what cannot be read again from its beginning: a pipe, a device, a folder.

    Raises
    ------
    InputError
    """
    if os.path.exists(path) and not os.path.isfile(path):
        raise InputError(f"{path}: this is not a regular file. Give a file that can be read more than once.")


def file_digest(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hexadecimal digits."""
    check_regular(path)
    try:
        return digest_of(path)
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or error}.") from None


def file_stem(path: Path) -> str:
    """Return the name of a file without ``.gz`` and its suffix: ``en_ewt-ud-dev``.

    A suffix that says a split is part of the name: ``eng.testa``.
    """
    name = path.name.removesuffix(".gz")
    stem, _, suffix = name.rpartition(".")
    return name if not stem or says_split(suffix) else stem


def _open(path: Path) -> IO[bytes]:
    inside = split_archive_path(path) if "!" in str(path) else None
    if inside is not None:
        stream = open_member(*inside)
        return io.BufferedReader(gzip.GzipFile(fileobj=stream), BLOCK) if path.name.endswith(".gz") else stream
    check_regular(path)
    try:
        if is_pointer(path):
            raise InputError(
                f"{path}:1: this file is a pointer of Git LFS to what should be there. Fetch it: "
                f"git -C {path.parent} lfs install --local, then git -C {path.parent} lfs pull."
            )
        if path.name.endswith(".gz"):
            return io.BufferedReader(gzip.GzipFile(path, "rb"), BLOCK)
        return path.open("rb")
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file. Check the path.") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be opened: {error.strerror or error}.") from None


def _read(stream: IO[bytes], path: Path, number: int) -> bytes:
    try:
        return stream.read(BLOCK)
    except (EOFError, gzip.BadGzipFile, zipfile.BadZipFile, tarfile.TarError, zlib.error) as error:
        raise InputError(
            f"{path}:{number}: the compressed data is damaged near this line ({error}). Fetch or compress it again."
        ) from None
    except OSError as error:
        raise InputError(f"{path}:{number}: cannot be read: {error.strerror or error}.") from None


def _decode(data: bytes, path: Path, number: int) -> list[str]:
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = number + data.count(b"\n", 0, error.start)
        byte = error.start - data.rfind(b"\n", 0, error.start)
        raise InputError(
            f"{path}:{line}:{byte}: byte 0x{data[error.start]:02x} is not valid UTF-8 ({error.reason}). "
            "Save the file as UTF-8; nothing is replaced here."
        ) from None
    if number == 1:
        text = text.removeprefix(BYTE_ORDER_MARK)
    if "\r" in text:
        text = text.replace("\r\n", "\n")
        at = text.find("\r")
        if at >= 0:
            line = number + text.count("\n", 0, at)
            column = at - text.rfind("\n", 0, at)
            raise InputError(
                f"{path}:{line}:{column}: a carriage return without a line feed. Only \\n and \\r\\n end a line: "
                "convert the line ends, or remove the character."
            )
    lines = text.split("\n")
    if not lines[-1]:
        lines.pop()
    return lines
