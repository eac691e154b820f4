"""Masks into supervision, which draws and counts them:  python samples/to_supervision.py VIDEO picture.png

Needs `pip install supervision`.
"""

import sys

import cv2
import supervision

import streamseg

source, picture = sys.argv[1], sys.argv[2]
paint = supervision.MaskAnnotator(color_lookup=supervision.ColorLookup.TRACK)
for result in streamseg.segment(source, objects=True, max_frames=20):
    detections = result.to_supervision()
    print(f"{result.frame.name}: {len(detections)} objects with ids {detections.tracker_id}")
bgr = cv2.cvtColor(result.frame.rgb, cv2.COLOR_RGB2BGR)
cv2.imwrite(picture, paint.annotate(bgr, detections))
