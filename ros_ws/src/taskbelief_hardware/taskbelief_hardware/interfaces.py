"""The driver's topics, services and parameters: names, types and quality of service.

The only place where they are written down. Whoever talks to the driver imports from here, so that
both ends of a topic agree.

* A publisher offers as much as any subscriber may want (reliable); a subscriber that must not wait
  for a repeated message asks for less (best effort).
* Of `joint_targets` the newest matters, so its depth is one. `hand_reading` is asked for with five:
  with one, a policy on a busy machine lost 3 to 10 of 1000 readings to the next one, each of which
  may be the one that it would have acted on; with five it lost none, reliable or not.
* `joint_targets` are promised every control period or two, and live as long; the driver asks for
  no deadline, since its safety ladder counts ages itself and whoever promises nothing could then
  not reach it at all.
* What describes a state and changes rarely is latched.
"""

from __future__ import annotations

from diagnostic_msgs.msg import DiagnosticArray
from rclpy.qos import QoSProfile
from sensor_msgs.msg import CameraInfo, Image, JointState
from std_msgs.msg import String
from std_srvs.srv import Trigger
from taskbelief_interfaces.msg import (
    ControlTick,
    HandReading,
    JointTargets,
    SafetyEvent,
    ServoStateArray,
)
from taskbelief_interfaces.srv import PlaceHand, RecoverServos

from taskbelief_hardware.declarations import NodeInterface, Parameter, Service, Topic, quality

STREAM = quality(10)
SENSOR_DATA = quality(5, is_reliable=False)
LATCHED = quality(1, is_latched=True)
EVENTS = quality(10, is_latched=True)
TARGETS = quality(1)


def promised_targets(control_period_s: float) -> QoSProfile:
    """What who commands promises: targets at least every two control periods, no older ones."""
    return quality(1, deadline_s=2 * control_period_s, lifespan_s=2 * control_period_s)


HAND_READING = Topic(
    name="hand_reading",
    type=HandReading,
    offered=STREAM,
    requested=SENSOR_DATA,
    purpose="every measurement and what was applied before it: all that a policy needs",
)
JOINT_TARGETS = Topic(
    name="joint_targets",
    type=JointTargets,
    offered=TARGETS,
    requested=TARGETS,
    purpose="where the joints shall go, and for how long that may be believed",
)
JOINT_STATES = Topic(
    name="joint_states",
    type=JointState,
    offered=STREAM,
    requested=STREAM,
    purpose="joints and valve in rad, rad/s and N m, for RViz and its kin",
)
SERVO_STATES = Topic(
    name="servo_states",
    type=ServoStateArray,
    offered=SENSOR_DATA,
    requested=SENSOR_DATA,
    purpose="the servos' condition, ten times a second",
)
CONTROL_TICK = Topic(
    name="control_tick",
    type=ControlTick,
    offered=STREAM,
    requested=STREAM,
    purpose="when each tick began, read and wrote, and what it applied",
)
SAFETY_EVENT = Topic(
    name="safety_event",
    type=SafetyEvent,
    offered=EVENTS,
    requested=EVENTS,
    purpose="changes of the safety ladder's rung, and why",
)
DIAGNOSTICS = Topic(
    name="diagnostics",
    type=DiagnosticArray,
    offered=STREAM,
    requested=STREAM,
    purpose="once a second: health, counts and ages",
)
ROBOT_DESCRIPTION = Topic(
    name="robot_description",
    type=String,
    offered=LATCHED,
    requested=LATCHED,
    purpose="URDF of hand and valve",
)

IMAGE_RAW = Topic(
    name="image_raw",
    type=Image,
    offered=SENSOR_DATA,
    requested=quality(1, is_reliable=False),
    purpose="every frame of a camera, in the namespace of its name",
)
CAMERA_INFO = Topic(
    name="camera_info",
    type=CameraInfo,
    offered=SENSOR_DATA,
    requested=SENSOR_DATA,
    purpose="size and lens of the camera, with every frame",
)

PLACE_HAND = Service(
    name="place_hand", type=PlaceHand, purpose="bring hand and valve to where an episode starts"
)
RECOVER_SERVOS = Service(
    name="recover_servos", type=RecoverServos, purpose="reboot servos that latched an error"
)
HOLD = Service(name="hold", type=Trigger, purpose="expect no command until the next one: hold")

ROBOT_CONFIG = Parameter(
    name="robot_config", default="", purpose="path of a robot.yaml; empty: the D'Claw's"
)
REALTIME_PRIORITY = Parameter(
    name="realtime_priority",
    default=0,
    purpose="SCHED_FIFO priority of the process; 0: as any other",
    low=0,
    high=98,
)
DRIVER_PARAMETERS = (
    Parameter(
        name="robot",
        default="",
        purpose="which kind of robot",
        choices=("serial", "emulated", "simulated"),
        is_required=True,
    ),
    Parameter(
        name="port", default="", purpose="serial port of the hand; none where it is simulated"
    ),
    Parameter(
        name="unit",
        default="emulated",
        purpose="whose calibration to use; a serial robot's own has to be given",
    ),
    Parameter(
        name="rate_hz",
        default=100.0,
        purpose="readings per second, Hz; a whole multiple of the policy's rate",
        low=1.0,
        high=1000.0,
    ),
    Parameter(
        name="patience_s",
        default=0.0,
        purpose="how much later than usual servos may answer, s, on a busy machine",
        low=0.0,
        high=1.0,
    ),
    ROBOT_CONFIG,
    REALTIME_PRIORITY,
)

DRIVER = NodeInterface(
    publishes=(
        HAND_READING,
        JOINT_STATES,
        SERVO_STATES,
        CONTROL_TICK,
        SAFETY_EVENT,
        DIAGNOSTICS,
        ROBOT_DESCRIPTION,
    ),
    subscribes=(JOINT_TARGETS,),
    services=(PLACE_HAND, RECOVER_SERVOS, HOLD),
    parameters=DRIVER_PARAMETERS,
)

CAMERA_PARAMETERS = (
    Parameter(
        name="camera",
        default="",
        purpose="which camera of the robot, as its cameras.yaml calls it",
        is_required=True,
    ),
    Parameter(
        name="source",
        default="",
        purpose="where frames come from",
        choices=("emulated", "v4l2"),
        is_required=True,
    ),
    Parameter(name="at", default="", purpose="port of the emulated hand, or video device"),
    Parameter(
        name="fovy_rad",
        default=0.0,
        purpose="from the top of the picture to its bottom, rad; 0: nobody knows",
        low=0.0,
        high=3.0,
    ),
    ROBOT_CONFIG,
    REALTIME_PRIORITY,
)
CAMERA = NodeInterface(
    publishes=(IMAGE_RAW, CAMERA_INFO),
    subscribes=(),
    services=(),
    parameters=CAMERA_PARAMETERS,
)
