#!/bin/sh
# One state that hears a machine and reads its telemetry: lfmfusion takes sound and the load of this machine's CPU in the
# order of their times. A line of JSON when a sound begins or ends, and forecasts of the load, until Ctrl-C.
# machine_watch.sh [SECONDS, 0 for ever] [SOURCE of sound instead of the microphone]
set -eu
here=$(dirname "$0")
seconds=${1:-0} sound=${2:-autoaudiosrc}
port=${RILL_DEMO_PORT:-7465}
model="model-path=rill-omni"

# shellcheck disable=SC2086  # pipelines are words
gst-launch-1.0 -q \
  lfmfusion name=both $model latency=200000000 ! tee name=state \
  state. ! queue ! lfmclassify $model head=event report=events on-threshold=0.7 on-frames=10 off-frames=10 ! lines. \
  state. ! queue ! lfmforecast $model format=json horizon=20 ! lines. \
  funnel name=lines ! fdsink sync=false \
  lfmsensorsrc protocol=tcp mode=server port="$port" ! \
  lfmsensorparse input-format=csv time-column=time columns=cpu_percent ! lfmsensorenc $model every=20 ! both. \
  $sound ! audioconvert ! audioresample ! lfmaudioenc $model ! both. &
pipeline=$!
trap 'kill -INT $pipeline 2>/dev/null || :' EXIT INT TERM
sleep 1
bash -c "exec '$here/telemetry.sh' 20 '$seconds' >/dev/tcp/127.0.0.1/$port"
sleep 1
