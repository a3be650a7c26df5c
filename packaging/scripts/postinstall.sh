#!/bin/sh
# After the files are in place. A first installation starts nothing and changes
# no rule. deb: "configure" [OLD VERSION]; rpm: the number of versions installed.
set -e

case "$1" in
configure) old="$2" ;;
1) old="" ;;
[2-9]) old="some" ;;
*) exit 0 ;;
esac

# The first installation makes the operator's file. After that it is the operator's
# alone, even if it was deleted. The rpm of an earlier version owned it, and is about to
# take it along: a second name keeps it until posttrans.sh.
file=/etc/dockwall/agent.hcl
if [ -z "$old" ] && [ ! -e "$file" ] && [ ! -L "$file" ]; then
	install -m 0640 /usr/share/dockwall/agent.hcl "$file"
elif [ "$1" != configure ] && [ -f "$file" ]; then
	ln -fP "$file" "$file.upgrade"
fi

if [ -d /run/systemd/system ]; then
	systemctl daemon-reload || true
	systemd-tmpfiles --create /usr/lib/tmpfiles.d/dockwall.conf || true
	# An upgrade replaces the running daemon, and never opens anything: it is
	# killed, since a daemon that is asked to stop may have been told to take
	# its rules along (on_stop = "remove"). The rules stay in the kernel until
	# the new one takes them over. The boot unit stays as it is.
	if [ -n "$old" ] && systemctl --quiet is-active dockwall.service; then
		systemctl kill --kill-who=main --signal=SIGKILL dockwall.service || true
		systemctl start dockwall.service || true
	fi
fi
exit 0
