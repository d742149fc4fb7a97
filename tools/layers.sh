#!/bin/sh
# Dependencies point one way: plugins -> pipeline -> modalities -> operators. Fails on an include against it, and on a
# GStreamer header outside plugins, a Highway header in any header, or an installed header that includes one not installed.
set -eu
status=0
refuse() {  # refuse FOLDER PATTERN: no file of FOLDER may include PATTERN
  if grep -rnE "#include [<\"]($2)" "$1" --include='*.h' --include='*.cc'; then
    echo "layers: $1 must not include $2" >&2
    status=1
  fi
}
refuse operators '(modalities|pipeline|plugins|tools|tests|gst|glib)/'
refuse modalities '(pipeline|plugins|tools|tests|gst|glib)/'
refuse pipeline '(plugins|tools|tests|gst|glib)/'
refuse plugins '(tools|tests)/'
refuse tools '(plugins|tests|modalities|operators)/'
if grep -rlE '#include <(hwy|boost)/' --include='*.h' . | grep -v -e '^./build' -e '-inl.h$'; then
  echo "layers: Highway and Boost stay in .cc files" >&2
  status=1
fi
installed=$(sed -n '/^set(RILL_HEADERS/,/)$/p' cmake/install.cmake | grep -o '[a-z0-9_/]*\.h')
for header in $installed; do
  for used in $(sed -nE 's,^#include "((operators|modalities|pipeline)/[^"]+)",\1,p' "$header"); do
    echo "$installed" | grep -qx "$used" || {
      echo "layers: $header includes $used, which cmake/install.cmake does not install" >&2
      status=1
    }
  done
done
exit $status
