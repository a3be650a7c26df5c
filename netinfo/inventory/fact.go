package inventory

import (
	"bytes"
	"encoding/json"
)

// Fact is a value that was read, or the reason why it was not. Its JSON is the value
// itself, or {"unread": reason}.
type Fact[T any] struct {
	Value T
	// Read reports whether Value was read.
	Read bool
	// Reason is why it was not read.
	Reason string
}

// Known is a fact that was read.
func Known[T any](v T) Fact[T] { return Fact[T]{Value: v, Read: true} }

// Unread is a fact that was not read, for this reason.
func Unread[T any](reason string) Fact[T] { return Fact[T]{Reason: reason} }

// Of is what a reader returned.
func Of[T any](v T, err error) Fact[T] {
	if err != nil {
		return Unread[T](err.Error())
	}
	return Known(v)
}

// Why is the reason why the fact was not read; never empty.
func (f Fact[T]) Why() string {
	if f.Reason == "" {
		return "not read"
	}
	return f.Reason
}

type unread struct {
	Unread *string `json:"unread"`
}

// MarshalJSON writes the value, or why there is none.
func (f Fact[T]) MarshalJSON() ([]byte, error) {
	if !f.Read {
		why := f.Why()
		return json.Marshal(unread{&why})
	}
	return json.Marshal(f.Value)
}

// UnmarshalJSON reads what MarshalJSON wrote. A value that is a struct or a map is read
// over the one that is there.
func (f *Fact[T]) UnmarshalJSON(b []byte) error {
	var u unread
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("{")) && json.Unmarshal(b, &u) == nil && u.Unread != nil {
		*f = Unread[T](*u.Unread)
		return nil
	}
	f.Read, f.Reason = true, ""
	if bytes.HasPrefix(bytes.TrimSpace(b), []byte("[")) {
		// Otherwise entries of the list would keep fields of the entries before.
		var v T
		f.Value = v
	}
	return json.Unmarshal(b, &f.Value)
}
