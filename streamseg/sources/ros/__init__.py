"""ROS bags: the file, its topics, and what their messages hold. The plugin that puts them together is `sources.bag`."""
