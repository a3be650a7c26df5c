package kernel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"time"
)

// commandTimeout bounds one command. The slowest that was measured, an ipset
// restore of 1,000,000 entries, takes 5 s.
const commandTimeout = 60 * time.Second

// children knows the process IDs of the commands that run, and of those that
// ended a moment ago, by which the kernel's notifications tell our own changes from
// others'. PIDs are reused: one that ended longer ago may belong to another program, whose
// change must not be ignored.
type children struct {
	mu  sync.Mutex
	all map[int]child
}

// child is a command that was started.
type child struct {
	name  string
	began time.Time
	ended time.Time // zero: it runs
}

// childMemory is how long after a command's end a notification may still come.
const childMemory = time.Second

func (c *children) begun(pid int, name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.all == nil {
		c.all = map[int]child{}
	}
	for old, ch := range c.all {
		if ch.forgotten() {
			delete(c.all, old)
		}
	}
	c.all[pid] = child{name: name, began: time.Now()}
}

func (c *children) gone(pid int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch := c.all[pid]
	ch.ended = time.Now()
	c.all[pid] = ch
}

func (c *children) has(pid int) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	ch, known := c.all[pid]
	return known && !ch.forgotten()
}

// oldest is the command that has been running for the longest time; false if none runs.
func (c *children) oldest() (ch child, runs bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, other := range c.all {
		if other.ended.IsZero() && (!runs || other.began.Before(ch.began)) {
			ch, runs = other, true
		}
	}
	return ch, runs
}

func (c child) forgotten() bool { return !c.ended.IsZero() && time.Since(c.ended) > childMemory }

// slow is how long a command may run before Busy speaks of it.
const slow = 500 * time.Millisecond

// Busy says for which program the kernel has been waiting for some time; empty if for
// none. It may be called by any goroutine.
func (k *programs) Busy() string {
	ch, runs := k.children.oldest()
	took := time.Since(ch.began)
	if !runs || took < slow {
		return ""
	}
	s := fmt.Sprintf("dockwall waits for %s, which has been running for %s", ch.name, took.Round(100*time.Millisecond))
	if strings.Contains(ch.name, "legacy") {
		s += ": another program may hold /run/xtables.lock"
	}
	return s
}

// output is what a command printed.
type output struct{ stdout, stderr string }

// running is a command that was started.
type running struct {
	cmd       *exec.Cmd
	ctx       context.Context
	cancel    context.CancelFunc
	limit     time.Duration
	err       error // why it could not be started
	out, errs bytes.Buffer
	children  *children
}

// command runs argv with stdin. The error of a command that failed holds the
// first lines it printed.
func (k *programs) command(ctx context.Context, argv []string, stdin string) (output, error) {
	return k.begin(ctx, argv, stdin).end()
}

// begin starts argv with stdin. Several may run at once; they all run in the
// network namespace of the goroutine's thread.
func (k *programs) begin(ctx context.Context, argv []string, stdin string) *running {
	r := &running{limit: k.timeout}
	r.ctx, r.cancel = context.WithTimeout(ctx, k.timeout)
	r.cmd = exec.CommandContext(r.ctx, k.tool(argv[0]), argv[1:]...)
	r.cmd.Stdin = strings.NewReader(stdin)
	r.cmd.WaitDelay = time.Second
	r.cmd.Stdout, r.cmd.Stderr = &r.out, &r.errs
	if r.err = r.cmd.Start(); r.err == nil {
		r.children = &k.children
		k.children.begun(r.cmd.Process.Pid, argv[0])
	}
	return r
}

// end waits for it.
func (r *running) end() (output, error) {
	defer r.cancel()
	err := r.err
	if err == nil {
		err = r.cmd.Wait()
		r.children.gone(r.cmd.Process.Pid)
	}
	out := output{r.out.String(), r.errs.String()}
	if err == nil {
		return out, nil
	}
	if r.ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("no end after %s", r.limit)
	}
	if errors.Is(err, exec.ErrNotFound) {
		err = fmt.Errorf("%w (Debian's packages are iptables and ipset)", err)
	}
	said := strings.TrimSpace(out.stderr)
	if len(said) > 500 {
		said = said[:500] + "…"
	}
	if said != "" {
		err = fmt.Errorf("%w: %s", err, strings.ReplaceAll(said, "\n", "; "))
	}
	return out, fmt.Errorf("running %s: %w", strings.Join(r.cmd.Args, " "), err)
}
