#!/bin/sh
# After the files are gone. deb: "remove", "purge", …; rpm, which knows no
# purge: the number of versions that are left.
set -e

case "$1" in
remove | 0 | purge)
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
		systemctl reset-failed dockwall.service dockwall-boot.service 2>/dev/null || true
	fi
	rm -rf /run/dockwall
	;;
esac

case "$1" in
purge)
	rm -rf /etc/dockwall /var/lib/dockwall
	;;
0)
	rm -rf /var/lib/dockwall
	;;
esac
exit 0
