#!/bin/sh
# What ./dev demo shows: a file of temperatures, a human voice, then this machine for 20 seconds.
set -eu
here=$(dirname "$0")
"$here/temperatures.sh" "${1:-temperatures.png}"
echo
"$here/transcribe.sh"
echo
echo "This machine, live for 20 seconds: CPU, memory, disk and context switches, three seconds ahead (the start of each line of JSON):"
"$here/machine_health.sh" 20 | cut -c 1-200
