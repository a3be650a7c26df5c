package main

import (
	"net/netip"
	"strings"
	"sync"

	"dockwall/test/lab"
)

// verdict is what became of a question.
type verdict string

// The verdicts.
const (
	open   verdict = "open"
	closed verdict = "closed"
	none   verdict = "-" // there is no such way in this family
)

// way is one family of a question.
type way struct{ from, to netip.Addr }

// question is one row of the table: a client dials a port.
type question struct {
	who, what string
	client    *lab.Client
	port      uint16
	v4, v6    way
	// before and now are what the demo claims.
	before, now verdict
}

// group is some rows under a heading.
type group struct {
	title     string
	questions []question
}

// groups are the table's rows.
func (w *town) groups() []group {
	eth0, eth1 := w.at("eth0"), w.at("eth1")
	wan, wan2, lan := w.Client("wan"), w.Client("wan2"), w.Client("lan")
	stray, office := ways(eth0, strayAddr4, strayAddr6), ways(eth1, officeAddr4, officeAddr6)
	ops, abuser := ways(eth1, opsAddr4, opsAddr6), ways(eth1, abuserAddr4, "")
	dbWeb := w.addressesOf(w.db)
	elsewhere := pair{w.ClientAddr("wan2", 4), w.ClientAddr("wan2", 6)}
	past := open
	if !strings.HasPrefix(w.engine, "20.") && !strings.HasPrefix(w.engine, "26.") {
		past = closed // Docker 28 closes that itself
	}
	return []group{
		{"From outside", []question{
			ask("stranger, eth0", "web      host:80", wan2, 80, eth0.ways(), open, closed),
			ask("stranger, eth0", "database host:5432", wan2, 5432, eth0.ways(), open, closed),
			ask("stranger, eth0", "cache    host:6379", wan2, 6379, eth0.ways(), open, closed),
			ask("stranger, eth0", "database, its own address:5432", wan2, 5432, dbWeb.ways(), past, closed),
			ask("stranger, eth0", "dockerd  host:2375 (root!)", wan2, 2375, eth0.only4(), open, closed),
			ask("office, eth1", "web      host:80", lan, 80, office, open, open),
			ask("office address, but eth0", "web      host:80", wan, 80, stray, open, closed),
			ask("office, eth1", "cache    host:6379", lan, 6379, office, open, closed),
			ask("blocked address, eth1", "web      host:80", lan, 80, abuser, open, closed),
			ask("ops, eth1", "web      host:80", lan, 80, ops, open, open),
			ask("ops, eth1", "cache    host:6379", lan, 6379, ops, open, open),
		}},
		{"From containers", []question{
			ask("web", "database, on shop_back", w.web.Client(), 5432, dbWeb.ways(), open, open),
			ask("cache", "database, on shop_back", w.cache.Client(), 5432, dbWeb.ways(), open, closed),
			ask("database", "mirror:443", w.db.Client(), 443, pair{addr(mirrorAddr4), netip.Addr{}}.ways(), open, open),
			ask("database", "anywhere else:443", w.db.Client(), 443, elsewhere.only4(), open, closed),
			ask("web", "anywhere else:443", w.web.Client(), 443, elsewhere.only4(), open, open),
			ask("database", "the host's ssh:22", w.db.Client(), 22, eth0.ways(), open, closed),
		}},
		{"From the host itself", []question{
			ask("host", "web      host:80", w.Client("host"), 80, eth0.ways(), open, open),
			ask("host", "dockerd  127.0.0.1:2375", w.Client("host"), 2375,
				pair{addr("127.0.0.1"), netip.Addr{}}.ways(), open, open),
		}},
	}
}

// ask is a question whose two families have the same answer.
func ask(who, what string, client *lab.Client, port uint16, families [2]way, before, now verdict) question {
	return question{who: who, what: what, client: client, port: port, v4: families[0], v6: families[1], before: before, now: now}
}

// pair is a client's address in each family.
type pair struct{ v4, v6 netip.Addr }

func (w *town) at(nic string) pair { return pair{w.HostAddr(nic, 4), w.HostAddr(nic, 6)} }

func (w *town) addressesOf(c *lab.Container) pair {
	return pair{c.Addr("shop_back", 4), c.Addr("shop_back", 6)}
}

// ways leads to the pair from whatever address the client has.
func (p pair) ways() [2]way { return [2]way{{to: p.v4}, {to: p.v6}} }

// only4 is ways for what is not there in IPv6.
func (p pair) only4() [2]way { return [2]way{{to: p.v4}, {}} }

// ways leads to the pair from certain addresses; "" where there is none.
func ways(to pair, from4, from6 string) [2]way {
	all := [2]way{{addr(from4), to.v4}, {addr(from6), to.v6}}
	for i := range all {
		if !all[i].from.IsValid() {
			all[i] = way{}
		}
	}
	return all
}

// answer is the verdicts of one question.
type answer struct{ v4, v6 verdict }

// answers asks everything, much of it at the same time.
func answers(groups []group) [][]answer {
	all := make([][]answer, len(groups))
	slots := make(chan struct{}, 8)
	var running sync.WaitGroup
	dial := func(q question, y way, into *verdict) {
		slots <- struct{}{}
		running.Go(func() {
			*into = q.dial(y)
			<-slots
		})
	}
	for i, g := range groups {
		all[i] = make([]answer, len(g.questions))
		for j, q := range g.questions {
			dial(q, q.v4, &all[i][j].v4)
			dial(q, q.v6, &all[i][j].v6)
		}
	}
	running.Wait()
	return all
}

// dial sends the packets. dockerd waits for its client to speak first: there
// it is enough that the connection came about.
func (q question) dial(y way) verdict {
	if !y.to.IsValid() {
		return none
	}
	r := q.client.DialFrom(y.from, "tcp", y.to, q.port)
	if r.OK || q.port == 2375 && r.Local != "" {
		return open
	}
	return closed
}
