"""Write the Go modules that no Go proxy has whole; run by `make test-kubeflow` in the environment `backend`.

The messages of Kubeflow Pipelines come from the descriptors in its Python packages, which are of the backend's version.
The archive of Argo 3.6.7 lacks signal_linux.go, without which argoexec does not compile (archives of modules hold no
links); signal_darwin.go has what Linux needs as well.
"""

import json
import shutil
import subprocess
import sys
from pathlib import Path

from google.protobuf.compiler.plugin_pb2 import CodeGeneratorRequest, CodeGeneratorResponse
from google.protobuf.descriptor import FileDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from kfp.kubernetes import kubernetes_executor_config_pb2
from kfp.pipeline_spec import pipeline_spec_pb2

ROOT = "github.com/kubeflow/pipelines"
ARGO = "github.com/argoproj/argo-workflows/v3"
LINKED = Path("workflow", "executor", "os-specific")
UNUSED = shutil.ignore_patterns("ui", "docs", "examples", "sdks", "test", "manifests", "*_test.go")
MODULES = {"api": pipeline_spec_pb2.DESCRIPTOR, "kubernetes_platform": kubernetes_executor_config_pb2.DESCRIPTOR}


def with_dependencies(file: FileDescriptor) -> dict[str, FileDescriptorProto]:
    """A file's descriptor after those that it imports."""
    found: dict[str, FileDescriptorProto] = {}
    for dependency in file.dependencies:
        found |= with_dependencies(dependency)
    found[file.name] = FileDescriptorProto.FromString(file.serialized_pb)
    return found


def write_module(name: str, file: FileDescriptor, generator: Path, folder: Path) -> None:
    """Generate the Go code of a module below Kubeflow Pipelines' own, with protoc-gen-go."""
    request = CodeGeneratorRequest(file_to_generate=[file.name], parameter=f"module={ROOT}/{name}")
    request.proto_file.extend(with_dependencies(file).values())
    answer = subprocess.run([generator], input=request.SerializeToString(), stdout=subprocess.PIPE, check=True)
    response = CodeGeneratorResponse.FromString(answer.stdout)
    if response.error:
        raise SystemExit(f"protoc-gen-go refuses {file.name}: {response.error}")
    for made in response.file:
        target = folder / made.name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(made.content, encoding="utf-8")
    (folder / "go.mod").write_text(f"module {ROOT}/{name}\n\ngo 1.24\n", encoding="utf-8")


def downloaded(module: str, schemas: str) -> Path:
    """Where the files of a module are whose version and checksum stand in a folder."""
    words = ["go", "mod", "download", "-json", module]
    return Path(json.loads(subprocess.run(words, cwd=schemas, stdout=subprocess.PIPE, check=True).stdout)["Dir"])


def main(generator: str, schemas: str, folder: str) -> None:
    """Write the modules below a folder; the key of the cache has no Python package and is an older module's file."""
    target = Path(folder)
    shutil.rmtree(target, ignore_errors=True)
    for name, file in MODULES.items():
        write_module(name, file, Path(generator), target / name)
    key = "v2alpha1/go/cachekey"
    older_api = downloaded(f"{ROOT}/api", schemas)
    shutil.copytree(older_api / key, target / "api" / key, copy_function=shutil.copyfile)
    argo = target / "argo"
    shutil.copytree(downloaded(ARGO, schemas), argo, ignore=UNUSED, copy_function=shutil.copyfile)
    for copied in (argo, *argo.rglob("*/")):
        copied.chmod(0o755)
    (argo / LINKED / "signal_linux.go").symlink_to("signal_darwin.go")


if __name__ == "__main__":
    main(*sys.argv[1:])
