package docker

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/api/types/image"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/volume"
	"golang.org/x/sync/errgroup"

	"dockwall/netinfo/inventory"
)

// inventoryReads is how many containers or images are inspected at a time.
const inventoryReads = 16

// Inventory adds to the inventory what the engine at host says of itself, its
// containers, images, networks and volumes. It asks each question once, each for at
// most limit. What is not answered is unread with the reason, so that a part of the
// answer is not lost with another. If containers is set, only those with these names
// or IDs are inspected, and no image.
func Inventory(ctx context.Context, host string, limit time.Duration, in *inventory.Inventory, containers ...string) {
	unread := func(err error) {
		in.Engine = inventory.Unread[inventory.Engine](err.Error())
		in.Containers = inventory.Unread[[]inventory.Container](err.Error())
		in.Images = inventory.Unread[[]inventory.Image](err.Error())
		in.Networks = inventory.Unread[[]inventory.Network](err.Error())
		in.UnusedVolumes = inventory.Unread[[]string](err.Error())
	}
	e, err := dial(host, limit)
	if err != nil {
		unread(err)
		return
	}
	defer e.Close()
	r := &taker{remote: e.(*remote), secrets: inventory.NewSecrets(), only: containers}
	if err := r.within(ctx, func(ctx context.Context) error { return r.Ping(ctx) }); err != nil {
		unread(err)
		return
	}
	in.Engine = inventory.Of(r.info(ctx))
	in.Containers = inventory.Of(r.containers(ctx))
	devices, err := r.devices(ctx)
	resolveVolumes(in.Containers.Value, devices, err)
	in.Networks = inventory.Of(r.networks(ctx))
	if len(containers) > 0 {
		return
	}
	in.Images = inventory.Of(r.images(ctx))
	in.UnusedVolumes = inventory.Of(r.volumes(ctx))
}

// taker reads an engine for an inventory.
type taker struct {
	*remote
	secrets *inventory.Secrets
	only    []string
}

func (r *taker) within(ctx context.Context, ask func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, r.limit)
	defer cancel()
	if err := ask(ctx); err != nil {
		return r.missing(err)
	}
	return nil
}

func (r *taker) info(ctx context.Context) (e inventory.Engine, err error) {
	err = r.within(ctx, func(ctx context.Context) error {
		info, err := r.cli.Info(ctx)
		if err != nil {
			return err
		}
		e = engineOf(&info)
		e.Swarm.Autolock = inventory.Unread[bool]("this node is no manager of a Swarm")
		if info.Swarm.ControlAvailable {
			s, err := r.cli.SwarmInspect(ctx)
			e.Swarm.Autolock = inventory.Of(s.Spec.EncryptionConfig.AutoLockManagers, err)
		}
		return nil
	})
	return e, err
}

func (r *taker) containers(ctx context.Context) ([]inventory.Container, error) {
	var all []container.Summary
	err := r.within(ctx, func(ctx context.Context) (err error) {
		all, err = r.cli.ContainerList(ctx, container.ListOptions{All: true})
		return err
	})
	if err != nil {
		return nil, err
	}
	if len(r.only) > 0 {
		all = slices.DeleteFunc(all, func(s container.Summary) bool { return !r.asked(&s) })
	}
	found := make([]inventory.Container, len(all))
	gone := make([]bool, len(all))
	var g errgroup.Group
	g.SetLimit(inventoryReads)
	for i := range all {
		g.Go(func() error {
			found[i], gone[i] = r.container(ctx, &all[i])
			return nil
		})
	}
	_ = g.Wait()
	var there []inventory.Container
	for i := range found {
		if !gone[i] {
			there = append(there, found[i])
		}
	}
	slices.SortFunc(there, func(a, b inventory.Container) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.ID, b.ID))
	})
	return there, nil
}

func (r *taker) asked(s *container.Summary) bool {
	return slices.Contains(r.only, nameOf(s.Names)) || slices.ContainsFunc(r.only, func(id string) bool { return id == s.ID || id == inventory.Short(s.ID) })
}

// container inspects one; gone reports that it was removed since it was listed.
func (r *taker) container(ctx context.Context, s *container.Summary) (c inventory.Container, gone bool) {
	var answer container.InspectResponse
	err := r.within(ctx, func(ctx context.Context) (err error) {
		answer, err = r.cli.ContainerInspect(ctx, s.ID)
		return err
	})
	switch {
	case isMissing(err):
		return c, true
	case err != nil:
		return inventory.Container{ID: s.ID, Name: nameOf(s.Names), Image: s.Image, ImageID: s.ImageID, Labels: s.Labels, State: s.State, Unread: err.Error()}, false
	case answer.ContainerJSONBase == nil || answer.HostConfig == nil || answer.Config == nil || answer.State == nil:
		return inventory.Container{ID: s.ID, Name: nameOf(s.Names), Unread: "the engine's answer is not a container"}, false
	}
	return inspected(&answer, r.secrets), false
}

func (r *taker) images(ctx context.Context) ([]inventory.Image, error) {
	var all []image.Summary
	err := r.within(ctx, func(ctx context.Context) (err error) {
		all, err = r.cli.ImageList(ctx, image.ListOptions{})
		return err
	})
	if err != nil {
		return nil, err
	}
	found := make([]inventory.Image, len(all))
	var g errgroup.Group
	g.SetLimit(inventoryReads)
	for i := range all {
		g.Go(func() error {
			found[i] = r.image(ctx, &all[i])
			return nil
		})
	}
	_ = g.Wait()
	slices.SortFunc(found, func(a, b inventory.Image) int { return cmp.Compare(a.ID, b.ID) })
	return slices.DeleteFunc(found, func(i inventory.Image) bool { return i.ID == "" }), nil
}

// image inspects one; it is empty if it was removed since it was listed.
func (r *taker) image(ctx context.Context, s *image.Summary) inventory.Image {
	var answer image.InspectResponse
	err := r.within(ctx, func(ctx context.Context) (err error) {
		answer, err = r.cli.ImageInspect(ctx, s.ID)
		return err
	})
	if isMissing(err) {
		return inventory.Image{}
	}
	if err != nil {
		return inventory.Image{ID: s.ID, Tags: s.RepoTags, Digests: s.RepoDigests, Created: s.Created, Unread: err.Error()}
	}
	i := imageOf(&answer, s, r.secrets)
	i.Steps = inventory.Of(r.steps(ctx, s.ID))
	return i
}

func (r *taker) steps(ctx context.Context, id string) (steps []inventory.Step, err error) {
	err = r.within(ctx, func(ctx context.Context) error {
		all, err := r.cli.ImageHistory(ctx, id)
		if err != nil {
			return err
		}
		slices.Reverse(all)
		for _, h := range all {
			steps = append(steps, r.secrets.Masked(h.CreatedBy, h.Comment))
		}
		return nil
	})
	return steps, err
}

func (r *taker) networks(ctx context.Context) (networks []inventory.Network, err error) {
	err = r.within(ctx, func(ctx context.Context) error {
		all, err := r.cli.NetworkList(ctx, network.ListOptions{})
		if err != nil {
			return err
		}
		for _, n := range all {
			networks = append(networks, inventory.Network{Name: n.Name, Driver: n.Driver, Options: n.Options})
		}
		return nil
	})
	slices.SortFunc(networks, func(a, b inventory.Network) int { return cmp.Compare(a.Name, b.Name) })
	return networks, err
}

// devices are the folders of the host that volumes stand for, by the volumes' names.
func (r *taker) devices(ctx context.Context) (map[string]string, error) {
	devices := map[string]string{}
	err := r.within(ctx, func(ctx context.Context) error {
		all, err := r.cli.VolumeList(ctx, volume.ListOptions{})
		if err != nil {
			return err
		}
		for _, v := range all.Volumes {
			if v == nil {
				continue
			}
			if device, ok := deviceOf(v); ok {
				devices[v.Name] = device
			}
		}
		return nil
	})
	return devices, err
}

func (r *taker) volumes(ctx context.Context) (names []string, err error) {
	err = r.within(ctx, func(ctx context.Context) error {
		all, err := r.cli.VolumeList(ctx, volume.ListOptions{Filters: filters.NewArgs(filters.Arg("dangling", "true"))})
		if err != nil {
			return err
		}
		for _, v := range all.Volumes {
			if v != nil {
				names = append(names, v.Name)
			}
		}
		return nil
	})
	slices.Sort(names)
	return names, err
}
