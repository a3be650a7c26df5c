package kernel

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"

	backend "dockwall/rules/backend/iptables"
)

// The legacy tables give no notice of changes. Their whole contents can be
// read by getsockopt(2), though, without a process (linux/netfilter_ipv4/
// ip_tables.h and its IPv6 twin; both families use the same numbers).
const (
	soGetInfo    = 64
	soGetEntries = 65
	tableNameLen = 32
	// infoSize is sizeof(struct ipt_getinfo): name, valid_hooks, hook_entry[5],
	// underflow[5], num_entries, size.
	infoSize = tableNameLen + 4*(1+5+5+1+1)
	// entriesHeader is the offset of entrytable in struct ipt_get_entries: name,
	// size, and padding to 8 bytes.
	entriesHeader = tableNameLen + 8
)

// layout is where a rule's counters and length are in struct ipt_entry or
// ip6t_entry.
type layout struct {
	family, level        int
	nextOffset, counters int
}

var (
	layout4 = layout{family: unix.AF_INET, level: unix.IPPROTO_IP, nextOffset: 90, counters: 96}
	layout6 = layout{family: unix.AF_INET6, level: unix.IPPROTO_IPV6, nextOffset: 142, counters: 152}
)

// legacyDigest sums up the own legacy tables of both families, counters aside.
// It is for telling whether something changed, nothing else.
func (k *programs) legacyDigest() (uint64, error) {
	h := fnv.New64a()
	for _, f := range []backend.Family{backend.V4, backend.V6} {
		there, err := k.legacyNames(f)
		if err != nil {
			return 0, err
		}
		l := layout4
		if f == backend.V6 {
			l = layout6
		}
		for _, t := range ownTables {
			// Asking for a table that is not there would make it.
			if !slices.Contains(there, t) {
				continue
			}
			b, err := l.entries(t)
			if err != nil {
				return 0, err
			}
			fmt.Fprintf(h, "%d %s %d\n", f, t, len(b))
			h.Write(b)
		}
	}
	return h.Sum64(), nil
}

// entries reads a table, its counters set to zero.
func (l layout) entries(table string) ([]byte, error) {
	fd, err := unix.Socket(l.family, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return nil, fmt.Errorf("reading the legacy table %s: %w", table, err)
	}
	defer unix.Close(fd)
	info := make([]byte, infoSize)
	copy(info, table)
	if err := getsockopt(fd, l.level, soGetInfo, info); err != nil {
		return nil, fmt.Errorf("reading the legacy table %s: %w", table, err)
	}
	size := binary.NativeEndian.Uint32(info[infoSize-4:])
	b := make([]byte, entriesHeader+int(size))
	copy(b, table)
	binary.NativeEndian.PutUint32(b[tableNameLen:], size)
	// EAGAIN: the table changed size in between; the next probe will tell.
	if err := getsockopt(fd, l.level, soGetEntries, b); err != nil {
		return nil, fmt.Errorf("reading the legacy table %s: %w", table, err)
	}
	l.clearCounters(b[entriesHeader:])
	return append(info, b[entriesHeader:]...), nil
}

// clearCounters walks the entries and zeroes what counts packets.
func (l layout) clearCounters(b []byte) {
	for at := 0; at+l.counters+16 <= len(b); {
		clear(b[at+l.counters : at+l.counters+16])
		next := int(binary.NativeEndian.Uint16(b[at+l.nextOffset:]))
		if next == 0 {
			return
		}
		at += next
	}
}

func getsockopt(fd, level, opt int, b []byte) error {
	size := uint32(len(b))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(fd), uintptr(level), uintptr(opt),
		uintptr(unsafe.Pointer(&b[0])), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return errno
	}
	return nil
}
