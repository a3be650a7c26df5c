package e2e_test

import (
	"cmp"
	"flag"
	"fmt"
	"os"
	"slices"
	"testing"

	"dockwall/test/lab"
	"dockwall/test/scenario"
)

// wanted are the engines that differ in how they program the kernel.
var wanted = [...]string{"20.10", "26.1", "28.5"}

// outer are the oldest and the newest of them, for what depends little on the engine.
var outer = []string{wanted[0], wanted[2]}

// TestScenarios plays every scenario on every engine:
//
//	go test -run 'TestScenarios/28.5/nic' ./test/e2e/
func TestScenarios(t *testing.T) {
	all, err := scenario.Load(os.DirFS("../scenario/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	there := lab.Engines(t)
	for _, engine := range wanted {
		t.Run(engine, func(t *testing.T) {
			if !slices.Contains(there, engine) {
				t.Skipf("Docker engine %s is not in .cache/engines; `make engines` fetches it", engine)
			}
			t.Parallel() // a scenario mostly waits for what is refused
			playAll(t, engine, "", all)
		})
	}
}

var allOnNFTables = flag.Bool("nftables-all", false, "play every scenario with the nftables backend, not every third one")

// nftablesShare is of how many scenarios one is played with the nftables backend.
const nftablesShare = 3

// TestScenariosOnNFTables plays every third scenario with the nftables backend on the newest
// engine, whose own rules are iptables-nft's:
//
//	go test -run 'TestScenariosOnNFTables/nic' ./test/e2e/ -nftables-all
func TestScenariosOnNFTables(t *testing.T) {
	all, err := scenario.Load(os.DirFS("../scenario/testdata"))
	if err != nil {
		t.Fatal(err)
	}
	engine := wanted[len(wanted)-1]
	if !slices.Contains(lab.Engines(t), engine) {
		t.Skipf("Docker engine %s is not in .cache/engines; `make engines` fetches it", engine)
	}
	t.Parallel()
	all = slices.DeleteFunc(all, func(s scenario.Scenario) bool { return s.Host.Iptables || s.Host.Variant != "nft" })
	var some []scenario.Scenario
	for i, s := range all {
		if *allOnNFTables || i%nftablesShare == 0 {
			some = append(some, s)
		}
	}
	playAll(t, engine, "nftables", some)
}

// playAll shares a host among the scenarios that ask for the same one.
func playAll(t *testing.T, engine, backend string, all []scenario.Scenario) {
	all = slices.DeleteFunc(slices.Clone(all), func(s scenario.Scenario) bool { return !s.On(engine) })
	slices.SortStableFunc(all, func(a, b scenario.Scenario) int { return cmp.Compare(kind(a), kind(b)) })
	for i := 0; i < len(all); {
		n := i + 1
		for n < len(all) && !all[n].Host.Own && kind(all[n]) == kind(all[i]) {
			n++
		}
		playTogether(t, engine, backend, all[i:n])
		i = n
	}
}

// kind is the same for hosts that are the same.
func kind(s scenario.Scenario) string { return fmt.Sprintf("%+v", s.Host) }

// playTogether plays scenarios on one host, which is made when the first of
// them runs: -run may have chosen none.
func playTogether(t *testing.T, engine, backend string, group []scenario.Scenario) {
	var h *host
	for _, s := range group {
		t.Run(s.Name, func(t *testing.T) {
			if h == nil {
				h = newHost(t, engine, backend, s.Host)
			}
			play(t, h, s)
		})
		if h != nil && h.dirty {
			h.close(t)
			h = nil
		}
	}
	if h != nil {
		h.close(t)
	}
}
