#!/bin/sh
# What sounds: a line of JSON when one of ten sounds of the surroundings begins and when it ends, until Ctrl-C.
# sound_events.sh [FILE | SOURCE]: a file of any kind, or any source in the language of gst-launch-1.0 instead of the microphone.
set -eu
source=${1:-autoaudiosrc}
[ -f "$source" ] && source="filesrc location=$source ! decodebin"
# shellcheck disable=SC2086  # a pipeline is words
exec gst-launch-1.0 -q $source ! lfmclassifier model-path=audio-esc10 report=events on-threshold=0.7 on-frames=10 off-frames=10 ! \
  fdsink sync=false
