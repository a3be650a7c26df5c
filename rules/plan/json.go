package plan

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// encoded is a step in a file.
type encoded struct {
	Kind    string          `json:"kind"`
	Action  json.RawMessage `json:"action"`
	Why     string          `json:"why"`
	Beside  bool            `json:"beside,omitempty"`
	MayFail bool            `json:"may_fail,omitempty"`
}

// MarshalJSON writes the kind of the action beside it.
func (s Step) MarshalJSON() ([]byte, error) {
	if s.Action == nil {
		return nil, fmt.Errorf("the step %q has no action", s.Why)
	}
	action, err := json.Marshal(s.Action)
	if err != nil {
		return nil, err
	}
	return json.Marshal(encoded{s.Action.kind(), action, s.Why, s.Beside, s.MayFail})
}

// UnmarshalJSON reads what MarshalJSON wrote. A kind that this version does not know is
// an error.
func (s *Step) UnmarshalJSON(text []byte) error {
	var e encoded
	if err := json.Unmarshal(text, &e); err != nil {
		return err
	}
	for _, a := range Actions() {
		if a.kind() != e.Kind {
			continue
		}
		into := reflect.New(reflect.TypeOf(a))
		if err := json.Unmarshal(e.Action, into.Interface()); err != nil {
			return fmt.Errorf("reading the step %q: %w", e.Kind, err)
		}
		*s = Step{into.Elem().Interface().(Action), e.Why, e.Beside, e.MayFail}
		return nil
	}
	return fmt.Errorf("the step %q is of a kind (%q) that this version does not know", e.Why, e.Kind)
}
