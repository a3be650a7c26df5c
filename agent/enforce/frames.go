package enforce

import (
	"errors"

	"dockwall/rules"
	"dockwall/rules/compile"
	"dockwall/rules/finding"
)

// framesMissing is what status and check say if the bridges' table cannot be written.
const framesMissing = `bridged frames are not checked, because this kernel has no nftables for bridges (CONFIG_NF_TABLES_BRIDGE). ` +
	`A container with CAP_NET_RAW can send in the name of a container on its network, and by a frame to a group's Ethernet address ` +
	`(Linux 6.8 and later) open a connection that egress or between denies; frames with a VLAN tag pass between = "deny"; spoofing = "deny" has no effect; ` +
	`and while dockwall does not run, a container that gets the address of an earlier one may do what that one was allowed. ` +
	`Use a kernel with nftables for bridges, or start containers with --cap-drop NET_RAW`

// NoFrames is the finding about a kernel that has no nftables for bridges.
func NoFrames() finding.Finding { return finding.New(finding.NoFrames, framesMissing) }

// frame brings the bridges to the policy and the containers' ports, after the
// rules of iptables: an address that was seen at a port must restrict its container
// before frames from it pass.
func (t *writer) frame(look bool, r *Result) error {
	if t.o.Frames == nil {
		return nil
	}
	b := &t.belief.frames
	want := t.frames()
	if !look && (b.missing != nil || b.written != nil && b.written.Equal(want)) {
		return nil
	}
	repaired, err := t.o.Frames.Put(want, look)
	if repaired {
		r.Repairs++
		t.o.Log.Warn("another program changed nftables table bridge dockwall; it was put back")
	}
	if errors.Is(err, rules.ErrNoFrames) {
		if b.missing == nil && !t.o.Once {
			t.o.Log.Warn(framesMissing, "error", err)
		}
		b.written, b.missing = nil, err
		return nil
	}
	if b.written, b.missing = nil, nil; err != nil {
		return &Problem{finding.Frames, err}
	}
	b.written = &want
	return nil
}

// restoreFrames puts back what another program changed in the table of the bridges, at
// the beginning of a pass: until then containers may send in each other's name, and the
// rules of iptables take longer. What was written before names no address that the rules
// do not know yet.
func (t *writer) restoreFrames(r *Result) {
	b := &t.belief.frames
	if t.o.Frames == nil || b.written == nil {
		return
	}
	repaired, err := t.o.Frames.Put(*b.written, true)
	if repaired {
		r.Repairs++
		t.o.Log.Warn("another program changed nftables table bridge dockwall; it was put back")
	}
	if err != nil {
		b.written = nil // frame looks again, and says why it cannot be written
	}
}

// frames are those that the bridges let pass. With no agent to follow it, a container
// that is restarted gets another port and would be cut off, so a process that ends
// now binds no address to a port.
func (t *writer) frames() rules.Frames {
	f := compile.Frames(t.policy, t.snapshot)
	if t.o.Once {
		f.Places, f.Seen, f.Hold, f.Guard.HoldUnknown = nil, nil, false, false
	}
	return f
}

// Guard is what the bridges are to deny by the policy and the facts of the last pass or
// comparison.
func (t *writer) Guard() rules.Guard { return t.frames().Guard }

// spoofing finds that spoofing = "deny" is not in force, or not for every container;
// false if it is, or if no policy wants it.
func (t *writer) spoofing() (finding.Finding, bool) {
	switch wants := t.o.Frames != nil && t.policy.Denies(rules.KindSpoofing); {
	case wants && t.belief.frames.missing != nil:
		return finding.New(finding.Spoofing, `spoofing = "deny" is not in force: `+t.belief.frames.missing.Error()), true
	case wants && t.o.Once:
		return finding.New(finding.Spoofing, `spoofing = "deny" is in force for the containers that run now. One that starts later may send from any address until agentd runs, which follows them`), true
	}
	return finding.Finding{}, false
}
