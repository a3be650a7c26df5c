package nft

import (
	"encoding/json"
	"fmt"
	"reflect"
)

// tagged is a value of a sum in a file: its kind beside it.
type tagged struct {
	Kind string          `json:"kind"`
	Is   json.RawMessage `json:"is"`
}

// MarshalJSON writes the kind of each statement beside it.
func (ss Statements) MarshalJSON() ([]byte, error) { return marshal(ss, Statement.statement) }

// UnmarshalJSON reads what MarshalJSON wrote. A kind that this version does not know is an
// error.
func (ss *Statements) UnmarshalJSON(text []byte) (err error) {
	*ss, err = unmarshal(text, AllStatements(), Statement.statement)
	return err
}

// MarshalJSON writes the kind of each operation beside it.
func (os Ops) MarshalJSON() ([]byte, error) { return marshal(os, Op.op) }

// UnmarshalJSON reads what MarshalJSON wrote. A kind that this version does not know is an
// error.
func (os *Ops) UnmarshalJSON(text []byte) (err error) {
	*os, err = unmarshal(text, AllOps(), Op.op)
	return err
}

func marshal[T any](values []T, kind func(T) string) ([]byte, error) {
	all := make([]tagged, len(values))
	for i, v := range values {
		is, err := json.Marshal(v)
		if err != nil {
			return nil, err
		}
		all[i] = tagged{kind(v), is}
	}
	return json.Marshal(all)
}

func unmarshal[T any](text []byte, known []T, kind func(T) string) ([]T, error) {
	var all []tagged
	if err := json.Unmarshal(text, &all); err != nil {
		return nil, err
	}
	types := map[string]reflect.Type{}
	for _, v := range known {
		types[kind(v)] = reflect.TypeOf(v)
	}
	var out []T
	for _, t := range all {
		typ, ok := types[t.Kind]
		if !ok {
			return nil, fmt.Errorf("nftables: the kind %q is not known to this version", t.Kind)
		}
		into := reflect.New(typ)
		if err := json.Unmarshal(t.Is, into.Interface()); err != nil {
			return nil, fmt.Errorf("reading %s: %w", t.Kind, err)
		}
		out = append(out, into.Elem().Interface().(T))
	}
	return out, nil
}
