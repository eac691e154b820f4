"""Draws four images of a data set that `--save dataset` wrote, with their masks:

python samples/look_at_dataset.py FOLDER picture.jpg

FOLDER contains images/ and annotations.json.
Needs `pip install "streamseg[supervision]"`.
"""

import sys
from pathlib import Path

import cv2
import numpy as np
import supervision
from pycocotools.coco import COCO

folder, picture = Path(sys.argv[1]), sys.argv[2]
coco = COCO(str(folder / "annotations.json"))
images = coco.loadImgs(coco.getImgIds())
chosen = [images[i] for i in np.linspace(0, len(images) - 1, 4).astype(int)]
by_id = {"color_lookup": supervision.ColorLookup.TRACK}
tiles = []
for image in chosen:
    annotations = coco.loadAnns(coco.getAnnIds(imgIds=image["id"]))
    print(f"{image['file_name']}: {len(annotations)} objects")
    drawn = cv2.imread(str(folder / "images" / image["file_name"]))
    if annotations:
        masks = np.array([coco.annToMask(annotation) for annotation in annotations], bool)
        ids = np.array([annotation["attributes"]["instance_id"] for annotation in annotations])
        objects = supervision.Detections(supervision.mask_to_xyxy(masks), masks, tracker_id=ids)
        drawn = supervision.MaskAnnotator(**by_id).annotate(drawn, objects)
        names = [f"id {i}" for i in ids]
        drawn = supervision.LabelAnnotator(**by_id, text_scale=0.6).annotate(drawn, objects, labels=names)
    tiles.append(cv2.resize(drawn, (640, 640 * drawn.shape[0] // drawn.shape[1])))
cv2.imwrite(picture, np.hstack([np.vstack(tiles[:2]), np.vstack(tiles[2:])]))
