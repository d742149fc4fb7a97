#!/bin/sh
# A video with what it shows drawn over it: one of the ten labels of CIFAR-10, to which everything is one of the ten.
# video_labels.sh [VIDEO [OUT.webm]]; without a video, a clip of Debian's opencv-doc (96 MB to fetch).
set -eu
gst-inspect-1.0 --exists textoverlay ||
  { echo "textoverlay is missing; on Debian: apt-get install gstreamer1.0-x fonts-dejavu-core" >&2; exit 1; }
video=${1:-} out=${2:-labels.webm}
if [ -z "$video" ]; then
  gst-inspect-1.0 --exists avdec_mpeg4 ||
    { echo "this clip needs a decoder; on Debian: apt-get install gstreamer1.0-libav" >&2; exit 1; }
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "$(dirname "$0")/unpack.sh" opencv-doc "$folder"
  video=$folder/usr/share/doc/opencv-doc/examples/data/Megamind.avi
fi
gst-launch-1.0 -q filesrc location="$video" ! decodebin ! \
  lfmclassifier name=labels model-path=image-cifar10 format=text labels.media ! \
  queue max-size-time=2000000000 max-size-bytes=0 max-size-buffers=0 ! videoconvert ! \
  textoverlay name=overlay valignment=top font-desc="Sans 18" ! vp8enc deadline=1 cpu-used=8 ! webmmux ! \
  filesink location="$out" \
  labels.src ! overlay.text_sink
echo "$out"
