package audit

import (
	"cmp"
	"slices"
	"strings"

	"dockwall/netinfo/inventory"
	"dockwall/rules/finding"
)

// Settings are what the operator's file says to the audit.
type Settings struct {
	// Only are the IDs to judge; all if empty.
	Only []string
	// Container judges the containers of this name or ID alone, and no host; all if empty.
	Container string
	// Registries are those that images may come from; any if empty.
	Registries []string
	// Isolated reports whether the policy denies connections between containers of the
	// network; nil if there is no policy.
	Isolated func(network string) bool
	// Published is what the policy says of published ports, API of Docker's API; nil if
	// there is no policy.
	Published *Published
	API       *API
	// Enforced is why it is not known that the policy is in force; empty if it is.
	Enforced string
	// Skips are the failures that are accepted. Today is the day, 2026-11-30.
	Skips []Skip
	Today string
}

// Published is what a policy says of published ports.
type Published struct {
	// Listed reports whether a published block lets a client reach the port of the
	// container; on a network in routed mode, blocks name the container's own port.
	Listed func(c *inventory.Container, p inventory.PortBinding, routed bool) bool
	// Allowed reports whether the default of the network lets every client in.
	Allowed func(network string) bool
}

// API is what a policy says of Docker's API over TCP.
type API struct {
	// Opens reports whether the docker_api block opens the port to a client.
	Opens func(port uint16) bool
	// RequireTLS is require_tls of the block.
	RequireTLS bool
}

// facts are what checks judge.
type facts struct {
	*inventory.Inventory
	Settings
	// byID are the containers by their ID and by their name, for container:X.
	byID map[string]*inventory.Container
	// inUse are the IDs of images that a container uses.
	inUse map[string]bool
	// unused are the skips that no finding matched, after all others were judged.
	unused []Skip
}

func newFacts(in *inventory.Inventory, s Settings) *facts {
	f := &facts{Inventory: in, Settings: s, byID: map[string]*inventory.Container{}, inUse: map[string]bool{}}
	for i := range in.Containers.Value {
		c := &in.Containers.Value[i]
		f.byID[c.ID], f.byID[c.Name] = c, c
		f.inUse[c.ImageID] = true
	}
	return f
}

// Subject is what a finding is about.
type Subject struct {
	Kind string `json:"kind"` // host, container, image, dockerfile, service
	// Name is the container's or image's, or the path of the file; empty for the host.
	Name string `json:"name,omitempty"`
	// ID is the container's or image's.
	ID string `json:"id,omitempty"`
}

// String is the subject for a person.
func (s Subject) String() string {
	if s.Name == "" {
		return s.Kind
	}
	return s.Kind + " " + s.Name
}

// Finding is the result of one check on one subject.
type Finding struct {
	ID       string           `json:"id"`
	Title    string           `json:"title"`
	Group    Group            `json:"group"`
	Severity finding.Severity `json:"severity"`
	CIS      CIS              `json:"cis,omitzero"`
	State    State            `json:"state"`
	Subject  Subject          `json:"subject"`
	// Place is the line that decided, of a file that was judged; nil otherwise.
	Place *Place `json:"place,omitempty"`
	// Detail is what decided.
	Detail string `json:"detail"`
	// Fix is what to do, of one that failed or is unknown.
	Fix string `json:"fix,omitempty"`
	// Waiver is the skip block that accepts it, of one that is waived.
	Waiver *Skip `json:"waiver,omitempty"`
	// Static: it is a note that says the same on every host.
	Static bool `json:"-"`
}

// Report is the result of an audit.
type Report struct {
	Findings []Finding
}

// Judge judges the inventory. Findings are sorted: by group, what failed first, the
// more severe first, then by check and subject.
func Judge(in *inventory.Inventory, s Settings) Report {
	return judge(in, s, func(State) bool { return true })
}

// Failures is Judge without findings that passed, that are notes, or that are about
// nothing on this host: a small part of the memory, on a host with many containers.
func Failures(in *inventory.Inventory, s Settings) Report {
	return judge(in, s, func(s State) bool { return s == Fail || s == Unknown })
}

// judge judges the inventory, and keeps the findings whose state is kept before waivers
// are taken into account.
func judge(in *inventory.Inventory, s Settings, keep func(State) bool) Report {
	f := newFacts(in, s)
	var r Report
	add := func(found []Finding) {
		for i := range found {
			if keep(found[i].State) {
				r.Findings = append(r.Findings, found[i])
			}
		}
	}
	for _, c := range Checks() {
		// Which skips matched is known when all others were judged.
		if f.wanted(c.ID) && c.ID != unusedWaiver {
			add(c.judge(f))
		}
	}
	f.unused = f.waive(r.Findings)
	if c, ok := Find(unusedWaiver); ok && f.wanted(c.ID) {
		add(c.judge(f))
	}
	r.sort()
	return r
}

// wanted reports whether the check is to be judged.
func (f *facts) wanted(id string) bool { return len(f.Only) == 0 || slices.Contains(f.Only, id) }

func (c *Check) judge(f *facts) []Finding {
	switch {
	case c.container != nil:
		return c.judgeContainers(f)
	case c.image == nil && c.host == nil:
		return nil // it is about files alone
	case f.Container != "":
		return nil // an audit of one container judges neither the host nor other images
	case c.image != nil:
		return c.judgeImages(f)
	}
	return []Finding{c.finding(Subject{Kind: "host"}, c.host(f))}
}

func (c *Check) judgeContainers(f *facts) []Finding {
	if !f.Containers.Read {
		return []Finding{c.finding(Subject{Kind: "containers"}, unknown("the containers cannot be read: %s", f.Containers.Why()))}
	}
	var all []Finding
	for i := range f.Containers.Value {
		k := &f.Containers.Value[i]
		if f.Container != "" && !Named(k, f.Container) {
			continue
		}
		v := unknown("the container cannot be read: %s", k.Unread)
		if k.Unread == "" {
			v = c.container(f, k)
		}
		all = append(all, c.finding(Subject{"container", cmp.Or(k.Name, inventory.Short(k.ID)), k.ID}, v))
	}
	if len(all) == 0 {
		all = append(all, c.finding(Subject{Kind: "containers"}, absent("there is no container")))
	}
	return all
}

// Named reports whether the container has this name or ID.
func Named(c *inventory.Container, name string) bool {
	return name == c.Name || name == c.ID || name == inventory.Short(c.ID)
}

// judgeImages judges the images that a container uses. Others run nothing: they are
// host.unused-images.
func (c *Check) judgeImages(f *facts) []Finding {
	if !f.Images.Read || !f.Containers.Read {
		return []Finding{c.finding(Subject{Kind: "images"}, unknown("the images cannot be read: %s", cmp.Or(f.Images.Reason, f.Containers.Why())))}
	}
	var all []Finding
	for i := range f.Images.Value {
		k := &f.Images.Value[i]
		if !f.inUse[k.ID] {
			continue
		}
		v := unknown("the image cannot be read: %s", k.Unread)
		if k.Unread == "" {
			v = c.image(f, k)
		}
		all = append(all, c.finding(Subject{"image", k.Name(), k.ID}, v))
	}
	if len(all) == 0 {
		all = append(all, c.finding(Subject{Kind: "images"}, absent("no container uses an image that is here")))
	}
	return all
}

func (c *Check) finding(s Subject, v verdict) Finding {
	f := Finding{ID: c.ID, Title: c.Title, Group: c.Group, Severity: c.Severity, CIS: c.CIS, State: v.state, Subject: s, Detail: v.detail, Static: c.static}
	if v.state == Fail || v.state == Unknown {
		f.Fix = c.Fix
	}
	return f
}

func (r *Report) sort() {
	order := map[string]int{}
	for i, c := range Checks() {
		order[c.ID] = i
	}
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(slices.Index(Groups(), a.Group), slices.Index(Groups(), b.Group)), cmp.Compare(rank(a.State), rank(b.State)),
			-cmp.Compare(a.Severity.Weight(), b.Severity.Weight()), cmp.Compare(order[a.ID], order[b.ID]), cmp.Compare(a.Subject.Name, b.Subject.Name),
			cmp.Compare(a.Place.line(), b.Place.line()))
	})
}

// rank is the order of states in the report.
func rank(s State) int {
	return slices.Index([]State{Fail, Unknown, Waived, Note, Pass, NotApplicable}, s)
}

// AtLeast reports whether a severity is at or above another.
func AtLeast(s, least finding.Severity) bool { return s.Weight() >= least.Weight() }

// Count is how many findings of the report are in the state, at or above the severity.
func (r Report) Count(s State, least finding.Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.State == s && AtLeast(f.Severity, least) {
			n++
		}
	}
	return n
}

// Code is the exit code: 1 if a finding failed at or above the severity, 2 if none
// did, but one could not be decided, and 0 otherwise.
func (r Report) Code(failOn finding.Severity) int {
	switch {
	case r.Count(Fail, failOn) > 0:
		return 1
	case r.Count(Unknown, failOn) > 0:
		return 2
	}
	return 0
}

// base is the last part of a path.
func base(path string) string { return path[strings.LastIndexByte(path, '/')+1:] }

// within reports whether a path is a folder or below it.
func within(path, folder string) bool {
	return path == folder || folder == "/" || strings.HasPrefix(path, folder+"/")
}
