"""Pods for tests: fresh processes forked from one that has imported TFX, because an import costs more than a toy task.

The forking process loads this module, hence the imports that nothing here uses by name.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import kubeflow_toy  # type: ignore[import-not-found]  # noqa: F401 - found through sys.path; loaded before the fork
import tfx.components
import tfx.orchestration.kubeflow.v2.container.kubeflow_v2_run_executor  # noqa: F401 - as above
from ml_metadata.metadata_store.metadata_store import MetadataStore

from pipeline.runners.kubeflow import entrypoint as kubeflow_entrypoint


def _refuse(*_: object, **__: object) -> None:
    msg = "no call of a pod may need ML Metadata: later backends do not have it"
    raise RuntimeError(msg)


MODULE = "pipeline.runners.kubeflow.entrypoint"


def live(command: Sequence[str], environment: Mapping[str, str], pod: Path, log: Path, without: str) -> None:
    """The life of one pod.

    Args:
        command: The container's command.
        environment: Its environment variables.
        pod: Its working folder.
        log: Receives what it prints.
        without: Function of the entrypoint to leave out; empty = none.
    """
    with log.open("wb") as stream:
        os.dup2(stream.fileno(), 1)
        os.dup2(stream.fileno(), 2)
    os.environ.update(environment)
    os.chdir(pod)
    MetadataStore.__init__ = _refuse  # here, not above: the process of the tests imports this module too
    if without:
        assert callable(getattr(kubeflow_entrypoint, without))
        setattr(kubeflow_entrypoint, without, lambda *_: None)
    code = kubeflow_entrypoint.main(list(command[command.index(MODULE) + 1 :]), environment)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)
