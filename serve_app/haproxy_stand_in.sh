#!/bin/sh
# haproxy-stand-in BINARY FILE.stand-in: waits until the latest HAProxy on FILE has ended, then stands in for it.
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
exec 7<>"$config.news"

# Hear when process $1 has ended: nobody writes to its pipe any more. Those before it end when they have no more to do.
watch() {
    latest=$1
    (
        read -r _ <"$config.alive.$1"
        echo "gone $1" >&7
    ) 8>&- &
}

stand_in() {
    # One that is killed, too (137), is followed by the next.
    status=137
    while [ "$status" -eq 137 ]; do
        timeout --signal=USR1 "$LIMIT" "$binary" -db -f "$config.stand-in" 7>&- 8>&-
        status=$?
    done
    # 124: it has stood long enough. Without a HAProxy on FILE nothing is left to wait for.
    # (In brackets, so that grep does not find itself.)
    [ "$status" -ne 124 ] || grep -q -z -x -e "[/]${config#/}" /proc/[0-9]*/cmdline 2>/dev/null || kill "$$"
}

read -r process <"$config.latest"
watch "$process"
while read -r what process <&7; do
    if [ "$what" = new ]; then
        [ "$process" = "$latest" ] || watch "$process"
        continue
    fi
    rm -f "$config.alive.$process"
    # Not waited for: it ends with its last request, which may take minutes, and the next HAProxy may be killed sooner.
    if [ "$process" = "$latest" ] && [ -e "$config.stand-in" ]; then stand_in & fi
done
