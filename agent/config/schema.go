package config

import (
	"slices"

	"dockwall/rules/policy"
)

// labelling says what stands behind a block's type.
type labelling int

const (
	unlabelled labelling = iota // docker_api { }
	named                       // published "shop" { }, an identifier
	networked                   // network "shop_back" { }, a Docker network's name
	checkID                     // skip "container.privileged" { }, a check of the audit
)

// kind is one type of top-level block.
type kind struct {
	name   string
	label  labelling
	attrs  []attribute
	decode func(*decoder, *section)
}

// attribute is one attribute of a kind.
type attribute struct {
	name string
	// needed says what to write where the attribute is left out although it is
	// required; empty if it may be left out.
	needed string
	// empty says what to write instead of an empty list; empty if that has a meaning
	// of its own.
	empty string
}

// kinds lists every block there is, the names first: what refers to them is
// decoded after them.
func kinds() []kind {
	return slices.Concat(nameKinds(), settingKinds(), policyKinds())
}

func nameKinds() []kind {
	return []kind{
		{"addresses", named, plain("cidrs", "file", "min"), (*decoder).addresses},
		{"interfaces", named, []attribute{
			{name: "names", empty: `Write for instance names = ["eth1"], or leave names out and give cidrs.`},
			{name: "cidrs", empty: `Write for instance cidrs = ["10.0.0.0/8"], or leave cidrs out and give names.`},
		}, (*decoder).interfaces},
		{"containers", named, []attribute{
			{name: "names", empty: anyValue("names")}, {name: "images", empty: anyValue("images")}, {name: "labels", empty: anyValue("labels")},
			{name: "networks", empty: anyValue("networks")}, {name: "compose", empty: anyValue("compose")},
		}, (*decoder).containers},
	}
}

func settingKinds() []kind {
	return []kind{
		{"log", unlabelled, plain("level", "format"), (*decoder).log},
		{"docker", unlabelled, plain("host"), (*decoder).docker},
		{"control", unlabelled, plain("socket", "metrics"), (*decoder).control},
		{"firewall", unlabelled, plain("backend", "sets", "deny_with", "log_denied", "resync", "on_stop"), (*decoder).firewall},
		{"audit", unlabelled, []attribute{{name: "every"}, {name: "fail_on"}, {name: "registries", empty: "For any registry, leave it out."}}, (*decoder).audit},
	}
}

// What is written again and again where something is missing or empty.
const (
	everyContainer = "For every container, leave it out."
	everyPort      = "For every port, leave it out."
	anyNIC         = "For any NIC, leave it out."
	noException    = "Where there is no exception, leave it out."
	fromNone       = `For every source, write ["any"]; for none, leave the whole block out.`
	sayWho         = `Say from where: from = [addresses.NAME, "203.0.113.0/24"]. Everybody is from = ["any"].`
)

func policyKinds() []kind {
	except := attribute{name: "except", empty: noException}
	via := attribute{name: "via", empty: anyNIC}
	to := attribute{name: "to", empty: everyContainer}
	ports := attribute{name: "ports", empty: everyPort}
	from := attribute{name: "from", needed: sayWho, empty: fromNone}
	containers := func(name, needed string) attribute {
		return attribute{name: name, needed: needed, empty: "Write for instance " + name + " = [containers.NAME], or leave the whole block out."}
	}
	return []kind{
		{"defaults", unlabelled, defaulted(), (*decoder).defaults},
		{"network", networked, defaulted(), (*decoder).network},
		{"published", named, []attribute{to, ports, from, except, via}, (*decoder).published},
		{"direct", named, []attribute{{name: "to", empty: "For every container and everything behind one, leave it out."}, ports, from, except, via}, (*decoder).direct},
		{"between", named, []attribute{
			containers("from", "Say which containers may connect: from = [containers.NAME]."),
			containers("to", "Say to which containers: to = [containers.NAME]."), ports,
		}, (*decoder).between},
		{"egress", named, []attribute{
			{name: "from", empty: everyContainer},
			{name: "to", needed: `Say to where: to = [addresses.NAME, "203.0.113.0/24"]. Everywhere is to = ["any"], nowhere is to = [].`},
			except, ports, via,
		}, (*decoder).egress},
		{"host", named, []attribute{containers("from", "Say which containers may reach the host: from = [containers.NAME]."), {name: "ports"}}, (*decoder).host},
		{"docker_api", unlabelled, []attribute{{name: "ports", empty: "For every port of the API, leave it out."}, from, except, via, {name: "require_tls"}}, (*decoder).dockerAPI},
		{"swarm", unlabelled, []attribute{{name: "peers", needed: "Say which hosts are the other nodes: peers = [addresses.NAME, \"192.0.2.11\"]. None is peers = []."}}, (*decoder).swarm},
		{"quarantine", named, []attribute{{name: "on", needed: `Say which findings: on = ["container.privileged"]. agentctl audit --json lists the IDs of all checks.`,
			empty: "For no check at all, leave the whole block out."}, except}, (*decoder).quarantine},
		{"block", named, []attribute{{name: "from", empty: "Leave it out."}, {name: "to", empty: "Leave it out."}}, (*decoder).block},
		{"spoofing", named, []attribute{
			containers("of", "Say which containers may send so: of = [containers.NAME]."),
			{name: "addresses", empty: "Leave it out."}, {name: "macs", empty: "Leave it out."},
		}, (*decoder).spoofing},
	}
}

// defaulted are the attributes of defaults and of network.
func defaulted() []attribute {
	var attrs []attribute
	for _, k := range policy.Defaulted() {
		attrs = append(attrs, attribute{name: string(k)})
	}
	return attrs
}

func plain(names ...string) []attribute {
	var attrs []attribute
	for _, n := range names {
		attrs = append(attrs, attribute{name: n})
	}
	return attrs
}

func anyValue(name string) string {
	return "Where " + name + " do not matter, leave it out."
}

func (k kind) attribute(name string) (attribute, bool) {
	i := slices.IndexFunc(k.attrs, func(a attribute) bool { return a.name == name })
	if i < 0 {
		return attribute{}, false
	}
	return k.attrs[i], true
}

func (k kind) attributeNames() []string {
	var names []string
	for _, a := range k.attrs {
		names = append(names, a.name)
	}
	return names
}

func kindNames(ks []kind) []string {
	var names []string
	for _, k := range ks {
		names = append(names, k.name)
	}
	return names
}

// kindsWith names the kinds that have the attribute.
func kindsWith(attr string) []string {
	var names []string
	for _, k := range kinds() {
		if _, ok := k.attribute(attr); ok {
			names = append(names, k.name)
		}
	}
	return names
}
