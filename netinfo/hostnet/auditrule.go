package hostnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/netinfo/inventory"
)

// auditFields is how many fields struct audit_rule_data has room for, and how many
// words its mask of system calls has.
const auditFields = 64

// auditHead is the size of struct audit_rule_data before its texts: flags, action,
// field_count, mask, fields, values, fieldflags, buflen.
const auditHead = 4 * (3 + 4*auditFields + 1)

// auditEqual is the operator of a field that has to be equal (AUDIT_EQUAL), auditOps
// all operators.
const (
	auditEqual = 0x40000000
	auditOps   = 0x78000000
)

// auditKey is the field that names a rule for its reader; it is no condition.
const auditKey = unix.AUDIT_FILTERKEY

// AuditRules lists the rules of the kernel's audit that watch a path or a program.
// It takes CAP_AUDIT_CONTROL in the first user and PID namespace.
func AuditRules() ([]inventory.AuditRule, error) {
	conn, err := netlink.Dial(unix.NETLINK_AUDIT, nil)
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for its audit rules: %w", err)
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(answerTimeout)); err != nil {
		return nil, err
	}
	if _, err := conn.Send(netlink.Message{Header: netlink.Header{Type: unix.AUDIT_LIST_RULES, Flags: netlink.Request}}); err != nil {
		return nil, fmt.Errorf("asking the kernel for its audit rules: %w", err)
	}
	// Each answer is marked as one of several, and Receive reads on until the last.
	messages, err := conn.Receive()
	if err != nil {
		return nil, fmt.Errorf("asking the kernel for its audit rules: %w", err)
	}
	var rules []inventory.AuditRule
	for _, m := range messages {
		if m.Header.Type != unix.AUDIT_LIST_RULES {
			continue
		}
		r, watches, err := parseAuditRule(m.Data)
		if err != nil {
			return nil, err
		}
		if watches {
			rules = append(rules, r)
		}
	}
	return rules, nil
}

// parseAuditRule reads a struct audit_rule_data; watches reports whether the rule
// names a path or a program.
func parseAuditRule(b []byte) (r inventory.AuditRule, watches bool, err error) {
	if len(b) < auditHead {
		return r, false, errors.New("the kernel's audit rule is too short")
	}
	word := func(i int) uint32 { return binary.NativeEndian.Uint32(b[4*i:]) }
	const mask, fields, values, flags = 3, 3 + auditFields, 3 + 2*auditFields, 3 + 3*auditFields
	// The lists of new tasks, of programs in user space and of message types watch no
	// file.
	if word(0)&7 != unix.AUDIT_FILTER_EXIT {
		return r, false, nil
	}
	r.Never = word(1) == unix.AUDIT_NEVER
	// The words below 11 hold the system calls of x86-64 and arm64.
	for i := range 11 {
		r.Filtered = r.Filtered || word(mask+i) != 0xffffffff
	}
	texts := b[auditHead:]
	for i := range min(int(word(2)), auditFields) {
		value, text := word(values+i), ""
		if auditText(word(fields + i)) {
			if uint64(value) > uint64(len(texts)) {
				return r, false, errors.New("the kernel's audit rule ends in the middle of a text")
			}
			text, texts = string(texts[:value]), texts[value:]
		}
		plain := auditField(&r, word(fields+i), value, text) && word(flags+i)&auditOps == auditEqual
		r.Filtered = r.Filtered || !plain
	}
	return r, r.Path != "" || r.Exe != "", nil
}

// auditField notes a field, and reports whether it is one that an AuditRule has.
func auditField(r *inventory.AuditRule, field, value uint32, text string) bool {
	switch field {
	case unix.AUDIT_WATCH:
		r.Path = text
	case unix.AUDIT_DIR:
		r.Path, r.Dir = text, true
	case unix.AUDIT_EXE:
		r.Exe = text
	case unix.AUDIT_PERM:
		// x, w, r and a are the bits 1, 2, 4 and 8.
		for i, c := range "xwra" {
			if value&(1<<i) != 0 {
				r.Perms += string(c)
			}
		}
	case auditKey, unix.AUDIT_ARCH:
	default:
		return false
	}
	return true
}

// auditText reports whether a field's value is the length of a text.
func auditText(field uint32) bool {
	// Labels of subjects (13 to 17) and objects (19 to 23) are texts too.
	return field >= 13 && field <= 17 || field >= 19 && field <= 23 ||
		field == unix.AUDIT_WATCH || field == unix.AUDIT_DIR || field == unix.AUDIT_EXE || field == auditKey
}
