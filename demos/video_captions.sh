#!/bin/sh
# A video with what is said in it drawn over it. video_captions.sh [VIDEO [OUT.webm]]; without a video, a reading of
# "Sense and Sensibility" (LibriVox, public domain, Debian package pocketsphinx-testdata) over a test picture.
#
# The overlay waits for the captions, so the video queue holds as long as a word takes to become final.
# Live, from a camera and a microphone, it should not: textoverlay wait-text=false.
set -eu
gst-inspect-1.0 --exists textoverlay ||
  { echo "textoverlay is missing; on Debian: apt-get install gstreamer1.0-x fonts-dejavu-core" >&2; exit 1; }
out=${2:-captions.webm}
if [ $# -eq 0 ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "$(dirname "$0")/unpack.sh" pocketsphinx-testdata "$folder"
  wav=$(ls "$folder"/usr/share/pocketsphinx/test/data/librivox/*.wav | head -n 1)
  frames=$(($(stat -c %s "$wav") * 25 / 32000))  # 16 kHz, 16 bit
  set -- videotestsrc pattern=ball num-buffers="$frames" ! video/x-raw,width=640,height=360,framerate=25/1
  audio="filesrc location=$wav ! decodebin" # names of mktemp have no blanks
else
  set -- filesrc location="$1" ! decodebin name=d d.
  audio="d."
fi
# shellcheck disable=SC2086  # a pipeline is words
gst-launch-1.0 -q \
  webmmux name=mux ! filesink location="$out" \
  "$@" ! queue max-size-time=30000000000 max-size-bytes=0 max-size-buffers=0 ! videoconvert ! \
  textoverlay name=overlay wait-text=true valignment=bottom font-desc="Sans 18" ! \
  vp8enc deadline=1 cpu-used=8 ! mux. \
  $audio ! audioconvert ! tee name=sound \
  sound. ! queue max-size-time=30000000000 max-size-bytes=0 max-size-buffers=0 ! vorbisenc ! mux. \
  sound. ! queue ! lfmtranscriber output=line line-length=60 ! overlay.text_sink
echo "$out"
