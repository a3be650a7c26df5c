package audit

import (
	"slices"

	"dockwall/netinfo/hostfile"
	"dockwall/netinfo/hostnet"
	"dockwall/netinfo/inventory"
)

// Process reads what the kernel says of the container's processes. Root is where the
// host's files are.
func Process(root string, c *inventory.Container) {
	hostfile.Reader{Root: root}.Processes().Complete(c)
	addLinks(root, c)
}

// addLinks adds what the kernel says of the container's interfaces, if its process is one
// of this host.
func addLinks(root string, c *inventory.Container) {
	if c.Running() && c.Process.Namespaces.Read && root == "/" {
		c.Process.Promiscuous = inventory.Of(hostnet.Promiscuous(c.PID))
	}
}

// Base is what the inventory says beside its containers, and of its images only what
// containers are judged by: it is small enough to be kept.
func Base(in inventory.Inventory) inventory.Inventory {
	in.Containers = inventory.Unread[[]inventory.Container]("they were not read together")
	in.UnusedVolumes = inventory.Unread[[]string]("they were not read together")
	in.Images.Value = slices.Clone(in.Images.Value)
	for i, k := range in.Images.Value {
		in.Images.Value[i] = inventory.Image{ID: k.ID, Tags: k.Tags, Digests: k.Digests, Variables: k.Variables}
	}
	return in
}
