#!/bin/sh
# Becomes HAProxy, as Ray starts it: -db -f FILE … (serve_app/haproxy.py says why, and writes the files beside this one).
here=${0%/*}
config=$3
read -r binary <"$here/haproxy.binary"

# Ray may start HAProxy twice on one file; what is stricter already is left as it is.
if ! grep -q '^# Made stricter by ' "$config"; then
    draft="$config.$$"
    sed -f "$here/haproxy.sed" "$config" >"$draft" || exit 1
    # Without an application the caller has made no mistake: none is known yet, or any more.
    grep -q '^    use_backend ' "$draft" || sed -i -f "$here/haproxy-empty.sed" "$draft"
    while read -r line; do
        if ! grep -q -F -e "$line" "$draft"; then
            echo "$config has no place for: $line. Is this another version of Ray?" >&2
            exit 1
        fi
    done <"$here/haproxy.needed"
    mv "$draft" "$config"
fi

# This process holds a pipe open. When it ends as the latest on this file, the stand-in begins.
[ -p "$config.alive.$$" ] || mkfifo -m 600 "$config.alive.$$"
exec 9<>"$config.alive.$$"

# A HAProxy that Ray does not know of: the stand-in, that of a manager which was killed, or that of before Ray's start.
others=
for file in $(grep -l -z -x -F -e "$config" -e "$config.stand-in" -e "$here/haproxy-early.cfg" /proc/[0-9]*/cmdline 2>/dev/null); do
    process=${file%/cmdline}
    [ "$process/exe" -ef "$binary" ] || continue
    # Not the one that Ray names already: named twice it is asked to end twice in the same moment, and may then wait for its
    # hard stop.
    case " $* " in *" ${process#/proc/} "*) ;; *) others="$others ${process#/proc/}" ;; esac
done

if grep -q '^    use_backend ' "$config"; then
    sed -f "$here/haproxy-stand-in.sed" "$config" >"$config.draft" && mv "$config.draft" "$config.stand-in"
    # They stop taking requests as soon as this process does take them.
    # shellcheck disable=SC2086
    [ -z "$others" ] || set -- "$@" -sf $others
elif [ -n "$others" ]; then
    # A new manager has not heard of the application yet. The others have: the port stays theirs.
    sed -i "/^frontend http_frontend\$/{n;s|.*|    bind unix@${config%/*}/idle.sock mode 600|}" "$config"
fi

# Where Ray forbids two to listen on one port (-dR), the next could not begin before the stand-in has ended.
for argument; do
    shift
    [ "$argument" = -dR ] || set -- "$@" "$argument"
done

# One script waits already and hears of this process, or else begins: in a subshell, so that HAProxy has no child that it
# does not know of.
[ -p "$config.news" ] || mkfifo -m 600 "$config.news"
echo "$$" >"$config.latest"
echo "new $$" 1<>"$config.news"
if flock -n "$config.one" true; then
    (setsid /bin/sh "$here/haproxy-stand-in" "$binary" "$config.stand-in" 9>&- </dev/null >/dev/null 2>&1 &)
fi
exec "$binary" "$@"
