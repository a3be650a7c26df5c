package reconcile

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"dockwall/agent/enforce"
	"dockwall/rules/plan"
)

// The log says that the kernel is as it was only if that was read.
func TestWhatAFailedPassLeaves(t *testing.T) {
	step := errors.New("line 3 failed")
	for _, tt := range []struct {
		err  error
		want string
	}{
		{step, "it is as it was"},
		{errors.Join(step, fmt.Errorf("%w: %w", plan.ErrNotUndone, step)), "a part of the change"},
		{fmt.Errorf("%w; %w: %w", step, enforce.ErrNotRead, step), "a part of the change"},
	} {
		if got := left(tt.err); !strings.Contains(got, tt.want) {
			t.Errorf("%v: %q, want %q", tt.err, got, tt.want)
		}
	}
}
