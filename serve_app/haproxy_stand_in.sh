#!/bin/sh
# haproxy-stand-in BINARY FILE.stand-in: waits until no HAProxy on FILE is left, then stands in for it.
#
# Ray notices a dead HAProxy by three failed checks and starts a new manager for it, which takes seconds. Meanwhile the
# last configuration that had an application is served by another process. The next HAProxy that has an application
# asks it to stop; so does this script when there is none after LIMIT seconds, as when Ray has stopped for good.
LIMIT=60
binary=$1
# Ray counts the processes that have its FILE among their arguments.
config=${2%.stand-in}

# One such script for a file. The lock ends with the process.
exec 8>"$config.one"
flock -n 8 || exit 0
while :; do
    # Opens once somebody writes to the pipe, reads until nobody can.
    read -r _ <"$config.alive"
    [ -e "$config.stand-in" ] || exit 0
    # Not waited for: it ends with its last request, which may take minutes, and the next HAProxy may be killed sooner.
    (
        timeout --signal=USR1 "$LIMIT" "$binary" -db -f "$config.stand-in"
        # 124: it has stood long enough. Without a HAProxy on FILE nothing is left to wait for.
        # (In brackets, so that grep does not find itself.)
        [ $? -ne 124 ] || grep -q -z -x -e "[/]${config#/}" /proc/[0-9]*/cmdline 2>/dev/null || kill "$$"
    ) 8>&- &
done
