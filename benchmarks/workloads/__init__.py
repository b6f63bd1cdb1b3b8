"""The table of what is measured. A file per theme; each defines WORKLOADS."""

from __future__ import annotations

from benchmarks.kinds import BenchmarkError, Workload
from benchmarks.workloads import (
    augmentation,
    changing_shapes,
    composites,
    control_flow,
    convolution,
    datasets,
    eager,
    embedding_step,
    files,
    fit,
    fit_generative,
    fit_gpu,
    fit_images,
    fit_language,
    fit_mixed,
    fit_tables,
    fresh_process,
    function_lengths,
    function_trace,
    inference,
    layer_calls,
    matrix_product,
    one_sample,
    operations,
    pipelines,
    records,
    recurrent,
    saved_models,
    saving,
    sessions,
    strings,
    tape_step,
    text,
    unseen_shapes,
)

WORKLOADS: tuple[Workload, ...] = (
    *matrix_product.WORKLOADS,
    *eager.WORKLOADS,
    *operations.WORKLOADS,
    *unseen_shapes.WORKLOADS,
    *function_lengths.WORKLOADS,
    *function_trace.WORKLOADS,
    *changing_shapes.WORKLOADS,
    *tape_step.WORKLOADS,
    *embedding_step.WORKLOADS,
    *sessions.WORKLOADS,
    *control_flow.WORKLOADS,
    *convolution.WORKLOADS,
    *fit.WORKLOADS,
    *fit_images.WORKLOADS,
    *fit_language.WORKLOADS,
    *fit_generative.WORKLOADS,
    *fit_tables.WORKLOADS,
    *fit_mixed.WORKLOADS,
    *recurrent.WORKLOADS,
    *datasets.WORKLOADS,
    *augmentation.WORKLOADS,
    *pipelines.WORKLOADS,
    *records.WORKLOADS,
    *text.WORKLOADS,
    *strings.WORKLOADS,
    *files.WORKLOADS,
    *saved_models.WORKLOADS,
    *saving.WORKLOADS,
    *composites.WORKLOADS,
    *layer_calls.WORKLOADS,
    *one_sample.WORKLOADS,
    *inference.WORKLOADS,
    *fresh_process.WORKLOADS,
)


GPU: tuple[Workload, ...] = fit_gpu.WORKLOADS
ALL = (*WORKLOADS, *GPU)


def workload_called(name: str) -> Workload:
    """Return the workload called `name`.

    Raises:
        BenchmarkError: if there is none.
    """
    for workload in ALL:
        if workload.name == name:
            return workload
    raise BenchmarkError(f"no workload is called {name!r}; there are {', '.join(w.name for w in ALL)}")
