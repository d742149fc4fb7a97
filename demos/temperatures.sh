#!/bin/sh
# Forecasts a file: a year of hourly temperatures in San Francisco and Seattle, public-domain data from the Debian package
# python3-vega-datasets. temperatures.sh [PLOT.png]
set -eu
plot=${1:-temperatures.png}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"$(dirname "$0")/unpack.sh" python3-vega-datasets "$folder"
data=$folder/usr/lib/python3/dist-packages/vega_datasets/_data

echo "The next day in San Francisco, from a pipeline (the start of its line of JSON):"
gst-launch-1.0 -q filesrc location="$data/sf-temps.csv" ! \
  lfmsensorparse time-column=date ! \
  lfmforecaster horizon=24 every=0 format=json ! fdsink | cut -c 1-200

echo
echo "The same for Seattle from the command line, with a chart in $plot:"
rill forecast "$data/seattle-temps.csv" --time date --horizon 24 --plot "$plot"
