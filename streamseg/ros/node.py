"""A node of ROS 2 that spins in a thread while it is used, and its parameters."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from streamseg.errors import SourceError

NAME = "streamseg"
INSTALL = (
    "source ROS's setup, e.g. /opt/ros/jazzy/setup.bash, in an environment made with: python3 -m venv "
    "--system-site-packages; see docs/ros.md"
)


@contextmanager
def open_node(ros_args: Sequence[str] = ()) -> Iterator[Any]:
    """A node called streamseg. ros_args: "--ros-args" and what follows it: remappings, parameters, the name.

    Signals stay with the caller. Raises SourceError without rclpy, and for arguments that ROS refuses.
    """
    rclpy = library()
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    context = rclpy.context.Context()
    try:
        rclpy.init(args=["streamseg", *ros_args], context=context, signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(NAME, context=context)
    except Exception as problem:  # rclpy has a type for each mistake, and RuntimeError for the rest
        if context.ok():
            context.try_shutdown()
        raise SourceError(
            f"ROS does not start: {' '.join(str(problem).split())[:300]}", "check what follows --ros-args"
        ) from None
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)

    def spin() -> None:
        try:
            executor.spin()
        except ExternalShutdownException:  # the usual end
            return

    thread = threading.Thread(target=spin, name="ros", daemon=True)
    thread.start()
    try:
        yield node
    finally:
        context.try_shutdown()
        thread.join(timeout=5)
        executor.shutdown(timeout_sec=1)
        node.destroy_node()


def library() -> Any:
    """The package rclpy. Raises SourceError where it is not installed."""
    try:
        import rclpy
        import rclpy.context
        import sensor_msgs.msg  # noqa: F401 (a package of its own)
    except ImportError as problem:
        raise SourceError(f"this needs ROS 2 and its Python package rclpy: {problem}", INSTALL) from None
    return rclpy


def parameters(node: Any, given: Mapping[str, Any], described: Mapping[str, str]) -> dict[str, Any]:
    """Declare a read-only parameter for each of `given`, and return the values that ROS was given instead.

    given: values as they are typed. described: a text for each. A value may be of any type: 384 is as good as "384".
    """
    from rcl_interfaces.msg import ParameterDescriptor

    found = {}
    for name, value in given.items():
        about = ParameterDescriptor(description=described.get(name, ""), read_only=True, dynamic_typing=True)
        told = node.declare_parameter(name, value, about).value
        if told != value:
            found[name] = told
    return found
