"""The ROS 2 node, which receives images from topics and publishes masks. It needs rclpy, a part of ROS, but no
cv_bridge."""
