"""The executor of the standard Pusher, with a pointer to what it pushed last."""

import shutil
from pathlib import Path
from typing import Any

from tfx.components.pusher.executor import Executor
from tfx.proto import pusher_pb2
from tfx.types import artifact_utils, standard_component_specs
from tfx.utils import proto_utils

from belka.contract import CHAMPION_PROPERTY, DIGEST_PROPERTY, RELEASE_FOLDER
from belka.models.champion import model_digest
from belka.places.names import local_of, place_of
from components.artifact_types import Artifacts
from components.model_pusher.push import push_model
from components.recording import recorded


@recorded
class ChampionPusherExecutor(Executor):
    """Pushes a blessed model as the standard executor does, within the rules of `push_model`."""

    def Do(self, input_dict: Artifacts, output_dict: Artifacts, exec_properties: dict[str, Any]) -> None:  # noqa: N802
        """Push, then write champion.json.

        Args:
            input_dict: `model`, `model_blessing`.
            output_dict: `pushed_model`.
            exec_properties: `push_destination`: the folder of the versions.

        Raises:
            BelkaError: Another model went into production since the model was judged, or the pushed copy is not the
                model.
        """
        pushed = artifact_utils.get_single_instance(output_dict[standard_component_specs.PUSHED_MODEL_KEY])
        if not self.CheckBlessing(input_dict):
            self._MarkNotPushed(pushed)
            return
        destination = pusher_pb2.PushDestination()
        proto_utils.json_to_proto(exec_properties[standard_component_specs.PUSH_DESTINATION_KEY], destination)
        models_dir = local_of(destination.filesystem.base_directory)
        destination.filesystem.base_directory = str(models_dir)
        local = {
            **exec_properties,
            standard_component_specs.PUSH_DESTINATION_KEY: proto_utils.proto_to_json(destination),
        }
        model_dir = Path(self.GetModelPath(input_dict))
        pushed.set_string_custom_property(DIGEST_PROPERTY, model_digest(model_dir))
        blessing = artifact_utils.get_single_instance(input_dict[standard_component_specs.MODEL_BLESSING_KEY])
        release_dir = Path(blessing.uri) / RELEASE_FOLDER

        push = super().Do

        def copy(*_: Path) -> Path:
            push(input_dict, output_dict, local)
            for path in sorted(release_dir.glob("*")):
                shutil.copyfile(path, Path(pushed.uri) / path.name)
            return Path(pushed.get_string_custom_property("pushed_destination"))

        folder = push_model(
            model_dir,
            models_dir,
            release_dir,
            judged_against=blessing.get_string_custom_property(CHAMPION_PROPERTY),
            copy=copy,
        )
        # Also where it was the champion already and nothing was copied.
        self._MarkPushed(pushed, pushed_destination=place_of(folder), pushed_version=folder.name)
