"""Prints the object ids of each frame of a video, and writes a picture of the last frame:

python samples/segment_video.py VIDEO picture.png
"""

import sys

import cv2

import streamseg

source, picture = sys.argv[1], sys.argv[2]
for result in streamseg.segment(source, objects=True):
    ids = [segment.id for segment in result.properties]
    print(f"{result.frame.timestamp:8.3f} s  objects {ids}")
cv2.imwrite(picture, cv2.cvtColor(result.plot(), cv2.COLOR_RGB2BGR))
