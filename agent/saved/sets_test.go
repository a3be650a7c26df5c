package saved

import (
	"testing"
	"testing/fstest"

	"github.com/google/go-cmp/cmp"

	"dockwall/rules"
)

const (
	onePublished = "-A X -m set --match-set dockwall4-h-published dst,dst -m comment --comment \"dockwall:abc\" -j DROP\n"
	oneList      = "-A X -p tcp -m set ! --match-set dockwall6-a-abcdefgh234567xy src -j DROP\n"
)

func TestSets(t *testing.T) {
	published, list := Set{4, "h-published", rules.HashNetPort}, Set{6, "a-abcdefgh234567xy", rules.HashNet}
	for name, tt := range map[string]struct {
		files map[string]string
		want  []Set
	}{
		"none":                    {map[string]string{"etc/iptables/rules.v4": own}, nil},
		"one of each family":      {map[string]string{"etc/iptables/rules.v4": own + onePublished, "etc/iptables/rules.v6": own + oneList}, []Set{published, list}},
		"two in one rule":         {map[string]string{"etc/sysconfig/iptables": "-A X -m set --match-set dockwall4-b src -m set ! --match-set dockwall4-a dst -j RETURN\n"}, []Set{{4, "a", rules.HashNet}, {4, "b", rules.HashNet}}},
		"named often":             {map[string]string{"etc/iptables/rules.v4": onePublished + onePublished, "etc/iptables/iptables.rules": onePublished}, []Set{published}},
		"with two types":          {map[string]string{"etc/iptables/rules.v4": onePublished + "-A X -m set --match-set dockwall4-h-published dst -j DROP\n"}, []Set{published}},
		"at the end of a line":    {map[string]string{"etc/iptables/rules.v4": "-A X -j DROP -m set --match-set dockwall4-h-published src,dst\n"}, []Set{published}},
		"in a comment":            {map[string]string{"etc/iptables/rules.v4": "# " + onePublished}, nil},
		"another program's":       {map[string]string{"etc/iptables/rules.v4": "-A X -m set --match-set f2b-sshd src -j REJECT\n-A X -m set --match-set my-dockwall4-x src -j DROP\n"}, nil},
		"too long for the kernel": {map[string]string{"etc/iptables/rules.v4": "-A X -m set --match-set dockwall4-abcdefghijklmnopqrstuv src -j DROP\n"}, nil},
		"what is no name":         {map[string]string{"etc/iptables/rules.v4": "-A X -m set --match-set dockwall4-a;reboot src -j DROP\n-A X -m set --match-set dockwall4-A/../b src -j DROP\n"}, nil},
		"three dimensions":        {map[string]string{"etc/iptables/rules.v4": "-A X -m set --match-set dockwall4-a src,dst,dst -j DROP\n"}, nil},
		"a file of sets":          {map[string]string{"etc/iptables/rules.v4": onePublished + oneList, "etc/iptables/ipsets": "create dockwall4-h-published hash:net,port family inet maxelem 131072\nadd dockwall4-h-published 10.0.0.1,tcp:80\n"}, []Set{list}},
		"another file of sets":    {map[string]string{"etc/sysconfig/ip6tables": oneList, "etc/sysconfig/ipset.d/dockwall6-a-abcdefgh234567xy.set": "create dockwall6-a-abcdefgh234567xy hash:net family inet6\n"}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			root := fstest.MapFS{}
			for path, text := range tt.files {
				root[path] = file(text)
			}
			if diff := cmp.Diff(tt.want, In(root).Sets()); diff != "" {
				t.Errorf("the sets (-want +got):\n%s", diff)
			}
		})
	}
}
