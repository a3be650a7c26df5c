package nftables

import (
	"fmt"
	"strings"

	"dockwall/rules"
	"dockwall/rules/backend"
	"dockwall/rules/nft"
)

// Texts prints the ruleset as `nft -f` takes it.
func (Backend) Texts(want rules.Ruleset) []backend.Text {
	w := newWriter(want, State{})
	t := nft.Table{Name: Table}
	about := map[string]string{}
	for _, s := range want.Sets {
		for _, set := range w.write(s) {
			about[set.Name] = place0(s.Origin)
			t.Sets = append(t.Sets, set)
		}
	}
	for _, c := range w.chains(want) {
		t.Chains = append(t.Chains, c.Chain)
	}
	return []backend.Text{{Rules: text(t, about), RulesTool: "nft -f"}}
}

// place0 is a block, and its place in the file.
func place0(o rules.Origin) string {
	if o.File == "" || o.Line == 0 {
		return plain(o.Subject.String())
	}
	return fmt.Sprintf("%s %s:%d", plain(o.Subject.String()), plain(o.File), o.Line)
}

func text(t nft.Table, about map[string]string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "table inet %s {\n", t.Name)
	for _, s := range t.Sets {
		printSet(&b, s, about[s.Name])
	}
	for _, c := range t.Chains {
		fmt.Fprintf(&b, "\tchain %s {\n", c.Name)
		if c.Hook != nil {
			fmt.Fprintf(&b, "\t\ttype filter hook %s priority %d; policy accept;\n", c.Name, c.Hook.Priority)
		}
		for _, r := range c.Rules {
			b.WriteString("\t\t" + r.Loadable())
			if r.Comment != "" {
				fmt.Fprintf(&b, " comment \"%s\"", r.Comment)
			}
			b.WriteString("\n")
		}
		b.WriteString("\t}\n")
	}
	b.WriteString("}\n")
	return b.String()
}

func printSet(b *strings.Builder, s nft.Set, about string) {
	var types []string
	for _, k := range s.Key {
		types = append(types, string(k))
	}
	if about != "" {
		about = " # " + about
	}
	fmt.Fprintf(b, "\tset %s {%s\n\t\ttype %s\n", s.Name, about, strings.Join(types, " . "))
	if len(s.Elements) > 0 {
		b.WriteString("\t\telements = { ")
		_, family, bits, _ := split(s.Name)
		typ, _ := typeOf(family, s.Key)
		for i, e := range s.Elements {
			if i > 0 {
				b.WriteString(", ")
			}
			m, _ := member(typ, place{family, bits}, e)
			b.WriteString(m.Prefix.Addr().String())
			if typ == rules.HashNetPort {
				fmt.Fprintf(b, " . %s . %d", m.Proto, m.Port)
			}
		}
		b.WriteString(" }\n")
	}
	b.WriteString("\t}\n")
}
