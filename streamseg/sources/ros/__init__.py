"""Readers of ROS bags: files, topics and messages. The source that uses them is `sources.bag`."""
