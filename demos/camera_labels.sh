#!/bin/sh
# A window with what the camera sees and the likeliest of the ten labels of CIFAR-10 over it, until Ctrl-C.
# camera_labels.sh [SOURCE]: any source of video in the language of gst-launch-1.0 instead of the camera.
set -eu
gst-inspect-1.0 --exists textoverlay ||
  { echo "textoverlay is missing; on Debian: apt-get install gstreamer1.0-x fonts-dejavu-core" >&2; exit 1; }
# shellcheck disable=SC2086  # a pipeline is words
exec gst-launch-1.0 -q ${1:-v4l2src} ! videoconvert ! \
  lfmclassifier name=labels model-path=image-cifar10 max-rate=10 format=text report=changes labels.media ! \
  queue leaky=downstream ! textoverlay name=overlay wait-text=false font-desc="Sans 18" ! \
  videoconvert ! autovideosink \
  labels.src ! overlay.text_sink
