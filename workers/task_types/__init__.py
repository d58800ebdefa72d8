"""The task types, one module each, in one explicit dict.

To add one: a content model in `tasks_app/contents`, its queue in `tasks_app.dispatch` and the settings, a module
here with a `KIND`, its line below, tests of split, parts and merge, a page of the manual.
"""

from tasks_app.states import TaskType
from workers.task_types import (
    additional_extract,
    clustering,
    cross_match,
    estimator,
    exporter,
    gc,
    linker,
    reporter,
    roc,
)
from workers.task_types.base import TaskKind

TYPES: dict[TaskType, TaskKind] = {
    TaskType.LINKER: linker.KIND,
    TaskType.CLUSTERING: clustering.KIND,
    TaskType.GC: gc.KIND,
    TaskType.REPORTER: reporter.KIND,
    TaskType.ADDITIONAL_EXTRACT: additional_extract.KIND,
    TaskType.CROSS_MATCH: cross_match.KIND,
    TaskType.ROC: roc.KIND,
    TaskType.EXPORTER: exporter.KIND,
    TaskType.ESTIMATOR: estimator.KIND,
}
