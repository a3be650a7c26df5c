package kernel

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/expr"
	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"dockwall/rules"
)

// FrameTable is the nftables table, of family bridge, that rules.Frames becomes.
const FrameTable = "dockwall"

const (
	frameAnswer = 5 * time.Second
	// frameBuffer holds the transaction of some ten thousand containers.
	frameBuffer = 8 << 20
)

// Frames is the kernel's side of rules.Frames. The table has no owner: it
// outlives the agent, and other programs may change it, which Put finds if asked
// to look.
//
// Put, Loosen and Remove are for one goroutine; InForce may be called from any.
type Frames struct {
	kernel *Kernel
	// is was written last, and chains is how the kernel lists it. Both are nil if the
	// kernel may hold anything.
	is     *rules.Frames
	chains map[string]string
	// socket is that of the last transaction.
	socket  int
	inForce atomic.Bool
}

// Frames returns the bridges' side of the kernel's namespace.
func (k *Kernel) Frames() *Frames { return &Frames{kernel: k} }

// InForce reports whether the last Put succeeded.
func (f *Frames) InForce() bool { return f.inForce.Load() }

// Put makes the table so, in one transaction: whole if the rules differ or, with
// look, the kernel does not hold what was written last; otherwise only the members
// of sets that differ. repaired reports whether another program had changed it.
// After an error the table is as it was.
func (f *Frames) Put(want rules.Frames, look bool) (repaired bool, err error) {
	if look && f.is != nil {
		holds, err := f.holds()
		if err != nil {
			f.inForce.Store(false)
			return false, fmt.Errorf("reading nftables table bridge %s: %w", FrameTable, noFrames(err))
		}
		if repaired = !holds; repaired {
			f.is = nil
		}
	}
	if f.is != nil && f.is.Equal(want) {
		return repaired, nil
	}
	if f.is != nil && f.is.SameRules(want) {
		if err = f.edit(want); err != nil {
			f.is = nil // another program deleted a member or the table: write it whole
		}
	}
	if f.is == nil || !f.is.SameRules(want) {
		err = f.write(want)
	}
	f.inForce.Store(err == nil)
	if err != nil {
		f.is = nil
		return repaired, fmt.Errorf("writing nftables table bridge %s: %w", FrameTable, noFrames(err))
	}
	f.is = &want
	return repaired, nil
}

// Loosen takes the places out of the table, and holds no port that is not known. A
// container that is restarted gets another port: with no agent to follow it, its own
// address would cut it off.
func (f *Frames) Loosen() error {
	if f.is == nil {
		return nil
	}
	want := *f.is
	want.Places, want.Seen, want.Hold, want.Guard.HoldUnknown = nil, nil, false, false
	_, err := f.Put(want, false)
	return err
}

// Remove takes the table away, and reports whether there was one.
func (f *Frames) Remove() (changed bool, err error) {
	f.is = nil
	f.inForce.Store(false)
	conn, err := f.dial()
	if err != nil {
		return false, err
	}
	table, err := conn.ListTableOfFamily(FrameTable, nftables.TableFamilyBridge)
	if errors.Is(err, unix.ENOENT) || errors.Is(noFrames(err), rules.ErrNoFrames) || err == nil && table == nil {
		return false, nil
	}
	if err == nil {
		conn.DelTable(table)
		err = f.flush(conn)
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return false, fmt.Errorf("removing nftables table bridge %s: %w", FrameTable, err)
	}
	return err == nil, nil
}

// dial returns a connection that opens a socket for each transaction.
func (f *Frames) dial() (*nftables.Conn, error) {
	return nftables.New(nftables.WithSockOptions(func(c *netlink.Conn) error {
		f.socket = int(c.PID())
		f.kernel.sockets.begun(f.socket, "nftables")
		f.kernel.sockets.gone(f.socket)
		return errors.Join(c.SetDeadline(time.Now().Add(frameAnswer)), c.SetWriteBuffer(frameBuffer), c.SetReadBuffer(frameBuffer))
	}))
}

// flush commits, and counts the transaction: the probes compare the generation.
func (f *Frames) flush(conn *nftables.Conn) error {
	err := conn.Flush()
	f.kernel.sockets.gone(f.socket)
	if err == nil {
		f.kernel.generation++
	}
	return err
}

// write replaces the table in one transaction: a frame meets the old or the new one.
func (f *Frames) write(want rules.Frames) error {
	conn, err := f.dial()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: FrameTable, Family: nftables.TableFamilyBridge}
	conn.AddTable(table) // or there may be nothing to delete
	conn.DelTable(table)
	conn.AddTable(table)
	w := frameWriter{conn: conn, table: table, sets: map[string]*nftables.Set{}, guard: want.Guard.On}
	for _, s := range frameSets(want) {
		if err := w.addSet(s); err != nil {
			return err
		}
	}
	if err := w.rules(want); err != nil {
		return err
	}
	if err := f.flush(conn); err != nil {
		return err
	}
	f.chains, err = frameChains(conn, table)
	return err
}

// edit moves the members that differ.
func (f *Frames) edit(want rules.Frames) error {
	conn, err := f.dial()
	if err != nil {
		return err
	}
	table := &nftables.Table{Name: FrameTable, Family: nftables.TableFamilyBridge}
	old, now := frameSets(*f.is), frameSets(want)
	for i := range now {
		less, more := differing(old[i].members, now[i].members)
		set := &nftables.Set{Table: table, Name: now[i].name, KeyType: now[i].key}
		for part := range slices.Chunk(less, frameChunk) {
			if err := conn.SetDeleteElements(set, elements(part)); err != nil {
				return err
			}
		}
		for part := range slices.Chunk(more, frameChunk) {
			if err := conn.SetAddElements(set, elements(part)); err != nil {
				return err
			}
		}
	}
	return f.flush(conn)
}

// holds reports whether the kernel has the rules and members that were written.
func (f *Frames) holds() (bool, error) {
	conn, err := f.dial()
	if err != nil {
		return false, err
	}
	table := &nftables.Table{Name: FrameTable, Family: nftables.TableFamilyBridge}
	chains, err := frameChains(conn, table)
	if err != nil || !maps.Equal(chains, f.chains) {
		return false, err
	}
	for _, s := range frameSets(*f.is) {
		found, err := conn.GetSetElements(&nftables.Set{Table: table, Name: s.name})
		if errors.Is(err, os.ErrNotExist) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		members := make([]string, 0, len(found))
		for _, e := range found {
			members = append(members, elementKey(e))
		}
		slices.Sort(members)
		if !slices.Equal(members, s.members) {
			return false, nil
		}
	}
	return true, nil
}

// frameChains are the table's rules, and the policy of its chains, by chain, in
// a form that can be compared: without what the counters have counted.
func frameChains(conn *nftables.Conn, table *nftables.Table) (map[string]string, error) {
	chains, err := conn.ListChainsOfTableFamily(nftables.TableFamilyBridge)
	if err != nil {
		return nil, err
	}
	all := map[string]string{}
	for _, c := range chains {
		if c.Table.Name != FrameTable {
			continue
		}
		rs, err := conn.GetRules(table, c)
		if errors.Is(err, os.ErrNotExist) {
			continue // it was there a moment ago
		}
		if err != nil {
			return nil, err
		}
		text := ""
		if c.Policy != nil {
			text = fmt.Sprintln(*c.Policy)
		}
		for _, r := range rs {
			for _, e := range r.Exprs {
				switch e := e.(type) {
				case *expr.Counter:
				case *expr.Dynset: // what it adds is behind pointers
					text += fmt.Sprintf("dynset%v%v", e.SetName, e.SrcRegKey)
				default:
					text += fmt.Sprintf("%T%+v", e, e)
				}
			}
			text += fmt.Sprintln(" handle", r.Handle)
		}
		all[c.Name] = text
	}
	return all, nil
}

// noFrames reports whether the error means that the kernel lacks bridge tables.
func noFrames(err error) error {
	for _, e := range []error{unix.EOPNOTSUPP, unix.EAFNOSUPPORT, unix.EPROTONOSUPPORT, unix.EINVAL, unix.ENOENT} {
		if errors.Is(err, e) {
			return fmt.Errorf("%w: %w", rules.ErrNoFrames, err)
		}
	}
	return err
}
