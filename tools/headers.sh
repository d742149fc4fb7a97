#!/bin/sh
# Every header compiles alone.
set -eu
flags="-DRILL_SOURCE_DIR=\"\" -DRILL_BINARY_DIR=\"\" -w -std=c++20 -fsyntax-only -I."
status=0
for header in $(git ls-files --cached --others --exclude-standard '*.h' | grep -v -e '-inl.h$'); do
  case $header in
    plugins/* | tests/plugins/*) extra=$(pkg-config --cflags gstreamer-check-1.0 gstreamer-audio-1.0) ;;
    tools/*) extra="$(pkg-config --cflags gstreamer-1.0) $(pkg-config --cflags opencv4 2>/dev/null || echo -I/usr/include/opencv4)" ;;
    *) extra="" ;;
  esac
  g++ $flags $extra -x c++ "$header" || { echo "headers: $header does not compile alone" >&2; status=1; }
done
exit $status
