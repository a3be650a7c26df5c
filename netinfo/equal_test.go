package netinfo_test

import (
	"net/netip"
	"reflect"
	"testing"

	"dockwall/netinfo"
)

// other makes the value another than zero.
func other(t *testing.T, v reflect.Value) {
	t.Helper()
	switch v.Interface().(type) {
	case netip.Addr:
		v.Set(reflect.ValueOf(netip.MustParseAddr("192.0.2.1")))
		return
	case netip.Prefix:
		v.Set(reflect.ValueOf(netip.MustParsePrefix("192.0.2.0/24")))
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Int:
		v.SetInt(1)
	case reflect.Uint8, reflect.Uint16:
		v.SetUint(1)
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.Map:
		v.Set(reflect.MakeMap(v.Type()))
		v.SetMapIndex(reflect.ValueOf("k"), reflect.ValueOf("v"))
	case reflect.Struct:
		other(t, v.Field(0))
	default:
		t.Fatalf("a fact of kind %s", v.Kind())
	}
}

// unequal changes each field in turn: a fact that is left out of the comparison
// would never reach the kernel.
func unequal[T any](t *testing.T, equal func(a, b *T) bool) {
	t.Helper()
	var zero T
	if !equal(&zero, &zero) {
		t.Errorf("%T: it is not equal to itself", zero)
	}
	for i := range reflect.TypeFor[T]().NumField() {
		var changed T
		other(t, reflect.ValueOf(&changed).Elem().Field(i))
		if equal(&zero, &changed) || equal(&changed, &zero) {
			t.Errorf("%T is equal though its %s is not", zero, reflect.TypeFor[T]().Field(i).Name)
		}
	}
}

func TestEqualSeesEveryFact(t *testing.T) {
	unequal(t, (*netinfo.Snapshot).Equal)
	unequal(t, (*netinfo.Container).Equal)
	unequal(t, func(a, b *netinfo.Endpoint) bool { return a.Equal(*b) })
	unequal(t, func(a, b *netinfo.Network) bool { return a.Equal(*b) })
	unequal(t, func(a, b *netinfo.Link) bool { return a.Equal(*b) })
}
