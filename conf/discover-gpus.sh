#!/usr/bin/env bash
# Tells Spark which GPUs this node has, as its resource discovery wants to hear it.
set -euo pipefail
addresses=$(nvidia-smi --query-gpu=index --format=csv,noheader | sed 's/.*/"&"/' | paste -sd,)
echo "{\"name\": \"gpu\", \"addresses\": [$addresses]}"
