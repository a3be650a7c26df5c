package daemon

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime/debug"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sync/errgroup"

	"dockwall/agent/config"
	"dockwall/agent/control"
	"dockwall/agent/cutter"
	"dockwall/agent/denied"
	"dockwall/agent/enforce"
	"dockwall/agent/facts"
	"dockwall/agent/kernel"
	"dockwall/agent/lastgood"
	"dockwall/agent/metrics"
	"dockwall/agent/reconcile"
	"dockwall/agent/trial"
	"dockwall/agent/watch"
)

// giveBackAfter is how long after a document was read its putting in force is
// over, nearly always.
const giveBackAfter = 5 * time.Second

// Options is what the command line says.
type Options struct {
	// Version is this build's, for log lines and metrics.
	Version string
	// File is the operator's file, an absolute path.
	File string
	// State is the folder that keeps the last good policy and the last facts
	// over reboots; if empty, they are kept beside the control socket.
	State string
	// Log is where log lines go.
	Log io.Writer
}

// agent is the running daemon's parts.
type agent struct {
	options Options
	log     *logging
	started config.Settings
	// settings are those of the document that was loaded last.
	settings atomic.Pointer[config.Settings]
	loader   *loader
	trials   *trial.Keeper
	writers
	collector *facts.Collector
	loop      *reconcile.Loop
	cutter    *cutter.Cutter
	feed      *denied.Feed
	metrics   *metrics.Metrics
	socket    *control.Socket
	systemd   *systemd
	saver     *saver
	watch     *watch.Watch
}

// writers are what changes the kernel.
type writers struct {
	kernel  *kernel.Kernel
	bridges *kernel.Bridges
	latch   *kernel.Latch
	frames  *kernel.Frames
}

// Run runs the agent until ctx ends. It needs root. The error is a *NoPolicy if
// there is no policy to enforce, and a *control.InUse if another agent runs.
func Run(ctx context.Context, o Options) error {
	// Most of the memory is address lists that never change: a third of it is
	// enough for the rest.
	debug.SetGCPercent(30)
	// The file says how to log. Until it is read, the defaults apply.
	a := &agent{options: o, log: newLogging(o.Log, config.LogSettings{Level: "info", Format: "text"})}
	reader := config.NewReader(config.ReaderOptions{Folder: lastgood.Lists(o.State, defaultSocket), Save: lastgood.SaveList})
	a.trials = a.openTrials(o, reader)
	a.loader = &loader{path: o.File, trials: a.trials, reader: reader, named: make(chan struct{}, 1)}
	doc, err := a.loader.start(o.State)
	if err != nil {
		return err
	}
	a.log.apply(doc.Settings.Log)
	a.started = doc.Settings
	if a.loader.fallback != nil {
		a.log.Error("agent.hcl has errors; the last good policy is put in force", "file", o.File)
	}
	if a.socket, err = control.Bind(doc.Settings.Control.Socket); err != nil {
		return err
	}
	if err := a.assemble(doc); err != nil {
		return errors.Join(err, a.socket.Close())
	}
	a.takeOver()
	a.log.Info("starting", "version", o.Version, "file", o.File)
	err = a.run(ctx)
	a.systemd.notify(daemon.SdNotifyStopping)
	return errors.Join(err, a.end(ctx))
}

// assemble makes the parts; nothing runs yet.
func (a *agent) assemble(doc *config.Document) error {
	kept := []string{facts.StatePath(a.socket.Path())}
	if a.options.State != "" {
		kept = append(kept, facts.BootPath(a.options.State))
	}
	last, err := facts.Load(kept...)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		a.log.Warn("the facts of an earlier run are not used", "error", err)
	}
	a.kernel = kernel.New(a.log.Named("kernel"))
	a.bridges = a.kernel.Bridges(kernel.SwitchedPath(a.socket.Path()))
	a.kernel.Hold()
	a.latch = a.kernel.Latch()
	if a.collector, err = facts.New(doc.Settings.Docker.Host, last, a.log.Named("facts")); err != nil {
		return err
	}
	a.frames = a.kernel.Frames()
	a.collector.UsePorts(a.frames.InForce)
	a.cutter = cutter.New(a.log.Named("cutter")).With(&kernel.Barrier{})
	a.systemd = newSystemd(a.log.Named("systemd"), a.options.Version)
	a.metrics = a.newMetrics()
	a.saver = newSaver(a.log.Named("state"), kept, lastgood.Path(a.options.State, a.socket.Path()))
	a.loop = reconcile.New(reconcile.Options{
		Log: a.log.Named("loop"), Load: a.load, Facts: a.collector, Target: a.target(), Path: a.options.File,
		Observer: observers{a.systemd, a.saver, a.metrics}, Loaded: a.loaded, Trial: a.trials.Status, Busy: a.kernel.Busy,
		Host: reconcile.HostFindings(),
	})
	a.feed = a.newFeed(a.metrics.Denied)
	a.watch = watch.New(watch.Options{Log: a.log.Named("audit"), Docker: doc.Settings.Docker.Host, Path: a.released(),
		Changed: func(cause string) { a.loop.Poke(reconcile.DueFacts, cause) }})
	a.watch.Recall(last)
	a.collector.UseFindings(a.watch.Judge)
	a.saver.snapshot = a.loop.Snapshot
	a.loader.loaded = a.saver.keep
	a.loader.again = func() { a.loop.Poke(reconcile.DueFile, "the file has errors") }
	return nil
}

// target is the kernel that the loop brings to the file's policy.
func (a *agent) target() *enforce.Target {
	runner := a.kernel.Backends()
	return enforce.New(enforce.Options{Log: a.log.Named("loop"), Kernel: runner, Prober: runner, Chooser: runner, Bridges: a.bridges,
		Cutter: a.cutter, Latch: a.latch, Frames: a.frames, Limits: enforce.LimitsPath(a.socket.Path())})
}

// load is the loop's Load. The facts are asked for what the policy needs before the
// loop reads them.
func (a *agent) load() (*config.Document, config.Diagnostics) {
	doc, diags := a.loader.load()
	if doc != nil {
		a.collector.Mind(doc.Policy)
	}
	return doc, diags
}

// observers passes each pass on to several observers.
type observers []reconcile.Observer

// Passed passes it on.
func (o observers) Passed(p reconcile.Pass, s reconcile.Status) {
	for _, each := range o {
		each.Passed(p, s)
	}
}

// loaded is called by the loop with each document that the next passes enforce.
func (a *agent) loaded(doc *config.Document) {
	a.settings.Store(&doc.Settings)
	// A long list is read once and then only held: what reading it took is given
	// back, some time after the pass that puts it in force.
	time.AfterFunc(giveBackAfter, debug.FreeOSMemory)
	a.log.apply(doc.Settings.Log)
	a.watch.Use(doc)
	if doc.Settings.Docker != a.started.Docker || doc.Settings.Control != a.started.Control {
		a.log.Warn("the docker and control settings have changed; that takes effect when agentd is restarted")
	}
}

// run runs all parts until ctx ends or one of them fails.
func (a *agent) run(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.Go(func() error { return a.loop.Run(ctx) })
	group.Go(func() error { return control.NewServer(a.socket, a.log.Named("control"), a.routes()...).Run(ctx) })
	group.Go(func() error { return a.kernel.Follow(ctx, a.collector.Look, a.changed) })
	group.Go(func() error {
		err := config.Watch(ctx, a.loader.watched, a.loader.named, func() { a.loop.Poke(reconcile.DueFile, "agent.hcl changed") }, a.log.Named("file"))
		if ctx.Err() != nil {
			return nil
		}
		return fmt.Errorf("watching agent.hcl: %w", err)
	})
	group.Go(func() error {
		a.collector.Run(ctx, func(cause string) { a.loop.Poke(reconcile.DueFacts, cause) })
		return nil
	})
	group.Go(func() error {
		log := a.log.Named("bridges")
		a.bridges.Follow(ctx, func(doing string, err error) { log.Warn(doing, "error", err) })
		return nil
	})
	group.Go(func() error { a.cutter.Run(ctx); return nil })
	group.Go(func() error { a.systemd.run(ctx, a.loop); return nil })
	group.Go(func() error { a.saver.run(ctx); return nil })
	group.Go(func() error { a.trials.Run(ctx); return nil })
	group.Go(func() error { a.feed.Run(ctx); return nil })
	group.Go(func() error { a.watch.Run(ctx); return nil })
	if address := a.started.Control.Metrics; address != "" {
		group.Go(func() error { a.metrics.Run(ctx, address); return nil })
	}
	group.Go(func() error { a.hangups(ctx); return nil })
	group.Go(func() error {
		a.loader.reader.Run(ctx, func() { a.loop.Poke(reconcile.DueFile, "a file is no longer being written") })
		return nil
	})
	return group.Wait()
}

// reload has the loop read the files as they are now: one that was written a moment
// ago is waited for.
func (a *agent) reload() {
	a.loader.reader.Await(context.Background(), a.options.File)
	a.loop.Reload()
}

// hangups reloads on SIGHUP.
func (a *agent) hangups(ctx context.Context) {
	hup := make(chan os.Signal, 1)
	signal.Notify(hup, syscall.SIGHUP)
	defer signal.Stop(hup)
	for {
		select {
		case <-ctx.Done():
			return
		case <-hup:
			a.reload()
		}
	}
}

// end does what the file says for the end, if the end was asked for.
func (a *agent) end(ctx context.Context) error {
	if ctx.Err() == nil {
		return nil // something failed: the rules stay
	}
	if err := a.latch.Lift(); err != nil {
		return fmt.Errorf("opening the latch: %w", err)
	}
	s := a.settings.Load()
	if s == nil || s.Firewall.OnStop != "remove" {
		if err := a.frames.Loosen(); err != nil {
			return fmt.Errorf("letting containers change bridge ports: %w", err)
		}
		a.log.Info("stopped; the rules stay in the kernel")
		return nil
	}
	_, err := a.kernel.RemoveAll(context.WithoutCancel(ctx))
	_, bridgesErr := a.bridges.TakeBack()
	if err := errors.Join(err, bridgesErr); err != nil {
		return fmt.Errorf(`removing the rules (on_stop = "remove"): %w`, err)
	}
	a.log.Info("stopped; the rules were removed")
	return nil
}

func (a *agent) routes() []control.Route {
	return []control.Route{
		control.StatusRoute(a.status),
		control.OverviewRoute(a.overview),
		control.SnapshotRoute(a.judged),
		control.RulesRoute(a.rules),
		control.ReloadRoute(a.reload),
		control.DeniedRoute(a.follow),
		control.TrialRoute(a.try),
		control.ConfirmRoute(a.confirm),
		control.AcceptRoute(a.trials.Accept),
		control.ReleaseRoute(a.watch.Release),
	}
}

// rules renders the ruleset in force.
func (a *agent) rules(family int) (string, error) {
	in := a.loop.Enforced()
	if in == nil {
		return "", errors.New("no rules are in force yet")
	}
	return in.Rendered(family), nil
}

// changed has the loop look at the kernel, which another program changed.
func (a *agent) changed(cause string) { a.loop.Poke(reconcile.DueKernel, cause) }
