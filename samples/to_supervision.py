"""Converts masks to `supervision.Detections`, and draws them with supervision:

python samples/to_supervision.py VIDEO picture.png

Needs `pip install "streamseg[supervision]"`.
"""

import sys

import cv2
import supervision

import streamseg

source, picture = sys.argv[1], sys.argv[2]
by_id = {"color_lookup": supervision.ColorLookup.TRACK}
annotators = [
    supervision.MaskAnnotator(**by_id),
    supervision.BoxAnnotator(**by_id, thickness=1),
    supervision.TraceAnnotator(**by_id),
]
label = supervision.LabelAnnotator(**by_id, text_scale=0.4, text_padding=3)
for result in streamseg.segment(source, objects=True, max_frames=20):
    detections = result.segmentation.to_supervision()
    print(f"{result.frame.name}: {len(detections)} objects with ids {detections.tracker_id}")
    drawn = cv2.cvtColor(result.frame.rgb, cv2.COLOR_RGB2BGR)
    for annotator in annotators:
        drawn = annotator.annotate(drawn, detections)
    names = [f"object {i}" for i in detections.tracker_id] if len(detections) else []
    drawn = label.annotate(drawn, detections, labels=names)
cv2.imwrite(picture, drawn)
