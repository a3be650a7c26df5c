package hostnet

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"dockwall/netinfo"
)

// procListeners reads dir/tcp, tcp6, udp or udp6. A family that the kernel
// does not have has no file, and no sockets.
func procListeners(dir string, family uint8, proto netinfo.Protocol) ([]Socket, error) {
	if proto != netinfo.TCP && proto != netinfo.UDP {
		return nil, nil
	}
	name := proto.String()
	if family == unix.AF_INET6 {
		name += "6"
	}
	b, err := os.ReadFile(filepath.Join(dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var sockets []Socket
	for i, line := range strings.Split(string(b), "\n") {
		if i == 0 || line == "" {
			continue
		}
		s, listens, err := parseProcSocket(line, proto)
		if err != nil {
			return nil, fmt.Errorf("%s line %d: %w", name, i+1, err)
		}
		if listens {
			sockets = append(sockets, s)
		}
	}
	return sockets, nil
}

// parseProcSocket reads one line: sl local remote state tx:rx timer retransmits
// uid timeout inode …
func parseProcSocket(line string, proto netinfo.Protocol) (s Socket, listens bool, err error) {
	f := strings.Fields(line)
	if len(f) < 10 {
		return Socket{}, false, fmt.Errorf("%d fields, want 10", len(f))
	}
	state, err := strconv.ParseUint(f[3], 16, 8)
	if err != nil || int(state) != listenState(proto) {
		return Socket{}, false, err
	}
	local, err := parseProcAddr(f[1])
	if err != nil {
		return Socket{}, false, err
	}
	uid, err := strconv.ParseUint(f[7], 10, 32)
	if err != nil {
		return Socket{}, false, err
	}
	inode, err := strconv.ParseUint(f[9], 10, 64)
	return Socket{Addr: local.Addr(), Proto: proto, Port: local.Port(), UID: uint32(uid), Inode: inode}, true, err
}

// parseProcAddr reads 0100007F:1F90: the address in words of the host's byte
// order, the port as a number.
func parseProcAddr(s string) (netip.AddrPort, error) {
	host, port, ok := strings.Cut(s, ":")
	b, err := hex.DecodeString(host)
	if !ok || err != nil || len(b)%4 != 0 {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	for i := 0; i < len(b); i += 4 {
		binary.NativeEndian.PutUint32(b[i:], binary.BigEndian.Uint32(b[i:]))
	}
	addr, ok := netip.AddrFromSlice(b)
	if !ok {
		return netip.AddrPort{}, fmt.Errorf("address %q", s)
	}
	p, err := strconv.ParseUint(port, 16, 16)
	return netip.AddrPortFrom(addr.Unmap(), uint16(p)), err
}
