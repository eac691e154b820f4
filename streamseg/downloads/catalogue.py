"""What `streamseg data` can get: the addresses its publishers give, licences, and checksums where they are known."""

from __future__ import annotations

import re
from dataclasses import dataclass

from streamseg.errors import SourceError

CO3D = "https://dl.fbaipublicfiles.com/co3dv2_231130"
TUM = "https://cvg.cit.tum.de/rgbd/dataset"


@dataclass(frozen=True)
class Archive:
    """hash: "sha256:..." or "md5:...", None where none is known; a damaged one then shows when it is unpacked."""

    url: str
    hash: str | None = None

    @property
    def name(self) -> str:
        return self.url.split("?")[0].rsplit("/", 1)[1]


@dataclass(frozen=True)
class DataSet:
    """kind: the source that reads it, and its folder's name. page: where people get it by hand. archives: all of it."""

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
    """kind: one of KINDS. part: a TUM sequence ("fr1/desk") or a CO3D category ("apple"). Raises SourceError."""
    if kind == "tum":
        return _tum(part)
    if kind == "co3d":
        return _co3d(part)
    if part:
        raise SourceError(f"{kind} comes as a whole, it has no part {part!r}", f"streamseg data {kind}")
    return DAVIS if kind == "davis" else OCID


def _tum(part: str) -> DataSet:
    found = re.fullmatch(r"(?:rgbd_dataset_)?(?:fr|freiburg)([123])[/_-]?(\w+)", part.strip("/"), re.ASCII)
    if found is None:
        raise SourceError(
            f"{part!r} is not a sequence of TUM RGB-D" if part else "name a sequence of TUM RGB-D",
            "e.g. streamseg data tum fr1/desk",
        )
    name = f"freiburg{found[1]}_{found[2]}"
    archive = Archive(f"{TUM}/freiburg{found[1]}/rgbd_dataset_{name}.tgz", TUM_HASHES.get(name))
    page = "https://cvg.cit.tum.de/data/datasets/rgbd-dataset/download"
    return DataSet("tum", "CC BY 4.0", page, (archive,))


def _co3d(part: str) -> DataSet:
    if not re.fullmatch(r"[a-z]+", part):
        raise SourceError(
            f"{part!r} is not a category of CO3D" if part else "name a category of CO3D",
            "e.g. streamseg data co3d apple",
        )
    # the annotations, then the pictures of the publishers' subset of one sequence a category
    archives = tuple(Archive(f"{CO3D}/{part}_{number:03d}_singlesequence.zip") for number in (0, 1))
    return DataSet("co3d", "CC BY-NC 4.0", "https://github.com/facebookresearch/co3d", archives)
