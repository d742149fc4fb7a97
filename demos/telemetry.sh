#!/bin/sh
# This machine's own sensors as CSV lines: telemetry.sh [ROWS_PER_SECOND] [SECONDS, 0 for ever]
#
#   time           seconds since 1970
#   cpu_percent    of all cores, busy since the row before
#   memory_mb      in use
#   disk_kb        read and written since the row before
#   switches       context switches since the row before
set -eu
rate=${1:-4} seconds=${2:-0}
pause=$(awk "BEGIN { print 1 / $rate }")

busy=0 total=0 disk=0 switches=0
read_counters() {
  read -r _ user nice system idle wait irq soft steal _ </proc/stat
  new_total=$((user + nice + system + idle + wait + irq + soft + steal))
  new_busy=$((new_total - idle - wait))
  new_disk=$(awk '/^pgpg(in|out) / { sum += $2 } END { print sum + 0 }' /proc/vmstat)
  new_switches=$(awk '/^ctxt / { print $2 }' /proc/stat)
  memory=$(awk '/^MemTotal:/ { t = $2 } /^MemAvailable:/ { a = $2 } END { print int((t - a) / 1024) }' /proc/meminfo)
}
keep_counters() { busy=$new_busy total=$new_total disk=$new_disk switches=$new_switches; }

echo "time,cpu_percent,memory_mb,disk_kb,switches"
read_counters && keep_counters
rows=$((rate * seconds))
while :; do
  sleep "$pause"
  read_counters
  elapsed=$((new_total - total))
  [ "$elapsed" -gt 0 ] || continue
  echo "$(date +%s.%N),$((100 * (new_busy - busy) / elapsed)),$memory,$((new_disk - disk)),$((new_switches - switches))"
  keep_counters
  [ "$seconds" = 0 ] && continue
  rows=$((rows - 1))
  [ "$rows" -gt 0 ] || break
done
