package docker

import (
	"net/netip"
	"slices"
	"time"
)

// addrAsked is why a network is read for a caller of Addr.
const addrAsked = "a network was read for an address in use"

// Addr returns what the engine says of an address in use on a network. read reports whether
// a read of the network that began after since has been answered; if not, Addr has it
// read, and Run notifies when there is an answer. claimed reports whether the last
// answer gives the address to a container, or to an endpoint that is joining the
// network; an image build's is neither. Addr does not block.
func (s *Source) Addr(network string, a netip.Addr, since time.Time) (read, claimed bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, known := s.book.nets[network]
	if !known {
		return false, false
	}
	if read = n.readAt.After(since); !read && s.reader != nil && !n.asked.After(since) {
		n.asked = time.Now()
		s.reader.ask(key{network: true, id: network}, trigger{addrAsked, n.asked})
	}
	return read, slices.Contains(n.listed, a)
}
