"""`tf.distribute.cluster_resolver`: names that say that there is no cluster."""

from dovetail.distribute.elsewhere import (
    ClusterResolver,
    SimpleClusterResolver,
    TFConfigClusterResolver,
    TPUClusterResolver,
)

__all__ = ["ClusterResolver", "SimpleClusterResolver", "TFConfigClusterResolver", "TPUClusterResolver"]
