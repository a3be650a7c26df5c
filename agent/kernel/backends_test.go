package kernel

import (
	"strings"
	"testing"

	"github.com/hashicorp/go-hclog"

	contract "dockwall/rules/backend"
	backend "dockwall/rules/backend/iptables"
)

func TestAssumedBackend(t *testing.T) {
	for _, tt := range []struct {
		wish contract.Wish
		want backend.Options
	}{
		{contract.Wish{}, backend.Options{Variant: backend.NFT, Guard: true}},
		{contract.Wish{Backend: "auto", Sets: "auto", EngineVersion: "20.10.24"}, backend.Options{Variant: backend.NFT, Guard: true}},
		{contract.Wish{Backend: "iptables-legacy", Sets: "ipset"}, backend.Options{Variant: backend.Legacy, Guard: true}},
		{contract.Wish{Backend: "iptables-nft", Sets: "inline"}, backend.Options{Variant: backend.NFT, Inline: true, Guard: true}},
	} {
		if got := New(hclog.NewNullLogger()).Backends().Assumed(tt.wish); got != contract.Backend(backend.New(tt.want)) {
			t.Errorf("%+v: %+v, want %+v", tt.wish, got, tt.want)
		}
	}
}

func TestUnknownBackendsAreRefused(t *testing.T) {
	k := New(hclog.NewNullLogger()).Backends()
	for setting, want := range map[string]string{"pf": `unknown backend "pf"`} {
		if b, err := k.Choose(t.Context(), contract.Wish{Backend: setting}); b != nil || err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, %v", setting, b, err)
		}
	}
	other := strangeBackend{}
	if st, err := k.Observe(t.Context(), other); st != nil || err == nil || !strings.Contains(err.Error(), "strange") {
		t.Errorf("a state of another backend is read: %v, %v", st, err)
	}
	if _, err := k.Probe(t.Context(), strangeState{}, true); err == nil {
		t.Error("a state of another backend is looked at")
	}
	if holds, err := k.Holds(t.Context(), strangeState{}); holds || err != nil {
		t.Errorf("a state of another backend holds: %v, %v", holds, err)
	}
}

type strangeBackend struct{ contract.Backend }

func (strangeBackend) Name() string { return "strange" }

type strangeState struct{}

func (strangeState) Backend() string { return "strange" }
