"""A ROS 2 node: images of topics in, masks out. rclpy comes with ROS, never from us; nothing here needs cv_bridge."""
