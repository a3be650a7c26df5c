package policy

import (
	"fmt"
	"net/netip"
	"reflect"
	"slices"
	"testing"

	"dockwall/rules"
)

// A kind of block that Entries leaves out would be kept without its references, be
// missing in status and never be sorted.
func TestEntriesVisitEveryBlock(t *testing.T) {
	p, want := full(t)
	got := visited(&p)
	if !slices.Equal(got, want) {
		t.Errorf("visited %q,\nwant    %q", got, want)
	}
}

func TestCloneSharesNoBlock(t *testing.T) {
	p, want := full(t)
	c := p.Clone()
	for e := range c.Entries() {
		for l := range e.Lists() {
			*l = AddressList{}
		}
		for l := range e.Selectors() {
			*l = nil
		}
		if e.Ports != nil {
			*e.Ports = nil
		}
		if e.Via != nil {
			*e.Via = nil
		}
	}
	if got := visited(&p); !slices.Equal(got, want) {
		t.Errorf("changing the clone's blocks made %q of %q", got, want)
	}
	var none Policy
	if !reflect.DeepEqual(none.Clone(), none) {
		t.Error("a clone of nothing is not nothing")
	}
}

func TestSortSortsEveryKind(t *testing.T) {
	p, _ := full(t)
	v := reflect.ValueOf(&p).Elem()
	sorted := 0
	for i := range v.NumField() {
		list := v.Field(i)
		if list.Kind() != reflect.Slice || !element(list.Type()).FieldByName("Name").IsValid() {
			continue
		}
		second := reflect.New(element(list.Type()).Type())
		second.Elem().FieldByName("Name").SetString("A")
		if list.Type().Elem().Kind() != reflect.Pointer {
			second = second.Elem()
		}
		list.Set(reflect.Append(list, second))
		p.Sort()
		if first := reflect.Indirect(list.Index(0)).FieldByName("Name").String(); first != "A" {
			t.Errorf("%s: %s comes before A", v.Type().Field(i).Name, first)
		}
		sorted++
	}
	if sorted < 8 {
		t.Errorf("only %d lists were found", sorted)
	}
}

// full is a policy with one block of each kind, each attribute of which is set, and
// the words that visited has for it.
func full(t *testing.T) (Policy, []string) {
	t.Helper()
	var p Policy
	var words []string
	v := reflect.ValueOf(&p).Elem()
	for i := range v.NumField() {
		field, f := v.Type().Field(i), v.Field(i)
		one := f
		switch {
		case slices.Contains([]string{"Networks", "Addresses", "Interfaces", "Containers"}, field.Name):
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			b := reflect.New(element(f.Type()).Type())
			b.Elem().FieldByName("Name").SetString("z")
			if f.Type().Elem().Kind() != reflect.Pointer {
				b = b.Elem()
			}
			f.Index(0).Set(b)
			continue
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			one = f.Index(0)
		}
		if one.Kind() != reflect.Pointer {
			continue // a setting, or the defaults
		}
		one.Set(reflect.New(one.Type().Elem()))
		words = append(words, fill(field.Name, one.Elem())...)
	}
	slices.Sort(words)
	return p, words
}

func element(list reflect.Type) reflect.Value {
	e := list.Elem()
	if e.Kind() == reflect.Pointer {
		e = e.Elem()
	}
	return reflect.New(e).Elem()
}

// fill sets every attribute to a value that names the field.
func fill(kind string, b reflect.Value) (words []string) {
	for i := range b.NumField() {
		name := kind + "." + b.Type().Field(i).Name
		var value any
		switch b.Field(i).Interface().(type) {
		case string:
			value = name
		case rules.Origin:
			value = rules.Origin{File: name}
		case AddressList:
			value = AddressList{Refs: []*Addresses{{Name: name}}, Literals: []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}}
		case []*Selector:
			value = []*Selector{{Name: name}}
		case []*Interfaces:
			value = []*Interfaces{{Name: name}}
		case []Ports:
			value, name = []Ports{{Lo: uint16(len(kind))}}, fmt.Sprint(len(kind))
		default:
			continue
		}
		b.Field(i).Set(reflect.ValueOf(value))
		words = append(words, name)
	}
	return words
}

// visited are the names of all that the entries lead to.
func visited(p *Policy) (words []string) {
	for e := range p.Entries() {
		words = append(words, e.Origin.File)
		if e.Name != "" {
			words = append(words, e.Name)
		}
		for l := range e.Lists() {
			for _, r := range l.Refs {
				words = append(words, r.Name)
			}
		}
		for l := range e.Selectors() {
			for _, s := range *l {
				words = append(words, s.Name)
			}
		}
		if e.Ports != nil {
			for _, p := range *e.Ports {
				words = append(words, fmt.Sprint(p.Lo))
			}
		}
		if e.Via != nil {
			for _, v := range *e.Via {
				words = append(words, v.Name)
			}
		}
	}
	slices.Sort(words)
	return words
}
