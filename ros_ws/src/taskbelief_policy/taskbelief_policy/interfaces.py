"""The policy's topics, services and parameters, and those of policy and driver in one process."""

from __future__ import annotations

from std_srvs.srv import Trigger
from taskbelief_interfaces.msg import (
    BundleInfo,
    EpisodeStart,
    PolicyFrame,
    PolicyStep,
    TaskBelief,
    TrialResult,
)
from taskbelief_interfaces.srv import (
    BeginEpisode,
    BeginTrial,
    EndEpisode,
    FreezeBelief,
    GetBelief,
    SetBelief,
)

from taskbelief_hardware.declarations import NodeInterface, Parameter, Service, Topic
from taskbelief_hardware.interfaces import (
    DIAGNOSTICS,
    DRIVER,
    EVENTS,
    HAND_READING,
    HOLD,
    IMAGE_RAW,
    JOINT_TARGETS,
    LATCHED,
    REALTIME_PRIORITY,
    ROBOT_CONFIG,
    STREAM,
)

BELIEF = Topic(
    name="belief",
    type=TaskBelief,
    offered=LATCHED,
    requested=LATCHED,
    purpose="what the policy believes about the task, after every measurement that it acts on",
)
POLICY_STEP = Topic(
    name="policy_step",
    type=PolicyStep,
    offered=STREAM,
    requested=STREAM,
    purpose="what each step saw, believed and decided",
)
POLICY_FRAME = Topic(
    name="policy_frame",
    type=PolicyFrame,
    offered=STREAM,
    requested=STREAM,
    purpose="what a policy that sees was shown at each step",
)
EPISODE_START = Topic(
    name="episode_start",
    type=EpisodeStart,
    offered=EVENTS,
    requested=EVENTS,
    purpose="all that is needed to compute the episode again from its readings",
)
TRIAL_RESULT = Topic(
    name="trial_result",
    type=TrialResult,
    offered=EVENTS,
    requested=EVENTS,
    purpose="what came of an episode",
)
BUNDLE_INFO = Topic(
    name="bundle_info",
    type=BundleInfo,
    offered=LATCHED,
    requested=LATCHED,
    purpose="the policy that is loaded",
)

BEGIN_TRIAL = Service(
    name="begin_trial", type=BeginTrial, purpose="forget the task: a new one is on the bench"
)
BEGIN_EPISODE = Service(
    name="begin_episode", type=BeginEpisode, purpose="start from where hand and valve are now"
)
END_EPISODE = Service(
    name="end_episode", type=EndEpisode, purpose="end the episode before its last step"
)
FREEZE_BELIEF = Service(
    name="freeze_belief", type=FreezeBelief, purpose="let nothing become evidence, or let it again"
)
SET_BELIEF = Service(
    name="set_belief", type=SetBelief, purpose="go on from what was remembered about a task"
)
GET_BELIEF = Service(
    name="get_belief", type=GetBelief, purpose="all that is carried about the task"
)
RESET_BELIEF = Service(
    name="reset_belief", type=Trigger, purpose="back to what is believed before any evidence"
)

BUNDLE = Parameter(name="bundle", default="", purpose="folder of the bundle", is_required=True)

_PUBLISHES = (BELIEF, POLICY_STEP, POLICY_FRAME, EPISODE_START, TRIAL_RESULT, BUNDLE_INFO)
_SERVICES = (
    BEGIN_TRIAL,
    BEGIN_EPISODE,
    END_EPISODE,
    FREEZE_BELIEF,
    SET_BELIEF,
    GET_BELIEF,
    RESET_BELIEF,
)

POLICY = NodeInterface(
    publishes=(JOINT_TARGETS, *_PUBLISHES, DIAGNOSTICS),
    subscribes=(HAND_READING, IMAGE_RAW),
    services=_SERVICES,
    calls=(HOLD,),
    parameters=(BUNDLE, ROBOT_CONFIG, REALTIME_PRIORITY),
)
DIRECT = NodeInterface(
    publishes=(*DRIVER.publishes, *_PUBLISHES),
    subscribes=(IMAGE_RAW,),
    services=(*DRIVER.services, *_SERVICES),
    parameters=(BUNDLE, *DRIVER.parameters),
)
