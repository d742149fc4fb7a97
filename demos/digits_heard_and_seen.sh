#!/bin/sh
# Digits that are heard and seen, both in noise: how often one state that takes sound and pictures in is wrong, and how often
# sound or pictures alone are.
# digits_heard_and_seen.sh FOLDER [COUNT]; rill_train.digit_evaluate --write makes such a folder (training/README.md).
set -eu
folder=${1:?which folder?} count=${2:-1000000}
model="model-path=${RILL_DEMO_MODEL:-rill-omni}"

# label SOURCE...: what the last frame is taken for
label() {
  lines=$(gst-launch-1.0 -q lfmfusion name=both $model ! lfmclassify $model head=digit messages=false ! fdsink "$@")
  [ -n "$lines" ] || { echo "a pipeline gave no labels" >&2; exit 1; }
  echo "$lines" | sed -n '$s/.*"label":"\([^"]*\)".*/\1/p'
}

pairs=0 sound_wrong=0 pictures_wrong=0 both_wrong=0
for wav in "$folder"/*.wav; do
  [ -e "$wav" ] || { echo "$folder: holds no pairs" >&2; exit 1; }
  [ "$pairs" -lt "$count" ] || break
  pair=${wav%.wav}
  digit=${pair##*-}
  last=$(($(ls "$pair"-*.png | wc -l) - 1))
  sound="filesrc location=$wav ! wavparse ! audioconvert ! audioresample ! lfmaudioenc $model ! both."
  pictures="multifilesrc location=$pair-%02d.png stop-index=$last caps=image/png,framerate=$((25 * last + 25))/32 ! \
    pngdec ! videoconvert ! lfmimageenc $model ! both."
  # shellcheck disable=SC2086  # pipelines are words
  heard=$(label $sound)
  # shellcheck disable=SC2086
  seen=$(label $pictures)
  # shellcheck disable=SC2086
  both=$(label $sound $pictures)
  [ "$heard" = "$digit" ] || sound_wrong=$((sound_wrong + 1))
  [ "$seen" = "$digit" ] || pictures_wrong=$((pictures_wrong + 1))
  [ "$both" = "$digit" ] || both_wrong=$((both_wrong + 1))
  pairs=$((pairs + 1))
done
echo "of $pairs digits wrong: $sound_wrong by sound, $pictures_wrong by pictures, $both_wrong by both"
