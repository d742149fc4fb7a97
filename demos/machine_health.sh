#!/bin/sh
# Live forecasts of this machine: its telemetry goes over TCP into lfmsensorsrc and through the model, line by line, as a
# sensor in the field would. machine_health.sh [SECONDS, 0 for ever]
set -eu
here=$(dirname "$0")
seconds=${1:-0}
port=${RILL_DEMO_PORT:-7464}

gst-launch-1.0 -q lfmsensorsrc protocol=tcp mode=server port="$port" ! \
  lfmsensorparse input-format=csv time-column=time ! \
  lfmforecaster horizon=12 every=8 format=json ! fdsink &
pipeline=$!
trap 'kill -INT $pipeline 2>/dev/null || :' EXIT INT TERM
sleep 1
# The sender: any program that writes lines to a socket.
bash -c "exec '$here/telemetry.sh' 4 '$seconds' >/dev/tcp/127.0.0.1/$port"
sleep 1
