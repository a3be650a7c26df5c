package control_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"dockwall/agent/control"
)

type onTrial struct {
	File string `json:"file"`
}

func TestTrialVerbs(t *testing.T) {
	var tried []control.Trying
	pending := true
	path, _ := serve(t,
		control.TrialRoute(func(a control.Trying) (*onTrial, error) {
			tried = append(tried, a)
			switch a.Candidate {
			case "busy":
				return nil, errors.New("another file is on trial")
			case "same":
				return nil, nil
			}
			return &onTrial{a.Candidate}, nil
		}),
		control.ConfirmRoute(func() (*onTrial, error) {
			if !pending {
				return nil, errors.New("nothing awaits confirmation")
			}
			pending = false
			return &onTrial{"new.hcl"}, nil
		}),
		control.AcceptRoute(func() error {
			if pending {
				return errors.New("a trial is pending")
			}
			return nil
		}))
	c := control.NewClient(path)
	refuses := func(err error, why string) {
		t.Helper()
		var refused *control.Refused
		if !errors.As(err, &refused) || refused.Why != why {
			t.Errorf("the error is %v, want a refusal: %s", err, why)
		}
	}
	refuses(c.Accept(t.Context()), "a trial is pending")
	var got *onTrial
	if err := c.Try(t.Context(), control.Trying{Lasts: time.Minute, Candidate: "new.hcl"}, &got); err != nil || got == nil || got.File != "new.hcl" {
		t.Errorf("Try = %+v, %v", got, err)
	}
	if err := c.Try(t.Context(), control.Trying{Lasts: time.Minute, Candidate: "same"}, &got); err != nil || got != nil {
		t.Errorf("Try of nothing = %+v, %v", got, err)
	}
	refuses(c.Try(t.Context(), control.Trying{Lasts: time.Minute, Candidate: "busy"}, &got), "another file is on trial")
	if len(tried) != 3 || tried[0] != (control.Trying{Lasts: time.Minute, Candidate: "new.hcl"}) {
		t.Errorf("the agent was asked for %+v", tried)
	}
	for _, lasts := range []time.Duration{0, -time.Minute, control.MinTrial - 1, control.MaxTrial + 1} {
		if err := c.Try(t.Context(), control.Trying{Lasts: lasts}, &got); err == nil || !strings.Contains(err.Error(), "a trial lasts from 1s to 24h0m0s") {
			t.Errorf("a trial of %s: %v", lasts, err)
		}
	}
	if _, body := raw(t, path, "POST", "/v1/trial"); !strings.Contains(body, "reading the question") {
		t.Errorf("a trial of no body: %s", body)
	}
	if len(tried) != 3 {
		t.Errorf("the agent was asked for what makes no sense: %+v", tried[3:])
	}
	if err := c.Confirm(t.Context(), &got); err != nil || got == nil || got.File != "new.hcl" {
		t.Errorf("Confirm = %+v, %v", got, err)
	}
	refuses(c.Confirm(t.Context(), &got), "nothing awaits confirmation")
	if err := c.Accept(t.Context()); err != nil {
		t.Errorf("Accept: %v", err)
	}
}
