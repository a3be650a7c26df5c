package audit

import (
	"fmt"
	"slices"

	"dockwall/rules/finding"
)

// stoppedDays is after how many days a stopped container counts as forgotten.
const stoppedDays = 30

const day = 24 * 60 * 60

func hostChecks() []Check {
	return []Check{
		{ID: "host.partition", Group: HostGroup, Severity: finding.Low, CIS: cis("1.1.1"),
			Title:   "Docker's data has a file system of its own",
			Why:     "Images, logs and volumes grow. Where they fill the root file system, the whole host stops.",
			Decides: "the mount points of the host, and DockerRootDir of docker info; if containerd keeps the images, /var/lib/containerd as well",
			Fix:     "Mount a file system of its own at the folder.", host: partition},
		{ID: "host.docker-group", Group: HostGroup, Severity: finding.Medium, CIS: cis("1.1.2"),
			Title:   "No user is in the group of Docker's socket",
			Why:     "A member of the group is root: docker run -v /:/host opens every file.",
			Decides: "the group of the engine's socket, its members in /etc/group, and the users in /etc/passwd whose primary group it is",
			Fix:     "gpasswd -d USER docker; for those who administer Docker, write a skip block with the reason.", host: dockerGroup},
		{ID: "host.stopped-containers", Group: HostGroup, Severity: finding.Low, CIS: cis("6.2"),
			Title:   fmt.Sprintf("No container has been stopped for more than %d days", stoppedDays),
			Why:     "What is forgotten is not updated, and starts again as it was.",
			Decides: "when each stopped container ended, or was created if it never ran",
			Fix:     "docker rm NAME", host: stoppedContainers},
		{ID: "host.unused-images", Group: HostGroup, Severity: finding.Low, CIS: cis("6.1"),
			Title:   "Each image is used by a container",
			Why:     "Old images take space, and are started by mistake.",
			Decides: "the engine's images, and those of its containers",
			Fix:     "docker image prune -a", host: unusedImages},
		{ID: "host.unused-volumes", Group: HostGroup, Severity: finding.Low,
			Title:   "Each volume is used by a container",
			Why:     "Volumes that are left behind take space, and keep data that should be gone.",
			Decides: "the engine's list of dangling volumes",
			Fix:     "Look into it, then: docker volume rm NAME", host: unusedVolumes},
		{ID: "host.services", Group: HostGroup, Severity: finding.Low,
			Title:   "The host runs only the services that it needs",
			Why:     "Each further service is a further way into the host.",
			Decides: "the sockets that are listened on; which of them are needed, a person has to decide",
			Fix:     "Stop what is not needed.", host: services},
	}
}

// containerdRoot is where containerd keeps images, by default.
const containerdRoot = "/var/lib/containerd"

func partition(f *facts) verdict {
	if !f.Engine.Read {
		return unknown("%s", f.Engine.Why())
	}
	if !f.Host.MountPoints.Read {
		return unknown("%s", f.Host.MountPoints.Why())
	}
	roots := []string{f.Engine.Value.Root}
	if f.Engine.Value.ContainerdStore {
		roots = append(roots, containerdRoot)
	}
	for _, root := range roots {
		if root == "" {
			return unknown("docker info does not name DockerRootDir")
		}
		// A mount on a folder above, other than the root, is a file system of Docker's too
		// if nothing but the parent of the data is on it.
		if !slices.ContainsFunc(f.Host.MountPoints.Value, func(p string) bool { return p != "/" && p != "/var" && within(root, p) }) {
			return fail("%s is on the file system of the host", root)
		}
	}
	return pass("mounted: %s", list(roots))
}

func dockerGroup(f *facts) verdict {
	g := f.Host.DockerGroup
	if !g.Read {
		return unknown("%s", g.Why())
	}
	return when(len(g.Value) > 0, "in the group: "+list(g.Value), "only root uses the socket")
}

func stoppedContainers(f *facts) verdict {
	if !f.Containers.Read {
		return unknown("%s", f.Containers.Why())
	}
	var old, unread []string
	for _, c := range f.Containers.Value {
		ended := max(c.Finished, c.Created)
		switch {
		case c.Unread != "":
			unread = append(unread, c.Name)
		case c.State != "exited" && c.State != "created" && c.State != "dead", ended == 0:
		case f.Now-ended > stoppedDays*day:
			old = append(old, c.Name)
		}
	}
	if len(old) == 0 && len(unread) > 0 {
		return unknown("cannot be read: %s", list(unread))
	}
	return when(len(old) > 0, "stopped for long: "+list(old), "there is none")
}

func unusedImages(f *facts) verdict {
	if !f.Images.Read || !f.Containers.Read {
		return unknown("the images or containers cannot be read: %s", f.Images.Why())
	}
	var names []string
	for i := range f.Images.Value {
		if k := &f.Images.Value[i]; !f.inUse[k.ID] {
			names = append(names, k.Name())
		}
	}
	return when(len(names) > 0, "not used: "+list(names), "there is none")
}

func unusedVolumes(f *facts) verdict {
	v := f.UnusedVolumes
	if !v.Read {
		return unknown("%s", v.Why())
	}
	var names []string
	for _, n := range v.Value {
		if len(n) == 64 {
			n = n[:12] // an anonymous volume
		}
		names = append(names, n)
	}
	return when(len(names) > 0, "not used: "+list(names), "there is none")
}

func services(f *facts) verdict {
	s := f.Host.Services
	if !s.Read {
		return unknown("%s", s.Why())
	}
	var names []string
	for _, k := range s.Value {
		if n := fmt.Sprintf("%d/%s", k.Port, k.Proto); !slices.Contains(names, n) {
			names = append(names, n)
		}
	}
	if len(names) == 0 {
		return pass("no program but Docker listens beyond loopback")
	}
	return noted("listened on beyond loopback: %s", list(names))
}
