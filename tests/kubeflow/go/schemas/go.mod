// What the tests read or run beside the parts of a cluster: manifests, messages. Nothing here imports them: `go mod tidy` would leave them out.
// The checksum database knows no version of kubeflow/pipelines/api: its hashes in go.sum are those of the first download, 2026-11-28.
module belka.test/schemas

go 1.26.0

require (
	github.com/argoproj/argo-workflows/v3 v3.6.7
	github.com/kubeflow/pipelines/api v0.0.0-20250102152816-873e9dedd766
	github.com/kubeflow/trainer/v2 v2.1.0
	google.golang.org/protobuf v1.36.8
)
