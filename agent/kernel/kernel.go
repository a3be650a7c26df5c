package kernel

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/coreos/go-iptables/iptables"
	"github.com/hashicorp/go-hclog"

	"dockwall/netinfo/hostnet"
	"dockwall/rules"
	backend "dockwall/rules/backend/iptables"
)

// Kernel is the netfilter of the network namespace that the process runs in.
type Kernel struct {
	programs
	log hclog.Logger
	// policy is the nftables backend's table.
	policy *policyTable
	// writing is the name of the backend that was chosen last.
	writing string
	// leading are the chains that stand before dockwall's rules.
	leading leading
	// digest is legacyDigest as of just before the last Observe.
	digest uint64
	// generation is nftables' then, and after Run: that many transactions on.
	generation uint32
	// digests are those of the sets' members as they were last read.
	digests map[string]uint64
	// filled are the members that sets were filled with since they were last read:
	// most likely they are what a set holds, and a long list need not be sorted to
	// find that out.
	filled map[string][]rules.Member
	// probes counts the probes, unread the thorough ones since members were read.
	probes, unread int
}

// programs runs the programs of netfilter, and reads what they print. It remembers what it
// has started, and nothing of what the kernel holds.
type programs struct {
	timeout  time.Duration
	children children
	// sockets are the netlink sockets that transactions are sent by.
	sockets children
	// proc is where /proc is mounted; tests put a tree of their own there.
	proc string
	// versions are those of the programs that were asked.
	versions map[asked][3]int
	tools    tools
}

// New returns the kernel of this namespace.
func New(log hclog.Logger) *Kernel {
	k := &Kernel{log: log, digests: map[string]uint64{}, filled: map[string][]rules.Member{},
		programs: programs{timeout: commandTimeout, proc: "/proc", versions: map[asked][3]int{}}}
	k.policy = &policyTable{kernel: k}
	return k
}

// Hold has this process own the nftables backend's table from its next transaction on,
// where the kernel can do that (Linux 6.9): no other process can change it until this one
// ends, and it stays then.
func (k *Kernel) Hold() { k.policy.holding = true }

// Latch returns the latch beside the backend that is in use.
func (k *Kernel) Latch() *Latch { return &Latch{kernel: k} }

// Own reports whether the transaction is one of a command that was started here,
// and runs or ended a moment ago, of a socket that was used here just now, or of a
// thread of this process. A thread may have ended by the time of the question; a
// socket's number is known for longer.
func (k *programs) Own(g hostnet.Generation) bool {
	if k.children.has(g.PID) || k.sockets.has(g.Socket) {
		return true
	}
	_, err := os.Stat(filepath.Join(k.proc, "self/task", strconv.Itoa(g.PID)))
	return err == nil
}

// minVersion is the oldest iptables whose two variants are what they are
// taken for here (1.8.0 brought them).
var minVersion = [3]int{1, 8, 0}

// Detect says which variant is to be written to: the one that setting names,
// or with "auto" the one that holds Docker's own rules, or where Docker has
// none yet the one that Docker would use, which is what `iptables` is.
func (k *programs) Detect(ctx context.Context, setting string) (backend.Variant, error) {
	switch setting {
	case string(backend.NFT), string(backend.Legacy):
		v := backend.Variant(setting)
		return v, k.usable(v)
	case "", "auto":
		return k.detectAuto(ctx)
	}
	return "", fmt.Errorf("firewall.backend: unknown backend %q", setting)
}

func (k *programs) detectAuto(ctx context.Context) (backend.Variant, error) {
	var holders, usable []backend.Variant
	var errs []error
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		if err := k.usable(v); err != nil {
			errs = append(errs, err)
			continue
		}
		usable = append(usable, v)
		holds, err := k.holdsDocker(ctx, v)
		if err != nil {
			errs = append(errs, err)
		} else if holds {
			holders = append(holders, v)
		}
	}
	switch {
	case len(holders) == 1:
		return holders[0], nil
	case len(usable) == 1:
		return usable[0], nil
	case len(usable) == 0:
		return "", fmt.Errorf("no usable iptables: %w", errors.Join(errs...))
	}
	// Both or none hold Docker's rules: the alternative in force decides, since
	// dockerd will use that one when it starts next.
	return k.preferred(ctx), nil
}

// preferred is the variant behind the plain name iptables. Where that is a link to
// only one of the two, no question is needed.
func (k *programs) preferred(ctx context.Context) backend.Variant {
	plain := program("iptables")
	for _, v := range []backend.Variant{backend.NFT, backend.Legacy} {
		if plain != "" && plain == program(string(v)) {
			return v
		}
	}
	out, err := k.command(ctx, []string{"iptables", "--version"}, "")
	if err == nil && strings.Contains(out.stdout, "legacy") {
		return backend.Legacy
	}
	return backend.NFT
}

// program is the file behind a command's name, empty where there is none.
func program(name string) string {
	path, err := exec.LookPath(name)
	if err != nil {
		return ""
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return ""
	}
	return real
}

// usable reports whether the variant's commands of one family at least are there and
// recent enough.
func (k *programs) usable(v backend.Variant) error {
	err := k.usableIn(v, backend.V4)
	if err == nil {
		return nil
	}
	if other := k.usableIn(v, backend.V6); other != nil {
		return errors.Join(err, other)
	}
	return nil
}

// usableIn reports whether the variant's commands of the family are there and recent
// enough, and the kernel knows the family. A host that has the variant's own iptables and
// not its own iptables-restore is broken: the other variant is no way out, because Docker's
// rules are in this one. Plain names are the variant's only if all of them are.
func (k *programs) usableIn(v backend.Variant, f backend.Family) error {
	bin := familyCommand(v, f)
	path, err := k.installed(bin)
	if err == nil && k.tool(bin) != bin {
		_, save := k.installed(bin + "-save")
		_, restore := k.installed(bin + "-restore")
		err = errors.Join(save, restore)
	}
	if err != nil {
		return err
	}
	is, err := k.version(path)
	if err != nil {
		return fmt.Errorf("asking %s for its version: %w", bin, err)
	}
	if less(is, minVersion) {
		return fmt.Errorf("%s is version %d.%d.%d; %d.%d.%d or later is needed", bin, is[0], is[1], is[2], minVersion[0], minVersion[1], minVersion[2])
	}
	if v == backend.Legacy && !hasSocket(f) {
		return fmt.Errorf("this kernel runs without IPv%s, and %s does nothing then", f, bin)
	}
	return nil
}

// installed returns the path of the program to start for a command.
func (k *programs) installed(name string) (path string, err error) {
	if path, err = exec.LookPath(k.tool(name)); err != nil {
		return "", fmt.Errorf("%s is not installed (Debian's package is iptables): %w", name, err)
	}
	return path, nil
}

// version asks the program for its version. One that goes by several names, as
// those of a variant do, is asked once, until it is replaced.
func (k *programs) version(path string) ([3]int, error) {
	key, err := askedNow(path)
	if err != nil {
		return [3]int{}, err
	}
	if v, known := k.versions[key]; known {
		return v, nil
	}
	ipt, err := iptables.New(iptables.Path(path))
	if err != nil {
		return [3]int{}, err
	}
	a, b, c := ipt.GetIptablesVersion()
	k.versions[key] = [3]int{a, b, c}
	return k.versions[key], nil
}

// asked is a program as it was when it was asked.
type asked struct {
	path  string
	mtime time.Time
	size  int64
}

func askedNow(path string) (asked, error) {
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return asked{}, err
	}
	st, err := os.Stat(real)
	if err != nil {
		return asked{}, err
	}
	return asked{real, st.ModTime(), st.Size()}, nil
}

func less(a, b [3]int) bool {
	for i := range a {
		if a[i] != b[i] {
			return a[i] < b[i]
		}
	}
	return false
}

// dockerChains are chains that only dockerd makes. DOCKER-USER is not among
// them: dockwall makes it too.
var dockerChains = []string{"DOCKER", "DOCKER-FORWARD", "DOCKER-ISOLATION-STAGE-1"}

func (k *programs) holdsDocker(ctx context.Context, v backend.Variant) (bool, error) {
	var errs []error
	for _, f := range []backend.Family{backend.V4, backend.V6} {
		names, err := k.filterChains(ctx, v, f)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, d := range dockerChains {
			if slices.Contains(names, d) {
				return true, nil
			}
		}
	}
	if len(errs) < 2 {
		return false, nil // the other family has been read
	}
	return false, errors.Join(errs...)
}

// filterChains names the chains of the filter table. Only legacy tables that
// are there take a process to look at.
func (k *programs) filterChains(ctx context.Context, v backend.Variant, f backend.Family) ([]string, error) {
	if v == backend.NFT {
		return hostnet.NFTChains(int(f), "filter")
	}
	tables, err := k.beginTables(ctx, v, f)()
	var names []string
	for _, t := range tables {
		for _, c := range t.Chains {
			if t.Name == "filter" {
				names = append(names, c.Name)
			}
		}
	}
	return names, err
}
