"""`tf.train`: checkpoints, the messages that records hold, and those of clusters."""

from dovetail.train import experimental
from dovetail.train.averages import ExponentialMovingAverage
from dovetail.train.checkpoint import Checkpoint, CheckpointOptions
from dovetail.train.coordination import ClusterSpec, Coordinator
from dovetail.train.manager import CheckpointManager
from dovetail.train.reader import (
    CheckpointReader,
    checkpoints_iterator,
    list_variables,
    load_checkpoint,
    load_variable,
)
from dovetail.train.state_file import get_checkpoint_state, latest_checkpoint
from dovetail.train.views import CheckpointView, TrackableView
from dovetail.wire.examples import (
    BytesList,
    ClusterDef,
    Example,
    Feature,
    FeatureList,
    FeatureLists,
    Features,
    FloatList,
    Int64List,
    JobDef,
    SequenceExample,
    ServerDef,
)

__all__ = [
    "BytesList",
    "Checkpoint",
    "CheckpointManager",
    "CheckpointOptions",
    "CheckpointReader",
    "CheckpointView",
    "ClusterDef",
    "ClusterSpec",
    "Coordinator",
    "Example",
    "ExponentialMovingAverage",
    "Feature",
    "FeatureList",
    "FeatureLists",
    "Features",
    "FloatList",
    "Int64List",
    "JobDef",
    "SequenceExample",
    "ServerDef",
    "TrackableView",
    "checkpoints_iterator",
    "experimental",
    "get_checkpoint_state",
    "latest_checkpoint",
    "list_variables",
    "load_checkpoint",
    "load_variable",
]
