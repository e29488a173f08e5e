#!/bin/sh
# SPDX-License-Identifier: MIT
# A backend of lathe in sh: counts the words of a text.
field() { printf '%s' "$line" | sed "s/.*\"$1\":\"\([^\"]*\)\".*/\1/"; }
while IFS= read -r line; do
  case $line in
    '{"type":"hello"'*)
      echo '{"type":"hello","protocol":1,"name":"wordcount","version":"1.0","kinds":["wordcount"]}' ;;
    '{"type":"start"'*) echo '{"type":"ready"}' ;;
    '{"type":"job"'*)
      id=$(field id) words=$(cat "$(field workdir)"/in/* | wc -w)
      echo "counted $words words" >&2 # the job's log
      echo "{\"type\":\"done\",\"id\":\"$id\",\"result\":{\"words\":$words}}" ;;
    '{"type":"stop"'*) exit 0 ;;
  esac
done
