package hostnet

import (
	"errors"
	"path/filepath"
	"testing"
)

func TestBridgeNFCallIsOfThisNamespace(t *testing.T) {
	host := newNetNS(t)
	if _, _, err := BridgeNFCall(); errors.Is(err, ErrNoBridgeNetfilter) {
		t.Skip(err)
	}
	for _, want := range [][2]bool{{true, false}, {false, true}, {true, true}, {false, false}} {
		must(t, SetBridgeNFCall(want[0], want[1]))
		if v4, v6, err := BridgeNFCall(); err != nil || v4 != want[0] || v6 != want[1] {
			t.Errorf("set %v, read %v %v %v", want, v4, v6, err)
		}
	}
	addNetNS(t)
	must(t, SetBridgeNFCall(true, true))
	in(t, host, func() {
		if v4, v6, err := BridgeNFCall(); err != nil || v4 || v6 {
			t.Errorf("the other namespace's switches moved: %v %v %v", v4, v6, err)
		}
	})
}

func TestNoBridgeNetfilterIsTold(t *testing.T) {
	absent := filepath.Join(t.TempDir(), "bridge-nf-call-iptables")
	if _, err := readSwitch(absent); !errors.Is(err, ErrNoBridgeNetfilter) {
		t.Errorf("reading: %v", err)
	}
	if err := setSwitch(absent, true); !errors.Is(err, ErrNoBridgeNetfilter) {
		t.Errorf("setting: %v", err)
	}
}
