package enforce

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"dockwall/netinfo"
	"dockwall/rules/backend"
	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

// halfHost is a host on which one family cannot be read, or not be written.
type halfHost struct {
	*host
	family         int
	unread, broken bool
	// missing are the family's tools, as the chooser finds out.
	missing bool
	chosen  []backend.Wish
}

// inFamily is an error about one family.
type inFamily struct {
	error
	family int
}

func (e inFamily) FailedFamily() (int, bool) { return e.family, true }

func (h *halfHost) Choose(_ context.Context, w backend.Wish) (backend.Backend, error) {
	h.chosen = append(h.chosen, w)
	o := iptables.Options{Variant: iptables.NFT, Guard: true, LeftOut: iptables.Family(w.LeftOut), Why: w.Why}
	if h.missing {
		o.LeftOut, o.Why = iptables.Family(h.family), "its tool is not installed"
	}
	return iptables.New(o), nil
}

func (h *halfHost) Observe(ctx context.Context, b backend.Backend) (backend.State, error) {
	left := b.Limits().LeftOut
	if (h.unread || h.missing) && left != h.family {
		return nil, inFamily{errors.New("cannot initialize table"), h.family}
	}
	st, err := h.kernel.State()
	switch left {
	case 4:
		st.V4 = nil
	case 6:
		st.V6 = nil
	}
	return st, err
}

func (h *halfHost) Run(ctx context.Context, p plan.Plan) error {
	for _, s := range p.Steps {
		if r, ok := s.Action.(plan.RestoreTable); ok && h.broken && strings.HasPrefix(r.Tool, map[int]string{4: "iptables", 6: "ip6tables"}[h.family]) {
			return inFamily{errors.New("table does not exist"), h.family}
		}
	}
	return h.host.Run(ctx, p)
}

// TestEachFamilyByItself: what fails in one family of addresses is not missing in the
// other, is named if the host has that family, and is tried again.
func TestEachFamilyByItself(t *testing.T) {
	for _, family := range []int{4, 6} {
		for name, broken := range map[string]func(h *halfHost, is bool){
			"not read":    func(h *halfHost, is bool) { h.unread = is },
			"not written": func(h *halfHost, is bool) { h.broken = is },
			"no tools":    func(h *halfHost, is bool) { h.missing = is },
		} {
			h := &halfHost{host: newHost(), family: family}
			broken(h, true)
			target := h.target(func(o *Options) { o.Kernel, o.Chooser = h, h })
			target.Load(allowing("203.0.113.0/24"), settings)
			s := facts("172.17.0.2")
			s.Links = append(s.Links, netinfo.Link{Index: 90, Name: "eth7", Addrs: []netip.Prefix{netip.MustParsePrefix("198.51.100.7/24"), netip.MustParsePrefix("2001:db8::7/64")}})
			if name != "no tools" {
				mustFail(t, target, s, familyFailures-1)
			}
			mustPass(t, target, s, true)
			if !strings.Contains(h.kernel.Save(10-family), "DOCKWALL-") || strings.Contains(h.kernel.Save(family), "DOCKWALL-") {
				t.Errorf("IPv%d %s: the kernel holds\n%s%s", family, name, h.kernel.Save(4), h.kernel.Save(6))
			}
			f, ok := target.LeftOut()
			if want := "IPv" + string(rune('0'+family)) + " is not enforced"; !ok || !strings.Contains(f.Message, want) {
				t.Errorf("IPv%d %s: the finding is %v, %+v", family, name, ok, f)
			}
			if h.latch == nil || h.latch.LeftOut != family {
				t.Errorf("IPv%d %s: the latch is %+v", family, name, h.latch)
			}
			// A host without the family lacks nothing.
			without := s
			without.Links = slices.Clone(s.Links)
			for i := range without.Links {
				without.Links[i].Addrs = slices.DeleteFunc(slices.Clone(without.Links[i].Addrs), func(p netip.Prefix) bool { return p.Addr().Is4() == (family == 4) })
			}
			mustPass(t, target, without, false)
			if f, ok := target.LeftOut(); ok {
				t.Errorf("IPv%d %s: the host has no such address, and the finding is %+v", family, name, f)
			}
			// The policy changes, and the other family follows.
			clients := map[int]string{4: "2001:db8:5::/64", 6: "192.0.2.0/24"}[family]
			target.Load(allowing(clients), settings)
			mustPass(t, target, s, false)
			if !strings.Contains(h.saved(), clients) {
				t.Errorf("IPv%d %s: the change is not in force", family, name)
			}
			broken(h, false)
			target.backend.failed.due = time.Now()
			if changed, err := target.Probe(t.Context(), false); err != nil || changed != (name != "no tools") {
				t.Errorf("IPv%d %s: a try is due, and the probe says %v, %v", family, name, changed, err)
			}
			mustPass(t, target, s, true)
			if _, ok := target.LeftOut(); ok || !strings.Contains(h.kernel.Save(family), "DOCKWALL-") || h.latch == nil || h.latch.LeftOut != 0 {
				t.Errorf("IPv%d %s: it works again, and the kernel holds\n%s", family, name, h.kernel.Save(family))
			}
			if err := target.belief.Check(); err != nil {
				t.Error(err)
			}
		}
	}
}

// TestBothFamiliesFail: an error about both is the pass's.
func TestBothFamiliesFail(t *testing.T) {
	h := &halfHost{host: newHost(), family: 6, broken: true}
	h.failing = 10
	target := h.target(func(o *Options) { o.Kernel, o.Chooser = h, h })
	target.Load(allowing("203.0.113.0/24"), settings)
	mustFail(t, target, facts("172.17.0.2"), familyFailures-1)
	if _, err := target.Pass(t.Context(), facts("172.17.0.2"), true); err == nil || !strings.Contains(err.Error(), "line 3 failed") {
		t.Errorf("the error is %v", err)
	}
	if f, ok := target.LeftOut(); ok {
		t.Errorf("left out is %+v", f)
	}
}

// mustFail fails that many passes, none of which may leave a family out.
func mustFail(t *testing.T, target *Target, s netinfo.Snapshot, passes int) {
	t.Helper()
	for range passes {
		if _, err := target.Pass(t.Context(), s, true); err == nil || target.backend.failed.family != 0 {
			t.Fatalf("the error is %v, and left out is %+v", err, target.backend.failed)
		}
	}
}

// A family that was in force is not left out because a pass failed: another program may
// have deleted a chain between the look and the write. It was, under flushes ten times a
// second, and IPv6 was open for a second.
func TestFamilyInForceIsNotLeftOutAtOnce(t *testing.T) {
	h := &halfHost{host: newHost(), family: 6}
	target := h.target(func(o *Options) { o.Kernel, o.Chooser = h, h })
	target.Load(allowing("203.0.113.0/24"), settings)
	s := facts("172.17.0.2")
	mustPass(t, target, s, true)
	latch := *h.latch
	h.broken = true
	target.Load(allowing("2001:db8:5::/64"), settings)
	mustFail(t, target, s, 3*familyFailures)
	if h.latch == nil || h.latch.LeftOut != 0 || latch.LeftOut != 0 {
		t.Errorf("the latch is %+v", h.latch)
	}
	target.backend.suspected.since = time.Now().Add(-familyPatience)
	mustPass(t, target, s, true)
	if target.backend.failed.family != 6 {
		t.Errorf("it fails for %s, and left out is %+v", familyPatience, target.backend.failed)
	}
	// A success in between makes it start again.
	h.broken = false
	target.backend.failed.due = time.Now()
	mustPass(t, target, s, true)
	h.broken = true
	target.Load(allowing("2001:db8:6::/64"), settings)
	mustFail(t, target, s, familyFailures)
}
