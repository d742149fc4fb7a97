#!/bin/sh
# A pipeline is killed in mid-stream and goes on from its state file: the forecasts after that are those of a pipeline that
# was never interrupted, byte for byte.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
awk 'BEGIN { print "time,load"; for (t = 0; t < 4000; ++t) print 1700000000 + 60 * t "," sin(t / 30) + sin(t / 7) / 3 }' \
  >"$folder/sensor.csv"

# run OUTPUT [slow]: the whole file; slow takes a millisecond a row, time enough to be killed
run() {
  output=$1 pace=${2:+identity sleep-time=1000 !}
  # shellcheck disable=SC2086
  exec gst-launch-1.0 -q filesrc location="$folder/sensor.csv" ! lfmsensorparse time-column=time ! $pace \
    lfmforecaster horizon=6 every=100 $state ! filesink buffer-mode=unbuffered location="$output"
}

state="" && (run "$folder/whole")
state="state-location=$folder/state state-interval=50"
(run "$folder/first" slow) & pipeline=$!
sleep 2
kill -9 $pipeline 2>/dev/null || :
wait $pipeline 2>/dev/null || :
(run "$folder/second")

echo "uninterrupted:          $(wc -l <"$folder/whole") forecasts"
echo "before it was killed:   $(wc -l <"$folder/first")"
echo "after it was restarted: $(wc -l <"$folder/second")"
tail -n "$(wc -l <"$folder/second")" "$folder/whole" | cmp - "$folder/second" && echo "byte for byte the same"
