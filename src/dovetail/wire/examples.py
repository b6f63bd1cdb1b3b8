"""The messages of `tf.train`: examples with features by name, and clusters.

They are classes of the protobuf library: bytes, text and behaviour are those of TensorFlow's own.

Source: https://www.tensorflow.org/tutorials/load_data/tfrecord describes the fields and their numbers.
"""

from __future__ import annotations

from dovetail.wire.schema import messages

_TABLE: dict[str, dict[str, tuple]] = {
    "BytesList": {"value": (1, "bytes", "repeated")},
    "FloatList": {"value": (1, "float", "repeated")},
    "Int64List": {"value": (1, "int64", "repeated")},
    "Feature": {
        "bytes_list": (1, "BytesList", "one of kind"),
        "float_list": (2, "FloatList", "one of kind"),
        "int64_list": (3, "Int64List", "one of kind"),
    },
    "Features": {"feature": (1, "Feature", "map")},
    "FeatureList": {"feature": (1, "Feature", "repeated")},
    "FeatureLists": {"feature_list": (1, "FeatureList", "map")},
    "Example": {"features": (1, "Features")},
    "SequenceExample": {"context": (1, "Features"), "feature_lists": (2, "FeatureLists")},
}
_CLUSTERS: dict[str, dict[str, tuple]] = {
    "JobDef": {"name": (1, "string"), "tasks": (2, "string", "map of int32")},
    "ClusterDef": {"job": (1, "JobDef", "repeated")},
    "ServerDef": {
        "cluster": (1, "ClusterDef"),
        "job_name": (2, "string"),
        "task_index": (3, "int32"),
        "protocol": (5, "string"),
        "port": (6, "int32"),
    },
}
_made = messages("example.proto", "tensorflow", _TABLE, __name__)
_clusters = messages("cluster.proto", "tensorflow", _CLUSTERS, __name__)

BytesList, FloatList, Int64List = _made["BytesList"], _made["FloatList"], _made["Int64List"]
Feature, Features, Example = _made["Feature"], _made["Features"], _made["Example"]
FeatureList, FeatureLists = _made["FeatureList"], _made["FeatureLists"]
SequenceExample = _made["SequenceExample"]
JobDef, ClusterDef, ServerDef = _clusters["JobDef"], _clusters["ClusterDef"], _clusters["ServerDef"]
