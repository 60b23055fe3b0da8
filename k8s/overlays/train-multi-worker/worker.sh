#!/bin/sh
# One worker of a multi-worker training: name the workers for TensorFlow, then train.
set -eu
workers=""
for index in $(seq 0 $((WORKERS - 1))); do
  workers="${workers:+$workers,}\"${JOB_NAME}-${index}.${SERVICE}:2222\""
done
export TF_CONFIG="{\"cluster\":{\"worker\":[$workers]},\"task\":{\"type\":\"worker\",\"index\":$JOB_COMPLETION_INDEX}}"

output=/mnt/belka/output
if [ "$JOB_COMPLETION_INDEX" != 0 ]; then
  # Worker 0 writes the results. The others need the metadata of the dataset, but must not write to the same database.
  output=/work/output
  mkdir -p "$output"
  cp /mnt/belka/output/metadata.db "$output/metadata.db"
fi
# Worker 0 restores its checkpoint and hands it to the others, so that all continue at the same step.
exec belka step train_model --config /etc/belka/config.yaml --output-dir "$output"
