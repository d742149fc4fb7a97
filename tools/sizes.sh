#!/bin/sh
# A source file has at most 500 lines and wants a reason beyond 300; a shipped model is under 16 MB, the repository under 60.
set -eu
status=0
for file in $(git ls-files --cached --others --exclude-standard '*.cc' '*.h' '*.py' dev '*.sh'); do
  [ -f "$file" ] || continue
  lines=$(wc -l <"$file")
  if [ "$lines" -gt 500 ]; then
    echo "sizes: $file has $lines lines, at most 500" >&2
    status=1
  fi
done
for model in models/*.gguf; do
  [ -f "$model" ] || continue
  bytes=$(wc -c <"$model")
  if [ "$bytes" -ge 16000000 ]; then
    echo "sizes: $model has $bytes bytes, under 16000000" >&2
    status=1
  fi
done
total=$(git ls-files -z | xargs -0 cat 2>/dev/null | wc -c)
if [ "$total" -ge 60000000 ]; then
  echo "sizes: the repository has $total bytes, under 60000000" >&2
  status=1
fi
exit $status
