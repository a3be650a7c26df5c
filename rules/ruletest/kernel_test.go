package ruletest

import (
	"errors"
	"testing"

	"dockwall/rules/backend/iptables"
	"dockwall/rules/plan"
)

func TestKernelKnowsAllActions(t *testing.T) {
	k := NewKernel(iptables.NFT)
	for _, a := range plan.Actions() {
		if err := k.Run(plan.Step{Action: a}); errors.Is(err, ErrUnknownAction) {
			t.Error(err)
		}
	}
	if err := k.Run(plan.Step{}); !errors.Is(err, ErrUnknownAction) {
		t.Errorf("a step without an action: %v", err)
	}
}
