#!/bin/sh
# After the files are gone. deb: "remove", "purge", …; rpm, which knows no
# purge: the number of versions that are left.
set -e

case "$1" in
remove | 0 | purge)
	if [ -d /run/systemd/system ]; then
		systemctl daemon-reload || true
		systemctl reset-failed dockwall.service dockwall-boot.service dockwall-sets.service 2>/dev/null || true
	fi
	rm -rf /run/dockwall
	;;
esac

case "$1" in
purge)
	# Keys and certificates stay: docker.service may name them, and dockerd would not
	# start without; and a lost CA cannot be made again.
	rmdir /etc/dockwall/tls 2>/dev/null || true
	if [ -d /etc/dockwall/tls ]; then
		find /etc/dockwall -mindepth 1 -maxdepth 1 ! -name tls -exec rm -rf {} +
		echo "dockwall: the keys in /etc/dockwall/tls are kept; to remove them: rm -r /etc/dockwall/tls" >&2
	else
		rm -rf /etc/dockwall
	fi
	rm -rf /var/lib/dockwall
	;;
0)
	rm -rf /var/lib/dockwall
	;;
esac
exit 0
