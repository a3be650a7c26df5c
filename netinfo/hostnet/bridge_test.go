package hostnet

import (
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"dockwall/test/nstest"
)

func TestBridgesAreThoseOfThisNamespace(t *testing.T) {
	host := nstest.New(t)
	script := func(line string) {
		if out, err := exec.Command("sh", "-ec", line).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v\n%s", line, err, out)
		}
	}
	script("ip link add br-b type bridge nf_call_ip6tables 1; ip link add br-a type bridge nf_call_iptables 1; ip link add v0 type veth peer v1")
	all, err := Bridges()
	nstest.Must(t, err)
	for i := range all {
		all[i].Index = 0
	}
	if diff := cmp.Diff([]Bridge{{Name: "br-a", Call4: true}, {Name: "br-b", Call6: true}}, all); diff != "" {
		t.Errorf("bridges (-want +got):\n%s", diff)
	}
	nstest.Add(t)
	if all, err := Bridges(); err != nil || len(all) != 0 {
		t.Errorf("the new namespace has %v, %v", all, err)
	}
	nstest.In(t, host, func() {
		script("ip link set br-a type bridge nf_call_iptables 0")
		if all, err := Bridges(); err != nil || all[0].Call4 {
			t.Errorf("switched off, read %v, %v", all, err)
		}
	})
}

func TestNoBridgeNetfilterIsReported(t *testing.T) {
	if err := bridgeNetfilterAt(filepath.Join(t.TempDir(), "bridge-nf-call-iptables")); !errors.Is(err, ErrNoBridgeNetfilter) {
		t.Errorf("err = %v", err)
	}
}
