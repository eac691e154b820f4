"""Readers of video files: the packets of a track, its frames by number, and their conversion to RGB."""

from __future__ import annotations

import re

VIDEOS = re.compile(
    r".*\.(mp4|m4v|mov|qt|f4v|mkv|webm|avi|divx|mpg|mpeg|m1v|m2v|m2p|mpv|vob|ts|mts|m2t|m2ts|tod|mod|wmv|asf|flv|3gp|3g2"
    r"|ogv|ogm|gif|y4m|mjpeg|mjpg|h264|264|avc|h265|265|hevc|obu|ivf|mxf|dv|dif|nut|rm|rmvb|amv)",
    re.IGNORECASE,
)
"""Names of video files. Files with other names may be videos, too; their first bytes show it."""
