"""Segments the frames of a camera in a loop of your own, as in a robot's callback:

python samples/camera_loop.py [CAMERA or VIDEO] [FRAMES]
"""

import itertools
import sys

import cv2

import streamseg

source = sys.argv[1] if len(sys.argv) > 1 else "0"
count = int(sys.argv[2]) if len(sys.argv) > 2 else None
camera = cv2.VideoCapture(int(source) if source.isdecimal() else source)
with streamseg.Segmenter(objects=True) as segmenter:
    for number in itertools.count():
        read, bgr = camera.read()
        if not read or number == count:
            break
        result = segmenter.step(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
        print(f"frame {number}: {len(result.properties)} objects, {sum(result.timings_ms.values()):.0f} ms")
camera.release()
