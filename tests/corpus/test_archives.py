"""Corpora inside archives: the same as unpacked, whatever the kind; what is unsafe or damaged is refused."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from probekit.corpus import open_corpus, reopen_corpus
from probekit.corpus.archives import enclosing_file, is_file, members, split_archive_path
from probekit.corpus.lines import file_digest
from probekit.errors import InputError, UsageError

PARTS = {"train": 30, "dev": 5, "test": 5}
FILES = {
    f"bank/b-{part}.conllu": "".join(
        f"# sent_id = {part}{i}\n1\tw{i}\t_\tX\t_\t_\t0\troot\t_\t_\n\n" for i in range(count)
    )
    for part, count in PARTS.items()
}
OTHERS = {
    "bank/README": "no corpus",
    "bank/x.xml": "<x/>",
    "__MACOSX/bank/b-dev.conllu": "junk",
    "bank/.hid.conllu": "",
}


def packed(path: Path, files: dict[str, str]) -> Path:
    """Write an archive of the kind that the path's suffix says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as out:
            for name, text in files.items():
                out.writestr(name, text)
        return path
    with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as out:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            out.addfile(info, io.BytesIO(text.encode()))
    return path


@pytest.fixture(params=["b.zip", "b.tar", "b.tar.gz", "b.tgz"])
def archive(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return packed(tmp_path / request.param, {**FILES, **OTHERS})


def test_it_is_the_same_as_unpacked(archive: Path, tmp_path: Path) -> None:
    folder = tmp_path / "unpacked"
    folder.mkdir()
    for name, text in FILES.items():
        (folder / Path(name).name).write_text(text)
    corpus = open_corpus(archive)
    assert list(corpus) == list(open_corpus(folder))
    assert corpus.name == "b"
    assert {example.split for example in corpus} == set(PARTS)


def test_a_file_or_a_pattern_of_it_may_be_named(archive: Path) -> None:
    (one,) = {example.split for example in open_corpus(f"{archive}!bank/b-dev.conllu").subsample(1)}
    assert one in PARTS
    assert len(list(open_corpus(f"{archive}!bank/b-dev.conllu"))) == 5
    assert len(list(open_corpus(f"conllu:{archive}!*-t*.conllu"))) == 35
    assert open_corpus(Path(f"{archive}!bank/*.conllu")).name == "b"
    with pytest.raises(InputError, match=r"no file of this archive is called 'bank/c\.\*'\. It holds bank/README"):
        open_corpus(f"{archive}!bank/c.*")


def test_the_record_digests_the_archive_and_opens_again(archive: Path) -> None:
    corpus = open_corpus(archive)
    assert corpus.source is not None
    assert corpus.source.digests == {str(archive): file_digest(archive)}
    assert corpus.source.locations[0] == f"{archive}!bank/b-train.conllu"
    assert list(reopen_corpus(corpus.source)) == list(corpus)
    shifted = open_corpus(f"bigram-shift:{archive}")
    assert shifted.source is not None
    assert shifted.source.digests == corpus.source.digests
    archive.unlink()
    with pytest.raises(InputError, match="the file that the cache was made from is gone"):
        reopen_corpus(corpus.source)


def test_a_changed_archive_is_read_anew(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"a.txt": "one two\n"})
    assert [example.words for example in open_corpus(path)] == [("one", "two")]
    packed(path, {"a.txt": "three four five\n"})
    assert [example.words for example in open_corpus(path)] == [("three", "four", "five")]


def test_faults_are_named_by_file_and_line_in_the_archive(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.tar.gz", {"d/a.conllu": "1\tx\n"})
    with pytest.raises(InputError) as caught:
        list(open_corpus(path))
    assert str(caught.value).startswith(f"{path}!d/a.conllu:1:")


def test_in_a_folder_files_come_before_archives(tmp_path: Path) -> None:
    packed(tmp_path / "old.zip", {"a.txt": "from the archive\n"})
    assert [example.words for example in open_corpus(tmp_path)] == [("from", "the", "archive")]
    assert open_corpus(tmp_path).name == tmp_path.name
    packed(tmp_path / "other.tar", {"b.txt": "another\n"})
    with pytest.raises(UsageError, match=r"several archives are corpora \(old\.zip, other\.tar\)\. Name one"):
        open_corpus(tmp_path)
    (tmp_path / "c.txt").write_text("from the folder\n")
    assert [example.words for example in open_corpus(tmp_path)] == [("from", "the", "folder")]


@pytest.mark.parametrize("name", ["../evil.txt", "/etc/evil.txt", "a/../../evil.txt"])
@pytest.mark.parametrize("kind", ["a.zip", "a.tar.gz"])
def test_names_that_lead_outside_are_refused(name: str, kind: str, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="lies outside of it: refused"):
        open_corpus(packed(tmp_path / kind, {"a.txt": "fine\n", name: "evil\n"}))


def test_links_and_devices_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret.txt").write_text("secret words\n")
    path = tmp_path / "a.tar"
    with tarfile.open(path, "w") as out:
        for name, kind in {"l.txt": tarfile.SYMTYPE, "h.txt": tarfile.LNKTYPE, "d.txt": tarfile.CHRTYPE}.items():
            info = tarfile.TarInfo(name)
            info.type, info.linkname = kind, str(tmp_path / "secret.txt")
            out.addfile(info)
    zipped = tmp_path / "b.zip"
    with zipfile.ZipFile(zipped, "w") as out:
        entry = zipfile.ZipInfo("l.txt")
        entry.external_attr = 0o120777 << 16
        out.writestr(entry, str(tmp_path / "secret.txt"))
    assert members(path) == members(zipped) == []
    with pytest.raises(InputError, match="no file in this archive is a corpus"):
        open_corpus(path)


def test_sizes_that_no_corpus_has_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probekit.corpus.archives.LARGEST", 1 << 16)
    path = packed(tmp_path / "bomb.zip", {"a.txt": "a\n" * (1 << 16)})
    with pytest.raises(InputError, match="0 MiB and more: refused"):
        open_corpus(path)
    monkeypatch.setattr("probekit.corpus.archives.MOST_FILES", 3)
    with pytest.raises(InputError, match="more than 3 files: refused"):
        open_corpus(packed(tmp_path / "many.tar", {f"{i}.txt": "a\n" for i in range(4)}))


@pytest.mark.parametrize("kind", ["a.zip", "a.tar", "a.tgz"])
def test_damage_is_an_error_of_the_input(kind: str, tmp_path: Path) -> None:
    path = tmp_path / kind
    path.write_bytes(b"not an archive at all")
    with pytest.raises(InputError, match="cannot be read"):
        open_corpus(path)
    whole = packed(path, {"a.txt": "".join(f"a line {i * 7919 % 10007}\n" for i in range(5000))}).read_bytes()
    path.write_bytes(whole[:5000] + bytes(400) + whole[5400:] if kind != "a.tar" else whole[:5000])
    with pytest.raises(InputError, match=r"damaged|cannot be read"):
        list(open_corpus(path))


def test_paths_are_parted_only_at_archives_that_are_there(tmp_path: Path) -> None:
    path = packed(tmp_path / "a.zip", {"d/a.txt": "x\n"})
    inside = Path(f"{path}!d/a.txt")
    assert split_archive_path(inside) == (path, "d/a.txt")
    assert (enclosing_file(inside), enclosing_file(path)) == (path, path)
    assert (is_file(inside), is_file(Path(f"{path}!d/b.txt"))) == (True, False)
    odd = tmp_path / "what!.txt"
    odd.write_text("a b\n")
    assert split_archive_path(odd) is None
    assert len(list(open_corpus(odd))) == 1


@pytest.mark.parametrize(("count", "documents"), [(29, 0), (30, 30)])
def test_many_files_of_trees_are_documents(count: int, documents: int, tmp_path: Path) -> None:
    path = packed(tmp_path / "t.zip", {f"t{i:02}.mrg": "(S (X a) (X b))\n(S (X c) (X d))\n" for i in range(count)})
    corpus = list(open_corpus(path))
    assert len({example.group for example in corpus} - {None}) == documents
    splits = {(example.group, example.split) for example in corpus}
    assert documents == 0 or len(splits) == documents
