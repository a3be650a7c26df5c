#!/bin/sh
# After an rpm's transaction, when the files of an earlier version are gone. One that
# owned agent.hcl has deleted it, or renamed it: it comes back.
set -e

file=/etc/dockwall/agent.hcl
if [ -e "$file.upgrade" ] || [ -L "$file.upgrade" ]; then
	if [ -e "$file" ] || [ -L "$file" ]; then
		rm -f "$file.upgrade"
	else
		if [ "$file.rpmsave" -ef "$file.upgrade" ]; then rm -f "$file.rpmsave"; fi
		mv "$file.upgrade" "$file"
	fi
fi
exit 0
