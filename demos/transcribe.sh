#!/bin/sh
# Writes down a human voice: a page of "Sense and Sensibility", read for LibriVox (public domain), from the Debian package
# pocketsphinx-testdata. transcribe.sh [FILE…]: your own recordings instead.
set -eu
if [ $# -eq 0 ]; then
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  "$(dirname "$0")/unpack.sh" pocketsphinx-testdata "$folder"
  set -- "$folder"/usr/share/pocketsphinx/test/data/librivox/*.wav
  echo "What the reader says:"
  sed 's|</*s>||g; s|(.*||' "$folder"/usr/share/pocketsphinx/test/data/librivox/transcription
fi

echo "What a pipeline hears in the first file, line by line:"
gst-launch-1.0 -q filesrc location="$1" ! decodebin ! lfmtranscriber output=line newline=true ! fdsink sync=false |
  cat # fdsink begins a file anew

echo "What rill transcribe hears in all of them, as subtitles:"
for file in "$@"; do rill transcribe "$file" --format srt; done
