"""The executor of the standard Pusher, with a pointer to what it pushed last."""

import shutil
from pathlib import Path
from typing import Any, Final

from tfx import types
from tfx.components.pusher.executor import Executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from belka.errors import BelkaError
from belka.models.champion import (
    CHAMPION_PROPERTY,
    RELEASE_FOLDER,
    Champion,
    model_digest,
    read_champion,
    write_champion,
)

# Custom property of the pushed model: `model_digest`, by which `belka lineage` finds it wherever it was copied.
DIGEST_PROPERTY: Final = "model_digest"


class ChampionPusherExecutor(Executor):
    """Pushes a blessed model as the standard executor does, then makes it the champion.

    The champion itself is never pushed a second time. A model that was judged against another champion than the one now in production
    is refused: its verdict says nothing about the present one.
    """

    def Do(  # noqa: N802 - TFX's name
        self,
        input_dict: dict[str, list[types.Artifact]],
        output_dict: dict[str, list[types.Artifact]],
        exec_properties: dict[str, Any],
    ) -> None:
        """Push, then write champion.json.

        Args:
            input_dict: `model`, `model_blessing`.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`: the folder of the versions.

        Raises:
            BelkaError: Another model went into production since the model was judged, or the pushed copy is not the model.
        """
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        models_dir = _models_dir(exec_properties)
        digest = model_digest(Path(self.GetModelPath(input_dict)))
        pushed.set_string_custom_property(DIGEST_PROPERTY, digest)
        champion = read_champion(models_dir)
        if champion is not None and champion.digest == digest and (models_dir / champion.version).is_dir():
            self._MarkPushed(
                pushed, pushed_destination=str(models_dir / champion.version), pushed_version=champion.version
            )
            return
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        _check_still_champion(blessing.get_string_custom_property(CHAMPION_PROPERTY), champion, models_dir)
        super().Do(input_dict, output_dict, exec_properties)
        folder = Path(pushed.get_string_custom_property("pushed_destination"))
        if model_digest(folder) != digest:
            raise BelkaError(
                "The pushed copy is not the model.",
                received=f"{folder} holds other files: an earlier or a broken push",
                expected="a new folder",
                action="Run the same command again; the model in production stays as it was.",
            )
        for path in sorted((Path(blessing.uri) / RELEASE_FOLDER).glob("*")):
            for target in (folder, Path(pushed.uri)):
                shutil.copyfile(path, target / path.name)
        write_champion(models_dir, Champion(folder.name, digest))


def _models_dir(exec_properties: dict[str, Any]) -> Path:
    destination = pusher_pb2.PushDestination()
    proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
    return Path(destination.filesystem.base_directory)


def _check_still_champion(judged_against: str, champion: Champion | None, models_dir: Path) -> None:
    now = champion.digest if champion else ""
    if judged_against != now:
        raise BelkaError(
            "Another model went into production since this one was judged.",
            received=f"{models_dir}: version {champion.version if champion else 'none'}",
            expected=f"the model it was judged against ({judged_against[:12] or 'none'})",
            action="Judge it again: belka step evaluate_model --no-resume with the same options.",
        )
