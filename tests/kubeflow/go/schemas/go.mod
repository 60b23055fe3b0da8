// Modules of which the tests read manifests only. Nothing here imports them: `go mod tidy` would leave them out.
module belka.test/schemas

go 1.26.0

require (
	github.com/argoproj/argo-workflows/v3 v3.6.7
	github.com/kubeflow/trainer/v2 v2.1.0
)
