package tls

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"dockwall/agent/cli/view"
	"dockwall/agent/config"
	"dockwall/agent/tls/probe"
	"dockwall/netinfo"
	"dockwall/rules/policy"
)

func (v *verbs) verifyCommand() *cobra.Command {
	var ca string
	cmd := &cobra.Command{
		Use:   "verify [ADDR[:PORT]...]",
		Short: "Prove that a port of Docker's API asks for a client's certificate",
		Long: `verify asks a port of Docker's API four things: without TLS; over TLS without a
certificate; over TLS with a certificate of an unknown CA; and for its own
certificate. An answer to one of the first three means that everybody is root there.
ADDR may be of another host; without it, the ports of this host on which dockerd
listens are asked. Each question leaves a line in dockerd's log.

Exit code: 0 every port is protected, 1 one is not or its certificate has a problem,
2 trouble.`,
		RunE: v.verb(func(ctx context.Context, args []string) (view.Result, error) { return v.verify(ctx, args, ca) }),
	}
	cmd.Flags().StringVar(&ca, "ca", "", "the CA that clients trust (default: ca.pem of --dir, if it is there)")
	return cmd
}

// verifyResult is what each port answered.
type verifyResult struct {
	view.Header
	Ports []probe.Verdict `json:"ports"`
}

func (v *verbs) verify(ctx context.Context, args []string, ca string) (view.Result, error) {
	roots, err := v.roots(ca)
	if err != nil {
		return nil, err
	}
	targets, err := v.targets(ctx, args)
	if err != nil {
		return nil, err
	}
	r := &verifyResult{Ports: []probe.Verdict{}}
	for _, t := range targets {
		t.Roots, t.Now = roots, v.Env.Now()
		r.Ports = append(r.Ports, probe.Run(ctx, t))
	}
	return r, nil
}

// roots are the authorities that clients trust; nil if none is known, and the chain
// is not checked.
func (v *verbs) roots(ca string) (*x509.CertPool, error) {
	path := ca
	if path == "" {
		path = v.folder.Root()
	}
	text, err := os.ReadFile(path)
	switch {
	case err != nil && ca == "" && (errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission)):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("reading the CA: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("reading the CA: %s holds no certificate in PEM", path)
	}
	return pool, nil
}

// targets are the ports that were named, or those of this host's dockerd.
func (v *verbs) targets(ctx context.Context, args []string) ([]probe.Target, error) {
	var all []probe.Target
	for _, arg := range args {
		host, port, err := net.SplitHostPort(arg)
		if err != nil {
			host, port = arg, apiTLSPort
			if a, err := netip.ParseAddr(arg); err == nil {
				host = a.String()
			}
		}
		if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
			return nil, fmt.Errorf("%q is no address and port", arg)
		}
		all = append(all, probe.Target{Addr: net.JoinHostPort(host, port), Names: []string{host}})
	}
	if len(args) > 0 {
		return all, nil
	}
	return v.ownTargets(ctx)
}

func (v *verbs) ownTargets(ctx context.Context) ([]probe.Target, error) {
	settings, api := config.DefaultSettings(v.Config), (*policy.DockerAPI)(nil)
	if doc, _ := config.Load(v.Config); doc != nil {
		settings, api = doc.Settings, doc.Policy.DockerAPI
	}
	snap, _, err := v.Snapshot(ctx, settings, "")
	if err != nil {
		return nil, err
	}
	var all []probe.Target
	for _, l := range snap.Listeners {
		if l.Dockerd && l.Proto == netinfo.TCP && !slices.ContainsFunc(all, func(t probe.Target) bool { return t.Addr == reached(l).String() }) {
			all = append(all, probe.Target{Addr: reached(l).String(), Names: dialledNames(l, snap, api)})
		}
	}
	return all, nil
}

// reached is where this host reaches a listener.
func reached(l netinfo.Listener) netip.AddrPort {
	a := l.Addr
	switch {
	case a.IsUnspecified() && a.Is4():
		a = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	case a.IsUnspecified():
		a = netip.IPv6Loopback()
	}
	return netip.AddrPortFrom(a, l.Port)
}

// dialledNames are the addresses by which clients reach a listener.
func dialledNames(l netinfo.Listener, s netinfo.Snapshot, api *policy.DockerAPI) []string {
	var names []string
	for _, a := range policy.APIAddrs(api, s, l.Addr) {
		names = append(names, a.String())
	}
	return names
}

func (r *verifyResult) Code() int {
	for _, v := range r.Ports {
		if v.State != probe.Protected || len(v.Problems) > 0 {
			return view.Differs
		}
	}
	return view.Same
}

func (r *verifyResult) Text(p *view.Printer) {
	if len(r.Ports) == 0 {
		p.Printf("dockerd listens on no TCP port of this host: its API cannot be reached from others.\n")
	}
	for _, v := range r.Ports {
		switch v.State {
		case probe.Protected:
			p.Printf("%s %s: only clients with a certificate are answered\n", v.Addr, p.Green("protected"))
		case probe.Open:
			p.Printf("%s %s: %s\n", v.Addr, p.Bold(p.Red("OPEN")), view.Printable(v.Reason))
		default:
			p.Printf("%s %s: %s\n", v.Addr, p.Yellow("not proven"), view.Printable(v.Reason))
		}
		attempt(p, "without TLS", v.Plain)
		attempt(p, "TLS, no certificate", v.Anonymous)
		attempt(p, "TLS, unknown CA", v.Foreign)
		if c := v.Certificate; c != nil {
			p.Printf("  %-20s %s, until %s\n", "its certificate", view.Printable(c.Key), c.NotAfter.Format("2006-01-02"))
		}
		for _, problem := range v.Problems {
			p.Printf("  %s %s\n", p.Yellow("Warning:"), view.Printable(problem.Text))
		}
	}
}

func attempt(p *view.Printer, name string, a probe.Attempt) {
	p.Printf("  %-20s %s: %s\n", name, a.Outcome, view.Printable(a.Detail))
}
