package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/docker/docker/api/types/filters"
	"github.com/docker/docker/client"

	"dockwall/netinfo/inventory"
)

// Auditor is one connection to an engine for an audit that goes on: it follows what
// happens to containers, and reads one container at a time. It asks nothing that costs
// the engine more than that one container.
type Auditor struct{ r *taker }

// Happening is an event of a container.
type Happening struct {
	// Action is create, start, update, rename, die, destroy, exec_create or exec_die.
	Action string
	ID     string
	// Exec is the ID of the process that exec_create and exec_die are about.
	Exec string
}

// NewAuditor connects to the engine at host. Each question is given at most limit.
func NewAuditor(ctx context.Context, host string, limit time.Duration) (*Auditor, error) {
	e, err := dial(host, limit)
	if err != nil {
		return nil, err
	}
	a := &Auditor{&taker{remote: e.(*remote), secrets: inventory.NewSecrets()}}
	if err := a.r.within(ctx, a.r.Ping); err != nil {
		return nil, errors.Join(err, a.Close())
	}
	return a, nil
}

// Close ends the connection.
func (a *Auditor) Close() error { return a.r.Close() }

// audited are the events that change what an audit finds.
func audited() filters.Args {
	f := filters.NewArgs(filters.Arg("type", string(events.ContainerEventType)))
	for _, action := range []events.Action{
		events.ActionCreate, events.ActionStart, events.ActionUpdate, events.ActionRename, events.ActionDie, events.ActionDestroy,
		events.ActionExecCreate, events.ActionExecDie,
	} {
		f.Add("event", string(action))
	}
	return f
}

// Follow calls subscribed when the engine has accepted the subscription, and then happen
// for each event until ctx or the stream ends. It returns why it ended.
func (a *Auditor) Follow(ctx context.Context, subscribed func(), happen func(Happening)) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	// The client waits for the answer's header without a limit of its own.
	limit := time.AfterFunc(a.r.limit, cancel)
	msgs, errs := a.r.cli.Events(ctx, events.ListOptions{Filters: audited()})
	if !limit.Stop() {
		return fmt.Errorf("%s does not answer the subscription to events", a.r.cli.DaemonHost())
	}
	subscribed()
	for {
		select {
		case err := <-errs:
			return fmt.Errorf("the event stream ended: %w", err)
		case m := <-msgs:
			e := translate(m)
			happen(Happening{Action: e.action, ID: e.id, Exec: e.attrs["execID"]})
		}
	}
}

// List returns the IDs of all containers.
func (a *Auditor) List(ctx context.Context) ([]string, error) {
	var found []string
	err := a.r.within(ctx, func(ctx context.Context) error {
		all, err := a.r.cli.ContainerList(ctx, container.ListOptions{All: true})
		for i := range all {
			found = append(found, all[i].ID)
		}
		return err
	})
	return found, err
}

// Container inspects a container. What volumes it mounts are resolved. There is false
// if there is no such container.
func (a *Auditor) Container(ctx context.Context, id string) (c inventory.Container, there bool, err error) {
	c, gone := a.r.container(ctx, &container.Summary{ID: id})
	switch {
	case gone:
		return c, false, nil
	case c.Unread != "":
		return c, true, fmt.Errorf("reading container %s: %s", short(id), c.Unread)
	}
	devices := map[string]string{}
	for _, m := range c.Mounts {
		if m.Type != "volume" || m.Volume == "" {
			continue
		}
		e := a.r.within(ctx, func(ctx context.Context) error {
			v, err := a.r.cli.VolumeInspect(ctx, m.Volume)
			if device, ok := deviceOf(&v); err == nil && ok {
				devices[m.Volume] = device
			}
			return err
		})
		if e != nil && !isMissing(e) {
			err = e
		}
	}
	one := []inventory.Container{c}
	resolveVolumes(one, devices, err)
	return one[0], true, nil
}

// Image inspects an image, without the steps that built it. It has no ID if there is no
// such image.
func (a *Auditor) Image(ctx context.Context, id string) (inventory.Image, error) {
	var i inventory.Image
	err := a.r.within(ctx, func(ctx context.Context) error {
		answer, err := a.r.cli.ImageInspect(ctx, id)
		if err == nil {
			i = inventory.Image{ID: answer.ID, Tags: answer.RepoTags, Digests: answer.RepoDigests}
			if answer.Config != nil {
				i.Variables = variables(answer.Config.Env, a.r.secrets)
			}
		}
		return err
	})
	if isMissing(err) {
		err = nil
	}
	return i, err
}

// Privileged reports whether the process was asked for by docker exec --privileged; false
// if it has ended. Docker's client does not decode that part of the answer.
func (a *Auditor) Privileged(ctx context.Context, exec string) (privileged bool, err error) {
	err = a.r.within(ctx, func(ctx context.Context) error {
		path := a.base() + "/v" + a.r.cli.ClientVersion() + "/exec/" + url.PathEscape(exec) + "/json"
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, path, nil)
		if err != nil {
			return err
		}
		answer, err := a.r.cli.HTTPClient().Do(req)
		if err != nil {
			return err
		}
		defer answer.Body.Close()
		if answer.StatusCode == http.StatusNotFound {
			return nil // it has ended
		}
		if answer.StatusCode != http.StatusOK {
			return fmt.Errorf("GET %s: %s", path, answer.Status)
		}
		var e struct{ ProcessConfig struct{ Privileged bool } }
		if err := json.NewDecoder(http.MaxBytesReader(nil, answer.Body, maxExec)).Decode(&e); err != nil {
			return fmt.Errorf("decoding %s: %w", path, err)
		}
		privileged = e.ProcessConfig.Privileged
		return nil
	})
	return privileged, err
}

// base is where the engine's API is, for requests that are not the client's own. What is
// dialled for a unix socket does not depend on the name.
func (a *Auditor) base() string {
	u, err := parseHost(a.r.cli.DaemonHost())
	switch {
	case err != nil || u.Scheme == "unix":
		return "http://docker"
	case u.Scheme == "https", os.Getenv(client.EnvOverrideCertPath) != "":
		return "https://" + u.Host
	}
	return "http://" + u.Host
}

// maxExec is how long the engine's answer about one process may be, in bytes.
const maxExec = 4 << 20
