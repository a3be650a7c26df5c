package ruletest

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
)

// ipset is one set. spec is what stands after its name in `create`.
type ipset struct {
	typ, family string
	maxElem     int
	members     map[string]bool
}

func (s *ipset) clone() *ipset {
	out := *s
	out.members = maps.Clone(s.members)
	return &out
}

// SaveSets is what `ipset save` prints.
func (k *Kernel) SaveSets() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(k.sets)) {
		s := k.sets[name]
		fmt.Fprintf(&b, "create %s %s family %s hashsize 1024 maxelem %d bucketsize 12 initval 0x00000001\n", name, s.typ, s.family, s.maxElem)
		for _, m := range slices.Sorted(maps.Keys(s.members)) {
			fmt.Fprintf(&b, "add %s %s\n", name, m)
		}
	}
	return b.String()
}

// restoreSets is `ipset restore`. Lines before an error stay done.
func (k *Kernel) restoreSets(script string, exist bool) error {
	for i, text := range strings.Split(strings.TrimSuffix(script, "\n"), "\n") {
		if err := k.setLine(strings.Fields(text), exist); err != nil {
			return fmt.Errorf("error in line %d: %q: %w", i+1, text, err)
		}
	}
	return nil
}

func (k *Kernel) setLine(f []string, exist bool) error {
	if len(f) < 2 {
		return errors.New("a word is missing")
	}
	s := k.sets[f[1]]
	if f[0] == "create" {
		return k.create(f, exist)
	}
	if s == nil {
		if f[0] == "destroy" && exist {
			return nil
		}
		return errors.New("the set with the given name does not exist")
	}
	switch f[0] {
	case "destroy":
		return k.destroy(f[1])
	case "flush":
		clear(s.members)
		return nil
	}
	if len(f) < 3 {
		return errors.New("a word is missing")
	}
	switch f[0] {
	case "add":
		return s.add(f[2], exist)
	case "del":
		if !s.members[f[2]] && !exist {
			return errors.New("element cannot be deleted: it's not added")
		}
		delete(s.members, f[2])
		return nil
	case "swap":
		return k.swap(f[1], f[2])
	}
	return errors.New("unknown command")
}

func (k *Kernel) create(f []string, exist bool) error {
	var s ipset
	hash := 0
	if len(f[1]) > 31 {
		return errors.New("name too long")
	}
	if _, err := fmt.Sscanf(strings.Join(f[2:], " "), "%s family %s hashsize %d maxelem %d", &s.typ, &s.family, &hash, &s.maxElem); err != nil {
		return err
	}
	s.members = map[string]bool{}
	if old := k.sets[f[1]]; old != nil {
		if exist && old.typ == s.typ && old.family == s.family && old.maxElem == s.maxElem {
			return nil
		}
		return errors.New("set with the same name already exists")
	}
	k.sets[f[1]] = &s
	return nil
}

func (s *ipset) add(member string, exist bool) error {
	addr, _, _ := strings.Cut(member, ",")
	a, _, _ := strings.Cut(addr, "/")
	ip, err := netip.ParseAddr(a)
	switch {
	case err != nil || ip.Is4() != (s.family == "inet"):
		return errors.New("invalid address")
	case strings.HasSuffix(addr, "/0"):
		return errors.New("the value of the CIDR parameter of the IP address is invalid")
	case s.members[member] && !exist:
		return errors.New("element cannot be added to the set: it's already added")
	case !s.members[member] && len(s.members) >= s.maxElem:
		return errors.New("hash is full, cannot add more elements")
	}
	s.members[member] = true
	return nil
}

// used reports whether a rule looks at the set.
func (k *Kernel) used(set string) bool {
	for _, t := range k.tables {
		for _, c := range t.chains {
			for _, r := range c.rules {
				if strings.Contains(r.text, "--match-set "+set+" ") {
					return true
				}
			}
		}
	}
	return false
}

func (k *Kernel) destroy(name string) error {
	switch {
	case k.sets[name] == nil:
		return errors.New("the set with the given name does not exist")
	case k.used(name):
		return errors.New("set cannot be destroyed: it is in use by a kernel component")
	}
	delete(k.sets, name)
	return nil
}

func (k *Kernel) swap(a, b string) error {
	x, y := k.sets[a], k.sets[b]
	if y == nil {
		return errors.New("the second set does not exist")
	}
	if x.typ != y.typ || x.family != y.family {
		return errors.New("the sets cannot be swapped: their type does not match")
	}
	k.sets[a], k.sets[b] = y, x
	return nil
}
