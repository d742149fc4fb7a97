#!/bin/sh
# Every header compiles alone.
set -eu
one='
flags="-DRILL_SOURCE_DIR=\"\" -DRILL_BINARY_DIR=\"\" -w -std=c++20 -fsyntax-only -I."
case $0 in
  plugins/* | tests/plugins/*) extra=$(pkg-config --cflags gstreamer-check-1.0 gstreamer-audio-1.0) ;;
  tools/*) extra="$(pkg-config --cflags gstreamer-1.0) $(pkg-config --cflags opencv4 2>/dev/null || echo -I/usr/include/opencv4)" ;;
  *) extra="" ;;
esac
g++ $flags $extra -x c++ "$0" || { echo "headers: $0 does not compile alone" >&2; exit 1; }'
git ls-files --cached --others --exclude-standard '*.h' | grep -v -e '-inl.h$' |
  xargs -P "$(nproc)" -n 1 sh -c "$one"
