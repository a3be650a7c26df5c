#!/bin/sh
# Before the files go. deb: "remove", "upgrade", …; rpm: the number of versions
# that will be left. Only a removal stops the daemon and takes the rules away,
# so that they do not stay in the way of a host that has no dockwall any more.
set -e

case "$1" in
remove | 0) ;;
*) exit 0 ;;
esac

if [ -d /run/systemd/system ]; then
	# Docker, if it was told to require the boot unit, must not be stopped with
	# it: a link to the package's own drop-in goes first.
	for link in /etc/systemd/system/docker.service.d/*.conf; do
		if [ -L "$link" ] && [ "$(readlink "$link")" = /usr/share/dockwall/fail-closed.conf ]; then
			rm -f "$link"
			rmdir --ignore-fail-on-non-empty /etc/systemd/system/docker.service.d
			systemctl daemon-reload || true
		fi
	done
	systemctl disable --now dockwall.service dockwall-boot.service || true
	systemctl stop dockwall-sets.service || true
fi
# In a chroot they would be another system's rules.
if command -v ischroot >/dev/null && ischroot; then exit 0; fi
agentctl remove || {
	echo "dockwall: its rules could not be taken out of the kernel (see above)" >&2
	exit 1
}
exit 0
