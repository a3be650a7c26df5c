package lab

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"strings"
	"syscall"
	"time"
)

// Limits of a flood that says nothing of its own.
const (
	floodTime  = 10 * time.Second
	floodCount = 50000
)

// FloodOptions bound a flood; zero values mean the package's limits.
type FloodOptions struct {
	For     time.Duration // 10s
	Count   int           // 50000
	Workers int           // 64
	Timeout time.Duration // of one attempt, 50ms
}

// Flood is a running flood.
type Flood struct {
	lab     *Lab
	what    string
	process *process
	out     *output
}

// FloodResult is what a flood did.
type FloodResult struct {
	Started time.Time      `json:"started"`
	Ended   time.Time      `json:"ended"`
	Tried   int            `json:"tried"`
	OK      int            `json:"ok"` // got the responder's line
	Classes map[string]int `json:"classes"`
	First   []FloodSuccess `json:"first"` // up to 20
}

// FloodSuccess is one connection that got through.
type FloodSuccess struct {
	At     time.Time `json:"at"`
	Answer string    `json:"answer"`
}

// Flood starts to open connections in a tight loop, in the background, and
// returns when it has begun. Against DROP the defaults make some 1,200 attempts
// a second: the timeout is short, for an answer takes less than a millisecond,
// and a gap of some milliseconds has to be met.
func (c *Client) Flood(proto string, addr netip.Addr, port uint16, o FloodOptions) *Flood {
	t := c.lab.t
	t.Helper()
	to := netip.AddrPortFrom(addr, port).String()
	out := &output{}
	cmd := c.lasting("flood", "-proto", proto,
		"-for", orElse(o.For, floodTime).String(),
		"-count", fmt.Sprint(orElse(o.Count, floodCount)),
		"-workers", fmt.Sprint(orElse(o.Workers, 64)),
		"-timeout", orElse(o.Timeout, 50*time.Millisecond).String(), to)
	cmd.Stdout, cmd.Stderr = out, out
	p, err := c.lab.started.start(cmd, false)
	if err != nil {
		t.Fatalf("starting a flood: %v", err)
	}
	c.lab.until(10*time.Second, "a flood to begin", func() error {
		if strings.HasPrefix(out.String(), "flooding\n") {
			return nil
		}
		return fmt.Errorf("it says %q", out)
	})
	return &Flood{lab: c.lab, what: fmt.Sprintf("%s -> %s/%s", c.name, to, proto), process: p, out: out}
}

func orElse[T comparable](value, otherwise T) T {
	var zero T
	if value == zero {
		return otherwise
	}
	return value
}

// Stop ends the flood, if its limits have not, and returns what it did. The
// test ends where it tried nothing: such a flood proves nothing.
func (f *Flood) Stop() FloodResult {
	f.lab.t.Helper()
	if f.process.running() {
		// It may end by itself between the two lines; Wait tells.
		_ = f.process.signal(syscall.SIGTERM, false)
	}
	return f.Wait()
}

// Wait waits for the flood's own limits and returns what it did.
func (f *Flood) Wait() FloodResult {
	t := f.lab.t
	t.Helper()
	<-f.process.done
	var r FloodResult
	if err := json.Unmarshal([]byte(strings.TrimPrefix(f.out.String(), "flooding\n")), &r); err != nil {
		t.Fatalf("flood %s: %v\n%s", f.what, err, f.out)
	}
	if r.Tried == 0 {
		t.Fatalf("flood %s: no connection was tried", f.what)
	}
	return r
}
