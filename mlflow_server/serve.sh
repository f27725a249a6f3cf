#!/bin/sh
# Serve a folder of tracked studies on 127.0.0.1, without the suite: sh mlflow_server/serve.sh [FOLDER] [PORT]
# FOLDER holds mlflow.db and mlartifacts (default: runs); needs mlflow on the PATH.
set -eu
home=$(cd "${1:-runs}" && pwd)
port=${2:-5000}

# Nothing is reported to anyone.
export MLFLOW_DISABLE_TELEMETRY=true DO_NOT_TRACK=true
# Job runners serve generative-AI features only, and cost most of the memory and start-up time.
export MLFLOW_SERVER_ENABLE_JOB_EXECUTION=false
# In the environment, not in the arguments: other users see those, and a database's address may hold a password.
export MLFLOW_BACKEND_STORE_URI="${MLFLOW_BACKEND_STORE_URI:-sqlite:///$home/mlflow.db}"

exec mlflow server --host 127.0.0.1 --port "$port" --workers 1 --artifacts-destination "$home/mlartifacts"
