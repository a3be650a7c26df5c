package meaning

import (
	"fmt"
	"net/netip"
	"slices"

	"dockwall/netinfo"
	"dockwall/rules"
	"dockwall/rules/policy"
	"dockwall/rules/published"
	"dockwall/rules/trace"
)

// Options bound the work.
type Options struct {
	// Probes is how many packets are held against each ruleset at most; 0 is
	// 500,000.
	Probes int
	// Policy has the names for the table: the blocks of addresses and containers.
	Policy policy.Policy
}

const defaultProbes = 500_000

// Compare says what it means to put after in the place of before, on the host
// of the snapshot. Both must not change while it runs.
func Compare(before, after rules.Ruleset, s netinfo.Snapshot, o Options) Difference {
	c := newComparison(before.Incoming(), after.Incoming(), s)
	c.limit = o.Probes
	if c.limit == 0 {
		c.limit = defaultProbes
	}
	c.names = newNames(&c.labels, o.Policy, s)
	c.gather()
	c.names.read(o.Policy.Addresses, c.prefixOf, c.looked)
	c.probe()
	d := Difference{Table: c.table(), LeftOut: c.leftOut()}
	d.Changes = changes(mergeAll(c.rows), &c.labels)
	return d
}

type portKey struct {
	proto  rules.Protocol
	number uint16
}

// comparison is one Compare.
type comparison struct {
	s             netinfo.Snapshot
	rulesets      [2]rules.Ruleset
	before, after *trace.Machine
	networks      map[string]netinfo.Network
	host          []netinfo.Addr
	// ports are runs of the host's ports, own of containers' own.
	ports, own []port
	// taken are the addresses on which containers publish a port of the host.
	taken    map[portKey][]netip.Addr
	fewPorts bool
	limit    int

	fields []field
	labels labels
	names  *names
	lookups
	outcome
}

// lookups find what labels stand for.
type lookups struct {
	// prefixOf are the prefixes of senders outside by their labels; looked are all
	// prefixes at which sources are told apart.
	prefixOf map[string]netip.Prefix
	looked   map[netip.Prefix]bool
	// owner are the containers by the labels of the ports that they publish.
	owner map[string]string
	// bridges are the names of networks by their bridges.
	bridges map[string]string
}

// outcome is what the probes came to.
type outcome struct {
	rows []*row
	// kept are packets from outside that pass before and after.
	kept      []*row
	skipped   int
	undecided int
}

func newComparison(before, after rules.Ruleset, s netinfo.Snapshot) *comparison {
	c := &comparison{s: s, rulesets: [2]rules.Ruleset{before, after}, before: trace.New(before), after: trace.New(after),
		networks: map[string]netinfo.Network{}, host: anyHostAddrs(s), taken: map[portKey][]netip.Addr{},
		lookups: lookups{prefixOf: map[string]netip.Prefix{}, looked: map[netip.Prefix]bool{}, owner: map[string]string{}, bridges: map[string]string{}}}
	for _, n := range s.Networks {
		c.networks[n.ID] = n
		c.bridges[n.Bridge] = n.Name
	}
	for i := range s.Containers {
		ct := &s.Containers[i]
		for _, p := range ct.Ports {
			bound := published.Bind(&c.s, ct, p)
			for n := int(p.HostPort); n <= int(p.HostPortEnd) && n > 0; n++ {
				key := portKey{p.Proto, uint16(n)}
				c.taken[key] = append(c.taken[key], bound)
			}
		}
	}
	c.ports, c.fewPorts = ports(true, before, after)
	c.own, _ = ports(false, before, after)
	c.labels.ports = c.own
	return c
}

// field is a field of probes: every source with every interface and target
// that goes with it.
type field struct {
	sources []class[source]
	// nics are what the sources come in by; of containers they are what they
	// leave by, and the targets are another list for each.
	nics    []class[string]
	targets [][]class[target]
	out     bool
}

// gather finds the classes.
func (c *comparison) gather() {
	ins := c.nics(trace.NewOutline(aboutIn, c.before, c.after))
	outs := c.nics(trace.NewOutline(aboutOut, c.before, c.after))
	fromOutside := c.newTargets()
	c.published(fromOutside)
	ports := len(fromOutside.classes.list)
	c.straight(fromOutside)
	own := len(fromOutside.classes.list)
	c.hostPorts(fromOutside)
	c.fields = append(c.fields, field{sources: c.outsideSources(), nics: ins, targets: [][]class[target]{fromOutside.classes.list}})

	near := c.newTargets()
	c.published(near)
	c.hostPorts(near)
	others := len(near.classes.list)
	c.neighbours(near)
	containers := c.containerSources()
	c.fields = append(c.fields, field{sources: containers, targets: [][]class[target]{near.classes.list}})

	leaving := field{sources: containers, nics: outs, out: true}
	for _, nic := range outs {
		far := c.newTargets()
		c.elsewhere(far, nic.rep)
		leaving.targets = append(leaving.targets, far.classes.list)
	}
	c.fields = append(c.fields, leaving)
	for i := range c.fields {
		c.number(&c.fields[i])
	}
	for _, src := range c.fields[0].sources {
		i := familyIndex(src.rep.addr)
		c.labels.outside[i] = append(c.labels.outside[i], src.id)
		if slices.ContainsFunc(src.labels, func(l string) bool { return c.prefixOf[l].Bits() == 0 }) {
			c.names.rest[src.id] = true
		}
	}
	c.names.nics = [2][]int{idsOf(ins), idsOf(outs)}
	c.names.group("everything", 1, c.fields[0].targets[0])
	c.names.group("every published port", fewPublished, c.fields[0].targets[0][:ports])
	c.names.publishers(c.owner)
	for _, t := range near.classes.list[others:] {
		c.names.neighbours(t.id, c.bridges[t.rep.bridge])
	}
	c.names.group("containers' own addresses", 1, c.fields[0].targets[0][ports:own])
}

// fewPublished is how many published ports are named one by one.
const fewPublished = 6

func idsOf[T any](cs []class[T]) []int {
	var ids []int
	for _, c := range cs {
		ids = append(ids, c.id)
	}
	return ids
}

// number gives every class the number of its labels.
func (c *comparison) number(f *field) {
	numbered(f.sources, &c.labels)
	numbered(f.nics, &c.labels)
	for _, ts := range f.targets {
		numbered(ts, &c.labels)
		for i := range ts {
			c.names.target(ts[i].id, ts[i].rep.packet.Dst.Is6())
		}
	}
}

// size is how many probes the field has at most.
func (f *field) size() int {
	n := 0
	for _, ts := range f.targets {
		n += len(ts)
	}
	if !f.out {
		n *= max(1, len(f.nics))
	}
	return n * len(f.sources)
}

// probe sends a packet for every combination, or for every so manieth where
// there are too many.
func (c *comparison) probe() {
	total := 0
	for i := range c.fields {
		total += c.fields[i].size()
	}
	step := max(1, (total+c.limit-1)/max(1, c.limit))
	n := 0
	for i := range c.fields {
		c.fields[i].each(func(src *class[source], nic *class[string], to *class[target]) {
			if n++; n%step != 0 {
				c.skipped++
				return
			}
			c.send(&c.fields[i], src, nic, to)
		})
	}
}

// each yields the field's combinations that can be.
func (f *field) each(yield func(src *class[source], nic *class[string], to *class[target])) {
	nics := f.nics
	if len(nics) == 0 {
		nics = []class[string]{{}}
	}
	for i := range nics {
		targets := f.targets[min(i, len(f.targets)-1)]
		for j := range f.sources {
			for k := range targets {
				if f.sources[j].rep.fits(&targets[k].rep) && !itself(&f.sources[j], &targets[k].rep) {
					yield(&f.sources[j], &nics[i], &targets[k])
				}
			}
		}
	}
}

// fits reports whether a packet can go from here to there.
func (s source) fits(t *target) bool {
	return s.addr.Is6() == t.packet.Dst.Is6() && (t.bridge == "" || t.bridge == s.nic)
}

// itself reports whether one container would dial its own address.
func itself(src *class[source], to *target) bool {
	return len(src.labels) == 1 && src.rep.addr == to.packet.Dst
}

// send holds one packet against both rulesets and notes a difference.
func (c *comparison) send(f *field, src *class[source], nic *class[string], to *class[target]) {
	p := to.rep.packet
	p.Src, p.In = src.rep.addr, src.rep.nic
	if p.In == "" {
		p.In = nic.rep
	} else {
		p.Unknown |= trace.FieldInPort
	}
	was, now := c.before.Verdict(p, to.rep.base), c.after.Verdict(p, to.rep.base)
	if was.Verdict == trace.Undecided || now.Verdict == trace.Undecided {
		c.undecided++
		return
	}
	passed, passes := was.Verdict == trace.Pass, now.Verdict == trace.Pass
	kept := passed && passes && f == &c.fields[0]
	if passed && passes && f == &c.fields[1] {
		c.names.keep(to.id, decider(now).Subject)
	}
	if passed == passes && !kept {
		return
	}
	r := &row{gain: passes, out: f.out, was: decider(was).Subject, policy: decider(now).Subject,
		position: position(decider(now)), from: []int{src.id}, to: []int{to.id}, nics: len(f.nics)}
	if len(nic.labels) > 0 {
		r.via = []int{nic.id}
	}
	if kept {
		c.kept = append(c.kept, r)
		return
	}
	c.rows = append(c.rows, r)
}

// decider is the block that decided; what passes by a rule of no block has none.
func decider(r trace.Result) rules.Origin {
	if r.Decided == nil || r.Verdict == trace.Pass && r.Decided.Origin.Subject.Framing() {
		return none.Origin()
	}
	return r.Decided.Origin
}

func (c *comparison) leftOut() []string {
	out := []string{}
	if c.skipped > 0 {
		out = append(out, fmt.Sprintf("%d kinds of packets: there are too many to look at them all", c.skipped))
	}
	if c.undecided > 0 {
		out = append(out, fmt.Sprintf("%d kinds of packets: what becomes of them cannot be told", c.undecided))
	}
	if c.fewPorts {
		out = append(out, fmt.Sprintf("some ports: the rules tell more than %d groups of them apart", maxPorts))
	}
	return slices.Clip(out)
}
