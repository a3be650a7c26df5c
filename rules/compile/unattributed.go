package compile

import (
	"fmt"
	"slices"
	"strings"

	"dockwall/netinfo"
	"dockwall/rules/finding"
)

// mostPorts is how many ports the finding names.
const mostPorts = 5

// unattributedProblems names ports that may be those of a container on the host's network.
// No rule closes them: they may as well be the host's own, such as sshd's.
func unattributedProblems(s netinfo.Snapshot) []finding.Finding {
	var ports []string
	for _, l := range s.Listeners {
		port := fmt.Sprintf("%d/%s", l.Port, l.Proto)
		if l.Unattributed && !l.Dockerd && !l.Addr.IsLoopback() && !slices.Contains(ports, port) {
			ports = append(ports, port)
		}
	}
	var names []string
	for _, c := range s.Containers {
		if c.HostNetwork && c.SharesWith == "" && c.Running() {
			names = append(names, c.Name)
		}
	}
	if len(ports) == 0 || len(names) == 0 {
		return nil
	}
	return []finding.Finding{finding.New(finding.Unattributed, fmt.Sprintf("on the host's network: %s. Whether a container or the host itself listens on %s is not known, "+
		"because agentd may not read the open files of processes and the host has no cgroup v2. Such a port is open unless a published block names the container and the port",
		shortened(names), shortened(ports)))}
}

// shortened lists the first of the words, and counts the others.
func shortened(words []string) string {
	if n := len(words) - mostPorts; n > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(words[:mostPorts], ", "), n)
	}
	return strings.Join(words, ", ")
}
