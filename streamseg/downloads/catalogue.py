"""The data sets that `streamseg data` downloads: addresses of the publishers, licences, and known checksums."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamseg.errors import SourceError

CO3D = "https://dl.fbaipublicfiles.com/co3dv2_231130"
TUM = "https://cvg.cit.tum.de/rgbd/dataset"


@dataclass(frozen=True)
class Archive:
    """A file to download and unpack. hash: "sha256:..." or "md5:...", None if unknown: then only unpacking finds
    damage."""

    url: str
    hash: str | None = None

    @property
    def name(self) -> str:
        """The file name."""
        return self.url.split("?")[0].rsplit("/", 1)[1]


@dataclass(frozen=True)
class DataSet:
    """A data set. kind: the source that reads it, and the name of its folder. page: where users can download it by
    hand. archives: all files to download."""

    kind: str
    licence: str
    page: str
    archives: tuple[Archive, ...]


TUM_HASHES = {
    "freiburg1_desk": "sha256:e983d6830916e66dc4a46a71368046b149b283de87769690e7aa4e0b9483530c",
    "freiburg1_xyz": "sha256:a0236d97b8c30cd93b653656d2b6c293ff7c982a4130ef2a1a8beecdb124ef98",
}
DAVIS = DataSet(
    "davis",
    "as its publishers state it: see the page",
    "https://davischallenge.org/davis2017/code.html",
    (Archive("https://data.vision.ee.ethz.ch/csergi/share/davis/DAVIS-2017-trainval-480p.zip"),),
)
OCID = DataSet(
    "ocid",
    "CC BY 4.0",
    "https://researchdata.tuwien.at/records/pcbjd-4wa12",
    (
        Archive(
            "https://researchdata.tuwien.at/records/pcbjd-4wa12/files/OCID-dataset.tar.gz?download=1",
            "md5:aa0eff01f75104c40e4243e6f892a757",
        ),
    ),
)
KINDS = ("co3d", "davis", "ocid", "tum")


def find(kind: str, part: str = "") -> DataSet:
    """Return a data set. kind: one of KINDS. part: the sequence of "tum" ("fr1/desk"), the category of "co3d"
    ("apple"), "" for the others. Raises SourceError for a part that cannot exist."""
    if kind == "tum":
        return _tum(part)
    if kind == "co3d":
        return _co3d(part)
    if part:
        raise SourceError(f"{kind} comes as a whole, it has no part {part!r}", f"streamseg data {kind}")
    return DAVIS if kind == "davis" else OCID


def _tum(part: str) -> DataSet:
    match = re.fullmatch(r"(?:rgbd_dataset_)?(?:fr|freiburg)([123])[/_-]?(\w+)", part.strip("/"), re.ASCII)
    if match is None:
        raise SourceError(
            f"{part!r} is not a sequence of TUM RGB-D" if part else "name a sequence of TUM RGB-D",
            "e.g. streamseg data tum fr1/desk",
        )
    name = f"freiburg{match[1]}_{match[2]}"
    archive = Archive(f"{TUM}/freiburg{match[1]}/rgbd_dataset_{name}.tgz", TUM_HASHES.get(name))
    page = "https://cvg.cit.tum.de/data/datasets/rgbd-dataset/download"
    return DataSet("tum", "CC BY 4.0", page, (archive,))


def _co3d(part: str) -> DataSet:
    if not re.fullmatch(r"[a-z]+", part):
        raise SourceError(
            f"{part!r} is not a category of CO3D" if part else "name a category of CO3D",
            "e.g. streamseg data co3d apple",
        )
    # the publishers' subset with one sequence per category: its annotations, then its pictures
    archives = tuple(Archive(f"{CO3D}/{part}_{number:03d}_singlesequence.zip") for number in (0, 1))
    return DataSet("co3d", "CC BY-NC 4.0", "https://github.com/facebookresearch/co3d", archives)
