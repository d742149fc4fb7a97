#!/bin/sh
# What sounds: a line of JSON when one of ten sounds of the surroundings begins and when it ends, until Ctrl-C.
# sound_events.sh [FILE | SOURCE]: a file of any kind, or any source in the language of gst-launch-1.0 instead of the microphone.
set -eu
if [ -f "${1:-}" ]; then
  set -- filesrc location="$1" ! decodebin ! audioconvert # of a video, the sound
else
  case ${1:-} in
    *!*) ;;
    */* | *.*) echo "$1: no such file" >&2; exit 1 ;;
  esac
  # shellcheck disable=SC2086  # a pipeline is words
  set -- ${1:-autoaudiosrc}
fi
exec gst-launch-1.0 -q "$@" ! lfmclassifier model-path=audio-esc10 report=events on-threshold=0.7 on-frames=10 off-frames=10 ! \
  fdsink sync=false
