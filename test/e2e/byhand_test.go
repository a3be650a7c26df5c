package e2e_test

import (
	"strings"
	"testing"
	"time"

	"dockwall/test/lab"
)

// Containers that another program connects by hand are named as not covered: one of
// --network none with a veth or a macvlan, and one that Docker has connected as well.
// Those beside them are not.
func TestInterfacesMadeByHandAreNamed(t *testing.T) {
	onEngines(t, outer, func(t *testing.T, engine string) {
		l := lab.New(t, lab.Options{Engine: engine})
		l.Docker("network", "create", "shop")
		for name, network := range map[string]string{"wired": "none", "vlan": "none", "alone": "none", "plain": "shop", "twofold": "shop"} {
			l.RunContainer(lab.Spec{Name: name, Network: network})
		}
		l.Docker("network", "connect", "bridge", "plain")
		a := l.Agentd("")
		time.Sleep(3 * time.Second) // they have been looked at: what follows is news
		pid := func(name string) string { return l.Docker("inspect", "--format", "{{.State.Pid}}", name) }
		l.Host("sh", "-ec", "ip link add br0 type bridge\n"+
			"ip link add hand0 type veth peer name veth1\nip link set hand0 master br0 up\nip link set veth1 netns "+pid("wired")+"\n"+
			"ip link add link eth0 name vlan0 type macvlan\nip link set vlan0 netns "+pid("vlan")+"\n"+
			"ip link add hand2 type veth peer name hand3\nip link set hand2 master br0 up\nip link set hand3 netns "+pid("twofold")+" name eth1\n")
		want := map[string]string{"wired": "veth1", "vlan": "vlan0", "twofold": ""}
		var said string
		for began := time.Now(); time.Since(began) < 20*time.Second; time.Sleep(200 * time.Millisecond) {
			if said = notCovered(t, a); named(said, want) {
				break
			}
		}
		for _, verb := range []string{"check", "diff"} {
			stdout, stderr, _ := l.Agentctl(verb)
			if !named(stdout+stderr, want) {
				t.Errorf("agentctl %s does not name each of %v:\n%s%s", verb, want, stdout, stderr)
			}
			said += stdout + stderr
		}
		if !named(said, want) || strings.Contains(said, "container alone") || strings.Contains(said, "container plain") {
			t.Errorf("not covered are %s, want %v alone", said, want)
		}
		a.Stop()
	})
}

// notCovered are the messages of the agent's status about what is not covered.
func notCovered(t *testing.T, a *lab.Agent) string {
	t.Helper()
	st, err := a.Status()
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, f := range st.Problems {
		all.WriteString(f.Message + "\n")
	}
	return all.String()
}

// named reports whether the text names each container with its interface.
func named(text string, containers map[string]string) bool {
	for name, link := range containers {
		if !strings.Contains(text, "container "+name+" has an interface that Docker did not make ("+link) {
			return false
		}
	}
	return true
}
