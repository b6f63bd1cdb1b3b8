"""The messages of sessions: what they are configured by, and what they tell."""

from __future__ import annotations

from typing import Any

from dovetail.wire.protobuf import Field, Message


class GPUOptions(Message):
    """How memory of accelerators is used; kept, and not looked at: `tf.config` settles it here."""

    fields = {
        "per_process_gpu_memory_fraction": Field(1, "double"),
        "allocator_type": Field(2, "string"),
        "deferred_deletion_bytes": Field(3, "int64"),
        "allow_growth": Field(4, "bool"),
        "visible_device_list": Field(5, "string"),
        "force_gpu_compatible": Field(8, "bool"),
    }


class OptimizerOptions(Message):
    """How graphs are optimized; kept, and not looked at."""

    DEFAULT = L1 = 0
    L0 = OFF = -1
    ON_1, ON_2 = 1, 2
    fields = {
        "do_common_subexpression_elimination": Field(1, "bool"),
        "do_constant_folding": Field(2, "bool"),
        "opt_level": Field(3, "enum"),
        "do_function_inlining": Field(4, "bool"),
        "global_jit_level": Field(5, "enum"),
        "max_folded_constant_in_bytes": Field(6, "int64"),
    }


class GraphOptions(Message):
    """How graphs are prepared; kept, and not looked at."""

    fields = {
        "enable_recv_scheduling": Field(2, "bool"),
        "optimizer_options": Field(3, OptimizerOptions),
        "build_cost_model": Field(4, "int64"),
        "infer_shapes": Field(5, "bool"),
        "place_pruned_graph": Field(6, "bool"),
    }


class ConfigProto(Message):
    """What sessions are configured by; kept, and not looked at: there is one kind of session."""

    fields = {
        "device_count": Field(1, "int32", key="string"),
        "intra_op_parallelism_threads": Field(2, "int32"),
        "placement_period": Field(3, "int32"),
        "device_filters": Field(4, "string", repeated=True),
        "inter_op_parallelism_threads": Field(5, "int32"),
        "gpu_options": Field(6, GPUOptions),
        "allow_soft_placement": Field(7, "bool"),
        "log_device_placement": Field(8, "bool"),
        "use_per_session_threads": Field(9, "bool"),
        "graph_options": Field(10, GraphOptions),
        "operation_timeout_in_ms": Field(11, "int64"),
        "isolate_session_state": Field(15, "bool"),
    }


class RunOptions(Message):
    """How one run is done; kept, and not looked at."""

    NO_TRACE, SOFTWARE_TRACE, HARDWARE_TRACE, FULL_TRACE = range(4)
    fields = {
        "trace_level": Field(1, "enum"),
        "timeout_in_ms": Field(2, "int64"),
        "inter_op_thread_pool": Field(3, "int32"),
        "output_partition_graphs": Field(5, "bool"),
        "report_tensor_allocations_upon_oom": Field(7, "bool"),
    }


class _DeviceStepStats(Message):
    fields = {"device": Field(1, "string")}


class StepStats(Message):
    """Which devices ran a step."""

    fields = {"dev_stats": Field(1, _DeviceStepStats, repeated=True)}


class RunMetadata(Message):
    """What a run tells: the devices that it ran on."""

    fields = {"step_stats": Field(1, StepStats)}


NAMES: dict[str, Any] = {
    kind.__name__: kind
    for kind in (ConfigProto, GPUOptions, GraphOptions, OptimizerOptions, RunMetadata, RunOptions, StepStats)
}
