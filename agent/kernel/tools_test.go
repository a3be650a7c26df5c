package kernel

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/hashicorp/go-hclog"

	backend "dockwall/rules/backend/iptables"
)

// TestPlainNames finds the programs of hosts that have only the plain names.
func TestPlainNames(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("PATH", dir)
	program := func(name, says string, code string) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), []byte("#!/bin/sh\necho '"+says+"'\nexit "+code+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"iptables", "iptables-save", "iptables-restore"} {
		program(name, name+" v1.8.9 (nf_tables)", "0")
	}
	program("ip6tables", "ip6tables v1.8.9 (legacy)", "0")
	program("ip6tables-save", "no", "1")
	k := New(hclog.NewNullLogger())
	for name, want := range map[string]string{
		"iptables-nft": "iptables", "iptables-nft-save": "iptables-save", "iptables-nft-restore": "iptables-restore",
		"iptables-legacy": "iptables-legacy", "ip6tables-nft": "ip6tables-nft", "ip6tables-legacy": "ip6tables",
		"ip6tables-legacy-save": "ip6tables-legacy-save", "iptables": "iptables", "ipset": "ipset",
	} {
		if got := k.tool(name); got != want {
			t.Errorf("%s: %s is started, want %s", name, got, want)
		}
	}
	if err := k.usable(backend.NFT); err != nil {
		t.Errorf("nft is not usable: %v", err)
	}
	for f, want := range map[backend.Family]bool{backend.V4: true, backend.V6: false} {
		if err := k.usableIn(backend.NFT, f); (err == nil) != want {
			t.Errorf("nft, IPv%s: %v", f, err)
		}
	}
	if err := k.usable(backend.Legacy); err == nil {
		t.Error("legacy is usable")
	}
	program("iptables-nft", "iptables v1.8.9 (nf_tables)", "0")
	if got := k.tool("iptables-nft"); got != "iptables-nft" {
		t.Errorf("the variant's own name is there, and %s is started", got)
	}
	if err := k.usableIn(backend.NFT, backend.V4); err != nil {
		t.Errorf("iptables-nft-restore is missing, and the other variant would be taken: %v", err)
	}
}
