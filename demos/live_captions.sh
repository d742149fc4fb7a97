#!/bin/sh
# Captions of what the microphone hears, in the terminal, until Ctrl-C. live_captions.sh [SOURCE]: any source in the
# language of gst-launch-1.0 instead of the microphone, e.g. "pulsesrc device=2".
set -eu
echo "Speak; Ctrl-C ends. The same as a pipeline: ${1:-autoaudiosrc} ! lfmtranscriber newline=true ! fdsink sync=false"
exec rill transcribe --live ${1:+--source "$1"}
