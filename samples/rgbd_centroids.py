"""Prints the 3-D centroid of each object in each frame of an RGB-D folder:

python samples/rgbd_centroids.py samples/tabletop
"""

import sys

import streamseg

for result in streamseg.segment(sys.argv[1], objects=True, max_frames=10):
    print(result.frame.name)
    for segment in result.properties:
        if segment.centroid is not None:
            x, y, z = segment.centroid  # metres: right, down and forward of the camera
            print(f"  object {segment.id}: {x:+.2f} {y:+.2f} {z:.2f} m, {segment.area} pixels")
