"""A ROS 2 node that spins in a thread of its own, and its parameters."""

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
    """Open a node called streamseg. ros_args: "--ros-args" and what follows it: remappings, parameters, the name.

    ROS installs no signal handlers. Raises SourceError if rclpy is not installed or ROS refuses the arguments.
    """
    rclpy = import_rclpy()
    from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
    from rclpy.signals import SignalHandlerOptions

    context = rclpy.context.Context()
    try:
        rclpy.init(args=["streamseg", *ros_args], context=context, signal_handler_options=SignalHandlerOptions.NO)
        node = rclpy.create_node(NAME, context=context)
    except Exception as problem:  # rclpy raises many types, which have no base class of their own
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
        except ExternalShutdownException:  # how spinning ends below
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


def import_rclpy() -> Any:
    """Return the package rclpy. Raises SourceError if it is not installed."""
    try:
        import rclpy
        import rclpy.context
        import sensor_msgs.msg  # noqa: F401 (a package of its own)
    except ImportError as problem:
        raise SourceError(f"this needs ROS 2 and its Python package rclpy: {problem}", INSTALL) from None
    return rclpy


def declare_parameters(node: Any, defaults: Mapping[str, Any], descriptions: Mapping[str, str]) -> dict[str, Any]:
    """Declare a read-only parameter for each of `defaults`, and return the values that differ, because ROS overrides
    them.

    A parameter takes a value of any type: 384 as well as "384".
    """
    from rcl_interfaces.msg import ParameterDescriptor

    overridden = {}
    for name, default in defaults.items():
        descriptor = ParameterDescriptor(description=descriptions.get(name, ""), read_only=True, dynamic_typing=True)
        value = node.declare_parameter(name, default, descriptor).value
        if value != default:
            overridden[name] = value
    return overridden
