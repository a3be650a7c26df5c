package hostnet

import (
	"encoding/binary"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/inventory"
)

// auditMessage is a struct audit_rule_data of the list of exits. A field is its number,
// value and text.
func auditMessage(action, calls uint32, fields ...auditTestField) []byte {
	b := make([]byte, auditHead)
	put := func(i int, v uint32) { binary.NativeEndian.PutUint32(b[4*i:], v) }
	put(0, unix.AUDIT_FILTER_EXIT)
	put(1, action)
	put(2, uint32(len(fields)))
	for i := range auditFields - 1 {
		put(3+i, calls)
	}
	for i, f := range fields {
		if f.text != "" {
			f.value = uint32(len(f.text))
			b = append(b, f.text...)
		}
		if f.op == 0 {
			f.op = auditEqual
		}
		put(3+auditFields+i, f.field)
		put(3+2*auditFields+i, f.value)
		put(3+3*auditFields+i, f.op)
	}
	return b
}

type auditTestField struct {
	field, value uint32
	text         string
	op           uint32
}

func TestParseAuditRule(t *testing.T) {
	const all, always = 0xffffffff, 2
	const uid = 1
	for name, c := range map[string]struct {
		message []byte
		want    inventory.AuditRule
		watches bool
	}{
		"-w /etc/docker -p wa -k docker": {auditMessage(always, all, auditTestField{field: unix.AUDIT_DIR, text: "/etc/docker"},
			auditTestField{field: unix.AUDIT_PERM, value: 10}, auditTestField{field: unix.AUDIT_FILTERKEY, text: "docker"}),
			inventory.AuditRule{Path: "/etc/docker", Dir: true, Perms: "wa"}, true},
		"a key before the path": {auditMessage(always, all, auditTestField{field: unix.AUDIT_FILTERKEY, text: "k"}, auditTestField{field: unix.AUDIT_WATCH, text: "/a"}),
			inventory.AuditRule{Path: "/a"}, true},
		"-F exe": {auditMessage(always, all, auditTestField{field: unix.AUDIT_ARCH, value: 62}, auditTestField{field: unix.AUDIT_EXE, text: "/usr/bin/runc"}),
			inventory.AuditRule{Exe: "/usr/bin/runc"}, true},
		"some calls":    {auditMessage(always, 1, auditTestField{field: unix.AUDIT_WATCH, text: "/a"}), inventory.AuditRule{Path: "/a", Filtered: true}, true},
		"one user":      {auditMessage(always, all, auditTestField{field: uid, value: 3}, auditTestField{field: unix.AUDIT_WATCH, text: "/a"}), inventory.AuditRule{Path: "/a", Filtered: true}, true},
		"exe!=":         {auditMessage(always, all, auditTestField{field: unix.AUDIT_EXE, text: "/a", op: 0x30000000}), inventory.AuditRule{Exe: "/a", Filtered: true}, true},
		"-a never":      {auditMessage(0, all, auditTestField{field: unix.AUDIT_WATCH, text: "/a"}), inventory.AuditRule{Path: "/a", Never: true}, true},
		"only syscalls": {auditMessage(always, 1), inventory.AuditRule{Filtered: true}, false},
	} {
		got, watches, err := parseAuditRule(c.message)
		if d := cmp.Diff(c.want, got); d != "" || watches != c.watches || err != nil {
			t.Errorf("%s: watches %t, %v; -want +got:\n%s", name, watches, err, d)
		}
	}
}

func TestDamagedAuditRule(t *testing.T) {
	whole := auditMessage(2, 0xffffffff, auditTestField{field: unix.AUDIT_WATCH, text: "/etc/docker"})
	for _, n := range []int{0, 100, auditHead - 1, auditHead, len(whole) - 1} {
		if _, _, err := parseAuditRule(whole[:n]); err == nil {
			t.Errorf("%d of %d bytes are no error", n, len(whole))
		}
	}
}
